"""One crossing with pedestrians, its links' state, and a toy controller that obeys leases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from twin.clock import datetime_from_us, us_from_datetime
from twin.events import ControlMode, DecisionEvent, SignalStatus
from twin.forecast.result import Forecast
from twin.ids import (
    GroupId,
    JunctionId,
    LinkId,
    MovementId,
    NodeId,
    PlanId,
    StageId,
)
from twin.network.model import (
    Junction,
    Link,
    LinkClass,
    Movement,
    Node,
    SignalGroup,
    SignalPlan,
    SingleMap,
    Stage,
    TurnKind,
)
from twin.perceive.state import Freshness, LinkState, Origin, Source
from twin.units import SECOND_US

START_US = 1_781_596_800 * SECOND_US
"""2026-06-16T08:00:00Z"""

ARMS = ("N", "S", "E", "W")
OPPOSITE = {"N": "S", "S": "N", "E": "W", "W": "E"}
INTERGREEN: tuple[tuple[str, str, float], ...] = (
    ("NS", "EW", 5.0),
    ("EW", "NS", 5.0),
    ("NS", "P", 6.0),
    ("P", "NS", 9.0),
    ("EW", "P", 6.0),
    ("P", "EW", 9.0),
)


def group(name: str, moves: tuple[str, ...], *, max_red_s: float = 120.0) -> SignalGroup:
    """Make a group; one without movements is for pedestrians."""
    return SignalGroup(
        GroupId(name),
        tuple(MovementId(move) for move in moves),
        min_green_s=8.0,
        yellow_s=3.0 if moves else 0.0,
        pedestrian=not moves,
        max_red_s=max_red_s,
    )


def crossing_junction(
    *,
    name: str = "J",
    intergreen: tuple[tuple[str, str, float], ...] = INTERGREEN,
    stages: tuple[tuple[str, ...], ...] = (("NS",), ("EW",), ("P",)),
    lengths: tuple[float, ...] = (30.0, 30.0, 20.0),
    max_red_s: float = 120.0,
) -> Junction:
    """Make the signals: both roads in turn, then everybody on foot."""
    return Junction(
        id=JunctionId(name),
        node=NodeId("C"),
        groups=(
            group("NS", ("N-S", "S-N"), max_red_s=max_red_s),
            group("EW", ("E-W", "W-E"), max_red_s=max_red_s),
            group("P", (), max_red_s=max_red_s),
        ),
        stages=tuple(
            Stage(StageId(str(row)), tuple(GroupId(one) for one in members))
            for row, members in enumerate(stages, 1)
        ),
        intergreen_s=tuple((GroupId(a), GroupId(b), s) for a, b, s in intergreen),
        plans=(
            SignalPlan(
                PlanId("day"),
                sum(lengths),
                0.0,
                tuple((StageId(str(row)), length) for row, length in enumerate(lengths, 1)),
            ),
        ),
    )


def crossing(junction: Junction | None = None) -> SingleMap:
    """Make the map: four arms of 200 m, two lanes in and two out, straight ahead only."""
    links = []
    for arm in ARMS:
        for ends in ((arm, "C"), ("C", arm)):
            links.append(
                Link(
                    id=LinkId(f"{ends[0]}>{ends[1]}"),
                    from_node=NodeId(ends[0]),
                    to_node=NodeId(ends[1]),
                    line=((0.0, 0.0), (0.001, 0.001)),
                    length_m=200.0,
                    lanes=2,
                    free_speed_mps=14.0,
                    capacity_vps=1.0,
                    link_class=LinkClass.ARTERIAL,
                )
            )
    return SingleMap(
        name="crossing",
        version="c" * 32,
        timezone="Europe/Madrid",
        nodes=tuple(Node(NodeId(name), (0.0, 0.0)) for name in (*ARMS, "C")),
        links=tuple(links),
        movements=tuple(
            Movement(
                MovementId(f"{arm}-{OPPOSITE[arm]}"),
                NodeId("C"),
                LinkId(f"{arm}>C"),
                LinkId(f"C>{OPPOSITE[arm]}"),
                TurnKind.THRU,
                share=1.0,
            )
            for arm in ARMS
        ),
        junctions=(junction or crossing_junction(),),
    )


def state(
    network: SingleMap,
    now_us: int,
    *,
    vehicles: dict[str, float] | None = None,
    flow_vph: dict[str, float] | None = None,
    age_s: float = 20.0,
    freshness: Freshness = Freshness.LIVE,
) -> LinkState:
    """Make the state of the links; by id, else 2 vehicles on a link and 200 veh/h."""
    names = [link.id for link in network.links]
    count = len(names)
    lengths = np.array([link.length_m for link in network.links])
    on_link = np.array([(vehicles or {}).get(name, 2.0) for name in names])
    flow_vps = np.array([(flow_vph or {}).get(name, 200.0) for name in names]) / 3600.0
    return LinkState(
        time_us=now_us,
        speed_mps=np.full(count, 10.0),
        speed_sd_mps=np.full(count, 1.0),
        flow_vps=flow_vps,
        flow_sd_vps=flow_vps * 0.1,
        density_vpm=on_link / lengths,
        density_sd_vpm=on_link / lengths * 0.1,
        age_s=np.full(count, age_s),
        source=np.full(count, Source.MEASURED, np.uint8),
        freshness=np.full(count, freshness, np.uint8),
        closed=np.zeros(count, np.uint8),
        origins=np.full(count, Origin.SPEEDS | Origin.COUNTS, np.uint8),
        detectors=np.ones(count, np.uint8),
    )


def forecast_of(links: LinkState, made_us: int) -> Forecast:
    """Make a forecast that says: as it is now, for an hour."""
    steps = np.ones((12, 1))
    return Forecast(
        id="f1",
        made_us=made_us,
        map_version="c" * 32,
        step_s=300.0,
        speed_mps=steps * links.speed_mps,
        speed_lo_mps=steps * links.speed_mps,
        speed_hi_mps=steps * links.speed_mps,
        flow_vps=steps * links.flow_vps,
        density_vpm=steps * links.density_vpm,
        method=np.ones(len(links.speed_mps), np.uint8),
    )


def status(
    stage: str,
    *,
    at_us: int,
    since_us: int,
    changing: bool = False,
    mode: ControlMode = ControlMode.OWN_PLAN,
    junction: str = "J",
) -> SignalStatus:
    """Make what a controller says."""
    return SignalStatus(
        id=f"{junction}-{at_us}",
        junction=junction,
        time=datetime_from_us(at_us),
        stage=stage,
        since=datetime_from_us(since_us),
        mode=mode,
        changing=changing,
    )


@dataclass
class ToyStreet:
    """A controller that obeys whatever it is told while the lease runs, without any check.

    It keeps the intergreen of the largest pair, and nothing else: minimum greens and longest reds
    are kept only if whoever commands it keeps them. Without a lease it follows its plan.
    """

    junction: Junction
    now_us: int
    stage: str = "1"
    since_us: int = 0
    target: str | None = None
    greens_at_us: int = 0
    lease_us: int = 0
    wanted: str = ""
    leased_s: int = 0
    greens: list[tuple[int, frozenset[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.since_us = self.now_us

    def obey(self, events: tuple[DecisionEvent, ...]) -> None:
        """Take the commands in."""
        for event in events:
            if event.target == self.junction.id and event.lease_until is not None:
                self.wanted = event.command["stage"]
                self.lease_us = us_from_datetime(event.lease_until)

    def members(self, stage: str) -> frozenset[str]:
        """Return the groups of a stage."""
        return next(frozenset(one.groups) for one in self.junction.stages if one.id == stage)

    def advance(self) -> None:
        """Let one second pass."""
        self.now_us += SECOND_US
        if self.target is not None and self.now_us >= self.greens_at_us:
            self.stage, self.target, self.since_us = self.target, None, self.greens_at_us
        leased = self.now_us < self.lease_us
        self.leased_s += leased
        if self.target is None:
            following = self.wanted if leased else self._by_plan()
            if following != self.stage:
                ending = self.members(self.stage) - self.members(following)
                starting = self.members(following) - self.members(self.stage)
                longest_s = max(
                    (s for a, b, s in self.junction.intergreen_s if a in ending and b in starting),
                    default=0.0,
                )
                self.target = following
                self.greens_at_us = self.now_us + int(longest_s * SECOND_US)
        shown = self.members(self.stage)
        self.greens.append(
            (self.now_us, shown if self.target is None else shown & self.members(self.target))
        )

    def _by_plan(self) -> str:
        steps = self.junction.plans[0].steps
        row = next(at for at, (stage, _) in enumerate(steps) if stage == self.stage)
        length_us = (steps[row][1] - 9.0) * SECOND_US
        over = self.now_us - self.since_us >= length_us
        return steps[(row + 1) % len(steps)][0] if over else self.stage

    def status(self) -> SignalStatus:
        """Say what is shown."""
        return status(
            self.target or self.stage,
            at_us=self.now_us,
            since_us=min(self.since_us, self.now_us),
            changing=self.target is not None,
            mode=ControlMode.LEASED if self.now_us < self.lease_us else ControlMode.OWN_PLAN,
        )


def violations(
    junction: Junction, greens: list[tuple[int, frozenset[str]]], *, own_red_s: float = 0.0
) -> list[str]:
    """Judge a record of greens, second by second, from the matrix alone: the tests' own oracle.

    own_red_s   what the street's own plan may add to a red after the service let go
    """
    judge = _Judge(junction, own_red_s, greens[0][0])
    before: frozenset[str] = frozenset()
    for row, (time_us, now) in enumerate(greens):
        judge.together(time_us, now)
        for one in now - before:
            judge.starts(one, time_us, known=row > 0)
        for one in before - now:
            judge.ends(one, time_us)
        judge.waiting(time_us, now)
        before = now
    return judge.found


class _Judge:
    """What has been seen so far, and what was wrong with it."""

    def __init__(self, junction: Junction, own_red_s: float, start_us: int) -> None:
        self.groups = {str(group.id): group for group in junction.groups}
        self.between = {(str(a), str(b)): s for a, b, s in junction.intergreen_s}
        self.own_red_s, self.start_us = own_red_s, start_us
        self.began: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.found: list[str] = []

    def together(self, time_us: int, now: frozenset[str]) -> None:
        pairs = [(a, b) for a in now for b in now if (a, b) in self.between]
        self.found.extend(f"{a} and {b} green at {time_us}" for a, b in pairs)

    def starts(self, one: str, time_us: int, *, known: bool) -> None:
        if known:
            self.began[one] = time_us
        for other, at_us in self.ended.items():
            passed_s = (time_us - at_us) / SECOND_US
            if other != one and passed_s < self.between.get((other, one), 0.0):
                self.found.append(f"{other} to {one} after {passed_s} s")

    def ends(self, one: str, time_us: int) -> None:
        self.ended[one] = time_us
        green_s = (time_us - self.began.get(one, 0)) / SECOND_US
        if green_s < self.groups[one].min_green_s:
            self.found.append(f"{one} green for {green_s} s")

    def waiting(self, time_us: int, now: frozenset[str]) -> None:
        for name, group in self.groups.items():
            red_s = (time_us - self.ended.get(name, self.start_us)) / SECOND_US
            if name not in now and red_s > group.max_red_s + self.own_red_s:
                self.found.append(f"{name} red for {red_s} s at {time_us}")


def later(event: DecisionEvent, seconds: float) -> int:
    """Return a moment some seconds after an event, in microseconds."""
    return us_from_datetime(event.time + timedelta(seconds=seconds))
