"""Two routes, one with a bottleneck: who departs when takes which, by hand and by the model."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_roads import VPH, roads, turns
from twin.columns import Floats
from twin.errors import SimulationError
from twin.simulate.curves import Curves
from twin.simulate.equilibrium import find_equilibrium
from twin.simulate.ltm import LinkTransmission

INTERVAL_S, STEP_S = 60.0, 20.0
ROADS = roads((0, 1, 10.0, 60, 9000, 3000), (0, 1, 16.0, 60, 9000, 3000))


def loaded(share: Floats) -> Curves:
    """Load 6000 veh/h for an hour with shares of departure minutes; route 1 passes 3000."""
    run = LinkTransmission(ROADS, turns(2, [0], (2, 0), (2, 1)), step_s=STEP_S)
    run.limit(out_vps=np.array([3000 * VPH, 1e6, 1e6])).demand(np.array([6000 * VPH]))
    curves = Curves(ROADS)
    curves.take(run)
    for minute in range(60):
        run.share_turns(share[minute], np.array([1.0, 1.0, 0.0]))
        curves.take(run.run(INTERVAL_S))
    run.demand(np.zeros(1))
    for _ in range(70):
        curves.take(run.run(INTERVAL_S))
    return curves


def travel_times(share: Floats) -> Floats:
    """Return seconds from the middle of each departure minute, (60, 2)."""
    curves = loaded(share)
    entered, left = curves.columns()
    times = np.array(curves.time_s)
    middles = (np.arange(60) + 0.5) * INTERVAL_S
    columns = []
    for route, free_s in ((0, 600.0), (1, 960.0)):
        count = np.interp(middles, times, entered[:, route])
        rising = left[:, route] + 1e-9 * times  # so that a count is reached at one moment
        columns.append(np.maximum(np.interp(count, rising, times) - middles, free_s))
    return np.array(columns).T


def test_route_1_alone_for_6_minutes_then_3000_on_each() -> None:
    share = np.tile([0.7, 0.3], (60, 1))
    found = find_equilibrium(
        travel_times, np.full(60, 100.0), share, relief_s=2 * INTERVAL_S, gap=2e-5
    )
    assert found.gap <= 2e-5
    on_1 = found.share[:, 0] * 100
    assert on_1.sum() == pytest.approx(3300, rel=0.01)
    assert 6000 - on_1.sum() == pytest.approx(2700, rel=0.01)
    assert on_1[:6] == pytest.approx(100, rel=0.01)
    assert on_1.reshape(10, 6).mean(axis=1) == pytest.approx([100] + 9 * [50], rel=0.01)
    assert found.travel_s[6:] == pytest.approx(960, rel=0.01)
    curves = loaded(found.share)
    queue = [max(curves.waiting(0, moment), 0.0) for moment in curves.time_s]
    assert np.trapezoid(queue, curves.time_s) / 3600 == pytest.approx(300, rel=0.01)


def test_shares_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(SimulationError, match="add up"):
        find_equilibrium(travel_times, np.ones(60), np.full((60, 2), 0.6), relief_s=120.0)
