"""What the store promises, checked on both engines: an SQLite file and a real PostGIS."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta

import numpy as np
import pytest

from store_samples import (
    ACT,
    IDS,
    NETWORK,
    READ,
    START_US,
    a_commit,
    a_decision,
    a_letter,
    a_passage,
    a_right,
    everything,
    observations,
    readings,
)
from twin.clock import datetime_from_us
from twin.columns import ReadingBatch
from twin.errors import FencedError, MapError
from twin.events import DecisionKind, DecisionState
from twin.store import (
    accounting,
    audit,
    authorisations,
    deadletters,
    decisions,
    keys,
    minutes,
    outbox,
    passages,
    people,
    replays,
    retention,
    snapshots,
)
from twin.store import maps as stored_maps
from twin.store import observations as history
from twin.store.commit import assign, stored_positions, write_commit
from twin.store.database import Database
from twin.store.deadletters import LetterState
from twin.store.records import Commit, MinutePicture, Outgoing, Snapshot, Tally
from twin.store.replays import ReplayRun

HOUR_US = 3_600_000_000


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Give a database with all tables on each engine."""
    opened = await Database.open(request.getfixturevalue(f"{request.param}_ready_url"))
    yield opened
    await opened.close()


async def test_a_commit_writes_all_its_parts(database: Database) -> None:
    """Everything in one commit can be read again, each where it belongs."""
    _, epochs = await assign(database, [READ, ACT], "worker-1")
    commit = a_commit(epochs, end=10)
    assert await write_commit(database, commit) is True
    known, content = await history.known_keys(database, IDS, readings(3))
    assert known.all()
    assert content.tolist() == [0, 1, 2]
    assert [event.id for event in await decisions.open_decisions(database)] == ["d1"]
    assert await authorisations.all_current(database) == tuple(commit.authorisations)
    assert await passages.passages_between(database, 0, 2 * START_US) == list(commit.passages)
    letter = await deadletters.get_letter(database, "l1")
    assert letter is not None
    assert letter.letter == commit.dead_letters[0]
    assert await accounting.totals(database) == tuple(commit.tallies)
    assert [entry.outgoing for entry in await outbox.pending(database)] == list(commit.outgoing)
    assert await minutes.minutes(database, 0, 2 * START_US) == (commit.minute,)
    assert await keys.known_events(database, "act", ["k1", "k2"]) == {"k1": -5}
    assert await keys.stored_watermarks(database) == {READ: START_US}
    newest = await snapshots.newest(database, "v1")
    assert newest is not None
    assert newest.snapshot == commit.snapshot
    assert newest.positions == {READ: 10, ACT: 0}
    assert await stored_positions(database) == {READ: 10, ACT: 0}


async def test_a_repeated_commit_changes_nothing(database: Database) -> None:
    """The same commit again is recognised by its positions: no count grows, no row comes."""
    _, epochs = await assign(database, [READ], "worker-1")
    commit = a_commit(epochs, end=10)
    assert await write_commit(database, commit) is True
    before = await everything(database)
    assert await write_commit(database, commit) is False
    assert await everything(database) == before


async def test_a_repeated_tick_changes_nothing(database: Database) -> None:
    """A commit without positions is written again, and its natural keys make that harmless."""
    _, epochs = await assign(database, [READ], "worker-1")
    await write_commit(database, a_commit(epochs, end=10))
    tick = dataclasses.replace(
        a_commit(epochs, end=0, decision=a_decision(version=2)), positions={}, tallies=()
    )
    assert await write_commit(database, tick) is True
    before = await everything(database)
    assert await write_commit(database, tick) is True
    assert await everything(database) == before


async def test_an_old_epoch_writes_nothing(database: Database) -> None:
    """Once another worker has taken over, the first one's commit raises and leaves no trace."""
    _, mine = await assign(database, [READ, ACT], "worker-1")
    await write_commit(database, a_commit(mine, end=10))
    positions, theirs = await assign(database, [READ], "worker-2")
    assert positions == {READ: 10}
    assert theirs[READ] == mine[READ] + 1
    before = await everything(database)
    with pytest.raises(FencedError, match="worker-2 with epoch 2; this worker has epoch 1"):
        await write_commit(database, a_commit(mine, end=20, first=10))
    tick = Commit(epochs=mine, outgoing=[Outgoing(READ, b"late", 1)])
    with pytest.raises(FencedError):
        await write_commit(database, tick)
    assert await everything(database) == before
    assert await write_commit(database, a_commit({READ: theirs[READ]}, end=20, first=10)) is True


