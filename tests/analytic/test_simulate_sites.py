"""What happens at one place: a capacity drop, an off-ramp that spills back, steps of any length."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_roads import VPH, roads, turns
from twin.errors import SimulationError
from twin.simulate.ctm import CellTransmission
from twin.simulate.curves import Curves
from twin.simulate.ltm import LinkTransmission

NARROWING = roads((0, 1, 2.0, 100, 5400, 330), (1, 2, 2.0, 100, 5000, 300))


def narrowing(model: str, demand_vph: float, drop: float) -> float:
    """Return veh/h through a bottleneck of 5000 in the second half hour."""
    run: LinkTransmission | CellTransmission
    table, share = turns(2, [0], (0, 1), (2, 0)), np.array([1.0, drop])
    if model == "ltm":
        run = LinkTransmission(NARROWING, table, step_s=5.0, drop_share=share)
    else:
        run = CellTransmission(NARROWING, table, step_s=3.0, drop_share=share)
    run.share_turns(np.ones(2), np.array([0.0, 1.0, 0.0])).demand(np.array([demand_vph * VPH]))
    run.run(1800)
    before = float(run.left.ravel()[0])
    run.run(1800)
    return (float(run.left.ravel()[0]) - before) * 2


@pytest.mark.parametrize("model", ["ltm", "ctm"])
@pytest.mark.parametrize(
    ("demand_vph", "drop", "flow_vph"),
    [
        (5200, 1.0, 5000),  # off
        (5200, 0.95, 4750),
        (4950, 0.95, 4950),  # metered below capacity: no queue, no drop
        (5200, 0.9, 4500),
    ],
)
def test_capacity_drops_while_vehicles_queue(
    model: str, demand_vph: float, drop: float, flow_vph: float
) -> None:
    assert narrowing(model, demand_vph, drop) == pytest.approx(flow_vph, rel=1e-6)


def test_capacity_comes_back_when_the_queue_is_gone() -> None:
    run = LinkTransmission(
        NARROWING, turns(2, [0], (0, 1), (2, 0)), step_s=5.0, drop_share=np.array([1.0, 0.95])
    )
    run.share_turns(np.ones(2), np.array([0.0, 1.0, 0.0]))
    run.demand(np.array([5200 * VPH])).run(600)
    assert run.dropped.tolist() == [False, True]
    run.demand(np.array([3000 * VPH])).run(1200)
    assert run.dropped.tolist() == [False, False]
    run.demand(np.array([4990 * VPH])).run(600)
    assert run.means_over(600).flow_vps[0] * 3600 == pytest.approx(4990, rel=1e-6)


def test_a_queue_from_beyond_is_no_active_bottleneck() -> None:
    """The link is held by its own exit: it takes what leaves, and does not drop below."""
    run = LinkTransmission(
        NARROWING, turns(2, [0], (0, 1), (2, 0)), step_s=5.0, drop_share=np.array([1.0, 0.95])
    )
    run.share_turns(np.ones(2), np.array([0.0, 1.0, 0.0])).demand(np.array([5200 * VPH]))
    run.limit(out_vps=np.array([1e6, 4000 * VPH, 1e6])).run(3600)
    assert not run.dropped.any()
    assert run.means_over(600).flow_vps[0] * 3600 == pytest.approx(4000, rel=1e-6)


def test_a_drop_outside_0_to_1_is_refused() -> None:
    table = turns(2, [0], (0, 1), (2, 0))
    with pytest.raises(SimulationError, match="capacity drop"):
        LinkTransmission(NARROWING, table, step_s=5.0, drop_share=np.array([1.0, 1.2]))


@pytest.mark.parametrize("step_s", [5.0, 10.0])
def test_an_off_ramp_fills_and_holds_the_main_line(step_s: float) -> None:
    """800 in, 500 out: tail -2.68657 km/h, full 700 s after the first vehicle; then 2500 pass."""
    road = roads(
        (0, 1, 1.0, 100, 5000, 300), (1, 2, 5.0, 100, 5000, 300), (1, 3, 0.5, 60, 2250, 150)
    )
    run = LinkTransmission(road, turns(3, [0], (0, 1), (0, 2), (3, 0)), step_s=step_s)
    run.share_turns(np.array([0.8, 0.2, 1.0]), np.array([0.0, 1.0, 1.0, 0.0]))
    run.limit(out_vps=np.array([1e6, 1e6, 500 * VPH, 1e6])).demand(np.array([4000 * VPH]))
    curves = Curves(road)
    curves.take(run)
    while run.time_s < 1500:
        curves.take(run.run(step_s))
    first_s = 36.0  # when the first vehicle enters the ramp
    tails = [curves.tail_m(2, first_s + moment) for moment in (130.0, 430.0)]
    assert (tails[1] - tails[0]) / 300 * 3.6 == pytest.approx(-2.68657, rel=1e-3)
    passing = np.diff([row[0] for row in curves.left]) / step_s * 3600
    held = np.flatnonzero((passing < 3999) & (np.array(curves.time_s[1:]) > 60))
    assert curves.time_s[int(held[0])] == pytest.approx(first_s + 700, abs=step_s)
    assert passing[held[1] :] == pytest.approx(2500, rel=1e-6)
    leaving = np.diff([row[2] for row in curves.left]) / step_s * 3600
    assert leaving[held[1] :] == pytest.approx(500, rel=1e-6)


def test_the_error_of_the_link_model_is_bounded_in_proportion_to_the_step() -> None:
    road = roads((0, 1, 12.5, 100, 5000, 300))
    errors = []
    steps = (32.0, 16.0, 8.0, 4.0, 2.0)
    for step_s in steps:
        run = LinkTransmission(road, turns(1, [0], (1, 0)), step_s=step_s)
        run.share_turns(np.ones(1), np.array([1.0, 0.0]))
        run.limit(out_vps=np.array([3000 * VPH, 1e6])).demand(np.array([4000 * VPH]))
        curves = Curves(road)
        curves.take(run)
        while run.time_s < 4200:
            curves.take(run.run(step_s))
        errors.append(abs(curves.waiting(0, 450 + 3600) - 1000))
    assert (np.array(errors) <= 1000 * VPH * np.array(steps)).all(), errors


@pytest.mark.parametrize("model", ["ltm", "ctm"])
@pytest.mark.parametrize("fourth", [1700.0, 2000.0])
def test_the_published_node_in_a_network(model: str, fourth: float) -> None:
    """Tampere's four ways in and out as links: once queues stand, the flows are the published."""
    wide = (1000, 2000, 1000, 2000)
    road = roads(
        *[(k, 8, 1.0, 100, capacity, 300) for k, capacity in enumerate(wide)],
        *[(8, 4 + k, 1.0, 100, capacity, 300) for k, capacity in enumerate(wide)],
    )
    wants = np.array(
        [[0, 50, 150, 300], [100, 0, 300, 1600], [100, 100, 0, 600], [100, 800, 800, 0]], float
    )
    wants[3] *= fourth / 1700
    pairs = [(a, 4 + b) for a in range(4) for b in range(4)]
    table = turns(8, [0, 1, 2, 3], *pairs, *[(8 + k, k) for k in range(4)])
    share = np.concatenate([(wants / wants.sum(axis=1)[:, None]).ravel(), np.ones(4)])
    run: LinkTransmission | CellTransmission
    if model == "ltm":
        run = LinkTransmission(road, table, step_s=5.0)
    else:
        run = CellTransmission(road, table, step_s=3.6)
    run.share_turns(share, np.array([0.0] * 4 + [1.0] * 4 + [0.0] * 4))
    run.demand(wants.sum(axis=1) * VPH).run(3600)
    entered, left = run.entered.ravel(), run.left.ravel()
    run.run(3600)
    passed = run.left.ravel()[:4] - left[:4]
    assert passed == pytest.approx([500.0, 1369.66825, 800.0, 1369.66825], abs=1e-3)
    onward = run.entered.ravel()[4:] - entered[4:]
    assert onward == pytest.approx([249.0521, 794.5498, 1000.0, 1995.7346], abs=1e-3)
