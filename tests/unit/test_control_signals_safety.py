"""Each rule of the safety gate is seen to fire, and a sound request is seen to pass."""

from __future__ import annotations

import ast
from dataclasses import replace as with_fields
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

import twin.control.signals
from control_city import (
    INTERGREEN,
    START_US,
    crossing,
    crossing_junction,
    state,
    status,
)
from twin.clock import datetime_from_us
from twin.control.signals.controller import _outgoing
from twin.control.signals.safety import RULES, Limits, Released, SafetyGate
from twin.errors import UnsafePlan
from twin.events import (
    ControlMode,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    SignalStatus,
)
from twin.network.model import Junction
from twin.units import SECOND_US

NOW_US = START_US
S = SECOND_US


def request(stage: str, *, lease_s: float = 15.0, junction: str = "J") -> DecisionEvent:
    return DecisionEvent(
        id="s1",
        version=1,
        kind=DecisionKind.SIGNAL_STAGE,
        state=DecisionState.DECIDED,
        target=junction,
        time=datetime_from_us(NOW_US),
        reason="MORE_PRESSURE",
        command={"stage": stage},
        lease_until=datetime_from_us(NOW_US) + timedelta(seconds=lease_s),
    )


def shown(stage: str = "1", *, ago_s: float = 20.0, age_s: float = 1.0) -> SignalStatus:
    return status(stage, at_us=int(NOW_US - age_s * S), since_us=int(NOW_US - ago_s * S))


def gate(
    *statuses: SignalStatus, junction: Junction | None = None, limits: Limits | None = None
) -> SafetyGate:
    made = SafetyGate(crossing(junction), limits or Limits(max_lease_s=15.0))
    for one in statuses or (shown(),):
        made.observe_status(one)
    return made


def refused(made: SafetyGate, asked: DecisionEvent, **links: float) -> UnsafePlan:
    with pytest.raises(UnsafePlan) as caught:
        made.release(asked, links=state(crossing(), NOW_US, **links), now_us=NOW_US)  # type: ignore[arg-type]
    return caught.value


def test_a_sound_change_is_issued_with_every_check_listed() -> None:
    event = gate().release(request("2"), links=state(crossing(), NOW_US), now_us=NOW_US).event
    assert (event.version, event.state) == (2, DecisionState.ISSUED)
    assert event.checks == RULES
    assert event.lease_until == datetime_from_us(NOW_US + 15 * S)
    assert event.command == {"stage": "2"}


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        (request("2", junction="K"), "no junction of the map"),
        (request("9"), "stage 9"),
        (replace(request("2"), state=DecisionState.ISSUED), "signal_stage issued"),
        (replace(request("2"), kind=DecisionKind.ACCESS), "access decided"),
        (replace(request("2"), command={}), "stage (none)"),
    ],
)
def test_known(asked: DecisionEvent, value: str) -> None:
    problem = refused(gate(), asked)
    assert problem.rule == "known"
    assert problem.value == value


def test_known_needs_a_status_of_a_stage_of_the_map() -> None:
    silent = SafetyGate(crossing(), Limits(max_lease_s=15.0))
    assert refused(silent, request("2")).value == "the street shows nothing"
    assert refused(gate(shown("7")), request("2")).value == "the street shows 7"


@pytest.mark.parametrize("age_s", [31.0, -3.0])
def test_fresh_status(age_s: float) -> None:
    problem = refused(gate(shown(age_s=age_s)), request("2"))
    assert problem.rule == "fresh"
    assert problem.junction == "J"
    assert f"{age_s:.1f} s old" in problem.value


@pytest.mark.parametrize("age_s", [601.0, float("nan"), -1.0])
def test_fresh_readings(age_s: float) -> None:
    assert refused(gate(), request("2"), age_s=age_s).rule == "fresh"


def test_fresh_state_and_known_density() -> None:
    old = state(crossing(), NOW_US - 11 * S)
    with pytest.raises(UnsafePlan, match=r"state is 11\.0 s old"):
        gate().release(request("2"), links=old, now_us=NOW_US)
    unknown = state(crossing(), NOW_US, vehicles={"N>C": float("nan")})
    with pytest.raises(UnsafePlan, match="fresh: junction J: link row"):
        gate().release(request("2"), links=unknown, now_us=NOW_US)


def test_healthy() -> None:
    broken = replace(shown(), mode=ControlMode.FAULT)
    assert refused(gate(broken), request("2")).rule == "healthy"


def test_settled_while_the_street_changes() -> None:
    changing = replace(shown("2"), changing=True)
    assert refused(gate(changing), request("1")).rule == "settled"
    held = gate(changing).release(request("2"), links=state(crossing(), NOW_US), now_us=NOW_US)
    assert held.event.state is DecisionState.ISSUED


def test_settled_one_change_at_a_time() -> None:
    made = gate()
    links = state(crossing(), NOW_US)
    made.release(request("2"), links=links, now_us=NOW_US)
    assert refused(made, request("3")).rule == "settled"
    made.observe_status(status("2", at_us=NOW_US + S, since_us=NOW_US, changing=True))
    assert refused(made, request("3")).rule == "settled"
    made.observe_status(status("2", at_us=NOW_US + 6 * S, since_us=NOW_US + 5 * S))
    later_us = NOW_US + 14 * S
    asked = replace(request("3"), lease_until=datetime_from_us(later_us + 15 * S))
    made.release(asked, links=state(crossing(), later_us), now_us=later_us)


