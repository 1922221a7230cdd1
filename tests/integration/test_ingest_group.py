"""Workers in a group and the owner of the live state beside them, on real parts in one process."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest_city import START_US, reading, small_city
from ingest_group_house import Member, group, led, owner_of_state, published, received, until
from ingest_house import House, fresh_live
from twin.errors import BackendError
from twin.ids import SensorId
from twin.ingest import group as group_module
from twin.ingest.decode import decode_readings
from twin.ingest.group import GroupWorker
from twin.ingest.past_day import PastDay
from twin.ingest.topics import InnerTopic, applied_place
from twin.live import LiveBatch
from twin.log.contract import Place
from twin.log.embedded import EmbeddedLog
from twin.store import maps, outbox, roles, tables
from twin.store.commit import write_commit
from twin.store.database import Database
from twin.store.map_changes import put_changes
from twin.store.past import StoredDays
from twin.store.records import Commit, MapChange, MapChangeState
from twin.units import SECOND_US

_LOOK_S = 0.01
_READINGS = ("reading", "reading.columns")


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    made = House(EmbeddedLog(tmp_path / "twin.db"), sqlite_database)
    await made.open()
    yield made
    await made.log.close()


def day(minutes: int) -> list[tuple[str, bytes]]:
    return [
        (
            f"S{sensor}",
            reading(f"S{sensor}", at_s=60.0 * minute, count=minute % 20, speed_kph=50 + minute),
        )
        for minute in range(minutes)
        for sensor in (1, 2, 3)
    ]


async def send(house: House, items: list[tuple[str, bytes]]) -> None:
    for sensor, value in items:
        at_us = START_US + 3600 * SECOND_US
        await house.send([value], place=house.topics.reading_place(sensor), at_us=at_us)


def hash_of(items: list[tuple[str, bytes]]) -> str:
    live = fresh_live(small_city())
    decoded = decode_readings([value for _, value in items], live.network.sensor_rows)
    live.observe(LiveBatch(START_US, readings=decoded.batch))
    return live.state_hash()


async def test_the_state_is_that_of_one_worker(house: House) -> None:
    """Partitions change hands in the middle; some readings come twice; the leader changes."""
    items = day(30)
    twice = items + random.Random(4).sample(items, 20)
    async with group(house, 2) as workers:
        await workers.share({0}, {1})
        await send(house, twice[:40])
        await until(lambda: published(house, 40))
        await led(house)
        await workers.share({1}, {0})
        await send(house, twice[40:80])
        await until(lambda: published(house, 80))
        await workers.share((), {0, 1})
        await send(house, twice[80:])
        await until(lambda: published(house, len(twice)))
    (tally,) = (await house.totals()).values()
    assert (tally.applied, tally.duplicate) == (len(items), 20)
    assert (await led(house)).state_hash() == hash_of(items)
    assert (await led(house)).state_hash() == hash_of(items), "a restart from the snapshot"
    owners = await roles.owners(house.database)
    assert {owners[Place(topic, n)][0] for topic in _READINGS for n in (0, 1)} == {"worker 1"}


async def test_a_day_of_several_processes_is_done_again(house: House) -> None:
    """The owner of the state knows where the readings stood that others had judged."""
    await maps.save_map(house.database, house.network, now_us=START_US)
    items = day(30)
    async with group(house, 2) as workers:
        await workers.share({0}, {1})
        await send(house, items[:50])
        await until(lambda: published(house, 50))
        await led(house)
        house.clock.advance_to(START_US + 2 * 3600 * SECOND_US)
        await send(house, items[50:])
        await until(lambda: published(house, len(items)))
        await led(house)
    outcome = await PastDay(StoredDays(house.database)).run(0, START_US + 9 * 3600 * SECOND_US)
    assert outcome.differences == []
    assert outcome.equal
    assert (outcome.readings, outcome.starts) == (len(items), 1)


async def nothing_to_publish() -> int:
    return 0


async def test_one_process_takes_up_what_several_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one process after a group: it drains the outbox of the dead, and counts nothing twice.

    The worker dies between its commit and the relay.
    """
    items = day(10)
    async with group(house, 1) as workers:
        monkeypatch.setattr(workers.workers[0].relay, "drain", nothing_to_publish)
        await workers.share({0, 1})
        await send(house, items)
        await until(lambda: _all_received(house, len(items)))
        for task in workers.tasks:
            task.cancel()
        await asyncio.gather(*workers.tasks, return_exceptions=True)
        workers.tasks.clear()
    worker, live = house.worker()
    await worker.relay.drain()
    ends = await house.log.end_offsets([applied_place(0), applied_place(1)])
    assert sum(ends.values()) > 0
    await worker.run_until(await house.ends() | ends)
    await worker.close()
    assert live.state_hash() == hash_of(items)
    assert await received(house) == len(items)


async def _all_received(house: House, count: int) -> bool:
    return await received(house) == count


