"""A controller that asks for anything at all, at junctions of any shape, breaks nothing.

The judge here knows only the matrices and what the street truly showed second by second.
"""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_city import (
    START_US,
    ToyStreet,
    crossing,
    crossing_junction,
    forecast_of,
    state,
    violations,
)
from twin.clock import datetime_from_us, us_from_seconds
from twin.columns import Floats
from twin.control.decision import DecisionBook
from twin.control.signals import controller
from twin.control.signals.choose import Choice, Shown
from twin.control.signals.controller import SignalControl
from twin.control.signals.layout import JunctionLayout
from twin.control.signals.reasons import SignalReason
from twin.control.signals.safety import Limits, SafetyGate
from twin.errors import UnsafePlan
from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.ids import GroupId, JunctionId, NodeId, StageId
from twin.network.model import Junction, SignalGroup, Stage
from twin.units import SECOND_US

NAMES = ("A", "B", "C", "D")


@st.composite
def junctions(draw: st.DrawFn) -> Junction:
    """Draw a junction: some sound, some with conflicting stages, holes and short intergreens."""
    names = NAMES[: draw(st.integers(2, 4))]
    on_foot = [draw(st.booleans()) for _ in names]
    groups = tuple(
        SignalGroup(
            GroupId(name),
            (),
            min_green_s=draw(st.sampled_from([4.0, 8.0, 4.0, 0.0])),
            yellow_s=0.0 if pedestrian else draw(st.sampled_from([3.0, 3.0, 0.0])),
            pedestrian=pedestrian,
            max_red_s=draw(st.sampled_from([90.0, 40.0])),
        )
        for name, pedestrian in zip(names, on_foot, strict=True)
    )
    intergreen = []
    for one, other in itertools.combinations(names, 2):
        if draw(st.booleans()):
            continue  # the two may be green together
        for pair in ((one, other), (other, one)):
            seconds = draw(st.sampled_from([5.0, 2.0, 9.0, 5.0, 0.0, None]))
            if seconds is not None:
                intergreen.append((GroupId(pair[0]), GroupId(pair[1]), seconds))
    members = st.sets(st.sampled_from(names), min_size=1, max_size=2)
    stages = draw(st.lists(members, min_size=2, max_size=4))
    return Junction(
        id=JunctionId("J"),
        node=NodeId("C"),
        groups=groups,
        stages=tuple(
            Stage(StageId(str(row)), tuple(GroupId(name) for name in sorted(chosen)))
            for row, chosen in enumerate(stages, 1)
        ),
        intergreen_s=tuple(intergreen),
        plans=(),
    )


class Judge:
    """Says whether a request may reach the street, from the matrices and the true record."""

    def __init__(self, junction: Junction) -> None:
        self.junction = junction
        self.groups = {group.id: group for group in junction.groups}
        self.between = {(a, b): s for a, b, s in junction.intergreen_s}

    def objections(self, street: ToyStreet, stage: str, lease_s: float) -> list[str]:
        wanted, now = street.members(stage), street.members(street.stage)
        found = [f"{a}+{b}" for a in wanted for b in wanted if (a, b) in self.between]
        if not 1.0 <= lease_s <= 15.0:
            found.append("lease")
        if street.target is not None:
            return found if stage == street.target else [*found, "changing"]
        green_s = (street.now_us - street.since_us) / SECOND_US
        for ending in now - wanted if stage != street.stage else ():
            group = self.groups[GroupId(ending)]
            if group.min_green_s <= 0 or green_s < group.min_green_s:
                found.append(f"minimum green {ending}")
            if not group.pedestrian and group.yellow_s <= 0:
                found.append(f"yellow {ending}")
            for starting in wanted - now:
                found.extend(self._clearing(ending, starting))
        return found + self._reds(street, wanted, lease_s)

    def _clearing(self, ending: str, starting: str) -> list[str]:
        pair = (GroupId(ending), GroupId(starting))
        if pair not in self.between and pair[::-1] not in self.between:
            return []
        group = self.groups[pair[0]]
        least_s = max(group.yellow_s, 3.0 if group.pedestrian else 1e-9)
        return [] if self.between.get(pair, 0.0) >= least_s else [f"clearing {pair}"]

    def _reds(self, street: ToyStreet, wanted: frozenset[str], lease_s: float) -> list[str]:
        found = []
        for name, group in self.groups.items():
            if name in wanted:
                continue
            seen = [time_us for time_us, greens in street.greens if name in greens]
            red_us = street.now_us - max(seen, default=street.greens[0][0])
            leave_s = max((self.between.get((GroupId(a), name), 0.0) for a in wanted), default=0.0)
            if red_us / SECOND_US + lease_s + leave_s > group.max_red_s:
                found.append(f"red {name}")
        return found


