"""No stage outlasts a cycle of the junction's own plan, however much it is wanted."""

from __future__ import annotations

import numpy as np
import pytest

from control_city import START_US, crossing, crossing_junction
from twin.control.signals.choose import CHANGE_S, Choice, Shown, choose_stage
from twin.control.signals.layout import JunctionLayout, layout_junction, turning_shares
from twin.control.signals.reasons import SignalReason
from twin.units import SECOND_US

CYCLE_S = 80
FIRST, SECOND, WALK = 0, 1, 2


@pytest.fixture
def layout() -> JunctionLayout:
    network = crossing(crossing_junction(max_red_s=600.0))  # the longest red is far away
    (junction,) = network.junctions
    return layout_junction(junction, network, turning_shares(network))


def choose(layout: JunctionLayout, present_s: float, reds_s: dict[str, float]) -> Choice:
    """Only the stage that is shown is wanted."""
    now_us = START_US + int(present_s * SECOND_US)
    red_since_us = {name: now_us - int(red_s * SECOND_US) for name, red_s in reds_s.items()}
    shown = Shown(FIRST, START_US, {"NS": now_us, **red_since_us})
    pressure = np.array([9.0, 0.0, 0.0])
    return choose_stage(layout, shown, pressure, now_us=now_us, lease_s=15.0, preferred=FIRST)


def test_a_stage_that_nobody_else_wants_is_left_before_its_own_cycle_is_over(
    layout: JunctionLayout,
) -> None:
    assert layout.junction.plans[0].cycle_s == CYCLE_S
    lost_s = 9.0  # the longest intergreen before it: the walkers'
    left_s = CYCLE_S - lost_s - CHANGE_S
    before = choose(layout, left_s - 1, {"EW": 70.0, "P": 60.0})
    assert (before.stage, before.reason) == (FIRST, SignalReason.HOLD)
    after = choose(layout, left_s, {"EW": 70.0, "P": 60.0})
    assert (after.stage, after.reason) == (SECOND, SignalReason.RED_TOO_LONG)


def test_who_has_been_red_longest_comes_next(layout: JunctionLayout) -> None:
    assert choose(layout, CYCLE_S, {"EW": 70.0, "P": 71.0}).stage == WALK
    assert choose(layout, CYCLE_S, {"EW": 71.0, "P": 70.0}).stage == SECOND
    assert choose(layout, CYCLE_S, {"EW": 70.0, "P": 70.0}).stage == SECOND