async def test_a_relay_that_repeats_itself_changes_nothing(house: House) -> None:
    items = day(8)
    async with group(house, 1) as workers:
        await workers.share({0, 1})
        await send(house, items)
        await until(lambda: published(house, len(items)))
    for number in (0, 1):
        place = applied_place(number)
        reader = await house.log.reader({place: 0})
        (records,) = await reader.fetch(max_records=1000, timeout_s=1.0)
        await house.log.append(place, list(records.values), arrival_us=START_US)
    assert (await led(house)).state_hash() == hash_of(items)


async def test_who_was_too_slow_to_let_go_is_fenced(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Two own a partition in their own eyes; what they count is counted once."""
    caplog.set_level(logging.WARNING)
    items = day(12)
    async with group(house, 2) as workers:
        workers.members[0].given(frozenset({0, 1}))
        await send(house, items[:6])
        await until(lambda: published(house, 6))
        workers.members[1].given(frozenset({0, 1}))  # and nobody told the first
        await until(lambda: _owned_by(workers.workers[1]))
        await send(house, items[6:])
        await until(lambda: published(house, len(items)))
        await workers.share((), {0, 1})
    assert "partitions_lost" in caplog.text
    (tally,) = (await house.totals()).values()
    assert tally.applied == len(items), tally
    assert (await led(house)).state_hash() == hash_of(items)


async def _owned_by(worker: GroupWorker) -> bool:
    return worker.partitions == {0, 1} and worker.health().state == "running"


async def test_one_reading_in_two_partitions_counts_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A producer of its own put it twice on the broker, and both workers judged it as new."""
    both = asyncio.Barrier(2)
    waited = 0

    async def together(database: Database, commit: Commit) -> bool:
        nonlocal waited
        waited += 1
        if waited <= 2:
            await both.wait()
        return await write_commit(database, commit)

    monkeypatch.setattr(group_module, "write_commit", together)
    value = reading("S1")
    async with group(house, 2) as workers:
        await house.send([value], place=Place("reading", 0))
        await house.send([value], place=Place("reading", 1))
        await workers.share({0}, {1})
        await until(lambda: published(house, 2))
    (tally,) = (await house.totals()).values()
    assert (tally.applied, tally.duplicate, tally.rejected) == (1, 1, 0)
    assert (await led(house)).state_hash() == hash_of([("S1", value)])


async def test_a_worker_joins_again_when_its_membership_failed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_module, "_CHECK_S", _LOOK_S)
    async with group(house, 1) as workers:
        await workers.share({0, 1})
        await until(lambda: _owned_by(workers.workers[0]))
        workers.members[0].fails = BackendError("the coordinator is gone")
        await until(lambda: _gave_up(workers.workers[0]))
        await until(lambda: _joined(workers.members[0], 2))


async def test_a_worker_goes_over_to_another_version_of_the_map(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sensor that only the new version has is unknown first, and counts later."""
    monkeypatch.setattr(group_module, "_CHECK_S", _LOOK_S)
    before = house.network
    extra = dataclasses.replace(before.sensors[0], id=SensorId("S9"))
    after = dataclasses.replace(before, version="0" * 31 + "2", sensors=(extra, *before.sensors))
    change = MapChange(
        id="c",
        version=after.version,
        person="you",
        reason="a new detector",
        asked_us=START_US,
        state=MapChangeState.DONE,
        settled_us=START_US,
    )
    async with group(house, 1) as workers:
        await workers.share({0, 1})
        await house.send([reading("S9"), reading("S1")])
        await until(lambda: published(house, 2))
        await maps.save_map(house.database, after, now_us=START_US)
        async with house.database.write() as connection:
            await put_changes(connection, [change])
        await until(lambda: _stands_on(workers.workers[0], after.version))
        later = [reading("S9", at_s=60.0), reading("S1", at_s=60.0)]
        await house.send(later, at_us=START_US + 60 * SECOND_US)
        await until(lambda: published(house, 4))
    (tally,) = (await house.totals()).values()
    assert (tally.applied, tally.rejected) == (3, 1)


async def _stands_on(worker: GroupWorker, version: str) -> bool:
    return worker.map_version == version and bool(worker.partitions)


async def _gave_up(worker: GroupWorker) -> bool:
    return not worker.partitions


async def _joined(member: Member, times: int) -> bool:
    return member.joined == times


async def test_the_owner_of_the_state_leaves_the_records_of_workers_alone(house: House) -> None:
    async with house.database.write() as connection:
        await connection.execute(
            tables.outbox.insert(),
            [
                {"key": key, "topic": topic, "partition": 0, "arrival_us": 1, "value": b"v"}
                for key, topic in (("a", InnerTopic.APPLIED.value), ("b", "decision"))
            ],
        )
    worker, _ = owner_of_state(house)
    assert await worker.relay.drain() == 1
    assert [row.outgoing.place.topic for row in await outbox.pending(house.database)] == [
        InnerTopic.APPLIED
    ]
