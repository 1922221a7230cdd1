"""From an accepted event to the sockets that show it, with everything running.

    python benchmarks/latency/bench.py [--map FOLDER] [--minutes 10] [--clients 50] [--json]

`twin serve` (worker, forecast and API in one process) on a real Kafka and a real PostGIS, over the
network of Lima (a GMNS folder; without one a grid of as many links), takes 1,000 readings a second
over HTTP while 50 clients read the live stream.

*Accepted* is the moment at which the sender has its 202. *On the socket*: each beat's event on the
log says up to which offset it had taken readings in, and each frame bears its beat's time; so the
first frame that holds a reading is known for every client and every reading, without asking how the
estimate rounds it. Beside this a witness that needs no book-keeping: links are closed one after the
other, and the clients look for the byte that says closed. Memory is the service's resident memory;
its slope is fitted after the first fifth of the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BACKBONE = HERE.parent / "backbone"
sys.path[:0] = [str(BACKBONE), str(ROOT / "tools" / "services")]

import broker
import postgis
from cities import lima_city
from feeder import Feeder
from figures import percentiles_s, slope, table
from service import Service

from twin.clock import iso_from_us, us_from_datetime
from twin.events import Tick, Topic
from twin.log.contract import Place
from twin.log.kafka import KafkaLog
from twin.network.model import SingleMap

SENSORS = 6000
RATE = 1000.0
WITNESS_EVERY_S = 2.0
MEMORY_EVERY_S = 2.0
DRAIN_S = 12.0
P95_MUST_S, P99_MUST_S = 2.0, 5.0

Ints = npt.NDArray[np.int64]


class Watch:
    """What the service takes while it works: CPU time and memory."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.at_s: list[float] = []
        self.rss_mb: list[float] = []
        self.cpu_share = 0.0

    async def run(self, seconds: float) -> None:
        """Look every few seconds."""
        begun_s, cpu_s = time.monotonic(), self._service.cpu_s()
        while (passed_s := time.monotonic() - begun_s) < seconds:
            self.at_s.append(passed_s)
            self.rss_mb.append(self._service.rss_mb())
            await asyncio.sleep(MEMORY_EVERY_S)
        self.cpu_share = (self._service.cpu_s() - cpu_s) / passed_s

    def said(self, warm_s: float) -> dict[str, Any]:
        """Make figures of it; the slope of the memory begins after `warm_s`."""
        warm = np.array(self.at_s) >= warm_s
        rise = slope(np.array(self.at_s)[warm].tolist(), np.array(self.rss_mb)[warm].tolist())
        return {
            "cpu_share": self.cpu_share,
            "rss_mb": [round(value, 1) for value in (self.rss_mb[0], self.rss_mb[-1])],
            "rss_peak_mb": max(self.rss_mb),
            "rss_mb_per_hour": rise.per_hour,
            "rss_mb_per_hour_half_width": rise.half_width,
            "memory_flat": rise.flat,
        }


