"""kill −9 of the service at seeded moments, while SUMO goes on: what the street does then."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from broker import free_port

from twin.clock import ScaledClock, us_from_datetime, us_from_seconds
from twin.keys import KeyRing
from twin.network.gmns import write_gmns
from twin.settings import Settings
from twin.units import SECOND_US
from twin.world.faults import Distorter, Faults
from twin.world.service import connect
from twin.world.sumo.outcome import Accounts, read_accounts
from twin.world.sumo.scene import Scene, open_scene
from twin.world.sumo.street import Street, StreetPlan

TWIN = str(Path(sys.executable).with_name("twin"))
KILLS = 5
RATE = 5.0
SEED = 7
START = datetime(2026, 6, 16, 16, tzinfo=UTC)
BETWEEN_S = (20.0, 90.0)  # of the street, from when all junctions are held to the kill
WAIT_S = 400.0  # of ours, for anything to happen
LAST_S = 60.0


@dataclass(frozen=True)
class Kill:
    """One kill, seconds of the street: when, when the last junction was alone, and held again."""

    killed_s: float
    alone_s: float
    ready_s: float
    held_s: float


@dataclass(frozen=True)
class Seen:
    """What all kills together left behind."""

    kills: list[Kill]
    lease_s: float
    junctions: int
    simulated_s: int
    lease_share: float
    violations: int
    behind_s: float
    sent: int
    again: int
    accounts: dict[str, int]
    agree: bool


def report(source: Path, folder: Path, options: dict[str, str]) -> list[str]:
    """Kill and restart the service over one run; return the report's lines. Fails on any harm."""
    told = folder / "seen.json"
    if told.exists():
        document = json.loads(told.read_text(encoding="utf-8"))
        seen = Seen(**{**document, "kills": [Kill(**one) for one in document["kills"]]})
    else:
        folder.mkdir(parents=True, exist_ok=True)
        seen = asyncio.run(_run(source, folder, options))
        told.write_text(json.dumps(asdict(seen), indent=1), encoding="utf-8")
    assert len(seen.kills) >= KILLS
    assert seen.violations == 0
    assert seen.agree
    for kill in seen.kills:
        # What was asked for in the last moment is obeyed until its lease ends, no longer.
        assert kill.alone_s - kill.killed_s <= seen.lease_s + 1.0, kill
    return _lines(source.name, seen)


