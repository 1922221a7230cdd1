"""How long a service needs, after its power was cut, to stand on the correct map again.

    python benchmarks/recovery/bench.py [--map FOLDER] [--minutes 60] [--rate 1000] [--embedded]

A real Kafka and a real PostGIS (or the embedded engine) are filled with readings of the network of
Lima (a GMNS folder; without one a grid of as many links), 1,000 a second over an hour of event
time. A worker takes them in with the service's own policy, a snapshot a minute, and is killed with
SIGKILL just before its next snapshot, with a stretch of the log still unread. Then a service is
started on what is left, in a process of its own, on a clock that goes on at the moment of the kill.
The seconds are counted from the start of the process until it has taken everything in, stands at
the log's end and its state hash is the one of a run that never stopped and used neither log nor
database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "backbone"), str(ROOT / "tools" / "services")]

import broker
import postgis
from cities import lima_city
from figures import table

from twin.clock import datetime_from_us
from twin.events import Reading
from twin.ingest.decode import decode_readings
from twin.ingest.topics import Topics
from twin.keys import KeyRing
from twin.live import Live, LiveBatch
from twin.log import open_log
from twin.network.gmns import write_gmns
from twin.network.model import SingleMap
from twin.store.database import Database
from twin.units import SECOND_US

START_US = 1_781_596_800 * SECOND_US
SENSORS = 6000
AT_ONCE = 10_000
UNREAD_S = 5
MUST_S, AIM_S = 60.0, 15.0


@dataclass(frozen=True)
class Place:
    """Where everything of one run lies."""

    folder: Path
    log: str
    database: str

    @property
    def given(self) -> dict[str, str]:
        """What a service or a worker is told."""
        return {
            "TWIN_MAP": str(self.folder / "map"),
            "TWIN_KEYS": str(self.folder / "keys.json"),
            "TWIN_DATABASE": self.database,
            "TWIN_LOG": self.log,
            "TWIN_PORT": "0",
        }


async def main(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Start the servers, fill, kill, recover, compare."""
    network = lima_city(given.map, SENSORS, period_s=SENSORS / given.rate)
    if given.embedded:
        place = Place(folder, "embedded", f"sqlite:///{folder / 'twin.db'}")
        return await measured(place, network, given)
    server, database = broker.Broker(folder / "kafka"), postgis.Server(folder / "postgis")
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(database.start)
        url = await asyncio.to_thread(database.create, "recovery")
        return await measured(Place(folder, server.url, url), network, given)
    finally:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(database.stop)


async def measured(place: Place, network: SingleMap, given: argparse.Namespace) -> dict[str, Any]:
    """Do all of it on one pair of engines."""
    write_gmns(network, place.folder / "map")
    KeyRing.fresh("test").save(place.folder / "keys.json")
    database = Database.at(place.database)
    await database.prepare()
    total_s = given.minutes * 60
    said(f"filling {total_s * given.rate:,} readings")
    oracle = await fill(place, database, network, total_s, given.rate)
    await database.close()
    # just before the snapshot that is due at the full minute: the most that can be missing
    stop_at = (total_s - UNREAD_S) * given.rate
    said("a worker takes them in")
    took_s = await taken_and_killed(place, stop_at)
    said("it is killed; recovering")
    found = await recovered(place, total_s * given.rate, START_US + total_s * SECOND_US)
    return {
        "links": len(network.links),
        "sensors": len(network.sensors),
        "readings": total_s * given.rate,
        "rate": given.rate,
        "engines": "SQLite" if given.embedded else "Kafka, PostGIS",
        "taken_s": took_s,
        "equal": found["state_hash"] == oracle,
        "state_hash": oracle,
        **found,
    }


async def fill(
    place: Place, database: Database, network: SingleMap, total_s: int, rate: int
) -> str:
    """Append every reading; return the state hash of a heart that saw them in this order."""
    log = open_log(place.log, database.path, "")
    await log.start()
    await log.create_topics(Topics(network).specs())
    oracle = Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone="")
    random = np.random.default_rng(7)
    names = [str(sensor.id) for sensor in network.sensors]
    lanes = np.array([sensor.lanes for sensor in network.sensors])
    period_s = network.sensors[0].period_s
    for first in range(0, total_s * rate, AT_ONCE):
        rows = np.arange(first, min(first + AT_ONCE, total_s * rate))
        times_us = START_US + rows * SECOND_US // rate
        values = _readings(rows, times_us, names, lanes, period_s, random)
        await log.append(
            Topics(network).reading_place(names[0]),
            values,
            arrival_us=times_us.tolist(),
            headers={"source": "bench"},
        )
        decoded = decode_readings(values, network.sensor_rows)
        oracle.observe(LiveBatch(int(times_us[-1]), readings=decoded.batch))
    await log.close()
    return oracle.state_hash()


