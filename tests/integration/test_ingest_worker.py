"""The worker on the embedded log and SQLite: verdicts, accounting, restarts, servers away."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from ingest_city import START_US, incident, passage, reading, small_city
from ingest_house import KEYS, House, fresh_live
from twin.clock import datetime_from_us
from twin.errors import BackendError, FencedError, StoreError, UnsafePlan
from twin.events import DecisionEvent, DecisionKind, DecisionState, Tick, Topic
from twin.ingest import worker as worker_module
from twin.ingest.decode import decode_readings
from twin.ingest.sealing import seal_items
from twin.live import LiveBatch
from twin.log.contract import Place
from twin.log.embedded import EmbeddedLog
from twin.store import accounting, deadletters, tables
from twin.store.commit import write_commit
from twin.store.database import Database
from twin.store.records import Commit, Tally
from twin.units import SECOND_US


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    made = House(EmbeddedLog(tmp_path / "twin.db"), sqlite_database)
    await made.open()
    yield made
    await made.log.close()


def day(minutes: int) -> list[bytes]:
    """Write readings of three sensors, one a minute."""
    return [
        reading(f"S{sensor}", at_s=60.0 * minute, count=minute % 20, speed_kph=50 + minute % 30)
        for minute in range(minutes)
        for sensor in (1, 2, 3)
    ]


def hash_of(values: list[bytes]) -> str:
    """Compute the state that these readings make when nothing goes wrong and all come at once."""
    live = fresh_live(small_city())
    decoded = decode_readings(values, live.network.sensor_rows)
    live.observe(LiveBatch(START_US, readings=decoded.batch))
    return live.state_hash()


async def total(house: House) -> Tally:
    (tally,) = (await house.totals()).values()
    assert accounting.balanced(tally)
    return tally


async def test_every_verdict_is_counted_and_refused_records_are_kept(house: House) -> None:
    await house.send(
        [
            reading(at_s=0),
            reading(at_s=-1200),  # late: 20 minutes behind the newest
            reading(at_s=-60),  # revised
            reading(at_s=-60),  # duplicate
            reading(at_s=-1200),  # duplicate of a late one
            reading(at_s=0, count=13),  # conflict
            reading(at_s=31),  # future
            reading("S9"),
            b"{",
            reading(speed_kph=-3),
        ]
    )
    await house.work()
    tally = await total(house)
    assert tally == Tally(
        source="probe",
        topic="reading",
        received=10,
        applied=2,
        revised=1,
        duplicate=2,
        late=1,
        rejected=5,
        reasons={
            "conflict": 1,
            "future": 1,
            "unknown_sensor": 1,
            "undecodable": 1,
            "invalid": 1,
        },
    )
    letters = await deadletters.list_letters(house.database)
    assert {stored.letter.reason for stored in letters} == set(tally.reasons)
    assert b"{" in {stored.letter.payload for stored in letters}


async def test_a_poisonous_record_is_refused_and_the_next_one_is_taken(house: House) -> None:
    """Neither JSON deeper than the stack nor NUL in a text stops the worker; both are kept."""
    deep = b'{"id":"q","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    null = reading(id="a\x00b")
    await house.send([deep, null, reading(at_s=0)])
    await house.work()
    tally = await total(house)
    assert (tally.received, tally.applied, tally.rejected) == (3, 1, 2)
    letters = await deadletters.list_letters(house.database)
    assert {stored.letter.payload for stored in letters} == {deep, null}
    assert {stored.letter.reason for stored in letters} == {"undecodable", "invalid"}


async def test_what_the_database_refuses_is_not_tried_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies of it with the reason: a restart by a person, not silence."""

    async def refuse(*_: object) -> bool:
        raise StoreError("PostgreSQL db:5432/city: invalid byte sequence")

    await house.send(day(1))
    monkeypatch.setattr("twin.ingest.worker.write_commit", refuse)
    with pytest.raises(StoreError, match="invalid byte sequence"):
        await house.work()


async def test_the_same_feed_twice_changes_nothing(house: House) -> None:
    await house.send(day(20), at_us=START_US + 3600 * SECOND_US)
    once = (await house.work()).state_hash()
    await house.send(day(20), at_us=START_US + 3600 * SECOND_US)
    assert (await house.work()).state_hash() == once
    tally = await total(house)
    assert (tally.received, tally.applied, tally.duplicate) == (120, 60, 60)


@pytest.mark.parametrize("max_records", [1, 4, 1000])
async def test_cutting_batches_elsewhere_changes_nothing(house: House, max_records: int) -> None:
    values = [*day(15), *day(12)[::-1], reading(at_s=-900), b"nonsense", reading(count=4)]
    await house.send(values, at_us=START_US + 3600 * SECOND_US)
    house.policy = dataclasses.replace(house.policy, max_records=max_records)
    live = await house.work()
    tally = await total(house)
    assert tally == Tally(
        source="probe",
        topic="reading",
        received=84,
        applied=45,
        duplicate=36,
        late=1,
        rejected=2,
        reasons={"conflict": 1, "undecodable": 1},
    )
    assert live.state_hash() == hash_of(day(15))