def test_a_change_that_was_not_taken_no_longer_blocks() -> None:
    made = gate()
    made.release(request("2"), links=state(crossing(), NOW_US), now_us=NOW_US)
    later_us = NOW_US + 11 * S
    made.observe_status(status("1", at_us=later_us, since_us=NOW_US - 20 * S))
    asked = replace(request("3"), lease_until=datetime_from_us(later_us + 15 * S))
    made.release(asked, links=state(crossing(), later_us), now_us=later_us)


def test_conflicts() -> None:
    mixed = crossing_junction(stages=(("NS",), ("NS", "EW"), ("P",)))
    problem = refused(gate(junction=mixed), request("2"))
    assert (problem.rule, problem.value) == ("conflicts", "NS and EW green together")


@pytest.mark.parametrize("seconds", [2.9, 0.0, float("nan"), float("inf")])
def test_intergreens(seconds: float) -> None:
    poor = tuple((a, b, seconds if (a, b) == ("NS", "EW") else s) for a, b, s in INTERGREEN)
    assert refused(gate(junction=crossing_junction(intergreen=poor)), request("2")).rule == (
        "intergreens"
    )


def test_intergreens_one_way_only_is_not_enough() -> None:
    holes = tuple(row for row in INTERGREEN if row[:2] != ("NS", "EW"))
    problem = refused(gate(junction=crossing_junction(intergreen=holes)), request("2"))
    assert problem.rule == "intergreens"
    assert problem.value == "NS to EW: None"


def changed(junction: Junction, **fields: float) -> Junction:
    """Change fields of the first group."""
    first, *rest = junction.groups
    return with_fields(junction, groups=(with_fields(first, **fields), *rest))  # type: ignore[arg-type]


def test_yellow() -> None:
    assert refused(
        gate(junction=changed(crossing_junction(), yellow_s=0.0)), request("2")
    ).rule == ("yellow")


def test_pedestrian_clearance() -> None:
    short = tuple((a, b, 2.5 if a == "P" else s) for a, b, s in INTERGREEN)
    made = gate(shown("3"), junction=crossing_junction(intergreen=short))
    problem = refused(made, request("1"))
    assert (problem.rule, problem.value) == ("pedestrian_clearance", "P to NS: 2.5 s")


def test_min_green() -> None:
    problem = refused(gate(shown(ago_s=7.9)), request("2"))
    assert (problem.rule, problem.value) == ("min_green", "NS green for 7.9 s")
    gate(shown(ago_s=8.0)).release(request("2"), links=state(crossing(), NOW_US), now_us=NOW_US)
    unset = changed(crossing_junction(), min_green_s=0.0)
    assert refused(gate(junction=unset), request("2")).rule == "min_green"


def test_max_green() -> None:
    patient = crossing_junction(max_red_s=1000.0)
    made = gate(shown(ago_s=170.0), junction=patient)
    assert refused(made, request("1")).rule == "max_green"
    made.release(request("1", lease_s=10.0), links=state(crossing(), NOW_US), now_us=NOW_US)


def test_max_red_counts_to_the_end_of_the_lease_and_the_intergreen() -> None:
    # EW is red since stage 1 began; 15 s of lease and 5 s of intergreen must still fit.
    made = gate(shown(ago_s=100.0))
    problem = refused(made, request("1", lease_s=15.0))
    assert problem.rule == "max_red"
    assert problem.limit == "120 s"
    made.release(request("1", lease_s=14.0), links=state(crossing(), NOW_US), now_us=NOW_US)


def test_max_red_of_a_group_that_is_passed_over() -> None:
    made = gate(shown(ago_s=96.0))
    # P waits for 96 s, then 5 s to EW, 8 s of its green, 6 s to P: 115 s; the lease is longer.
    problem = refused(made, request("2", lease_s=18.5))
    assert problem.rule == "max_red"
    assert problem.value == "P red for 120.5 s"


@pytest.mark.parametrize("lease_s", [0.0, 0.9, 15.1, 3600.0])
def test_lease(lease_s: float) -> None:
    assert refused(gate(shown(ago_s=10.0)), request("1", lease_s=lease_s)).rule in (
        {"lease", "max_red", "max_green"} if lease_s > 100 else {"lease"}
    )


def test_lease_is_needed() -> None:
    assert refused(gate(), replace(request("1"), lease_until=None)).rule == "lease"


def test_older_statuses_do_not_count() -> None:
    made = gate(shown(ago_s=5.0), shown("2", ago_s=60.0, age_s=20.0))
    assert refused(made, request("2")).rule == "min_green"


def test_nothing_else_can_make_a_released_decision() -> None:
    forged = replace(request("2"), version=2, state=DecisionState.ISSUED, checks=RULES)
    with pytest.raises(UnsafePlan, match="made elsewhere"):
        Released(forged, permit=object())
    with pytest.raises(UnsafePlan, match="issued past the gate"):
        _outgoing(forged)


def test_the_gate_stands_apart_from_the_controller() -> None:
    folder = Path(next(iter(twin.control.signals.__path__)))
    tree = ast.parse((folder / "safety.py").read_text())
    imported = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not [name for name in imported if name.startswith("twin.control")]
    makers = [
        path.name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Released"
    ]
    assert makers == ["safety.py"]


def test_every_rule_has_a_test_here() -> None:
    named = {name for name in globals() if name.startswith("test_")}
    untested = [
        rule for rule in RULES if not any(name.startswith(f"test_{rule}") for name in named)
    ]
    assert untested == []
    assert len(set(RULES)) == len(RULES)