class _Service:
    """`twin serve` as a process of its own."""

    def __init__(self, scene: Scene, folder: Path, options: dict[str, str], clock: str) -> None:
        write_gmns(scene.network, folder / "map")
        KeyRing.fresh("test").save(folder / "keys.json")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "TWIN_MAP": str(folder / "map"),
            "TWIN_DATABASE": options["database"],
            "TWIN_LOG": options["log"],
            "TWIN_TOPIC_PREFIX": options["topic-prefix"],
            "TWIN_KEYS": str(folder / "keys.json"),
            "TWIN_PORT": str(self.port),
            "TWIN_AUTOMATIC_JUNCTIONS": "*",
            "TWIN_LOG_LEVEL": "ERROR",
        }
        self._clock = clock
        self._output = (folder / "service.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start the process and wait until it says that it is ready."""
        self._launch()
        async with httpx.AsyncClient(base_url=self.url) as client:
            until = time.monotonic() + WAIT_S
            while time.monotonic() < until:
                with suppress(httpx.TransportError):
                    if (await client.get("/health/ready")).is_success:
                        return
                assert self._process is None or self._process.poll() is None, "it ended at once"
                await asyncio.sleep(0.1)
        raise AssertionError("the service does not come up")

    def _launch(self) -> None:
        command = [TWIN, "serve", "--practice-clock", self._clock]
        self._process = subprocess.Popen(
            command, env=self.environment, stdout=self._output, stderr=self._output
        )

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def new_key(self) -> str:
        """Make a key of the role that controllers and loops have."""
        command = [TWIN, "keys", "add", "--role", "integrator", "--name", "street"]
        done = subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


async def _run(source: Path, folder: Path, options: dict[str, str]) -> Seen:
    scene = open_scene(source, folder / "scene")
    origin_ns = time.time_ns()
    service = _Service(scene, folder, options, f"{START.isoformat()},{RATE},{origin_ns}")
    clock = ScaledClock(us_from_datetime(START), rate=RATE, origin_ns=origin_ns)
    try:
        await service.start()
        key = await asyncio.to_thread(service.new_key)
        start_us = clock.now_us() + us_from_seconds(5.0 * RATE)
        async with connect(service.url) as client:
            street = Street(
                StreetPlan(scene, start_us, SEED, folder / "out", key, RATE),
                client=client,
                clock=clock,
                distorter=Distorter(Faults(SEED), start_us=start_us),
            )
            running = asyncio.create_task(street.run())
            kills = await _kill_often(street, service, clock, running)
            street.stop()
            await running
            counts = street.sender.counts
            accounts = await read_accounts(
                client, key=key, sent=counts["posted"], again=counts["sent_again"]
            )
    finally:
        service.kill()
    return _seen(street, kills, accounts)


async def _kill_often(
    street: Street, service: _Service, clock: ScaledClock, running: asyncio.Task[None]
) -> list[Kill]:
    choice = random.Random(SEED)
    names = tuple(street.controllers.cabinets)
    ledger = street.ledger

    def now_s() -> float:
        return (clock.now_us() - street.plan.start_us) / SECOND_US

    def passed(due_s: float) -> Callable[[], bool]:
        return lambda: now_s() >= due_s

    def all_held() -> bool:
        return ledger.simulated_s > 0 and not ledger.alone_since

    def all_alone() -> bool:
        return len(ledger.alone_since) == len(names)

    kills = []
    for _ in range(KILLS):
        await _until(all_held, running)
        due_s = now_s() + choice.uniform(*BETWEEN_S)
        await _until(passed(due_s), running)
        await _until(all_held, running)
        killed_s = now_s()
        service.kill()
        await _until(all_alone, running)
        alone_s = max(ledger.alone_since.values())
        await service.start()
        ready_s = now_s()
        await _until(all_held, running)
        held_s = max(to for _, since, to in ledger.spells if since >= killed_s)
        kills.append(Kill(killed_s, alone_s, ready_s, held_s))
        print(f"-- {kills[-1]}", flush=True)
    await _until(passed(now_s() + LAST_S), running)
    return kills


async def _until(there: Callable[[], bool], running: asyncio.Task[None]) -> None:
    """Wait until something is so; a street that ended meanwhile raises its error here."""
    until = time.monotonic() + WAIT_S
    while not there():
        if running.done():
            running.result()
            raise AssertionError("the run is over before the last kill")
        assert time.monotonic() < until, "it did not happen"
        await asyncio.sleep(0.05)


def _seen(street: Street, kills: list[Kill], accounts: Accounts | None) -> Seen:
    assert accounts is not None
    ledger, counts = street.ledger, street.sender.counts
    return Seen(
        kills=kills,
        lease_s=Settings.model_fields["lease_s"].default,
        junctions=len(street.controllers.cabinets),
        simulated_s=ledger.simulated_s,
        lease_share=ledger.lease_share,
        violations=sum(street.monitor.counts.values()),
        behind_s=ledger.behind_s,
        sent=counts["posted"],
        again=counts["sent_again"],
        accounts=dict(accounts.parts),
        agree=accounts.agree,
    )


def _lines(name: str, seen: Seen) -> list[str]:
    fell_s = [kill.alone_s - kill.killed_s for kill in seen.kills]
    back_s = [max(kill.held_s - kill.ready_s, 0.0) for kill in seen.kills]
    lines = [
        f"## kill −9 of the service, {name}",
        "",
        f"`twin serve` on Kafka and PostGIS, killed at {len(seen.kills)} seeded moments while SUMO "
        f"went on at {RATE:g} times life; the lease is {seen.lease_s:g} s. Seconds of the street.",
        "",
        "| killed at | own program again after | service ready at | under lease again after |",
        "|---|---|---|---|",
    ]
    for kill, fell, back in zip(seen.kills, fell_s, back_s, strict=True):
        lines.append(f"| {kill.killed_s:.1f} | {fell:.1f} s | {kill.ready_s:.1f} | {back:.1f} s |")
    verdicts = ", ".join(f"{name} {count:,}" for name, count in seen.accounts.items())
    return [
        *lines,
        "",
        f"Longest time from a kill to the own program: {max(fell_s):.1f} s; longest from ready to "
        f"lease: {max(back_s):.1f} s. {seen.simulated_s:,} s simulated, "
        f"{100 * seen.lease_share:.1f} % of junction-seconds under lease. Violations: "
        f"{seen.violations}. Readings sent {seen.sent:,}, and {seen.again:,} repeats "
        f"because no answer came; the service counts {verdicts}: the accounts agree.",
        "",
    ]
