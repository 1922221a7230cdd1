"""The street: SUMO in step with the service's clock, its signals, its loops, its watch."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from twin.clock import Clock, ManualClock, datetime_from_us, us_from_seconds
from twin.events import ControlMode, Reading
from twin.network.sumo.detectors import PERIOD_S
from twin.units import SECOND_US, kph_from_mps
from twin.world.controllers import SignalControllers
from twin.world.faults import Distorter, Timed
from twin.world.monitor import Monitor, rules_of_net
from twin.world.service import wait_s
from twin.world.sumo.clocks import Pace, PacedClock
from twin.world.sumo.engine import Engine, LoopCount, Traffic
from twin.world.sumo.heads import Head, street_map
from twin.world.sumo.line import Line
from twin.world.sumo.scene import Scene
from twin.world.sumo.sender import Sender

_POLL_S: Final = 10.0
_PACE_EVERY_S: Final = 3
_LOOK_EVERY_S: Final = 30
_STILL_S: Final = 600.0  # nobody arrives for so long while vehicles are there: gridlock
_GRACE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 0.5


@dataclass
class Ledger:
    """What the street itself saw: seconds a junction by who ruled it, and changes of stage."""

    leased_s: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    changes: dict[str, list[float]] = field(default_factory=dict)
    behind_s: float = 0.0
    simulated_s: int = 0
    last_arrival_s: float = 0.0
    arrived: int = 0
    gridlock: bool = False
    spells: list[tuple[str, int, int]] = field(default_factory=list)
    alone_since: dict[str, int] = field(default_factory=dict)

    def note_lease(self, junction: str, second: int, *, leased: bool) -> None:
        """Count one second of one junction; `spells` without a lease are (junction, from, to)."""
        self.seconds[junction] += 1
        self.leased_s[junction] += leased
        since = self.alone_since.pop(junction, None)
        if not leased:
            self.alone_since[junction] = second if since is None else since
        elif since is not None:
            self.spells.append((junction, since, second))

    @property
    def longest_alone_s(self) -> int:
        """The longest time that a junction was without a lease."""
        now = [self.simulated_s - since for since in self.alone_since.values()]
        return max([end - start for _, start, end in self.spells] + now, default=0)

    @property
    def lease_share(self) -> float:
        """The part of junction-seconds under the service's lease."""
        return sum(self.leased_s.values()) / max(sum(self.seconds.values()), 1)


@dataclass(frozen=True)
class StreetPlan:
    """How one run is set up. `start_us` is the service's moment at the scene's begin."""

    scene: Scene
    start_us: int
    seed: int
    out: Path
    key: str
    rate: float


