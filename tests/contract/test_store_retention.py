"""What is old goes, with a proof in the audit; what must stay stays. On both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from store_samples import READ, START_US, a_commit, a_decision, a_passage, observations
from twin.events import DecisionKind, DecisionState
from twin.store import archive, audit, decisions, history, retention
from twin.store.commit import assign, write_commit
from twin.store.database import Database
from twin.store.days import make_ahead
from twin.store.history import Kind
from twin.store.records import Commit
from twin.store.retention import DAY_S, Forgotten, Keep

DAY = date(2026, 6, 16)
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
PARTS = "SELECT relid::text FROM pg_partition_tree('observation') WHERE isleaf ORDER BY 1"


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Give a database with all tables on each engine."""
    opened = await Database.open(request.getfixturevalue(f"{request.param}_ready_url"))
    yield opened
    await opened.close()


async def three_days(database: Database) -> None:
    """Write a reading an hour for three days, from the first midnight on."""
    _, epochs = await assign(database, [READ], "worker")
    written = observations(72, step_us=HOUR_US)
    await write_commit(database, Commit(epochs, {READ: 72}, observations=written))


async def rows_by_day(database: Database) -> list[int]:
    digests = [
        await history.digest_day(database, Kind.OBSERVATION, date(2026, 6, day))
        for day in (16, 17, 18)
    ]
    return [digest.rows for digest in digests]


async def test_readings_go_by_whole_days_with_a_proof(database: Database) -> None:
    """The audit says what went and what is left; the chain holds."""
    await three_days(database)
    keep = Keep(observation_s=7 * DAY_S)
    now_us = START_US + 9 * DAY_US
    assert await retention.forget_old(database, keep, now_us=now_us - 1) == Forgotten(
        observations=24
    )
    assert await rows_by_day(database) == [0, 24, 24]
    assert await retention.forget_old(database, keep, now_us=now_us - 1) == Forgotten()
    assert await retention.forget_old(database, keep, now_us=now_us) == Forgotten(observations=24)
    first, _ = await audit.list_entries(database)
    assert (first.person, first.act, first.target) == ("retention", audit.CUT_ACT, "observation")
    assert first.detail == {
        "before": "2026-06-17T00:00:00Z",
        "day": "2026-06-16",
        "removed": 24,
        "remaining": 48,
        "oldest": "2026-06-17T00:00:00Z",
    }
    assert await audit.first_broken(database) is None


@pytest.mark.postgis
async def test_a_day_is_dropped_as_one_part(postgis_database: Database) -> None:
    """And one that comes back late finds a part again."""
    await three_days(postgis_database)
    keep = Keep(observation_s=7 * DAY_S)
    await retention.forget_old(postgis_database, keep, now_us=START_US + 8 * DAY_US)
    async with postgis_database.read() as connection:
        parts = list((await connection.execute(text(PARTS))).scalars())
    assert parts == ["observation_20260617", "observation_20260618"]
    _, epochs = await assign(postgis_database, [READ], "worker")
    late = observations(1, step_us=HOUR_US, late_row=0)
    await write_commit(postgis_database, Commit(epochs, {READ: 73}, observations=late))
    assert await rows_by_day(postgis_database) == [1, 24, 24]


@pytest.mark.postgis
async def test_parts_are_made_ahead(postgis_database: Database) -> None:
    """Midnight finds its part; a second time changes nothing."""
    for _ in range(2):
        async with postgis_database.write() as connection:
            await make_ahead(connection, START_US + HOUR_US, set())
    async with postgis_database.read() as connection:
        parts = list((await connection.execute(text(PARTS))).scalars())
    assert parts == [f"observation_202606{day}" for day in (16, 17, 18, 19)]