async def test_a_new_worker_goes_on_where_the_last_commit_stood(house: House) -> None:
    values = day(40)
    await house.send(values[:50], at_us=START_US + 3600 * SECOND_US)
    first = await house.work()
    again, live = house.worker()
    await again.start()
    assert live.state_hash() == first.state_hash() == hash_of(values[:50])
    await again.close()
    await house.send(values[50:], at_us=START_US + 3600 * SECOND_US)
    resumed = await house.work()
    assert (await total(house)).received == len(values)
    assert resumed.state_hash() == hash_of(values)


async def test_a_commit_that_fails_is_tried_until_it_is_stored(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Commit] = []

    async def unlucky(database: Database, commit: Commit) -> bool:
        tried.append(commit)
        if len(tried) % 3:
            raise BackendError("the database is away")
        return await write_commit(database, commit)

    monkeypatch.setattr(worker_module, "write_commit", unlucky)
    await house.send(day(4), at_us=START_US + 3600 * SECOND_US)
    await house.work()
    assert len(tried) % 3 == 0
    assert tried[0] is tried[1] is tried[2]
    assert (await total(house)).applied == 12


async def test_a_commit_stored_without_our_knowing_counts_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    async def answer_lost(database: Database, commit: Commit) -> bool:
        stored = await write_commit(database, commit)
        seen.append(stored)
        if stored and commit.positions:
            raise BackendError("the answer was lost")
        return stored

    monkeypatch.setattr(worker_module, "write_commit", answer_lost)
    await house.send(day(4), at_us=START_US + 3600 * SECOND_US)
    await house.work()
    assert False in seen
    assert (await total(house)).received == 12


async def test_a_replaced_worker_stops(house: House) -> None:
    old, _ = house.worker()
    await old.start()
    await house.work()
    await house.send(day(1), at_us=START_US + 3600 * SECOND_US)
    with pytest.raises(FencedError):
        await old.run_until(await house.ends())
    await old.close()


