"""A reader that stands still while its lag grows is rebuilt; if that does not help, we stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from broker import Broker

from ingest_city import START_US, reading
from ingest_house import House
from log_stuck import Fault, StuckLog
from twin.errors import BackendError, StalledError
from twin.events import Topic
from twin.ingest.watchdog import WatchedReader
from twin.ingest.worker import Worker
from twin.log.contract import Place, TopicSpec
from twin.log.embedded import EmbeddedLog
from twin.log.kafka import KafkaLog
from twin.log.kafka_reader import KafkaReader
from twin.store.database import Database
from twin.units import SECOND_US

ONE = Place("readings", 0)
STALL_S = 0.2


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[StuckLog]:
    """Give a log with one topic."""
    made = StuckLog(EmbeddedLog(tmp_path / "log.db"))
    await made.start()
    await made.create_topics([TopicSpec(ONE.topic)])
    yield made
    await made.close()


async def read_while_written(log: StuckLog, watched: WatchedReader, *, until: int) -> int:
    """Append before every fetch, so that the lag grows; return how many records came."""
    came = 0
    while came < until:
        await log.append(ONE, [b"x"], arrival_us=1)
        for records in await watched.fetch(max_records=100, timeout_s=0.02):
            came += len(records)
    return came


async def when(happened: Callable[[], bool]) -> None:
    """Let the worker work until something is so."""
    while not happened():  # noqa: ASYNC110 - its health has no bell
        await asyncio.sleep(0.02)


async def send(house: House, number: int) -> None:
    """Send the reading of one minute, at its time."""
    await house.send([reading(at_s=60.0 * number)], at_us=START_US + number * 60 * SECOND_US)


@pytest.mark.parametrize("fault", list(Fault))
async def test_stuck_reader_is_rebuilt_where_it_stood(
    log: StuckLog, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Every record comes once, whatever became of the first reader."""
    watched = await WatchedReader.open(log, {ONE: 0}, stall_s=STALL_S)
    before = await read_while_written(log, watched, until=3)
    log.readers[0].fault = fault
    came = before
    while watched.rebuilt == 0:
        await log.append(ONE, [b"x"], arrival_us=1)
        try:
            came += sum(map(len, await watched.fetch(max_records=100, timeout_s=0.02)))
        except BackendError:
            assert fault is Fault.RAISES
    came += await read_while_written(log, watched, until=1)
    assert came == (await log.end_offsets([ONE]))[ONE]
    assert watched.rebuilt == 1
    assert [record.message for record in caplog.records].count("consumer_stalled") == 1
    await watched.close()
    assert all(reader.closed for reader in log.readers)


async def test_rebuilt_reader_that_stands_still_too_ends_the_work(log: StuckLog) -> None:
    """It says which partition, and for how long."""
    log.faults = [Fault.IS_SILENT, Fault.HANGS]
    watched = await WatchedReader.open(log, {ONE: 0}, stall_s=STALL_S)
    with pytest.raises(StalledError, match=r"readings/0: no record came for 0\.2 s"):
        await read_while_written(log, watched, until=1)
    assert watched.rebuilt == 1
    await watched.close()


@pytest.mark.parametrize("away", [False, True])
async def test_silence_alone_is_no_fault(log: StuckLog, *, away: bool) -> None:
    """Nothing arrives, or nobody can say what does: there is nothing to rebuild."""
    log.faults = [Fault.IS_SILENT]
    await log.append(ONE, [b"x"], arrival_us=1)  # it waits, but it does not become more
    watched = await WatchedReader.open(log, {ONE: 0}, stall_s=STALL_S)
    log.away = away
    for _ in range(30):
        if away:
            await log.append(ONE, [b"x"], arrival_us=1)
        assert await watched.fetch(max_records=1, timeout_s=0.02) == []
    assert watched.rebuilt == 0
    await watched.close()