async def test_what_was_not_exported_stays(database: Database, tmp_path: Path) -> None:
    """A day goes only as it was exported: a reading that came late since holds it."""
    await three_days(database)
    keep = Keep(observation_s=7 * DAY_S, exported_only=True)
    now_us = START_US + 9 * DAY_US
    gone = await retention.forget_old(database, keep, now_us=now_us)
    assert gone == Forgotten(withheld=2)
    for day in (DAY, date(2026, 6, 17)):
        await archive.export_day(
            database, tmp_path, day, now_us=now_us, lateness_s=600, person="test"
        )
    _, epochs = await assign(database, [READ], "worker")
    late = observations(1, first=1, step_us=HOUR_US // 2, late_row=0)
    await write_commit(database, Commit(epochs, {READ: 73}, observations=late))
    gone = await retention.forget_old(database, keep, now_us=now_us)
    assert gone == Forgotten(observations=24, withheld=1)
    assert await rows_by_day(database) == [25, 0, 24]
    await archive.export_day(database, tmp_path, DAY, now_us=now_us, lateness_s=600, person="test")
    gone = await retention.forget_old(database, keep, now_us=now_us)
    assert gone == Forgotten(observations=25)


async def test_decisions_that_are_not_over_stay(database: Database) -> None:
    """A day with an open decision waits; access decisions leave a count, small ones untold."""
    _, epochs = await assign(database, [READ], "worker")
    passed = [
        a_decision(f"p{n}", kind=DecisionKind.ACCESS, state=DecisionState.REJECTED)
        for n in range(5)
    ]
    await write_commit(database, a_commit(epochs, end=5))
    await write_commit(database, Commit(epochs, {READ: 6}, decisions=passed))
    keep = Keep(minute_s=None, decision_s=7 * DAY_S, dead_letter_s=99 * DAY_S)
    now_us = START_US + 8 * DAY_US
    await write_commit(
        database, Commit(epochs, {READ: 7}, decisions=[a_decision(version=2, later_s=DAY_S)])
    )
    gone = await retention.forget_old(database, keep, now_us=now_us)
    # its newest version is younger
    assert gone == Forgotten(passages=1, withheld=1, access_decisions=5)
    gone = await retention.forget_old(database, keep, now_us=now_us + DAY_US)
    assert gone == Forgotten(decisions=2)
    assert await decisions.list_decisions(database) == ()


async def test_what_is_known_of_a_vehicle_goes_whatever_is_set(
    database: Database, tmp_path: Path
) -> None:
    """Other decisions may stay for ever; a later export still has the counts."""
    _, epochs = await assign(database, [READ], "worker")
    passed = [a_decision(f"p{n}", kind=DecisionKind.ACCESS) for n in range(5)]
    passed += [a_decision("q", kind=DecisionKind.ACCESS, later_s=DAY_S)]
    signal = a_decision("s")
    await write_commit(database, Commit(epochs, {READ: 6}, decisions=[*passed, signal]))
    end_us = START_US // DAY_US * DAY_US + DAY_US
    keep = Keep(minute_s=None)
    gone = await retention.forget_old(database, keep, now_us=end_us + 2 * DAY_US - 1)
    assert gone == Forgotten()
    gone = await retention.forget_old(database, keep, now_us=end_us + 2 * DAY_US)
    assert gone == Forgotten(access_decisions=5)
    left = {one.id for one in await decisions.list_decisions(database)}
    assert left == {"q", "s"}
    entries = await audit.list_entries(database)
    told = [{"gate": "j1", "state": "proposed", "count": 5}]
    assert (entries[0].target, entries[0].detail["access"]) == ("decision.access", told)
    exported = await archive.export_day(
        database, tmp_path, DAY, now_us=end_us + 3 * DAY_US, lateness_s=600, person="test"
    )
    assert exported.access == told
    assert await audit.first_broken(database) is None


async def test_the_audit_can_lose_its_beginning_only(database: Database) -> None:
    """What retention cut is told by the chain itself; any other gap shows."""
    for number in range(6):
        await audit.record(
            database, time_us=START_US + number, person="ada", act="key.add", target=str(number)
        )
    keep = Keep(audit_s=365 * DAY_S)
    now_us = START_US + 365 * DAY_US + 4
    assert await retention.forget_old(database, keep, now_us=now_us) == Forgotten(audit=4)
    assert await audit.first_broken(database) is None
    assert [entry.number for entry in await audit.list_entries(database)] == [5, 6, 7]
    assert await retention.forget_old(database, keep, now_us=now_us + 2 * DAY_US) == Forgotten(
        audit=2
    )
    assert await audit.first_broken(database) is None
    async with database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM audit WHERE number = 7")
    assert await audit.first_broken(database) == 1


async def test_a_whole_chain_that_is_old_keeps_its_last_row(database: Database) -> None:
    await audit.record(database, time_us=START_US, person="ada", act="key.add", target="k")
    keep = Keep(audit_s=365 * DAY_S)
    now_us = START_US + 1000 * DAY_US
    assert await retention.forget_old(database, keep, now_us=now_us) == Forgotten()
    assert await audit.first_broken(database) is None


async def test_the_law_is_in_the_code(database: Database) -> None:
    """Nobody can set passages to be kept longer than a day, or the audit shorter than a year."""
    with pytest.raises(ValueError, match="access decisions may be kept 172800 s"):
        Keep(access_s=3 * DAY_S)
    with pytest.raises(ValueError, match="passages may be kept 86400 s"):
        Keep(passage_s=DAY_S + 1)
    with pytest.raises(ValueError, match="the audit is kept"):
        Keep(audit_s=DAY_S)
    _, epochs = await assign(database, [READ], "worker")
    await write_commit(database, Commit(epochs, passages=[a_passage()]))
    now_us = START_US + DAY_US + 1
    assert await retention.forget_old(database, Keep(), now_us=now_us) == Forgotten(passages=1)
    (entry,) = await audit.list_entries(database)
    assert entry.detail["remaining"] == 0
    assert entry.detail["oldest"] is None