async def test_problems_are_visible_and_pass(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, _ = house.worker()
    await worker.start()
    problems: list[str | None] = []

    async def away_once(database: Database, commit: Commit) -> bool:
        problems.append(worker.health().problem)
        if len(problems) == 1:
            raise BackendError("PostgreSQL db:5432 refused")
        return await write_commit(database, commit)

    monkeypatch.setattr(worker_module, "write_commit", away_once)
    await house.send(day(1), at_us=START_US + 3600 * SECOND_US)
    await worker.run_until(await house.ends())
    assert problems[:2] == [None, "PostgreSQL db:5432 refused"]
    assert worker.health().problem is None
    assert worker.health().ready
    assert worker.health().records == 3
    await worker.close()


async def test_ticks_reach_the_log_by_the_relay(house: House) -> None:
    house.policy = dataclasses.replace(house.policy, tick_us=SECOND_US)
    await house.send(day(1), at_us=START_US + 60 * SECOND_US)
    worker, _ = house.worker()
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    assert await worker.relay.drain() == len(house.pictures) > 0
    place = house.topics.place(Topic.TICK)
    reader = await house.log.reader({place: 0})
    (records,) = await reader.fetch(max_records=10, timeout_s=0.0)
    tick = msgspec.json.decode(records.values[0], type=Tick)
    assert tick.offsets["reading/0"] == 3
    assert records.arrival_us[0] == START_US + 60 * SECOND_US
    assert await worker.relay.drain() == 0
    await reader.close()
    await worker.close()


def stored_batch(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return an event that is set once a commit with records is stored."""
    stored = asyncio.Event()

    async def watched(database: Database, commit: Commit) -> bool:
        done = await write_commit(database, commit)
        if commit.tallies:
            stored.set()
        return done

    monkeypatch.setattr(worker_module, "write_commit", watched)
    return stored


async def test_run_ends_in_good_order_when_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = stored_batch(monkeypatch)
    house.policy = dataclasses.replace(house.policy, tick_us=SECOND_US, max_records=1000)
    await house.send(day(3), at_us=START_US)
    worker, _ = house.worker()
    house.clock.advance_to(START_US + SECOND_US)
    running = asyncio.create_task(worker.run())
    await stored.wait()
    worker.stop()
    await running
    assert worker.health().state == "stopped"
    place = house.topics.place(Topic.TICK)
    assert (await house.log.end_offsets([place]))[place] == len(house.pictures)


async def test_a_cancelled_run_keeps_what_was_committed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = stored_batch(monkeypatch)
    house.policy = dataclasses.replace(house.policy, max_records=1000)
    await house.send(day(3), at_us=START_US)
    worker, _ = house.worker()
    running = asyncio.create_task(worker.run())
    await stored.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await total(house)).received == 9


# --- everything that is no reading -------------------------------------------------------------


async def test_incidents_are_known_again_after_a_restart(house: House) -> None:
    await house.send([reading()])
    await house.work()  # the snapshot stands here
    await house.send([incident(), incident(), incident(lanes_closed=1)], topic=Topic.INCIDENT)
    live = await house.work()
    tally = (await house.totals())["probe", "incident"]
    assert (tally.applied, tally.duplicate, tally.rejected) == (1, 1, 1)
    assert tally.reasons == {"conflict": 1}
    before = live.picture(START_US + SECOND_US).incidents
    assert [one.id for one in before] == ["I1"]
    assert before[0].lanes_closed == 0
    worker, again = house.worker()
    await worker.start()
    assert again.picture(START_US + SECOND_US).incidents == before
    await worker.close()


async def test_passages_arrive_as_tokens_and_leave_no_plate(house: House) -> None:
    clear = [
        passage("1234BCD", at_s=0),
        passage("1234 bcd", at_s=1),
        passage("", at_s=2),
        passage("1234BCD", at_s=3, confidence=7),
        b"1234BCD",
    ]
    sealed = seal_items(clear, KEYS)
    await house.send(sealed, topic=Topic.ANPR_READ)
    await house.send(seal_items(clear[:1], KEYS), topic=Topic.ANPR_READ)  # sealed anew: the same
    await house.send([passage("1234BCD", at_s=9)], topic=Topic.ANPR_READ)  # clear on the broker
    await house.send(
        seal_items([passage("9999ZZZ", at_s=0)], KEYS), topic=Topic.ANPR_READ
    )  # same gate and id, other plate
    await house.work()
    tally = (await house.totals())["probe", "anpr.read"]
    assert (tally.received, tally.applied, tally.duplicate, tally.rejected) == (8, 3, 1, 4)
    assert tally.reasons == {
        "invalid": 1,
        "undecodable": 1,
        "plate_not_sealed": 1,
        "conflict": 1,
    }
    letters = await deadletters.list_letters(house.database, reason="plate_not_sealed")
    assert [stored.letter.payload for stored in letters] == [None]
    kept = await deadletters.list_letters(house.database)
    assert all(b"1234BCD" not in (stored.letter.payload or b"") for stored in kept)
    assert all("1234BCD" not in repr(stored.letter.faults) for stored in kept)
    async with house.database.read() as connection:
        rows = (await connection.execute(select(tables.passage))).all()
    tokens = sorted(row.token for row in rows)
    assert tokens[0] == ""
    assert tokens[1] == tokens[2] != ""
    assert not any("1234BCD" in repr(row) for row in rows)


async def test_a_late_passage_is_kept_and_decides_nothing(house: House) -> None:
    await house.send(
        seal_items([passage(at_s=0), passage(at_s=-121), passage(at_s=-120)], KEYS),
        topic=Topic.ANPR_READ,
    )
    await house.work()
    tally = (await house.totals())["probe", "anpr.read"]
    assert (tally.applied, tally.late) == (2, 1)


async def test_a_reading_in_another_partition_is_still_accounted_for(house: House) -> None:
    place = Place(Topic.READING.value, 1)
    await house.send([reading("S1")], place=place)
    await house.send([reading("S3")], place=house.topics.reading_place("S3"))
    assert house.topics.reading_place("S3") == place
    await house.work()
    assert (await total(house)).applied == 2


async def test_what_the_gate_refused_is_logged_and_counted(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    worker, live = house.worker()
    await worker.start()
    live.signals.unsafe.append((START_US, UnsafePlan("max_red", "J1", "99 s", "90 s")))
    live.signals.unsafe_count += 1
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await worker._tick(START_US)
    assert worker.health().requests_refused == 1
    assert worker.health().junction_findings == len(live.signals.findings)
    told = [one for one in caplog.records if one.message == "signal_request_refused"]
    assert [(one.__dict__["rule"], one.__dict__["junction"]) for one in told] == [("max_red", "J1")]
    await worker.close()


async def test_a_stored_stage_that_the_gate_did_not_let_out_never_goes_out(house: House) -> None:
    stage = DecisionEvent(
        id="forged",
        version=2,
        kind=DecisionKind.SIGNAL_STAGE,
        state=DecisionState.ISSUED,
        target="J1",
        time=datetime_from_us(START_US),
        reason="HOLD",
        command={"stage": "1"},
        lease_until=datetime_from_us(START_US + 3600 * SECOND_US),
        checks=("known",),
        map_version=house.network.version,
    )
    worker, _ = house.worker()
    await worker.start()
    await write_commit(house.database, Commit(epochs=worker._epochs, decisions=(stage,)))
    await worker.close()
    again, live = house.worker()
    await again.start()
    await again._tick(START_US)
    assert again.health().decisions_dropped == 1
    assert live.book.open() == ()
    assert house.decisions == []
    assert house.pictures[-1].decisions == ()
    await again.close()