async def test_a_place_never_assigned_is_fenced(database: Database) -> None:
    """Nobody holds it, so nobody writes for it."""
    with pytest.raises(FencedError, match="readings/0 is held by nobody"):
        await write_commit(database, Commit(epochs={READ: 1}, positions={READ: 5}))


async def test_positions_never_go_back(database: Database) -> None:
    """A commit that lies behind in one place and ahead in another is refused whole."""
    _, epochs = await assign(database, [READ, ACT], "worker-1")
    await write_commit(database, Commit(epochs=epochs, positions={READ: 10, ACT: 5}))
    with pytest.raises(FencedError, match="readings/0 stands 2 records further on"):
        await write_commit(database, Commit(epochs=epochs, positions={READ: 8, ACT: 6}))
    assert await stored_positions(database) == {READ: 10, ACT: 5}
    again = Commit(epochs=epochs, positions={READ: 10, ACT: 6})
    assert await write_commit(database, again) is True


async def test_malformed_commits_are_refused(database: Database) -> None:
    """Counts need positions, positions need epochs, readings need event ids."""
    with pytest.raises(ValueError, match="counts must come with the positions"):
        await write_commit(database, Commit(epochs={READ: 1}, tallies=[Tally("a", "reading", 1)]))
    with pytest.raises(ValueError, match="positions without an epoch: readings/0"):
        await write_commit(database, Commit(epochs={}, positions={READ: 1}))
    short = dataclasses.replace(observations(2), event_ids=["only one"])
    with pytest.raises(ValueError, match="1 event ids for 2 readings"):
        await write_commit(database, Commit(epochs={}, observations=short))


async def test_a_known_reading_stays_as_it_was(database: Database) -> None:
    """The first reading under a key is history; a second one does not replace it."""
    _, epochs = await assign(database, [READ], "worker-1")
    await write_commit(
        database, Commit(epochs=epochs, positions={READ: 3}, observations=observations(3))
    )
    other = observations(4)
    other = dataclasses.replace(other, content=other.content + 100)
    await write_commit(database, Commit(epochs=epochs, positions={READ: 7}, observations=other))
    known, content = await history.known_keys(database, IDS, readings(5))
    assert known.tolist() == [True, True, True, True, False]
    assert content.tolist() == [0, 1, 2, 103, 0]


async def test_known_keys_needs_all_three_parts(database: Database) -> None:
    """Another sensor, time or period is another reading; an empty batch asks nothing."""
    _, epochs = await assign(database, [READ], "worker-1")
    one = readings(1)
    await write_commit(
        database, Commit(epochs=epochs, positions={READ: 1}, observations=observations(1))
    )
    others = ReadingBatch.concatenate(
        [
            one,
            dataclasses.replace(one, sensor=one.sensor + 1),
            dataclasses.replace(one, time_us=one.time_us + 1),
            dataclasses.replace(one, period_ms=one.period_ms + 1),
        ]
    )
    known, _ = await history.known_keys(database, IDS, others)
    assert known.tolist() == [True, False, False, False]
    known, content = await history.known_keys(database, IDS, ReadingBatch.empty())
    assert len(known) == len(content) == 0


async def test_readings_over_several_days_come_back_as_measured(database: Database) -> None:
    """Days are parts on PostgreSQL; nothing of that shows, and NaN stays NaN."""
    _, epochs = await assign(database, [READ], "worker-1")
    step = 7 * HOUR_US
    written = observations(12, step_us=step, late_row=5)
    commit = Commit(epochs=epochs, positions={READ: 12}, observations=written)
    await write_commit(database, commit)
    last = START_US + 11 * step
    found = await history.readings_between(database, NETWORK, START_US - 1, last)
    assert found.time_us.tolist() == written.readings.time_us.tolist()
    np.testing.assert_array_equal(found.speed_mps, written.readings.speed_mps)
    np.testing.assert_array_equal(found.count, written.readings.count)
    assert np.isnan(found.occupancy_frac).all()
    after = await history.readings_after_snapshot(database, NETWORK, 0)
    assert len(after) == 11
    assert int(written.readings.time_us[5]) not in after.time_us.tolist()
    newest = await history.newest_by_sensor(database, [*IDS, "unknown"])
    assert newest[0] == START_US + 9 * step
    assert newest[-1] == -1