def _readings(
    rows: npt.NDArray[np.int64],
    times_us: npt.NDArray[np.int64],
    names: list[str],
    lanes: npt.NDArray[np.int64],
    period_s: float,
    random: np.random.Generator,
) -> list[bytes]:
    draws = random.random((len(rows), 2))
    return [
        msgspec.json.encode(
            Reading(
                id=f"r{row}",
                sensor=names[row % len(names)],
                time=datetime_from_us(time_us),
                period_s=period_s,
                count=round(0.5 * period_s * int(lanes[row % len(names)]) * a),
                speed_kph=round(20 + 30 * b, 1),
                occupancy_pct=round(12 * a, 1),
            )
        )
        for row, time_us, (a, b) in zip(
            rows.tolist(), times_us.tolist(), draws.tolist(), strict=True
        )
    ]


async def taken_and_killed(place: Place, stop_at: int) -> float:
    """Let a worker take the log in and kill it at a position; return the seconds it took."""
    begun_s = time.monotonic()
    process = await started(place, "take", str(stop_at))
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if line.startswith(b"reached"):
            break
    else:
        raise RuntimeError("the worker ended before it could be killed")
    process.send_signal(signal.SIGKILL)
    await process.wait()
    return time.monotonic() - begun_s


async def recovered(place: Place, end: int, now_us: int) -> dict[str, Any]:
    """Start the service anew and wait until it says that it stands at the end of the log."""
    begun_s = time.monotonic()
    process = await started(place, "recover", str(end), str(now_us))
    assert process.stdout is not None
    said_at: dict[str, float] = {}
    while line := await process.stdout.readline():
        word, _, rest = line.decode().partition(" ")
        said_at[word.strip()] = time.monotonic() - begun_s
        if word == "correct":
            times = psutil.Process(process.pid).cpu_times()
            process.terminate()
            await process.wait()
            return {
                "state_hash": rest.strip(),
                "listening_s": said_at["listening"],
                "ready_s": said_at["ready"],
                "seconds": said_at["correct"],
                "cpu_s": times.user + times.system,
            }
    raise RuntimeError("the service ended before its state was whole")


async def started(place: Place, *words: str) -> asyncio.subprocess.Process:
    """Start one of the two parts in a process of its own."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("TWIN_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "part.py"),
        *words,
        env=clean | place.given,
        stdout=asyncio.subprocess.PIPE,
    )


def said(words: str) -> None:
    """Tell a person who waits how far it is."""
    print(f"-- {words}", file=sys.stderr, flush=True)


def markdown(found: dict[str, Any]) -> str:
    """Write the figures as a table."""
    rows = [
        ("the process answers HTTP", f"{found['listening_s']:.1f} s", "", ""),
        ("state restored, work begun", f"{found['ready_s']:.1f} s", "", ""),
        (
            "log read to its end, state hash equal"
            if found["equal"]
            else "log read to its end, STATE HASH DIFFERS",
            f"{found['seconds']:.1f} s",
            f"{MUST_S:.0f} s",
            f"{AIM_S:.0f} s",
        ),
    ]
    return "\n".join(
        [
            f"{found['links']:,} links, {found['sensors']:,} detectors, {found['readings']:,} "
            f"readings at {found['rate']:,} a second of event time, {found['engines']}; killed "
            f"with SIGKILL {UNREAD_S} s before the end of the log, some 55 s after a snapshot. "
            "Seconds from the start of a new process.",
            "",
            table(("reached", "after", "must", "aim"), rows),
            "",
            f"Until then the process took {found['cpu_s']:.1f} s of CPU time, most of it for its "
            "own start: modules, map, compiled kernels.",
        ]
    )


def met(found: dict[str, Any]) -> bool:
    """Say whether the state is right and came in time."""
    return bool(found["equal"] and found["seconds"] <= MUST_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--map", type=Path, default=None, help="GMNS folder of Lima")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--embedded", action="store_true")
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp(prefix="twin-bench-"))
    where.chmod(0o755)  # PostgreSQL runs as another user
    try:
        result = asyncio.run(main(where, options))
    finally:
        shutil.rmtree(where, ignore_errors=True)
    print(json.dumps(result, indent=2) if options.as_json else markdown(result))
    sys.exit(0 if met(result) else 1)