async def test_beats_go_on_while_the_reader_hangs(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """The worker ticks, gets its reader back, and takes what waited; its health counts it."""
    log = StuckLog(EmbeddedLog(tmp_path / "log.db"), [Fault.HANGS])
    house = House(log, sqlite_database)
    house.policy = replace(house.policy, stall_s=STALL_S, tick_us=1)
    await house.open()
    worker, _ = house.worker()
    task = asyncio.create_task(worker.run())
    sent = 0
    while worker.health().records == 0:
        await send(house, sent)
        sent += 1
        house.clock.advance_to(house.clock.now_us() + 1)
        await asyncio.sleep(0.02)
        beats = len(house.pictures)
        if not worker.health().rebuilt:
            assert worker.health().records == 0
    assert beats > 2
    assert worker.health().rebuilt == 1
    worker.stop()
    await task
    await log.close()


async def test_worker_that_cannot_be_helped_ends(sqlite_database: Database, tmp_path: Path) -> None:
    """Its supervisor ends the process."""
    log = StuckLog(EmbeddedLog(tmp_path / "log.db"), [Fault.HANGS] * 3)
    house = House(log, sqlite_database)
    house.policy = replace(house.policy, stall_s=STALL_S)
    await house.open()
    worker, _ = house.worker()
    task = asyncio.create_task(worker.run())
    sent = 0
    while not task.done():
        await send(house, sent)
        sent += 1
        await asyncio.sleep(0.02)
    with pytest.raises(StalledError):
        task.result()
    await log.close()


async def kafka_house(
    bootstrap: str, prefix: str, database: Database, *, stall_s: float
) -> tuple[House, Worker]:
    """Open a house on a real broker."""
    house = House(KafkaLog(bootstrap, prefix), database)
    house.policy = replace(house.policy, stall_s=stall_s)
    await house.open()
    worker, _ = house.worker()
    return house, worker


def consumer_of(worker: Worker) -> KafkaReader:
    """Reach the reader on the broker."""
    watched = worker._reader
    assert isinstance(watched, WatchedReader)
    assert isinstance(watched._reader, KafkaReader)
    return watched._reader


@pytest.mark.kafka
async def test_paused_consumer_of_a_real_broker_is_rebuilt(
    kafka_bootstrap: str, topic_prefix: str, sqlite_database: Database
) -> None:
    """The broker answers, the consumer gives nothing: as after a fetcher that died in silence."""
    house, worker = await kafka_house(kafka_bootstrap, topic_prefix, sqlite_database, stall_s=1.0)
    task = asyncio.create_task(worker.run())
    await send(house, 0)
    await when(lambda: worker.health().records >= 1)
    consumer = consumer_of(worker)._consumer
    consumer.pause(*consumer.assignment())
    sent = 1
    while worker.health().rebuilt == 0:
        await send(house, sent)
        sent += 1
        await asyncio.sleep(0.1)
    await when(lambda: worker.health().records >= sent)
    worker.stop()
    await task
    tally = (await house.totals())["probe", str(Topic.READING)]
    assert (tally.received, tally.applied) == (sent, sent)
    await house.log.close()


@pytest.mark.kafka
async def test_broker_that_stood_still_is_waited_for(
    lone_broker: Broker, sqlite_database: Database
) -> None:
    """SIGSTOP longer than the reader's patience: it is told as away, not as our fault."""
    house, worker = await kafka_house(lone_broker.bootstrap, "", sqlite_database, stall_s=2.0)
    task = asyncio.create_task(worker.run())
    await send(house, 0)
    await when(lambda: worker.health().records >= 1)
    lone_broker.send_signal(signal.SIGSTOP)
    await when(lambda: worker.health().problem is not None)
    lone_broker.send_signal(signal.SIGCONT)
    sent = 1
    while worker.health().records < sent or worker.health().problem is not None or sent < 4:
        try:
            await send(house, sent)
            sent += 1
        except BackendError:
            pass
        await asyncio.sleep(0.1)
    worker.stop()
    await task
    await house.log.close()
