"""The hash of a picture: over what is shown, and over nothing else."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from control_city import START_US, crossing, forecast_of, state
from twin.clock import datetime_from_us
from twin.control.access.counts import GateCount
from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.perceive.state import LinkState, Measured
from twin.picture import Picture, decisions_digest, forecast_digest


def shown() -> Picture:
    """Make a picture of the crossing with two sensors."""
    values = np.array([1.0, np.nan])
    return Picture(
        time_us=START_US,
        sequence=1,
        map_version="c" * 32,
        links=state(crossing(), START_US),
        measured=Measured(np.array([1, -1]), np.array([60, 0]), values, values, values),
        forecast=None,
        signals=(),
        incidents=(),
        decisions=(),
    )


def decision(kind: DecisionKind) -> DecisionEvent:
    """Make an open decision."""
    return DecisionEvent(
        id="d",
        version=1,
        kind=kind,
        state=DecisionState.ISSUED,
        target="J",
        time=datetime_from_us(START_US),
        reason="because",
    )


def test_the_time_and_the_number_of_a_picture_do_not_count() -> None:
    one = shown()
    later = replace(one, time_us=START_US + 1, sequence=9, links=replace(one.links, time_us=5))
    assert later.content_hash("f") == one.content_hash("f")
    assert len(one.content_hash("f")) == 32


@pytest.mark.parametrize(
    "name", [field.name for field in fields(LinkState) if field.name != "time_us"]
)
def test_one_value_of_one_link_counts(name: str) -> None:
    one = shown()
    column = getattr(one.links, name).copy()
    column[3] += 1
    changed = replace(one, links=replace(one.links, **{name: column}))
    assert changed.content_hash("") != one.content_hash("")


def test_what_else_is_shown_counts() -> None:
    one = shown()
    count = GateCount(START_US, "G", "in", "RESIDENT", 20)
    signal = decision(DecisionKind.SIGNAL_STAGE)
    others = (
        replace(one, access=(count,)),
        replace(one, access=(count._replace(vehicles=25),)),
        replace(one, decisions=(signal,)),
        replace(one, measured=replace(one.measured, count=np.array([2.0, np.nan]))),
        replace(one, map_version="d" * 32),
    )
    seen = {one.content_hash(""), one.content_hash("f"), *(o.content_hash("") for o in others)}
    assert len(seen) == 2 + len(others)


def test_decisions_about_vehicles_do_not_count() -> None:
    """Their hash would not hold once the vehicles are forgotten."""
    one = shown()
    access = replace(one, decisions=(decision(DecisionKind.ACCESS),))
    assert access.content_hash("") == one.content_hash("")


def test_forecasts_and_decisions_have_hashes_of_their_own() -> None:
    forecast = forecast_of(state(crossing(), START_US), START_US)
    other = replace(forecast, speed_mps=forecast.speed_mps + 1e-12)
    assert forecast_digest(other) != forecast_digest(forecast)
    assert decisions_digest(()) == ""
    one, two = decision(DecisionKind.SIGN), decision(DecisionKind.GATE)
    assert decisions_digest((one, two)) != decisions_digest((two, one))