async def test_measured_at_is_the_newest_reading_before(database: Database) -> None:
    """At a moment, each sensor shows its last reading up to then, or nothing."""
    _, epochs = await assign(database, [READ], "worker-1")
    step = HOUR_US
    commit = Commit(epochs=epochs, positions={READ: 9}, observations=observations(9, step_us=step))
    await write_commit(database, commit)
    found = await history.measured_at(database, NETWORK, START_US + 4 * step)
    assert found.time_us.tolist() == [START_US + 3 * step, START_US + 4 * step, START_US + 2 * step]
    assert found.speed_mps.tolist() == [13.0, 14.0, 12.0]
    recent = await history.measured_at(database, NETWORK, START_US + 4 * step, within_us=step)
    assert recent.time_us.tolist() == [START_US + 3 * step, START_US + 4 * step, -1]
    assert np.isnan(recent.speed_mps[2])


async def test_readings_after_a_snapshot_are_the_later_commits(database: Database) -> None:
    """What a restart has to apply again begins right after the commit with the snapshot."""
    _, epochs = await assign(database, [READ], "worker-1")
    for number in range(5):
        await write_commit(
            database,
            Commit(
                epochs=epochs,
                positions={READ: number + 1},
                observations=observations(2, first=2 * number),
                snapshot=Snapshot("v1", number, f"hash{number}", b"state") if number < 4 else None,
            ),
        )
    newest = await snapshots.newest(database, "v1")
    assert newest is not None
    assert newest.snapshot.state_hash == "hash3"
    assert newest.positions == {READ: 4}
    after = await history.readings_after_snapshot(database, NETWORK, newest.batch)
    assert after.time_us.tolist() == readings(2, first=8).time_us.tolist()
    assert await snapshots.newest(database, "another map") is None


async def test_only_the_newest_snapshots_are_kept(database: Database) -> None:
    """Three a map version; another version's stay."""
    _, epochs = await assign(database, [READ], "worker-1")
    for number in range(6):
        version = "other" if number == 0 else "v1"
        entry = Snapshot(version, number, "hash", b"state")
        await write_commit(database, Commit(epochs=epochs, snapshot=entry))
    async with database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT map_version, time_us FROM snapshot")
        assert sorted(map(tuple, rows)) == [("other", 0), ("v1", 3), ("v1", 4), ("v1", 5)]


async def test_counts_add_up_per_source(database: Database) -> None:
    """Tallies of several commits are summed for each source and topic, reasons too."""
    _, epochs = await assign(database, [READ], "worker-1")
    first = Tally("city", "reading", 5, 2, 1, 1, 1, 1, {"future": 1})
    second = Tally("city", "reading", 4, 1, 0, 0, 0, 3, {"future": 1, "unknown_sensor": 2})
    other = Tally("bus", "reading", 1, 1)
    await write_commit(database, Commit(epochs=epochs, positions={READ: 6}, tallies=[first, other]))
    await write_commit(database, Commit(epochs=epochs, positions={READ: 10}, tallies=[second]))
    both = Tally("city", "reading", 9, 3, 1, 1, 1, 4, {"future": 2, "unknown_sensor": 2})
    assert await accounting.totals(database) == (other, both)
    assert accounting.balanced(both)
    assert not accounting.balanced(both._replace(late=0))