async def main(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Start the servers and measure."""
    network = lima_city(given.map, SENSORS, period_s=SENSORS / RATE)
    server, database = broker.Broker(folder / "kafka"), postgis.Server(folder / "postgis")
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(database.start)
        url = await asyncio.to_thread(database.create, "latency")
        service = Service(folder / "service", network, url, TWIN_LOG=server.url)
        keys = {role: await service.make_key(role) for role in ("integrator", "viewer")}
        with service:
            found = await driven(folder, service, network, keys, given)
        ticks = await beats(server.bootstrap)
        return found | delays(found.pop("feeder"), ticks, np.load(folder / "frames.npz"), found)
    finally:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(database.stop)


async def driven(
    folder: Path,
    service: Service,
    network: SingleMap,
    keys: dict[str, str],
    given: argparse.Namespace,
) -> dict[str, Any]:
    """Feed, listen and watch for the wanted time."""
    seconds = given.minutes * 60.0
    feeder = Feeder(network, RATE, now_us=lambda: time.time_ns() // 1000)
    watch = Watch(service)
    listeners = await connected(folder, service, keys["viewer"], given.clients, seconds)
    feeding = asyncio.create_task(feeder.run(service.url, keys["integrator"]))
    witness = asyncio.create_task(closures(service.url, keys["integrator"], network, seconds))
    await watch.run(seconds)
    counted = int(await asyncio.to_thread(service.metric, "twin_stream_clients"))
    forecasts = int(await asyncio.to_thread(service.metric, "twin_forecasts_total"))
    feeder.stopping.set()
    await feeding
    closed_us = await witness
    if await listeners.wait() != 0:
        raise RuntimeError("the clients ended with an error")
    return {
        "feeder": feeder,
        "closed_us": closed_us,
        "links": len(network.links),
        "seconds": seconds,
        "clients": given.clients,
        "seen_by_server": counted,
        "forecasts": forecasts,
        **watch.said(seconds / 5),
    }


async def connected(
    folder: Path, service: Service, key: str, clients: int, seconds: float
) -> asyncio.subprocess.Process:
    """Start the stream's clients and wait until each has its first frame."""
    listeners = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BACKBONE / "listeners.py"),
        service.url.replace("http", "ws", 1) + "/api/v1/stream",
        key,
        str(clients),
        str(seconds + DRAIN_S),
        str(folder / "frames.npz"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert listeners.stdout is not None
    if not (await listeners.stdout.readline()).startswith(b"connected"):
        raise RuntimeError("the clients could not connect")
    return listeners


async def closures(url: str, key: str, network: SingleMap, seconds: float) -> dict[int, int]:
    """Close one link after the other; return when each closure was accepted, by link row."""
    accepted: dict[int, int] = {}
    headers = {"Authorization": f"Bearer {key}"}
    random = np.random.default_rng(3)
    rows = random.permutation(len(network.links))[: int(seconds / WITNESS_EVERY_S)]
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        for number, row in enumerate(rows.tolist()):
            moment = iso_from_us(time.time_ns() // 1_000_000 * 1000)
            body = {
                "id": f"w{number}",
                "link": str(network.links[row].id),
                "time": moment,
                "kind": "closure",
                "capacity_share": 0.0,
            }
            answer = await client.post("/api/v1/incidents", json=body)
            answer.raise_for_status()
            accepted[row] = time.time_ns() // 1000
            await asyncio.sleep(WITNESS_EVERY_S)
    return accepted


async def beats(bootstrap: str) -> tuple[Ints, Ints]:
    """Return every beat on the log: (its time, the offset up to which it had readings), rising."""
    log = KafkaLog(bootstrap, "")
    await log.start()
    place = Place(Topic.TICK.value, 0)
    reader = await log.reader({place: 0})
    end = (await log.end_offsets([place]))[place]
    found: dict[int, int] = {}
    next_offset = 0
    while next_offset < end:
        for records in await reader.fetch(max_records=5000, timeout_s=5.0):
            for value in records.values:
                tick = msgspec.json.decode(value, type=Tick)
                offset = tick.offsets.get(f"{Topic.READING.value}/0", 0)
                found[us_from_datetime(tick.time)] = offset
            next_offset = records.next_offset
    await reader.close()
    await log.close()
    times = sorted(found)
    return np.array(times, np.int64), np.array([found[time_us] for time_us in times], np.int64)


def delays(
    feeder: Feeder, ticks: tuple[Ints, Ints], heard: Any, found: dict[str, Any]
) -> dict[str, Any]:
    """Find for every reading and client the first frame that holds it, and how late it came."""
    posted_us, accepted_us = feeder.times_us()
    tick_us, taken = ticks
    frames = heard["frames"]
    from_accepted, from_posted, unseen = [], [], 0
    offsets = np.arange(len(accepted_us))
    for client in range(found["clients"]):
        own = frames[frames[:, 0] == client]
        beat = np.searchsorted(tick_us, own[:, 2])
        assert np.array_equal(tick_us[beat], own[:, 2]), "a frame whose beat is not on the log"
        first = np.searchsorted(taken[beat], offsets, side="right")
        seen = first < len(own)
        unseen += int((~seen).sum())
        arrived_us = own[first[seen], 3]
        from_accepted.append(arrived_us - accepted_us[seen])
        from_posted.append(arrived_us - posted_us[seen])
    closed_us = found.pop("closed_us")
    witness = [received_us - closed_us[row] for _, row, received_us, _ in heard["closed"].tolist()]
    return {
        "readings": len(accepted_us),
        "rate": len(accepted_us) / found["seconds"],
        "unseen": unseen,
        "frames_missing": missing_frames(frames, found["clients"]),
        "still_connected": int(heard["still"][0]),
        "accepted_to_socket": spread(np.concatenate(from_accepted)),
        "posted_to_socket": spread(np.concatenate(from_posted)),
        "closures": len(closed_us),
        "closures_wanted": len(closed_us) * found["clients"],
        "closures_seen": len(witness),
        "closure_to_socket": spread(np.array(witness, np.int64)),
    }


def spread(micros: Ints) -> dict[str, float]:
    """Return the percentiles that are told."""
    names = ("p50_s", "p95_s", "p99_s", "worst_s")
    return dict(zip(names, percentiles_s(micros, 50, 95, 99, 100), strict=True))


def missing_frames(frames: Ints, clients: int) -> int:
    """Count the numbers that are missing between each client's first frame and its last."""
    steps = np.concatenate([np.diff(frames[frames[:, 0] == one][:, 1]) for one in range(clients)])
    return int((steps - 1)[steps > 1].sum())


def markdown(found: dict[str, Any]) -> str:
    """Write the figures as tables."""

    def row(name: str, of: str, *, must: bool = False) -> tuple[object, ...]:
        part = found[of]
        marks = (f" (must {P95_MUST_S:.0f})", f" (must {P99_MUST_S:.0f})") if must else ("", "")
        return (
            name,
            f"{part['p50_s']:.2f} s",
            f"{part['p95_s']:.2f} s{marks[0]}",
            f"{part['p99_s']:.2f} s{marks[1]}",
            f"{part['worst_s']:.2f} s",
        )

    rows = [
        row("reading accepted → on the socket", "accepted_to_socket", must=True),
        row("reading posted → on the socket", "posted_to_socket"),
        row("closure accepted → its byte on the socket", "closure_to_socket"),
    ]
    return "\n".join(
        [
            f"{found['readings']:,} readings in {found['seconds']:.0f} s ({found['rate']:,.0f} a "
            f"second) over {found['links']:,} links; {found['clients']} stream clients (the server "
            f"counts {found['seen_by_server']}), {found['forecasts']} forecasts made, "
            f"{found['closures']} closures; frames missing {found['frames_missing']}, readings "
            f"never shown {found['unseen']}, closures not seen "
            f"{found['closures_wanted'] - found['closures_seen']}.",
            "",
            table(("", "median", "p95", "p99", "worst"), rows),
            "",
            f"The service takes {100 * found['cpu_share']:.0f} % of a core. Its memory: "
            f"{found['rss_mb'][0]:.0f} MB at first, {found['rss_mb'][1]:.0f} MB at the end, "
            f"peak {found['rss_peak_mb']:.0f} MB; after the first fifth of the run its slope is "
            f"{found['rss_mb_per_hour']:+.0f} ± {found['rss_mb_per_hour_half_width']:.0f} MB an "
            f"hour (95 %): {'flat' if found['memory_flat'] else 'NOT FLAT'}.",
        ]
    )


def met(found: dict[str, Any]) -> bool:
    """Say whether all of it is within what must be."""
    part = found["accepted_to_socket"]
    whole = found["unseen"] == 0 and found["closures_seen"] == found["closures_wanted"]
    everybody = found["clients"] == found["seen_by_server"] == found["still_connected"]
    quick = part["p95_s"] <= P95_MUST_S and part["p99_s"] <= P99_MUST_S
    return bool(whole and everybody and quick and found["memory_flat"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--map", type=Path, default=None, help="GMNS folder of Lima")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=50)
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
