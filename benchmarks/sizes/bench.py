"""What a metropolis needs: memory, time and bytes of 200,000 links and 20,000 detectors.

    python benchmarks/sizes/bench.py [--links 200000] [--sensors 20000] [--readings 400000] [--json]

A grid of streets is made, written and read as a deployment reads it; a live state takes half an
hour of readings of all its detectors, ticks, makes a forecast, and is kept as a snapshot. Then a
worker takes readings from a real Kafka into a real PostGIS, as JSON and as records of arrays, and
the bytes on the disks are counted. Each part runs in a process of its own, so that the memory is
its own. The last table says what follows for the city, at one reading a minute of each detector.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "backbone"), str(ROOT / "tools" / "services")]

import broker
import postgis
from cities import grid_city
from figures import table

from twin.api.board import Board
from twin.clock import ManualClock, datetime_from_us
from twin.columns import ReadingBatch
from twin.commands.warm import warm_kernels
from twin.events import Reading, ReadingColumns, Topic
from twin.forecast.first import make_forecast
from twin.ingest.columnar import encode_columns
from twin.ingest.replay import REPLAY_POLICY
from twin.ingest.topics import Topics
from twin.ingest.worker import Worker
from twin.keys import KeyRing
from twin.live import Live, LiveBatch
from twin.log.contract import Place
from twin.log.kafka import KafkaLog
from twin.network.gmns import read_gmns, write_gmns
from twin.network.model import SingleMap
from twin.network.tiles import Tiles
from twin.store.database import Database
from twin.units import SECOND_US

START_US = 1_781_596_800 * SECOND_US
PERIOD_S = 60.0
MINUTES = 30
AT_ONCE = 10_000
IN_A_REQUEST = 500
HALF = 0.5
DAY_S = 86_400


def measure(part: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Run one part in a process of its own."""
    command = [sys.executable, str(HERE / "bench.py"), "--part", part, "--folder", str(folder)]
    command += ["--links", str(given.links), "--sensors", str(given.sensors)]
    command += ["--readings", str(given.readings)]
    clean = {name: text for name, text in os.environ.items() if not name.startswith("TWIN_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean)
    if done.returncode != 0:
        raise RuntimeError(f"{part}: {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def make(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Write the city as a GMNS folder."""
    write_gmns(grid_city(given.links, given.sensors, period_s=PERIOD_S), folder / "map")
    size = sum(file.stat().st_size for file in (folder / "map").iterdir())
    return {"map_mb": size / 1e6}


def state(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measure the live state: memory, beat, forecast, snapshot, picture."""
    del given
    warm_kernels()
    before_mb = rss_mb()
    network, read_s = timed(lambda: read_gmns(folder / "map")[0])
    map_mb = rss_mb()
    live, live_s = timed(
        lambda: Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone="")
    )
    random = np.random.default_rng(5)
    taking_s = 0.0
    for minute in range(MINUTES):
        now_us = START_US + minute * 60 * SECOND_US
        batch = LiveBatch(now_us, readings=batch_of(network, now_us, random))
        taking_s += timed(lambda: live.observe(batch))[1]  # noqa: B023
    state_mb = rss_mb()
    beat_s, frame_bytes = beats(network, live, now_us)
    forecast, forecast_s = timed(lambda: make_forecast(live.forecast_input(now_us)))
    live.take_forecast(forecast, now_us)
    body, snapshot_s = timed(live.state_bytes)
    fresh = Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone="")
    restore_s = timed(lambda: fresh.restore(body))[1]
    return {
        "read_s": read_s,
        "live_s": live_s,
        "before_mb": before_mb,
        "map_mb": map_mb - before_mb,
        "state_mb": state_mb - map_mb,
        "peak_mb": rss_mb(),
        "observe_per_s": MINUTES * len(network.sensors) / taking_s,
        "beat_s": beat_s,
        "forecast_s": forecast_s,
        "snapshot_mb": len(body) / 1e6,
        "snapshot_s": snapshot_s,
        "restore_s": restore_s,
        "frame_bytes": frame_bytes,
        "tiles_s": timed(lambda: Tiles(network))[1],
    }


def beats(network: SingleMap, live: Live, now_us: int) -> tuple[float, int]:
    """Return the seconds of a picture made and encoded, and the bytes of a key frame."""
    board = Board(network, ManualClock(now_us))
    took = []
    for second in range(12):
        moment_us = now_us + second * SECOND_US
        live.decide(moment_us, offsets={})
        took.append(timed(lambda: board.publish(live.picture(moment_us)))[1])  # noqa: B023
    with board.stream() as slot:
        frame = asyncio.run(slot.next_frame())
    return float(np.median(took[2:])), len(frame)


def batch_of(network: SingleMap, now_us: int, random: np.random.Generator) -> ReadingBatch:
    """Make one reading of every detector."""
    count = len(network.sensors)
    return ReadingBatch(
        sensor=np.arange(count, dtype=np.int32),
        time_us=np.full(count, now_us),
        period_ms=np.full(count, round(PERIOD_S * 1000)),
        count=np.rint(random.random(count) * PERIOD_S),
        speed_mps=4 + 10 * random.random(count),
        occupancy_frac=0.2 * random.random(count),
    )


def stored(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measure a worker on real servers: readings a second of a core, bytes on the disks."""
    server, database = broker.Broker(folder / "kafka"), postgis.Server(folder / "postgis")
    try:
        server.start()
        database.start()
        urls = [database.create(name) for name in ("sizes_json", "sizes_columns")]
        return asyncio.run(_stored(folder, given, server.bootstrap, urls))
    finally:
        server.stop()
        database.stop()


async def _stored(
    folder: Path, given: argparse.Namespace, bootstrap: str, urls: list[str]
) -> dict[str, Any]:
    warm_kernels()
    network = read_gmns(folder / "map")[0]
    found: dict[str, Any] = {}
    for name, url, topic in zip(
        ("json", "columns"), urls, (Topic.READING, Topic.READING_COLUMNS), strict=True
    ):
        log = KafkaLog(bootstrap, f"{name}.")
        await log.start()
        await log.create_topics(Topics(network).specs())
        await fill(log, network, given.readings, topic)
        logged = folder_bytes(folder / "kafka", f"{name}.{topic}-0")
        database = await Database.open(url)
        await database.prepare()
        cpu_s, wall_s = await work(log, network, database)
        found |= {
            f"{name}_per_core": given.readings / cpu_s,
            f"{name}_per_s": given.readings / wall_s,
            f"{name}_log_bytes": logged / given.readings,
            f"{name}_database_bytes": await table_bytes(database) / given.readings,
        }
        await database.close()
        await log.close()
    return found | {"worker_mb": rss_mb()}


async def fill(log: KafkaLog, network: SingleMap, readings: int, topic: Topic) -> None:
    """Append readings of all detectors, minute after minute."""
    names = [str(sensor.id) for sensor in network.sensors]
    random = np.random.default_rng(5)
    place = Place(topic.value, 0)
    for first in range(0, readings, IN_A_REQUEST):
        rows = np.arange(first, min(first + IN_A_REQUEST, readings))
        sensor = rows % len(names)
        times_us = START_US + rows // len(names) * 60 * SECOND_US
        a, b = random.random((2, len(rows)))
        encode = _columns if topic is Topic.READING_COLUMNS else _json
        values, arrival_us = encode(names, rows, sensor, times_us, a, b)
        await log.append(place, values, arrival_us=arrival_us, headers={"source": "bench"})


def _json(
    names: list[str], rows: Any, sensor: Any, times_us: Any, a: Any, b: Any
) -> tuple[list[bytes], list[int]]:
    values = [
        msgspec.json.encode(
            Reading(
                id=f"r{row}",
                sensor=names[at],
                time=datetime_from_us(time_us),
                period_s=PERIOD_S,
                count=round(HALF * PERIOD_S * share),
                speed_kph=round(15 + 30 * speed, 1),
                occupancy_pct=round(12 * share, 1),
            )
        )
        for row, at, time_us, share, speed in zip(
            rows.tolist(), sensor.tolist(), times_us.tolist(), a.tolist(), b.tolist(), strict=True
        )
    ]
    return values, times_us.tolist()


def _columns(
    names: list[str], rows: Any, sensor: Any, times_us: Any, a: Any, b: Any
) -> tuple[list[bytes], list[int]]:
    values, arrival_us = [], []
    for cut in range(0, len(rows), 1000):
        part = slice(cut, cut + 1000)
        used = sensor[part]
        record = ReadingColumns(
            id=f"m{rows[cut]}",
            sensors=tuple(names[at] for at in used.tolist()),
            sensor=np.arange(len(used), dtype="<i4").tobytes(),
            time_us=times_us[part].astype("<i8").tobytes(),
            period_ms=np.array([round(PERIOD_S * 1000)], "<i8").tobytes(),
            count=np.rint(HALF * PERIOD_S * a[part]).tobytes(),
            speed_kph=(15 + 30 * b[part]).round(1).tobytes(),
            occupancy_pct=(12 * a[part]).round(1).tobytes(),
        )
        values.append(encode_columns(record))
        arrival_us.append(int(times_us[part][-1]))
    return values, arrival_us


async def work(log: KafkaLog, network: SingleMap, database: Database) -> tuple[float, float]:
    """Let a worker take the whole log in; return its CPU and wall seconds."""
    worker = Worker(
        network=network,
        live=Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone=""),
        log=log,
        database=database,
        clock=ManualClock(START_US),
        policy=replace(REPLAY_POLICY, max_records=AT_ONCE),
        keys=KeyRing.fresh("bench"),
        on_picture=lambda _: None,
        on_decisions=lambda _: None,
    )
    await worker.start()
    places = [Place(topic.value, 0) for topic in (Topic.READING, Topic.READING_COLUMNS)]
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await worker.run_until(await log.end_offsets(places))
    took = time.process_time() - cpu_s, time.perf_counter() - wall_s
    await worker.close()
    return took


async def table_bytes(database: Database) -> int:
    """Return the bytes of all days of the readings' table, indexes included."""
    statement = (
        "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits "
        "WHERE inhparent = 'observation'::regclass"
    )
    async with database.read() as connection:
        return int((await connection.exec_driver_sql(statement)).scalar_one())


def folder_bytes(folder: Path, name: str) -> int:
    """Return the bytes of a partition's segments, its sparse index files aside."""
    return sum(file.stat().st_size for file in folder.rglob(f"{name}/*.log"))


def timed(run: Any) -> tuple[Any, float]:
    """Return what a function gives and the seconds it took."""
    begun_s = time.perf_counter()
    found = run()
    return found, time.perf_counter() - begun_s


def rss_mb() -> float:
    """Resident memory of this process, megabytes."""
    return float(psutil.Process().memory_info().rss) / 1e6


def markdown(found: dict[str, Any], given: argparse.Namespace) -> str:
    """Write what was measured and what follows."""
    head = f"measured: {given.links:,} links, {given.sensors:,} detectors"
    asked = ("each detector sends every", "readings/s", "workers", "partitions", "log a day")
    needs = [_needs(period_s, given.sensors, found["stored"]) for period_s in (60, 20, 1)]
    measured = [*_of_state(found["state"]), *_of_store(found["stored"])]
    return "\n\n".join([table((head, ""), measured), table((*asked, "database a day"), needs)])


def _of_state(state_: dict[str, Any]) -> list[tuple[str, str]]:
    snapshot = f"{state_['snapshot_mb']:.0f} MB, {1000 * state_['snapshot_s']:.0f} ms"
    return [
        ("map read", f"{state_['read_s']:.0f} s, {state_['map_mb']:.0f} MB"),
        (
            "live state with half an hour of readings",
            f"made in {state_['live_s']:.0f} s, {state_['state_mb']:.0f} MB",
        ),
        ("whole process that owns the map", f"{state_['peak_mb']:.0f} MB"),
        ("readings into the live state", f"{state_['observe_per_s']:,.0f} a second"),
        ("picture of one beat, encoded for all clients", f"{1000 * state_['beat_s']:.0f} ms"),
        ("forecast of an hour", f"{state_['forecast_s']:.1f} s"),
        ("snapshot", f"{snapshot}; taken back in {1000 * state_['restore_s']:.0f} ms"),
        ("key frame of the live stream", f"{state_['frame_bytes']:,} bytes"),
        ("vector tiles indexed", f"{state_['tiles_s']:.1f} s"),
    ]


def _of_store(kept: dict[str, Any]) -> list[tuple[str, str]]:
    rate = "readings a second of a core"
    return [
        ("worker into PostGIS, JSON", f"{kept['json_per_core']:,.0f} {rate}"),
        ("worker into PostGIS, arrays", f"{kept['columns_per_core']:,.0f} {rate}"),
        ("a reading on Kafka, JSON (lz4)", f"{kept['json_log_bytes']:.0f} bytes"),
        ("a reading on Kafka, arrays (lz4)", f"{kept['columns_log_bytes']:.0f} bytes"),
        ("a reading in PostGIS with its indexes", f"{kept['json_database_bytes']:.0f} bytes"),
    ]


def _needs(period_s: int, sensors: int, kept: dict[str, Any]) -> tuple[object, ...]:
    """Say what one rate asks for; a worker is planned to be half busy, for a morning after."""
    rate = sensors / period_s
    workers = max(1, math.ceil(rate / (kept["json_per_core"] * HALF)))
    log_gb = rate * DAY_S * kept["json_log_bytes"] / 1e9
    database_gb = rate * DAY_S * kept["json_database_bytes"] / 1e9
    partitions = max(4, 4 * workers)
    return (
        f"{period_s} s",
        f"{rate:,.0f}",
        workers,
        partitions,
        f"{log_gb:,.1f} GB",
        f"{database_gb:,.1f} GB",
    )


PARTS = {"make": make, "state": state, "stored": stored}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--links", type=int, default=200_000)
    parser.add_argument("--sensors", type=int, default=20_000)
    parser.add_argument("--readings", type=int, default=400_000)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--part", choices=sorted(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options.folder, options)))
        sys.exit(0)
    where = Path(tempfile.mkdtemp(prefix="twin-bench-"))
    where.chmod(0o755)  # PostgreSQL runs as another user
    try:
        result = {name: measure(name, where, options) for name in ("make", "state", "stored")}
    finally:
        shutil.rmtree(where, ignore_errors=True)
    print(json.dumps(result, indent=2) if options.as_json else markdown(result, options))