def ask(stage: str, now_us: int, lease_s: float) -> DecisionEvent:
    return DecisionEvent(
        id=f"s{now_us}",
        version=1,
        kind=DecisionKind.SIGNAL_STAGE,
        state=DecisionState.DECIDED,
        target="J",
        time=datetime_from_us(now_us),
        reason="HOLD",
        command={"stage": stage},
        lease_until=datetime_from_us(now_us) + timedelta(seconds=lease_s),
    )


def held(junction: Junction) -> ToyStreet:
    """Make a street without a plan of its own: it stays where it is when nobody commands it."""

    class Holding(ToyStreet):
        def _by_plan(self) -> str:
            return self.stage

    return Holding(junction, START_US)


@given(junction=junctions(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_what_the_gate_releases_no_judge_objects_to(junction: Junction, seed: int) -> None:
    chance = random.Random(seed)
    gate = SafetyGate(crossing(junction), Limits(max_lease_s=15.0))
    street, judge = held(junction), Judge(junction)
    for _ in range(90):
        street.advance()
        gate.observe_status(street.status())
        stage = chance.choice([*(one.id for one in junction.stages), street.stage])
        lease_s = chance.choice([15.0, 10.0, 3.0, 3.0, 0.5, 60.0])
        asked = ask(stage, street.now_us, lease_s)
        try:
            links = state(crossing(junction), street.now_us)
            event = gate.release(asked, links=links, now_us=street.now_us).event
        except UnsafePlan:
            continue
        assert judge.objections(street, stage, lease_s) == []
        street.obey((event,))


@pytest.mark.parametrize("seed", range(4))
def test_a_controller_gone_mad_breaks_nothing_on_a_sound_junction(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)

    def mad(
        layout: JunctionLayout,
        shown: Shown,
        pressure: Floats,
        *,
        now_us: int,
        lease_s: float,
        preferred: int | None,
    ) -> Choice:
        del shown, pressure, lease_s, preferred
        stage = chance.randrange(len(layout.junction.stages))
        until_us = now_us + us_from_seconds(chance.uniform(2.0, 40.0))
        return Choice(stage, until_us, SignalReason.MORE_PRESSURE)

    monkeypatch.setattr(controller, "choose_stage", mad)
    junction = crossing_junction()
    network = crossing(junction)
    control = SignalControl(network, automatic=frozenset("*"), lease_s=15.0)
    book, street, released = DecisionBook(), ToyStreet(junction, START_US), 0
    for _ in range(1200):
        street.advance()
        control.observe_status(street.status())
        links = state(network, street.now_us)
        made = control.decide(
            street.now_us,
            links,
            forecast=forecast_of(links, street.now_us),
            book=book,
            map_version=network.version,
            offsets={},
        )
        for event in made:
            book.add(event)
        issued = tuple(event for event in made if event.state is DecisionState.ISSUED)
        released += len(issued)
        street.obey(issued)
        book.expire(street.now_us)
    # Refused at every turn, the junction falls back to its plan, whose longest red is 60 s.
    assert violations(junction, street.greens, own_red_s=60.0) == []
    assert control.unsafe_count > 100
    assert released > 20
    assert np.mean([len(greens) for _, greens in street.greens]) > 0.3