async def test_the_newest_version_of_a_decision_counts(database: Database) -> None:
    """Lists show the newest version only, in whatever order versions come; history shows all."""
    _, epochs = await assign(database, [READ], "worker-1")
    first = a_decision(version=1)
    approved = a_decision(version=2, state=DecisionState.APPROVED)
    done = a_decision(version=3, state=DecisionState.REJECTED)
    gate = a_decision("g1", kind=DecisionKind.ACCESS, state=DecisionState.ISSUED, later_s=5)
    await write_commit(database, Commit(epochs=epochs, decisions=[first, approved, gate]))
    assert await decisions.open_decisions(database) == (approved, gate)
    await write_commit(database, Commit(epochs=epochs, decisions=[done]))
    await write_commit(database, Commit(epochs=epochs, decisions=[approved]))
    assert await decisions.open_decisions(database) == (gate,)
    assert await decisions.history(database, "d1") == (first, approved, done)
    assert await decisions.list_decisions(database) == (gate, done)
    assert await decisions.list_decisions(database, state="open") == (gate,)
    assert await decisions.list_decisions(database, state="rejected") == (done,)
    kind = DecisionKind.SIGNAL_CONTROL
    assert await decisions.list_decisions(database, kind=kind) == (done,)
    assert await decisions.list_decisions(database, limit=1) == (gate,)


async def test_decisions_past_their_time_are_not_open(database: Database) -> None:
    """With a moment given, those whose lease and expiry have both passed are left out."""
    _, epochs = await assign(database, [READ], "worker-1")
    event = a_decision()
    await write_commit(database, Commit(epochs=epochs, decisions=[event]))
    until_us = START_US + 60_000_000
    assert await decisions.open_decisions(database, until_us - 1) == (event,)
    assert await decisions.open_decisions(database, until_us) == ()


async def test_the_newest_version_of_a_right_counts(database: Database) -> None:
    """A later version replaces an earlier one; the same event twice is one version."""
    _, epochs = await assign(database, [READ], "worker-1")
    first, revoked, other = a_right("e1"), a_right("e2", revoked=True), a_right("e3", name="r2")
    await write_commit(database, Commit(epochs=epochs, authorisations=[first, other]))
    await write_commit(database, Commit(epochs=epochs, authorisations=[revoked, first]))
    assert await authorisations.all_current(database) == (other, revoked)
    assert await authorisations.versions(database, "r1") == (first, revoked)


async def test_dead_letters_are_mended_replayed_and_expire(database: Database) -> None:
    """A letter's life: open, mended, replayed; its payload goes when its time is over."""
    _, epochs = await assign(database, [READ], "worker-1")
    letters = [a_letter("l1"), a_letter("l2", reason="future", arrival_us=START_US + 1)]
    await write_commit(database, Commit(epochs=epochs, dead_letters=letters))
    listed = await deadletters.list_letters(database)
    assert [entry.letter.id for entry in listed] == ["l2", "l1"]
    assert [
        entry.letter.id for entry in await deadletters.list_letters(database, reason="future")
    ] == ["l2"]
    assert await deadletters.mend(database, "l1", b"good", by="ada", now_us=5) is True
    assert await deadletters.mend(database, "nothing", b"good", by="ada", now_us=5) is False
    entry = await deadletters.get_letter(database, "l1")
    assert entry is not None
    assert (entry.state, entry.to_replay, entry.changed_by) == (LetterState.MENDED, b"good", "ada")
    assert await deadletters.mark_replayed(database, ["l1"], by="ada", now_us=6) == 1
    assert await deadletters.mark_replayed(database, ["l1"], by="ada", now_us=7) == 0
    async with database.write() as connection:
        assert await deadletters.expire(connection, START_US + 1, now_us=8) == 1
    entry = await deadletters.get_letter(database, "l1")
    assert entry is not None
    assert (entry.state, entry.to_replay) == (LetterState.EXPIRED, None)
    still = await deadletters.list_letters(database, state=LetterState.OPEN)
    assert [kept.letter.id for kept in still] == ["l2"]


async def test_the_outbox_keeps_its_order(database: Database) -> None:
    """Records come out as they went in, and are gone once done."""
    _, epochs = await assign(database, [READ], "worker-1")
    out = [Outgoing(ACT, b"%d" % number, number) for number in range(5)]
    await write_commit(database, Commit(epochs=epochs, outgoing=out))
    pending = await outbox.pending(database, limit=3)
    assert [entry.outgoing for entry in pending] == out[:3]
    assert await outbox.count_pending(database) == 5
    await outbox.done(database, [entry.key for entry in pending])
    assert [entry.outgoing for entry in await outbox.pending(database)] == out[3:]
    await outbox.done(database, [])


