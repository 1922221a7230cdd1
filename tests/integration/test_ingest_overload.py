"""More arrives than can be taken: what is shown stays new, memory small, the books exact."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ingest_city import START_US, reading
from ingest_house import House
from log_stuck import StuckLog
from twin.events import Topic
from twin.log.contract import Place
from twin.log.embedded import EmbeddedLog
from twin.picture import Picture
from twin.store.database import Database
from twin.units import SECOND_US

SENSORS = ("S1", "S2", "S3")
STEPS = 600
STEP_S = 10
END_US = START_US + STEPS * STEP_S * SECOND_US
MEGABYTE = 1 << 20


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a house that takes 45 readings in a second of its clock, and beats every second."""
    log = StuckLog(EmbeddedLog(tmp_path / "log.db"))
    made = House(log, sqlite_database)
    made.policy = replace(made.policy, tick_us=SECOND_US, max_records=45, ahead_s=10.0)
    await made.open()
    yield made
    await log.close()


async def burst(house: House) -> int:
    """Append a hundred minutes of readings at once, in the order of their times."""
    for place, names in ((Place("reading", 0), SENSORS[:2]), (Place("reading", 1), SENSORS[2:])):
        steps = [(step, name) for step in range(STEPS) for name in names]
        await house.log.append(
            place,
            [
                reading(name, at_s=STEP_S * step, period_s=STEP_S, speed_kph=20.0 + step % 60)
                for step, name in steps
            ],
            arrival_us=[START_US + step * STEP_S * SECOND_US for step, _ in steps],
            headers={"source": "probe"},
        )
    house.clock.advance_to(END_US)
    return STEPS * len(SENSORS)


def newest_us(picture: Picture) -> int:
    """Return when the sensor that is furthest behind has last measured."""
    return int(picture.measured.time_us.min())


async def test_burst_is_shown_at_once_and_counted_in_its_turn(
    house: House, migrated_file: Path, tmp_path: Path
) -> None:
    """Forty times what a second can take: pictures are seconds old, the state is in order."""
    sent = await burst(house)
    assert sent == 40 * house.policy.max_records
    worker, live = house.worker()

    process, held = psutil.Process(), list[int]()

    def second(_: int) -> None:
        house.clock.advance_to(house.clock.now_us() + SECOND_US)
        held.append(process.memory_info().rss)

    await worker.run_until(await house.ends(), on_batch=second)
    assert worker.health().records == sent
    assert len(house.pictures) >= 40, "a beat after every second, however much waits"

    shown = [picture for picture in house.pictures if picture.provisional]
    assert len(shown) > 20
    assert all(newest_us(picture) == END_US - STEP_S * SECOND_US for picture in shown)
    # what waits is not held: one fetch and the newest records, no more
    assert max(held) - held[5] < 64 * MEGABYTE

    tally = (await house.totals())["probe", str(Topic.READING)]
    assert (tally.received, tally.applied) == (sent, sent)
    shutil.copyfile(migrated_file, tmp_path / "oracle.db")
    expected = House(house.log, await Database.open(f"sqlite:///{tmp_path / 'oracle.db'}"))
    expected.clock.advance_to(END_US)
    expected.policy = replace(expected.policy, max_records=100_000)
    assert (await expected.work()).state_hash() == live.state_hash()
    await expected.database.close()
    await worker.close()


async def test_newest_of_the_backlog_is_shown_and_decided_upon_later(house: House) -> None:
    """A provisional picture says so; once nothing waits the picture is the state again."""
    await burst(house)
    worker, live = house.worker()

    def second(_: int) -> None:
        house.clock.advance_to(house.clock.now_us() + SECOND_US)

    await worker.run_until(await house.ends(), on_batch=second)
    while house.pictures[-1].provisional:
        house.clock.advance_to(house.clock.now_us() + SECOND_US)
        await worker._tick_if_due()
        await asyncio.sleep(0.05)
    last = house.pictures[-1]
    assert newest_us(last) == newest_us(live.picture(last.time_us))
    assert worker.health().behind_s == 0.0
    await worker.close()


@pytest.mark.parametrize("slow", ["beats", "fetches"])
async def test_neither_beats_nor_batches_starve(house: House, slow: str) -> None:
    """Whatever takes longer than a beat, the other has its turn after every one."""
    sent = await burst(house)
    beats_and_fetches: list[str] = []

    def happened(name: str) -> None:
        beats_and_fetches.append(name)
        if name == slow:
            house.clock.advance_to(house.clock.now_us() + 3 * SECOND_US)

    assert isinstance(house.log, StuckLog)
    house.log.on_fetch = lambda: happened("fetches")  # of the worker's reader, see StuckLog
    worker, _ = house.worker()
    worker._on_picture = lambda _: happened("beats")
    task = asyncio.create_task(worker.run())
    while worker.health().records < sent:  # noqa: ASYNC110 - its health has no bell
        await asyncio.sleep(0.01)
    worker.stop()
    await task
    pairs = set(itertools.pairwise(beats_and_fetches[:80]))
    assert ("beats", "beats") not in pairs
    assert ("fetches", "fetches") not in pairs


async def test_partition_that_rests_is_told(house: House) -> None:
    """Region B is silent: its watermark stands, and that is no lag of the others."""
    worker, _ = house.worker()
    times = range(0, 400, 10)
    for at_s in times:
        await house.send([reading("S1", at_s=at_s)], at_us=START_US + at_s * SECOND_US)
    await house.send([reading("S3")], place=house.topics.reading_place("S3"))
    await worker.run_until(await house.ends(), on_batch=house.clock.advance_to)
    await asyncio.sleep(0)
    worker._vitals.lag = dict.fromkeys(worker.positions, 0)
    health = worker.health()
    assert str(Place("reading", 1)) in health.idle
    assert str(Place("reading", 0)) not in health.idle
    assert health.behind_s == 0.0
    await worker.close()
