"""Another version of the map while the service runs: carried, withdrawn, recovered."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ingest_city import START_US, incident, reading, small_city
from ingest_house import House
from twin.clock import datetime_from_us
from twin.errors import MapError
from twin.events import Act, OperatorAct, Tick, Topic
from twin.ids import SensorId
from twin.log.contract import Place
from twin.log.embedded import EmbeddedLog
from twin.network.model import SingleMap
from twin.store import map_changes, maps, snapshots
from twin.store.database import Database
from twin.store.records import MapChangeState
from twin.units import SECOND_US

MINUTE_US = 60 * SECOND_US


def grown_city() -> SingleMap:
    """The small city with L1 a lane wider (S2 stands on it), and a new sensor S4 on L0."""
    city = small_city()
    links = tuple(replace(link, lanes=3) if link.id == "L1" else link for link in city.links)
    fourth = replace(city.sensors[0], id=SensorId("S4"), position_m=600.0)
    return replace(
        city, version="0" * 31 + "2", links=links, sensors=(fourth, *reversed(city.sensors))
    )


def activation(version: str, name: str = "A1", at_s: float = 60.0) -> bytes:
    """Write the act of a person who wants another version of the map."""
    return msgspec.json.encode(
        OperatorAct(
            id=name,
            time=datetime_from_us(START_US + round(at_s * SECOND_US)),
            person="ana",
            act=Act.ACTIVATE_MAP,
            target=version,
            seen_version=0,
            reason="the third lane is open",
        )
    )


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a house whose worker ticks every minute of service time, with both maps stored."""
    log = EmbeddedLog(tmp_path / "log.db")
    made = House(log, sqlite_database)
    made.policy = replace(made.policy, tick_us=MINUTE_US, snapshot_us=10**15)
    await made.open()
    for city in (small_city(), grown_city()):
        await maps.save_map(sqlite_database, city, now_us=START_US)
    yield made
    await log.close()


async def feed(house: House, first: int, last: int, *sensors: str) -> None:
    """Send a reading of every sensor for these minutes; each arrives as it ends."""
    for minute in range(first, last):
        for name in sensors:
            await house.send(
                [reading(name, at_s=60.0 * minute, speed_kph=50.0 + minute)],
                place=house.topics.reading_place(name),
                at_us=START_US + minute * MINUTE_US,
            )


async def ask(house: House, version: str, *, minute: int, name: str = "A1") -> None:
    """Send a person's act."""
    value = activation(version, name, at_s=60.0 * minute)
    await house.send([value], topic=Topic.ACT, at_us=START_US + minute * MINUTE_US)


async def ticks(house: House) -> list[Tick]:
    """Read the beats back from the log."""
    reader = await house.log.reader({Place("tick", 0): 0})
    found = await reader.fetch(max_records=1000, timeout_s=0.0)
    await reader.close()
    return [msgspec.json.decode(value, type=Tick) for one in found for value in one.values]


async def test_change_carries_what_is_the_same_and_drops_the_rest(house: House) -> None:
    """S1 and S3 go on with what they measured, S2 begins anew, S4 is heard from now on."""
    await feed(house, 0, 5, "S1", "S2", "S3")
    await house.send([incident()], topic=Topic.INCIDENT, at_us=START_US + 4 * MINUTE_US)
    worker, _ = house.worker()
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await ask(house, grown_city().version, minute=5)
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await feed(house, 7, 8, "S4")
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)

    live = worker.live
    newest = dict(
        zip(
            [sensor.id for sensor in live.network.sensors],
            live.picture(house.clock.now_us()).measured.time_us.tolist(),
            strict=True,
        )
    )
    assert live.network.version == grown_city().version
    assert newest["S1"] == newest["S3"] == START_US + 4 * MINUTE_US
    assert newest["S2"] == -1
    assert newest["S4"] == START_US + 7 * MINUTE_US
    assert [one.id for one in live.picture(house.clock.now_us()).incidents] == ["I1"]
    (change,) = await map_changes.list_changes(house.database)
    assert change.state is MapChangeState.DONE
    assert change.before == small_city().version
    assert change.report["carried"]["sensors"] == 2
    why = {(one["kind"], one["id"]): one["why"] for one in change.report["named"]}
    assert why["sensor", "S2"] == "its link L1: other lanes"
    assert why["link", "L1"] == "other lanes"
    assert why["junction", "J1"] == "its link L1: other lanes"
    assert house.pictures[-1].map_version == grown_city().version
    await worker.close()


