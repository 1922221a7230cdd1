"""How many readings ingest takes from a real Kafka, beside a bare loop in the same run.

    python benchmarks/ingest/bench.py [--events N] [--json]

The peer does the least that any consumer must: `getmany` and decode each record. Ours checks,
orders, finds duplicates and observes, and then, by row of the table, commits nothing, or readings,
keys, offsets and accounting to SQLite or PostGIS. `columns` reads ten times as many readings from
records of arrays (topic `reading.columns`), 500 sensors each. The others read one topic; the
client runs in one process, the broker in another. `per core` divides by the CPU time of our
process alone (its threads included), `ratio` compares that with the bare loop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "services"))

import broker
import postgis

from twin.clock import ManualClock, datetime_from_us
from twin.columns import Bools, Ints, ReadingBatch
from twin.events import Reading, ReadingColumns, Topic
from twin.ingest.check import Checker
from twin.ingest.columnar import encode_columns
from twin.ingest.decode import decode_readings
from twin.ingest.readings import ReadingStage
from twin.ingest.replay import REPLAY_POLICY
from twin.ingest.topics import Topics
from twin.ingest.worker import Worker
from twin.keys import KeyRing
from twin.live import Live, LiveBatch
from twin.log.contract import Place
from twin.log.kafka import KafkaLog
from twin.network.model import SingleMap
from twin.network.stations import Station, map_from_stations
from twin.store.database import Database
from twin.units import SECOND_US

SENSORS = 500
START_US = 1_781_596_800 * SECOND_US
PLACE = Place(Topic.READING.value, 0)
COLUMNS_PLACE = Place(Topic.READING_COLUMNS.value, 0)
COLUMNS_TIMES = 10
AT_ONCE = 10_000
LATENESS_US = 600 * SECOND_US


@dataclass(frozen=True)
class Row:
    """One measured consumer."""

    name: str
    events: int
    wall_s: float
    cpu_s: float

    @property
    def per_core(self) -> float:
        """Events a second of CPU time."""
        return self.events / self.cpu_s


async def main(folder: Path, events: int, *, as_json: bool) -> None:
    """Start the servers, fill the topic, measure every row, print."""
    server, database = broker.Broker(folder / "kafka"), postgis.Server(folder / "postgis")
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(database.start)
        network = city()
        warm(network)
        await fill(server.bootstrap, network, events)
        rows = [
            await measure("bare getmany + msgspec", events, bare(server.bootstrap, events)),
            await measure("ingest, no database", events, unstored(server, network, events)),
            await measure(
                "ingest + SQLite", events, stored(server, network, f"sqlite:///{folder / 'b.db'}")
            ),
            await measure(
                "ingest + PostGIS",
                events,
                stored(server, network, await asyncio.to_thread(database.create, "bench")),
            ),
        ]
        many = events * COLUMNS_TIMES
        await fill_columns(server.bootstrap, network, many)
        columns = unstored(server, network, many, COLUMNS_PLACE)
        rows.append(await measure("columns, no database", many, columns))
    finally:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(database.stop)
    show(rows, as_json=as_json)


def city() -> SingleMap:
    """A road of stations: one region, one partition."""
    stations = [
        Station(f"S{row:03d}", 34.0 + 0.005 * row, -118.0, "I1-N", period_s=60.0)
        for row in range(SENSORS)
    ]
    return map_from_stations(stations, name="bench", timezone="UTC")[0]


def warm(network: SingleMap) -> None:
    """Load the compiled kernels: that is a start's cost, not a reading's."""
    row = decode_readings(
        [b'{"id":"w","sensor":"S000","time":"2026-06-16T08:00:00Z","period_s":60,"count":1}'],
        network.sensor_rows,
    )
    _live(network).observe(LiveBatch(START_US, readings=row.batch))


async def fill(bootstrap: str, network: SingleMap, events: int) -> None:
    """Append readings of all sensors, one a minute, as an API would."""
    random = np.random.default_rng(1)
    log = KafkaLog(bootstrap, "")
    await log.start()
    await log.create_topics(Topics(network).specs())
    for first in range(0, events, AT_ONCE):
        rows = range(first, min(first + AT_ONCE, events))
        draws = random.random((len(rows), 2))
        times_us = [START_US + row // SENSORS * 60 * SECOND_US for row in rows]
        values = [
            msgspec.json.encode(
                Reading(
                    id=f"r{row}",
                    sensor=f"S{row % SENSORS:03d}",
                    time=datetime_from_us(time_us),
                    period_s=60.0,
                    count=round(20 * float(a)),
                    speed_kph=round(60 + 50 * float(b), 1),
                    occupancy_pct=round(12 * float(a), 1),
                )
            )
            for row, time_us, (a, b) in zip(rows, times_us, draws, strict=True)
        ]
        await log.append(PLACE, values, arrival_us=times_us, headers={"source": "bench"})
    await log.close()


async def fill_columns(bootstrap: str, network: SingleMap, events: int) -> None:
    """Append the same kind of readings as arrays, one record a minute of all sensors."""
    random = np.random.default_rng(1)
    log = KafkaLog(bootstrap, "")
    await log.start()
    await log.create_topics(Topics(network).specs())
    names = tuple(str(sensor.id) for sensor in network.sensors)
    rows = np.arange(SENSORS, dtype="<i4").tobytes()
    period = np.array([60_000], "<i8").tobytes()
    for minute in range(events // SENSORS):
        time_us = START_US + minute * 60 * SECOND_US
        draws = random.random((2, SENSORS))
        record = ReadingColumns(
            id=f"m{minute}",
            sensors=names,
            sensor=rows,
            time_us=np.array([time_us], "<i8").tobytes(),
            period_ms=period,
            count=np.rint(20 * draws[0]).tobytes(),
            speed_kph=(60 + 50 * draws[1]).round(1).tobytes(),
            occupancy_pct=(12 * draws[0]).round(1).tobytes(),
        )
        value = encode_columns(record)
        await log.append(COLUMNS_PLACE, [value], arrival_us=time_us, headers={"source": "bench"})
    await log.close()


async def measure(
    name: str, events: int, prepared: AbstractAsyncContextManager[Callable[[], Awaitable[int]]]
) -> Row:
    """Prepare, then take wall and CPU time of the consuming alone."""
    async with prepared as consume:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        counted = await consume()
        row = Row(name, counted, time.perf_counter() - wall_s, time.process_time() - cpu_s)
    if counted != events:
        message = f"{name} took {counted} of {events} events"
        raise RuntimeError(message)
    return row


@asynccontextmanager
async def bare(bootstrap: str, events: int) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Consume with aiokafka and decode, nothing else."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    place = TopicPartition(*PLACE)
    await consumer.start()
    consumer.assign([place])
    consumer.seek(place, 0)
    decode = msgspec.json.Decoder(Reading).decode

    async def consume() -> int:
        count = 0
        while count < events:
            for records in (await consumer.getmany(max_records=AT_ONCE, timeout_ms=1000)).values():
                count += len([decode(record.value) for record in records])
        return count

    yield consume
    await consumer.stop()


@asynccontextmanager
async def unstored(
    server: broker.Broker, network: SingleMap, events: int, place: Place = PLACE
) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Judge and observe, with a history that knows nothing; commit nothing."""
    log = KafkaLog(server.bootstrap, "")
    await log.start()
    reader = await log.reader({place: 0})
    stage = ReadingStage(Checker(network), lateness_us=LATENESS_US, lookup=_nothing_known)
    live = _live(network)

    async def consume() -> int:
        count = 0
        while count < events:
            fetched = await reader.fetch(max_records=AT_ONCE, timeout_s=1.0)
            judged = await stage.judge(fetched)
            live.observe(LiveBatch(START_US, readings=judged.applied))
            count += sum(tally.applied for tally in judged.tallies)
        return count

    yield consume
    await reader.close()
    await log.close()