async def test_minutes_are_kept(database: Database) -> None:
    """Columns come back to the bit; a map version can be asked for alone."""
    _, epochs = await assign(database, [READ], "worker-1")
    column = np.array([1.5, np.nan], np.float32).tobytes()
    for number, version in ((1, "v1"), (2, "v1"), (2, "v2")):
        minute = MinutePicture(number, version, column, column, column, b"\1\0")
        await write_commit(database, Commit(epochs=epochs, minute=minute))
    found = await minutes.minutes(database, 1, 2, map_version="v1")
    assert [(minute.time_us, minute.speed_mps) for minute in found] == [(1, column), (2, column)]
    assert len(await minutes.minutes(database, 0, 9)) == 3


async def test_passages_are_kept_once(database: Database) -> None:
    """A passage stands under gate and id once."""
    _, epochs = await assign(database, [READ], "worker-1")
    early, late = a_passage("p1"), a_passage("p2", later_s=60)
    await write_commit(database, Commit(epochs=epochs, passages=[early, late]))
    await write_commit(database, Commit(epochs=epochs, passages=[early]))
    assert await passages.passages_between(database, 0, 2 * START_US) == [late, early]
    assert await passages.passages_between(database, 0, 2 * START_US, limit=1) == [late]


async def test_maps_are_kept_whole(database: Database) -> None:
    """A stored map is loaded equal, once a version, and its links are found by place."""
    assert NETWORK.link_rows  # a cached lookup, which must not be stored
    assert await stored_maps.save_map(database, NETWORK, now_us=7) is True
    assert await stored_maps.save_map(database, NETWORK, now_us=8) is False
    (listed,) = await stored_maps.list_versions(database)
    assert (listed.version, listed.stored_us, listed.counts["links"]) == (NETWORK.version, 7, 2)
    assert await stored_maps.load_map(database, NETWORK.version) == NETWORK
    around_first = (-0.5, -0.5, 0.5, 0.5)
    assert await stored_maps.links_within(database, NETWORK.version, around_first) == ["l1"]
    everywhere = (-10.0, -10.0, 10.0, 10.0)
    assert await stored_maps.links_within(database, NETWORK.version, everywhere) == ["l1", "l2"]
    with pytest.raises(MapError, match="no map version nothing"):
        await stored_maps.load_map(database, "nothing")


async def test_replays_remember_how_far_they_came(database: Database) -> None:
    """The newest round of a source is found, with what it has fed."""
    assert await replays.last_run(database, "week") is None
    run = ReplayRun("week", 1, {READ: 5}, fed=100)
    await replays.save_run(database, run)
    await replays.save_run(database, dataclasses.replace(run, fed=200, done=True))
    assert await replays.last_run(database, "week") == ReplayRun("week", 1, {READ: 5}, 200, True)  # noqa: FBT003
    await replays.save_run(database, ReplayRun("week", 2, {READ: 205}))
    assert await replays.last_run(database, "week") == ReplayRun("week", 2, {READ: 205})


async def test_api_keys_open_until_revoked_or_expired(database: Database) -> None:
    """The right secret opens; a wrong, expired or revoked one does not; none is stored in clear."""
    clear = await people.create_key(database, name="city", role="integrator", now_us=1)
    brief = await people.create_key(database, name="guest", role="viewer", now_us=2, expires_us=10)
    assert await people.find_key(database, clear, now_us=5) == people.Person("city", "integrator")
    for wrong in ("", "twk", "twk_x_y", clear[:-1], clear + "x", clear.replace("twk", "abc")):
        assert await people.find_key(database, wrong, now_us=5) is None
    assert await people.find_key(database, brief, now_us=9) is not None
    assert await people.find_key(database, brief, now_us=10) is None
    listed = await people.list_keys(database)
    assert [(entry.name, entry.expires_us) for entry in listed] == [("city", None), ("guest", 10)]
    assert await people.revoke_key(database, listed[0].id, now_us=6) is True
    assert await people.revoke_key(database, listed[0].id, now_us=7) is False
    assert await people.find_key(database, clear, now_us=8) is None
    async with database.read() as connection:
        stored = str((await connection.exec_driver_sql("SELECT * FROM api_key")).all())
    assert clear.split("_", 2)[2] not in stored