class Street:
    """One run of a scene against a service. Numbers may be read at any time."""

    def __init__(
        self,
        plan: StreetPlan,
        *,
        client: httpx.AsyncClient,
        clock: Clock,
        distorter: Distorter,
        service_lag_s: Callable[[], float] | None = None,
    ) -> None:
        """Prepare everything but SUMO. A PacedClock is led; any other clock is followed."""
        self.plan = plan
        self.scene = plan.scene
        self.ledger = Ledger(last_arrival_s=plan.scene.begin_s)
        self.monitor = Monitor(rules_of_net(plan.scene.net))
        self.distorter = distorter
        self.line_down = False
        self._clock = clock
        self._street_clock = ManualClock(plan.start_us)
        self._service_lag_s = service_lag_s
        line = Line(client, key=plan.key, is_cut=self._is_cut, pause=_short_pause)
        network = street_map(plan.scene.network, begin_s=plan.scene.begin_s, start_us=plan.start_us)
        self.controllers = SignalControllers(network, service=line, clock=self._street_clock)
        self._line = line
        self.sender = Sender(line, clock)
        self._heads = {
            name: Head(cabinet, plan.scene.designs[name])
            for name, cabinet in self.controllers.cabinets.items()
        }
        self._moved = asyncio.Event()
        self._ended = False
        paced = clock if isinstance(clock, PacedClock) else None
        self.pace = Pace(paced, wanted=plan.rate) if paced else None
        self._paced = paced
        self._stages: dict[str, str] = {}

    def _is_cut(self) -> bool:
        now_us = self._street_clock.now_us()
        return self.line_down or self.distorter.cut_until(now_us) is not None

    async def run(self, *, on_second: Callable[[int], None] = lambda _: None) -> None:
        """Run the scene to its end and send all that was measured.

        Raises SimulationError when SUMO dies, InputError when the service refuses the key.
        """
        engine = await asyncio.to_thread(Engine, self.scene, self.plan.out, seed=self.plan.seed)
        tasks = [
            asyncio.create_task(job) for job in (self.sender.run(), self._tell(), self._listen())
        ]
        try:
            await self._drive(engine, tasks, on_second)
            self._ended = True
            self._moved.set()
            self.sender.end()
            await asyncio.gather(tasks[0], tasks[1])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(engine.close)

    async def _drive(
        self, engine: Engine, tasks: list[asyncio.Task[None]], on_second: Callable[[int], None]
    ) -> None:
        length = int(self.scene.end_s - self.scene.begin_s)
        for second in range(length):
            now_us = self.plan.start_us + second * SECOND_US
            await self._wait_until(now_us, tasks)
            self._street_clock.advance_to(now_us)
            for cabinet in self.controllers.cabinets.values():
                cabinet.advance(now_us)
            self._moved.set()
            self.sender.ring()
            shown = await asyncio.to_thread(
                engine.step, {name: head.state() for name, head in self._heads.items()}
            )
            time_s = self.scene.begin_s + second
            self.monitor.watch(time_s, shown)
            self._note(second)
            if (second + 1) % int(PERIOD_S) == 0:
                self._measure(engine.loops(), now_us + SECOND_US)
            if self._paced:
                self._paced.allow(now_us + SECOND_US + us_from_seconds(_GRACE_S))
            self._keep_pace(second)
            on_second(second)
            if second % _LOOK_EVERY_S == 0 and self._is_over(engine.traffic(), time_s):
                return

    async def _wait_until(self, moment_us: int, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for the clock; a task that died meanwhile raises its error here."""
        if self._paced:
            self._paced.allow(moment_us)
        while (left_us := moment_us - self._clock.now_us()) > 0:  # noqa: ASYNC110 - a clock has no bell
            await asyncio.sleep(self._clock.wall_seconds(left_us / SECOND_US))
        await asyncio.sleep(0)
        self.ledger.behind_s = max(self.ledger.behind_s, -left_us / SECOND_US)
        for task in tasks:
            if task.done():
                task.result()

    def _note(self, second: int) -> None:
        self.ledger.simulated_s += 1
        for name, cabinet in self.controllers.cabinets.items():
            shown = cabinet.shown
            leased = shown.mode is ControlMode.LEASED
            self.ledger.note_lease(name, second, leased=leased)
            if shown.stage != self._stages.get(name, shown.stage) and leased:
                self.ledger.changes.setdefault(name, []).append(float(second))
            self._stages[name] = shown.stage

    def _measure(self, counts: list[LoopCount], end_us: int) -> None:
        items = (Timed(end_us, _reading(self.scene.name, one, end_us)) for one in counts)
        self.sender.put(self.distorter.feed(items))

    def _keep_pace(self, second: int) -> None:
        if self.pace is None or second % _PACE_EVERY_S:
            return
        beats_s = self._service_lag_s() if self._service_lag_s else 0.0
        self.pace.heard(max(beats_s, 0.0 if self._is_cut() else self.sender.lag_s))

    def _is_over(self, traffic: Traffic, time_s: float) -> bool:
        """Look for gridlock, and for the end of all trips."""
        ledger = self.ledger
        if traffic.arrived > ledger.arrived or not traffic.running + traffic.waiting:
            ledger.arrived, ledger.last_arrival_s = traffic.arrived, time_s
        elif time_s - ledger.last_arrival_s >= _STILL_S:
            ledger.gridlock = True
        return traffic.expected == 0

    async def _tell(self) -> None:
        """Report what the controllers show, each time the street moved on."""
        while not self._ended:
            await self._moved.wait()
            self._moved.clear()
            await self.controllers.beat()

    async def _listen(self) -> None:
        """Hear commands and obey them."""
        after, failures = 0, 0
        names = tuple(self.controllers.cabinets)
        while names:
            heard = await self._line.commands(names, after=after, wait_s=_POLL_S)
            if heard is None:
                failures += 1
                await _short_pause(wait_s(failures))
                continue
            failures = 0
            after, commands = heard
            await self.controllers.obey(commands)


async def _short_pause(seconds: float) -> None:
    """Wait, but look again soon: the street may be many times faster than life."""
    await asyncio.sleep(min(seconds, _LONGEST_PAUSE_S))


def _reading(scene: str, one: LoopCount, end_us: int) -> Reading:
    return Reading(
        id=f"{scene}:{one.loop}:{end_us // SECOND_US}",
        sensor=one.loop,
        time=datetime_from_us(end_us),
        period_s=PERIOD_S,
        count=float(one.count),
        speed_kph=None if one.speed_mps is None else round(kph_from_mps(one.speed_mps), 2),
        occupancy_pct=round(one.occupancy_pct, 2),
    )