async def test_every_restart_stands_on_the_map_in_use(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that is given the first map goes on with the second, to the same state."""
    await feed(house, 0, 4, "S1", "S2", "S3")
    worker, _ = house.worker()
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await ask(house, grown_city().version, minute=4)
    await feed(house, 5, 6, "S1", "S3")
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await feed(house, 6, 9, "S1", "S2", "S3", "S4")
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    expected = worker.live.state_hash()
    await worker.close()

    again, _ = house.worker()
    await again.start()
    assert again.live.network.version == grown_city().version
    assert again.live.state_hash() == expected
    assert [record.message for record in caplog.records].count("map_named_is_not_in_use") == 1
    await again.close()


async def test_change_that_was_asked_before_a_death_is_done_after_it(house: House) -> None:
    """The act is committed, the worker ends before its next beat: the next one does the change."""
    house.policy = replace(house.policy, tick_us=3600 * SECOND_US)
    await feed(house, 0, 3, "S1", "S2", "S3")
    await house.work()  # the first beat is behind it
    await ask(house, grown_city().version, minute=3)
    live = await house.work()
    assert live.network.version == small_city().version
    house.policy = replace(house.policy, tick_us=MINUTE_US)
    await feed(house, 5, 6, "S4")
    worker, _ = house.worker()
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    assert worker.live.network.version == grown_city().version
    await worker.close()


async def test_beats_tell_which_map_they_stood_on(house: House) -> None:
    """A replay follows the beats: the change stands in them."""
    await feed(house, 0, 3, "S1")
    worker, _ = house.worker()
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await ask(house, grown_city().version, minute=3)
    await feed(house, 4, 6, "S1")
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await worker.relay.drain()
    await worker.close()
    seen = [tick.map_version for tick in await ticks(house)]
    assert sorted(seen) == seen
    assert set(seen) == {small_city().version, grown_city().version}


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("f" * 32, "the database has no map version " + "f" * 32),
        ("0" * 31 + "1", "this version is in use already"),
    ],
)
async def test_version_that_cannot_be_used_is_refused_with_the_reason(
    house: House, version: str, why: str
) -> None:
    """The service goes on with the map it has."""
    await ask(house, version, minute=1)
    await feed(house, 2, 4, "S1")
    worker, _ = house.worker()
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await worker.close()
    (change,) = await map_changes.list_changes(house.database)
    assert (change.state, change.report) == (MapChangeState.REFUSED, {"why": why})
    assert worker.live.network.version == small_city().version


async def test_start_on_another_map_says_that_the_state_is_of_the_first(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a change that was asked for, nothing is carried over, and that is said."""
    house.policy = replace(house.policy, snapshot_us=1)
    await feed(house, 0, 4, "S1")
    await house.work()
    await feed(house, 4, 6, "S1")
    await house.work()
    house.network = grown_city()
    worker, live = house.worker()
    await worker.start()
    (told,) = [record for record in caplog.records if record.message == "snapshot_refused"]
    assert (told.__dict__["of_map"], told.__dict__["named"]) == (
        small_city().version,
        grown_city().version,
    )
    assert live.network.version == grown_city().version
    await worker.close()


async def test_shuffled_within_the_lateness_is_the_state_in_order(
    house: House, tmp_path: Path, migrated_file: Path
) -> None:
    """Five minutes of disorder among ten that are allowed: the same hash, nothing late."""
    order = list(range(40))
    random.Random(7).shuffle(order)
    disordered = sorted(range(40), key=lambda minute: (minute // 5, order[minute]))
    assert disordered != sorted(disordered)
    for number, minute in enumerate(disordered):
        at_us = START_US + (40 + number) * SECOND_US + 40 * MINUTE_US
        for name in ("S1", "S2"):
            await house.send([reading(name, at_s=60.0 * minute, count=minute)], at_us=at_us)
    state = (await house.work()).state_hash()
    tally = (await house.totals())["probe", "reading"]
    assert (tally.applied, tally.late) == (80, 0)
    assert tally.revised > 0

    shutil.copyfile(migrated_file, tmp_path / "ordered.db")
    log = EmbeddedLog(tmp_path / "ordered_log.db")
    ordered = House(log, await Database.open(f"sqlite:///{tmp_path / 'ordered.db'}"))
    await ordered.open()
    for minute in range(40):
        at_us = START_US + 41 * MINUTE_US
        for name in ("S1", "S2"):
            await ordered.send([reading(name, at_s=60.0 * minute, count=minute)], at_us=at_us)
    assert (await ordered.work()).state_hash() == state
    await ordered.database.close()
    await log.close()


async def test_snapshot_of_another_map_version_is_refused_with_the_reason(house: House) -> None:
    """Live state is bytes of one version of the map."""
    await ask(house, grown_city().version, minute=1)
    await feed(house, 2, 4, "S1")
    worker, live_before = house.worker()
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await worker.close()
    stored = await snapshots.newest(house.database, grown_city().version)
    assert stored is not None
    with pytest.raises(MapError, match=grown_city().version):
        live_before.restore(stored.snapshot.body)
