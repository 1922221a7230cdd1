"""The live stream: many clients, every frame, beside a bare broadcast of the same bytes.

    python benchmarks/stream/bench.py [--clients 200] [--links 10000] [--seconds 120] [--json]

The real service runs in a process of its own over a grid of streets and is fed with readings; the
clients run in another process. Counted are frames by their sequence (a number that is missing
between the first and the last frame of a client is a gap), the time from the beat that made a
picture to the arrival at each client, and the CPU time of the service, first without clients.
The peer is `websockets` sending the same frames to as many clients, measured by the same listeners.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
BACKBONE = HERE.parent / "backbone"
sys.path.insert(0, str(BACKBONE))

from cities import grid_city
from feeder import Feeder
from figures import percentiles_s, table
from service import Service

SENSORS = 1000
RATE = 500.0
SETTLE_S = 5.0
FRAME_BYTES_MUST = 12_000


@dataclass(frozen=True)
class Heard:
    """What the clients of one server saw.

    seen_by_server   the clients that the server itself counted while they listened
    wanted           frames that all clients would have with no gap
    """

    clients: int
    still_connected: int
    seen_by_server: int
    frames: int
    wanted: int
    gaps: int
    largest_bytes: int
    mean_bytes: float
    p50_s: float
    p99_s: float
    worst_s: float
    cpu_share: float


async def main(folder: Path, clients: int, links: int, seconds: float) -> dict[str, Any]:
    """Measure the service and then its peer."""
    network = grid_city(links, SENSORS, period_s=SENSORS / RATE)
    service = Service(folder / "service", network, f"sqlite:///{folder / 'twin.db'}")
    feeder_key = await service.make_key("integrator")
    viewer_key = await service.make_key("viewer")
    with service:
        feeder = Feeder(network, RATE, now_us=lambda: time.time_ns() // 1000)
        feeding = asyncio.create_task(feeder.run(service.url, feeder_key))
        await asyncio.sleep(SETTLE_S)
        alone = await cpu_share(service.process, min(seconds, 30.0))
        stream = service.url.replace("http", "ws", 1) + "/api/v1/stream"
        count = lambda: int(service.metric("twin_stream_clients"))  # noqa: E731
        ours = await listened(folder, stream, viewer_key, clients, seconds, service.process, count)
        feeder.stopping.set()
        await feeding
    peer = await beside(folder, clients, seconds)
    return {
        "links": links,
        "readings_per_s": RATE,
        "seconds": seconds,
        "cpu_share_without_clients": alone,
        "service": asdict(ours),
        "peer": asdict(peer),
        "stream_cpu_ratio": (ours.cpu_share - alone) / peer.cpu_share,
        "p99_ratio": ours.p99_s / peer.p99_s,
    }


async def beside(folder: Path, clients: int, seconds: float) -> Heard:
    """Measure the peer with the frames that the service sent."""
    command = [sys.executable, str(HERE / "peer.py"), str(folder / "frames.bin")]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        running = psutil.Process(process.pid)
        return await listened(folder, url, "", clients, seconds, running, lambda: clients)
    finally:
        process.kill()
        await process.wait()


async def listened(
    folder: Path,
    url: str,
    key: str,
    clients: int,
    seconds: float,
    server: psutil.Process,
    counted: Any,
) -> Heard:
    """Run the clients against a server and say what they saw."""
    out = folder / ("ours.npz" if key else "peer.npz")
    keep = ["--keep", str(folder / "frames.bin")] if key else []
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BACKBONE / "listeners.py"),
        url,
        key,
        str(clients),
        str(seconds),
        str(out),
        *keep,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.startswith(b"connected"):
        raise RuntimeError("the clients could not connect")
    await asyncio.sleep(1.0)
    share = await cpu_share(server, seconds - 3.0)
    seen = await asyncio.to_thread(counted)
    if await process.wait() != 0:
        raise RuntimeError("the clients ended with an error")
    return said(np.load(out), clients, seen, share)


def said(found: Any, clients: int, seen: int, share: float) -> Heard:
    """Make figures of what the clients wrote down."""
    frames = found["frames"]
    gaps = wanted = 0
    delays = []
    for client in range(clients):
        own = frames[frames[:, 0] == client]
        steps = np.diff(own[:, 1])
        gaps += int((steps - 1)[steps > 1].sum())
        wanted += int(own[-1, 1] - own[0, 1]) + 1
        delays.append(own[1:, 3] - own[1:, 2])  # the first was made before the client came
    delay_us = np.concatenate(delays)
    p50_s, p99_s, worst_s = percentiles_s(delay_us, 50, 99, 100)
    return Heard(
        clients=clients,
        still_connected=int(found["still"][0]),
        seen_by_server=seen,
        frames=len(frames),
        wanted=wanted,
        gaps=gaps,
        largest_bytes=int(frames[:, 4].max()),
        mean_bytes=float(frames[:, 4].mean()),
        p50_s=p50_s,
        p99_s=p99_s,
        worst_s=worst_s,
        cpu_share=share,
    )


async def cpu_share(process: psutil.Process, seconds: float) -> float:
    """Return the share of one core that a process takes over some seconds."""
    before, begun_s = process.cpu_times(), time.monotonic()
    await asyncio.sleep(seconds)
    after, ended_s = process.cpu_times(), time.monotonic()
    used = after.user + after.system - before.user - before.system
    return float(used) / (ended_s - begun_s)


def markdown(found: dict[str, Any]) -> str:
    """Write the figures as a table, with what must be."""
    ours, peer = found["service"], found["peer"]
    rows: list[tuple[object, ...]] = [
        (name, look(ours), look(peer), must)
        for name, look, must in (
            ("clients connected, by their own count", lambda h: h["still_connected"], "all"),
            ("clients connected, by the server's count", lambda h: h["seen_by_server"], "all"),
            ("frames received", lambda h: f"{h['frames']:,}", ""),
            ("frames missing", lambda h: h["gaps"], "0"),
            ("largest frame, bytes", lambda h: f"{h['largest_bytes']:,}", "≤ 12,000"),
            ("mean frame, bytes", lambda h: f"{h['mean_bytes']:,.0f}", ""),
            ("beat to socket, median", lambda h: f"{1000 * h['p50_s']:.0f} ms", ""),
            ("beat to socket, p99", lambda h: f"{1000 * h['p99_s']:.0f} ms", ""),
            ("CPU, share of one core", lambda h: f"{100 * h['cpu_share']:.1f} %", ""),
        )
    ]
    alone = found["cpu_share_without_clients"]
    return "\n".join(
        [
            f"{ours['clients']} clients, {found['links']:,} links, one frame a second for "
            f"{found['seconds']:.0f} s; the service takes {found['readings_per_s']:.0f} readings a "
            "second in beside it. The peer sends the same bytes.",
            "",
            table(("", "twin", "bare `websockets` broadcast", "must"), rows),
            "",
            f"Without clients the service takes {100 * alone:.1f} % of a core for readings, state "
            f"and pictures; its clients cost it {found['stream_cpu_ratio']:.1f} × the CPU of the "
            f"bare broadcast, and p99 is {found['p99_ratio']:.1f} × (our beat begins with "
            "decisions and a commit, the peer's with the send).",
        ]
    )


def met(found: dict[str, Any]) -> bool:
    """Say whether everybody was there and got everything, in small frames."""
    ours = found["service"]
    everybody = ours["clients"] == ours["still_connected"] == ours["seen_by_server"]
    whole = ours["gaps"] == 0 and ours["frames"] == ours["wanted"]
    return bool(everybody and whole and ours["largest_bytes"] <= FRAME_BYTES_MUST)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--links", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="twin-bench-"))
    try:
        result = asyncio.run(main(place, given.clients, given.links, given.seconds))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(json.dumps(result, indent=2) if given.as_json else markdown(result))
    sys.exit(0 if met(result) else 1)
