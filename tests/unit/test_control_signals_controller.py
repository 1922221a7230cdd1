"""The loop of signal control: automatic, granted, let go, refused; and the street in it."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pytest

from control_city import ARMS, START_US, ToyStreet, crossing, forecast_of, state, violations
from twin.clock import datetime_from_us, us_from_datetime
from twin.control.decision import DecisionBook
from twin.control.explain import sentence
from twin.control.signals.controller import SignalControl
from twin.events import (
    Acknowledgement,
    Act,
    ControlMode,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    OperatorAct,
)
from twin.forecast.result import Forecast
from twin.network.model import SingleMap
from twin.perceive.state import Freshness, LinkState
from twin.units import SECOND_US

BUSY = {"N>C": 900.0, "S>C": 900.0, "E>C": 100.0, "W>C": 100.0}


@dataclass
class Loop:
    """The service and one street, a second at a time."""

    automatic: frozenset[str] = frozenset({"J"})
    network: SingleMap = field(default_factory=crossing)
    vehicles: dict[str, float] = field(default_factory=dict)
    flow_vph: dict[str, float] = field(default_factory=dict)
    freshness: Freshness = Freshness.LIVE
    forecast: bool = True
    forecast_known: bool = True
    answers: bool = True
    accepts: bool = True
    reports: bool = True
    events: list[DecisionEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.control = SignalControl(self.network, automatic=self.automatic, lease_s=15.0)
        self.book = DecisionBook()
        self.street = ToyStreet(self.network.junctions[0], START_US)

    @property
    def now_us(self) -> int:
        return self.street.now_us

    def links(self) -> LinkState:
        return state(
            self.network,
            self.now_us,
            vehicles=self.vehicles,
            flow_vph=self.flow_vph,
            freshness=self.freshness,
        )

    def run(self, seconds: int) -> list[DecisionEvent]:
        """Run and return what was decided meanwhile."""
        before = len(self.events)
        for _ in range(seconds):
            self.street.advance()
            if self.reports:
                self.control.observe_status(self.street.status())
            links = self.links()
            made = self.control.decide(
                self.now_us,
                links,
                forecast=self.newest_forecast(links),
                book=self.book,
                map_version=self.network.version,
                offsets={"reading-0": 7},
            )
            for event in made:
                self.book.add(event)
            self.events.extend(made)
            self.carry(tuple(one for one in made if one.state is DecisionState.ISSUED))
            self.events.extend(self.book.expire(self.now_us))
        return self.events[before:]

    def newest_forecast(self, links: LinkState) -> Forecast | None:
        forecast = forecast_of(links, self.now_us)
        if not self.forecast_known:
            forecast.flow_vps[:, 0] = np.nan
        return forecast if self.forecast else None

    def carry(self, issued: tuple[DecisionEvent, ...]) -> None:
        """Take commands to the street and its answers back."""
        stages = tuple(one for one in issued if one.kind is DecisionKind.SIGNAL_STAGE)
        if self.accepts:
            self.street.obey(stages)
        for event in stages if self.answers else ():
            self.events.extend(
                self.book.apply_acknowledgement(
                    Acknowledgement(
                        id=f"k-{event.id}",
                        decision=event.id,
                        device=event.target,
                        time=datetime_from_us(self.now_us),
                        accepted=self.accepts,
                    ),
                    self.now_us,
                )
            )

    def act(self, what: Act, target: DecisionEvent) -> tuple[DecisionEvent, ...]:
        return self.book.apply_act(
            OperatorAct(
                id=f"a{self.now_us}",
                time=datetime_from_us(self.now_us),
                person="ana",
                act=what,
                target=target.id,
                seen_version=target.version,
                reason="agreed with the control room",
            ),
            self.now_us,
        )


def stages(events: list[DecisionEvent], name: DecisionState) -> list[DecisionEvent]:
    return [one for one in events if one.kind is DecisionKind.SIGNAL_STAGE and one.state is name]


@pytest.mark.parametrize("seed", range(3))
def test_half_an_hour_automatic_is_safe_and_under_lease(seed: int) -> None:
    chance = random.Random(seed)
    loop = Loop()
    for _ in range(30):
        loop.vehicles = {f"{arm}>C": chance.uniform(0, 40) for arm in ARMS}
        loop.run(60)
    assert violations(loop.network.junctions[0], loop.street.greens) == []
    assert loop.control.unsafe_count == 0
    assert loop.street.leased_s >= 0.98 * 1800
    shown = {name for _, greens in loop.street.greens for name in greens}
    assert shown == {"NS", "EW", "P"}


def green_seconds(**vehicles: float) -> dict[str, int]:
    loop = Loop(vehicles={f"{arm}>C": count for arm, count in vehicles.items()})
    loop.run(900)
    return {name: sum(name in greens for _, greens in loop.street.greens) for name in ("NS", "EW")}


def test_the_busier_road_gets_more_green() -> None:
    seconds = green_seconds(N=30.0, S=30.0, E=6.0, W=6.0)
    assert seconds["NS"] > 2 * seconds["EW"]
    seconds = green_seconds(N=6.0, S=6.0, E=30.0, W=30.0)
    assert seconds["EW"] > 2 * seconds["NS"]


def test_a_lease_is_prolonged_before_it_ends_and_inputs_are_kept() -> None:
    loop = Loop()
    issued = stages(loop.run(40), DecisionState.ISSUED)
    for earlier, following in itertools.pairwise(issued):
        assert earlier.lease_until is not None
        assert following.time < earlier.lease_until
        assert following.predecessor == earlier.id
    first = issued[0]
    assert first.automatic
    assert first.command["stage"] == "1"
    assert first.forecast_id == "f1"
    assert first.offsets == {"reading-0": 7}
    assert first.map_version == loop.network.version
    assert {fact.name: fact.unit for fact in first.facts}["pressure wanted"] == "veh²/s"


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [
        ({"freshness": Freshness.STALE}, "INPUT_TOO_OLD"),
        ({"vehicles": {"N>C": float("nan")}}, "INPUT_TOO_OLD"),
        ({"forecast": False}, "FORECAST_MISSING"),
    ],
)
def test_without_its_inputs_it_lets_go_once_and_the_plan_runs(
    breaks: dict[str, object], reason: str
) -> None:
    loop = Loop()
    loop.run(30)
    for name, value in breaks.items():
        setattr(loop, name, value)
    events = loop.run(120)
    (released,) = stages(events, DecisionState.RELEASED)
    assert released.reason == reason
    assert released.lease_until is not None
    assert (
        us_from_datetime(released.lease_until) - us_from_datetime(released.time) <= 15 * SECOND_US
    )
    assert "goes back to its own plan" in sentence(released)
    assert stages(events, DecisionState.ISSUED) == []
    assert loop.street.now_us > loop.street.lease_us
    assert violations(loop.network.junctions[0], loop.street.greens) == []


def test_a_controller_that_falls_silent_is_let_go() -> None:
    loop = Loop()
    loop.run(20)
    loop.reports = False
    events = loop.run(60)
    (released,) = stages(events, DecisionState.RELEASED)
    assert released.reason == "STATUS_MISSING"


def test_a_controller_with_a_fault_is_not_controlled() -> None:
    loop = Loop()
    loop.run(20)
    loop.reports = False
    later = datetime_from_us(loop.now_us + 1)
    broken = msgspec.structs.replace(loop.street.status(), mode=ControlMode.FAULT, time=later)
    loop.control.observe_status(broken)
    events = loop.run(1)
    (released,) = stages(events, DecisionState.RELEASED)
    assert released.reason == "DEVICE_FAULT"


def test_a_refused_command_is_not_repeated_at_once() -> None:
    loop = Loop(accepts=False)
    events = loop.run(31)
    issued = stages(events, DecisionState.ISSUED)
    assert 2 <= len(issued) <= 4
    assert len(stages(events, DecisionState.REFUSED)) == len(issued)


def test_a_person_is_asked_after_three_clear_minutes_and_not_twice() -> None:
    loop = Loop(automatic=frozenset(), flow_vph=BUSY)
    assert loop.run(180) == []
    (proposed,) = loop.run(60)
    assert proposed.state is DecisionState.PROPOSED
    assert proposed.kind is DecisionKind.SIGNAL_CONTROL
    assert proposed.expires is not None
    assert us_from_datetime(proposed.expires) - us_from_datetime(proposed.time) == 600 * SECOND_US
    facts = {fact.name: fact for fact in proposed.facts}
    assert facts["delay saved"].unit == "veh·h/h"
    assert facts["delay saved"].age_s == 20.0
    assert isinstance(facts["queue N>C"].value, float)
    assert "stages free of conflicts" in proposed.checks
    assert sentence(proposed).startswith("Hand junction J to adaptive control")


def test_an_approach_without_forecast_does_not_forbid_to_ask() -> None:
    loop = Loop(automatic=frozenset(), flow_vph=BUSY, forecast_known=False)
    assert [one.state for one in loop.run(200)] == [DecisionState.PROPOSED]


def test_nobody_is_asked_for_a_small_saving() -> None:
    loop = Loop(automatic=frozenset(), flow_vph=dict.fromkeys(BUSY, 100.0))
    assert loop.run(400) == []


def test_granted_it_is_controlled_until_the_grant_ends() -> None:
    loop = Loop(automatic=frozenset(), flow_vph=BUSY)
    (proposed,) = loop.run(200)
    (approved,) = loop.act(Act.APPROVE, proposed)
    events = loop.run(5)
    begun = next(one for one in events if one.kind is DecisionKind.SIGNAL_CONTROL)
    assert (begun.id, begun.version, begun.state) == (proposed.id, 3, DecisionState.ISSUED)
    assert begun.lease_until == approved.expires
    (issued,) = stages(events, DecisionState.ISSUED)
    assert issued.grant == proposed.id
    assert not issued.automatic
    loop.run(60)
    end_us = us_from_datetime(approved.time) + 1800 * SECOND_US
    loop.street.now_us = end_us - 200 * SECOND_US
    assert stages(loop.run(199), DecisionState.ISSUED)[-1].grant == proposed.id
    loop.run(30)
    assert stages(loop.events, DecisionState.RELEASED)[0].reason == "GRANT_ENDED"
    assert loop.book.grant("J") is None


def test_a_person_takes_a_grant_back() -> None:
    loop = Loop(automatic=frozenset(), flow_vph=BUSY)
    (proposed,) = loop.run(200)
    loop.act(Act.APPROVE, proposed)
    loop.run(20)
    current = loop.book.grant("J")
    assert current is not None
    (released,) = loop.act(Act.RELEASE, current)
    assert released.by == "ana"
    events = loop.run(30)
    assert [one.reason for one in stages(events, DecisionState.RELEASED)] == ["GRANT_ENDED"]
    assert stages(events, DecisionState.ISSUED) == []


def test_a_rejected_person_is_left_in_peace() -> None:
    loop = Loop(automatic=frozenset(), flow_vph=BUSY)
    (proposed,) = loop.run(200)
    loop.act(Act.REJECT, proposed)
    assert loop.run(200) == []
    loop.street.now_us += 1400 * SECOND_US
    assert loop.run(190) == []
    assert [one.state for one in loop.run(30)] == [DecisionState.PROPOSED]


def test_the_same_inputs_make_the_same_decisions() -> None:
    first, second = Loop(), Loop()
    assert first.run(120) == second.run(120)


def test_an_unfit_junction_is_never_controlled_and_says_why() -> None:
    network = crossing()
    junction = network.junctions[0]
    holes = tuple(row for row in junction.intergreen_s if row[:2] != ("NS", "EW"))
    loop = Loop(network=replace(network, junctions=(replace(junction, intergreen_s=holes),)))
    assert loop.run(60) == []
    assert [finding.rule for finding in loop.control.findings] == ["intergreens complete"]
