"""The street: SUMO in step with the service's clock, its signals, its loops, its watch."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from twin.clock import Clock, ManualClock, us_from_seconds
from twin.events import ControlMode
from twin.units import SECOND_US
from twin.world.cabinet import Cabinet
from twin.world.controllers import SignalControllers
from twin.world.faults import Distorter, Timed
from twin.world.monitor import Monitor, Rules, rules_of_map, rules_of_net
from twin.world.service import wait_s
from twin.world.sumo.clocks import SLOWEST, Pace, PacedClock
from twin.world.sumo.engine import Engine, Traffic
from twin.world.sumo.heads import Head, LampHead, street_map
from twin.world.sumo.line import Line
from twin.world.sumo.meters import due
from twin.world.sumo.roadside import Roadside, RoadsideKeys, Wire
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
    """How one run is set up. `start_us` is the service's moment at the scene's begin.

    `parties` are the keys of a city's other parties; the controllers have run their own plans for
    `settled_s` when the run begins (a scene that goes on from a state does not start all red).
    However much the service lags, the street is not slower than `slowest`.
    """

    scene: Scene
    start_us: int
    seed: int
    out: Path
    key: str
    rate: float
    parties: RoadsideKeys | None = None
    settled_s: float = 0.0
    slowest: float = SLOWEST


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
        self.monitor = Monitor(_rules(plan.scene))
        self.distorter = distorter
        self.line_down = False
        self._clock = clock
        self._street_clock = ManualClock(plan.start_us - us_from_seconds(plan.settled_s))
        self._service_lag_s = service_lag_s
        line = Line(client, key=plan.key, is_cut=self._is_cut, pause=_short_pause)
        network = street_map(plan.scene.network, begin_s=plan.scene.begin_s, start_us=plan.start_us)
        self.controllers = SignalControllers(network, service=line, clock=self._street_clock)
        self._line = line
        self._meters = plan.scene.meters
        self.sender = Sender(line, clock)
        self._heads = {
            name: _head(plan.scene, name, cabinet)
            for name, cabinet in self.controllers.cabinets.items()
        }
        self.roadside = self._beside(client)
        self._moved = asyncio.Event()
        self._ended = False
        self._stopping = False
        paced = clock if isinstance(clock, PacedClock) else None
        self.pace = Pace(paced, wanted=plan.rate, slowest=plan.slowest) if paced else None
        self._paced = paced
        self._stages: dict[str, str] = {}

    def _beside(self, client: httpx.AsyncClient) -> Roadside | None:
        """Prepare the other parties of a city, if it has any with keys."""
        city, keys = self.scene.city, self.plan.parties
        if city is None or keys is None or not keys.gate:
            return None
        wire = Wire(client, self._clock, self._is_cut, _short_pause)
        return Roadside(city, self.scene.network, keys, wire, scene=self.scene.name)

    def stop(self) -> None:
        """Ask `run` to end after the present second, in good order."""
        self._stopping = True

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
        if self.roadside:
            engine.watch(self.roadside.links)
            tasks += [asyncio.create_task(job) for job in self.roadside.jobs()]
        try:
            await self._drive(engine, tasks, on_second)
            self._ended = True
            self._moved.set()
            self.sender.end()
            await asyncio.gather(tasks[0], tasks[1])
            if self.roadside:
                self.roadside.sender.end()
                await tasks[3]
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
            self.monitor.watch(time_s, self._seen(shown))
            self._note(second)
            self._measure(engine, second + 1, now_us + SECOND_US)
            if self.roadside:
                self.roadside.see(engine.places, now_us, self.distorter)
                act = partial(self.roadside.act, places=engine.places, now_us=now_us)
                await asyncio.to_thread(engine.act, act)
            if self._paced:
                self._paced.allow(now_us + SECOND_US + us_from_seconds(_GRACE_S))
            self._keep_pace(second)
            on_second(second)
            over = second % _LOOK_EVERY_S == 0 and self._is_over(engine.traffic(), time_s)
            if over or self._stopping:
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

    def _seen(self, shown: dict[str, str]) -> dict[str, str]:
        """Return what SUMO's lights show, and beside it what people on foot see."""
        heads = self._heads
        return {
            name: heads[name].seen(one) if name in heads else one for name, one in shown.items()
        }

    def _note(self, second: int) -> None:
        self.ledger.simulated_s += 1
        for name, cabinet in self.controllers.cabinets.items():
            shown = cabinet.shown
            leased = shown.mode is ControlMode.LEASED
            self.ledger.note_lease(name, second, leased=leased)
            if shown.stage != self._stages.get(name, shown.stage) and leased:
                self.ledger.changes.setdefault(name, []).append(float(second))
            self._stages[name] = shown.stage

    def _measure(self, engine: Engine, passed_s: int, end_us: int) -> None:
        meters = due(self._meters, passed_s)
        counts = engine.loops([loop for meter in meters for loop in meter.loops]) if meters else {}
        items = (Timed(end_us, one.reading(self.scene.name, counts, end_us)) for one in meters)
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


def _rules(scene: Scene) -> dict[str, Rules]:
    if scene.city is None:
        return rules_of_net(scene.net)
    groups = {
        junction: tuple(link.group for link in links)
        for junction, links in scene.city.lamps.items()
    }
    return rules_of_map(scene.net, scene.network, groups)


def _head(scene: Scene, junction: str, cabinet: Cabinet) -> Head | LampHead:
    if scene.city is not None:
        return LampHead(cabinet, scene.city.lamps[junction])
    return Head(cabinet, scene.designs[junction])