async def test_a_login_link_works_once(database: Database) -> None:
    """It opens one session in its time; the session ends by itself or by logging out."""
    code = await people.create_login_link(database, name="ada", role="operator", expires_us=100)
    opened = await people.use_login_link(database, code, now_us=50, session_until_us=500)
    assert opened is not None
    secret, person = opened
    assert person == people.Person("ada", "operator")
    assert await people.use_login_link(database, code, now_us=51, session_until_us=500) is None
    assert await people.find_session(database, secret, now_us=499) == person
    assert await people.find_session(database, secret, now_us=500) is None
    await people.end_session(database, secret)
    assert await people.find_session(database, secret, now_us=499) is None
    late = await people.create_login_link(database, name="ada", role="operator", expires_us=100)
    assert await people.use_login_link(database, late, now_us=100, session_until_us=500) is None
    await people.tidy(database, now_us=100)


async def test_the_audit_chain_shows_a_change(database: Database) -> None:
    """Rows are chained; a changed or removed row is found by its number."""
    assert await audit.head(database) == (0, audit.FIRST_HASH)
    for number in range(4):
        entry = await audit.record(
            database, time_us=number, person="ada", act="approve", target=f"d{number}",
            detail={"reason": "a gap in the queue"},
        )  # fmt: skip
        assert entry.number == number + 1
    assert await audit.first_broken(database) is None
    assert await audit.head(database) == (4, entry.row_hash)
    assert (await audit.list_entries(database, after=3)) == [entry]
    async with database.write() as connection:
        await connection.exec_driver_sql("UPDATE audit SET person = 'eve' WHERE number = 3")
    assert await audit.first_broken(database) == 3
    async with database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM audit WHERE number = 2")
    assert await audit.first_broken(database) == 2


async def test_a_reader_sees_one_state(database: Database) -> None:
    """What is committed while a block reads does not show in it, so totals belong together."""
    _, epochs = await assign(database, [READ], "worker-1")
    async with database.read() as connection:
        before = (await connection.exec_driver_sql("SELECT count(*) FROM tally")).scalar_one()
        await write_commit(database, a_commit(epochs, end=10))
        after = (await connection.exec_driver_sql("SELECT count(*) FROM tally")).scalar_one()
    assert (before, after) == (0, 0)
    assert len(await accounting.totals(database)) == 1


async def test_what_is_past_its_time_is_forgotten(database: Database) -> None:
    """One call removes old passages and minutes and empties old dead letters; young ones stay."""
    _, epochs = await assign(database, [READ], "worker-1")
    await write_commit(database, a_commit(epochs, end=10))
    keep = retention.Keep(passage_s=60.0, dead_letter_s=120.0, minute_s=180.0)
    now_us = START_US + 60_000_000
    gone = retention.Forgotten
    assert await retention.forget_old(database, keep, now_us=now_us) == gone()
    assert await retention.forget_old(database, keep, now_us=now_us + 1) == gone(passages=1)
    now_us = START_US + 86_400_000_000 + 179_999_999  # minutes go by whole days
    assert await retention.forget_old(database, keep, now_us=now_us) == gone(dead_letters=1)
    assert await retention.forget_old(database, keep, now_us=now_us + 1) == gone(minutes=1)
    assert await passages.passages_between(database, 0, 2 * START_US) == []
    letter = await deadletters.get_letter(database, "l1")
    assert letter is not None
    assert letter.to_replay is None


async def test_what_reads_write_is_dropped(database: Database) -> None:
    """A block opened for reading leaves nothing behind."""
    async with database.read() as connection:
        await connection.exec_driver_sql("DELETE FROM batch")
        await connection.exec_driver_sql("INSERT INTO tally_reason VALUES ('a', 'b', 'c', 1)")
    async with database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT count(*) FROM tally_reason")
        assert rows.scalar_one() == 0


def test_samples_span_their_lease() -> None:
    """The decision used above ends its lease when the test of leases says it does."""
    assert a_decision().lease_until == datetime_from_us(START_US) + timedelta(seconds=60)
