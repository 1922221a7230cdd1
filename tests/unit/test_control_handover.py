"""Open decisions on another version of the map: what stays goes on, the rest is withdrawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ingest_city import START_US, small_city
from twin.clock import datetime_from_us
from twin.control.decision import DecisionBook
from twin.control.handover import hand_over
from twin.control.signals.safety import RULES
from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.network.difference import GONE, difference
from twin.network.model import SingleMap
from twin.units import SECOND_US

NEW = "0" * 31 + "2"
NOW = datetime_from_us(START_US)


def changed(**parts: object) -> SingleMap:
    """The small city with other parts, under a version of its own."""
    return replace(small_city(), version=NEW, **parts)  # type: ignore[arg-type]


def narrowed() -> SingleMap:
    """The same with a lane less on L1, onto which the junction's movements lead."""
    links = tuple(
        replace(link, lanes=1) if link.id == "L1" else link for link in small_city().links
    )
    return changed(links=links)


def decision(kind: DecisionKind, state: DecisionState, target: str = "J1") -> DecisionEvent:
    """Make an open decision of the first map."""
    return DecisionEvent(
        id=f"{kind}-{state}-{target}",
        version=3,
        kind=kind,
        state=state,
        target=target,
        time=NOW,
        reason="QUEUE",
        expires=NOW + timedelta(seconds=60),
        lease_until=NOW + timedelta(seconds=15),
        checks=RULES,
        map_version=small_city().version,
    )


def handed(
    events: list[DecisionEvent], after: SingleMap
) -> tuple[tuple[DecisionEvent, ...], DecisionBook]:
    """Hand a book with these over."""
    before, book = DecisionBook(), DecisionBook()
    for event in events:
        before.take_over(event)
    made = hand_over(
        before,
        book,
        stays=difference(small_city(), after),
        map_version=NEW,
        now_us=START_US + SECOND_US,
    )
    return made, book


@pytest.mark.parametrize(
    ("kind", "state", "ends"),
    [
        (DecisionKind.SIGNAL_CONTROL, DecisionState.PROPOSED, DecisionState.EXPIRED),
        (DecisionKind.SIGNAL_CONTROL, DecisionState.ISSUED, DecisionState.RELEASED),
        (DecisionKind.SIGNAL_STAGE, DecisionState.ISSUED, DecisionState.RELEASED),
        (DecisionKind.SIGNAL_STAGE, DecisionState.ACKNOWLEDGED, DecisionState.RELEASED),
    ],
)
def test_decision_of_a_junction_that_changed_is_withdrawn(
    kind: DecisionKind, state: DecisionState, ends: DecisionState
) -> None:
    """The next version says that the map was changed, and what of the junction."""
    (made,), book = handed([decision(kind, state)], narrowed())
    assert (made.version, made.state, made.reason) == (4, ends, "MAP_CHANGED")
    assert made.note == "the map was changed: J1: its link L1: other lanes"
    assert made.map_version == NEW
    assert book.open() == ()


def test_decision_of_a_junction_that_stays_goes_on_under_the_new_map() -> None:
    """Its state, command and lease are the same; the safety gate knows the map by its version."""
    old = decision(DecisionKind.SIGNAL_STAGE, DecisionState.ACKNOWLEDGED)
    (made,), book = handed([old], changed())
    assert (made.version, made.state, made.map_version) == (4, old.state, NEW)
    assert (made.lease_until, made.checks, made.command) == (old.lease_until, RULES, old.command)
    assert book.open() == (made,)
    again = DecisionBook()
    again.restore([made], rules={DecisionKind.SIGNAL_STAGE: RULES}, map_version=NEW)
    assert (again.open(), again.dropped) == ((made,), 0)


def test_orders_follow_their_device_and_vehicles_go_on() -> None:
    """A gate that is gone loses its order; what was decided about a vehicle is not touched."""
    order = decision(DecisionKind.GATE, DecisionState.ACKNOWLEDGED, "G1")
    vehicle = decision(DecisionKind.ACCESS, DecisionState.ISSUED, "G1")
    (made,), book = handed([order, vehicle], changed(gates=()))
    assert (made.state, made.note) == (
        DecisionState.RELEASED,
        f"the map was changed: G1: {GONE}",
    )
    assert book.open() == (vehicle,)
    kept, _ = handed([order, vehicle], changed())
    assert [(one.id, one.state) for one in kept] == [(order.id, order.state)]


def test_stage_that_nobody_heard_of_is_forgotten() -> None:
    """It was decided and never issued."""
    made, book = handed([decision(DecisionKind.SIGNAL_STAGE, DecisionState.DECIDED)], narrowed())
    assert (made, book.open()) == ((), ())


def test_only_what_measures_otherwise_is_another_sensor() -> None:
    """Names, limits and capacities change; what was measured holds."""
    links = tuple(
        replace(link, name="renamed", free_speed_mps=14.0, capacity_vps=0.5)
        for link in small_city().links
    )
    assert difference(small_city(), changed(links=links)).dropped == ()
    moved = tuple(
        replace(sensor, position_m=10.0) if sensor.id == "S2" else sensor
        for sensor in small_city().sensors
    )
    stays = difference(small_city(), changed(sensors=tuple(reversed(moved))))
    assert [(one.kind, one.id, one.reason) for one in stays.dropped] == [
        ("sensor", "S2", "other position_m")
    ]
    assert (stays.sensors_before.tolist(), stays.sensors_after.tolist()) == ([2, 0], [0, 2])
    gone = difference(small_city(), changed(sensors=(), junctions=(), gates=()))
    assert {(one.kind, one.id): one.reason for one in gone.dropped} == dict.fromkeys(
        [("sensor", "S1"), ("sensor", "S2"), ("sensor", "S3"), ("junction", "J1"), ("gate", "G1")],
        GONE,
    )