@asynccontextmanager
async def stored(
    server: broker.Broker, network: SingleMap, url: str
) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Run the worker as a replay does: every batch one commit."""
    log = KafkaLog(server.bootstrap, "")
    database = await Database.open(url)
    await database.prepare()
    await log.start()
    worker = Worker(
        network=network,
        live=_live(network),
        log=log,
        database=database,
        clock=ManualClock(START_US),
        policy=replace(REPLAY_POLICY, max_records=AT_ONCE),
        keys=KeyRing.fresh("bench"),
        on_picture=lambda _: None,
        on_decisions=lambda _: None,
    )
    await worker.start()

    async def consume() -> int:
        await worker.run_until(await log.end_offsets([PLACE]))
        return worker.health().records

    yield consume
    await worker.close()
    await log.close()
    await database.close()


async def _nothing_known(batch: ReadingBatch) -> tuple[Bools, Ints]:
    return np.zeros(len(batch), np.bool_), np.zeros(len(batch), np.int64)


def _live(network: SingleMap) -> Live:
    return Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone="UTC")


def show(rows: list[Row], *, as_json: bool) -> None:
    """Print the rows with their ratio to the bare loop."""
    peer = rows[0]
    if as_json:
        table = [
            {
                "name": row.name,
                "events_per_s": round(row.events / row.wall_s),
                "events_per_core_s": round(row.per_core),
                "ratio": round(row.per_core / peer.per_core, 3),
            }
            for row in rows
        ]
        print(json.dumps({"events": peer.events, "rows": table}, indent=2))
        return
    print(f"{peer.events:,} readings of {SENSORS} sensors from one partition of a real broker")
    print(f"{'':26}{'events/s':>12}{'per core':>12}{'ratio':>8}")
    for row in rows:
        rate, ratio = row.events / row.wall_s, row.per_core / peer.per_core
        print(f"{row.name:26}{rate:12,.0f}{row.per_core:12,.0f}{ratio:8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    place_for_servers = Path(tempfile.mkdtemp(prefix="twin-bench-"))
    place_for_servers.chmod(0o755)  # PostgreSQL runs as another user
    try:
        asyncio.run(main(place_for_servers, given.events, as_json=given.as_json))
    finally:
        shutil.rmtree(place_for_servers, ignore_errors=True)
