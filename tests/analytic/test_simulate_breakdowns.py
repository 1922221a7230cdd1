"""Sites, capacities and drops learned from detectors of a motorway whose drop is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulate_roads import KPH, VPH, roads, turns
from twin.columns import Floats
from twin.errors import SimulationError
from twin.simulate.ltm import LinkTransmission
from twin.simulate.sites import Site, drop_shares, learn_sites

FREE_MPS = np.full(4, 100 * KPH)
# Three lanes, three lanes, two lanes (capacity 5000), and on; detectors stand at the ends.
ROAD = roads(
    (0, 1, 1.0, 100, 7500, 450),
    (1, 2, 1.0, 100, 7500, 450),
    (2, 3, 1.0, 100, 5000, 300),
    (3, 4, 1.0, 100, 7500, 450),
)
TURNS = turns(4, [0], (0, 1), (1, 2), (2, 3), (4, 0))


def days(
    share: float, *, count: int, exit_vph: float = 1e6, seed: int = 3
) -> tuple[Floats, Floats]:
    """Drive mornings that build up slowly; return flows and speeds by minute, with noise."""
    rng = np.random.default_rng(seed)
    flows, speeds = [], []
    for _ in range(count):
        run = LinkTransmission(ROAD, TURNS, step_s=10.0, drop_share=np.array([1, 1, share, 1]))
        run.share_turns(np.ones(4), np.array([0.0, 0, 0, 1, 0]))
        run.limit(out_vps=np.array([1e6, 1e6, 1e6, exit_vph * VPH, 1e6]))
        peak = rng.uniform(5100, 5300)
        for minute in range(150):
            wave = np.clip(min(minute / 60, (150 - minute) / 40), 0, 1)
            run.demand(np.array([(3000 + (peak - 3000) * wave) * VPH]))
            left, moved = run.left, run.means_over(60.0)
            passed = (run.left - left) / 60.0
            flows.append(passed * rng.normal(1.0, 0.01, 4))
            speeds.append(moved.speed_mps * rng.normal(1.0, 0.02, 4))
    return np.array(flows), np.array(speeds)


@pytest.mark.parametrize("share", [0.97, 0.93, 0.9])
def test_a_drop_is_found_where_it_is_and_as_large_as_it_is(share: float) -> None:
    flow, speed = days(share, count=5)
    (site,) = learn_sites(flow, speed, free_mps=FREE_MPS, interval_s=60.0)
    assert (site.before, site.behind) == (1, 2)  # the narrowing is between these two
    assert site.breakdowns == 5
    assert site.capacity_vps * 3600 == pytest.approx(5000, rel=0.02)
    assert site.drop_share == pytest.approx(share, abs=0.02)
    assert site.low <= site.drop_share <= site.high
    learned = drop_shares([site], entry_link=[0, 1, 2, 3], links=4)
    assert learned.tolist() == [1.0, 1.0, site.drop_share, 1.0]


def test_the_learned_share_gives_the_discharge_back() -> None:
    (site,) = learn_sites(*days(0.93, count=5), free_mps=FREE_MPS, interval_s=60.0)
    shares = drop_shares([site], entry_link=[0, 1, 2, 3], links=4)
    run = LinkTransmission(ROAD, TURNS, step_s=10.0, drop_share=shares)
    run.share_turns(np.ones(4), np.array([0.0, 0, 0, 1, 0]))
    run.demand(np.array([5200 * VPH])).run(1800)
    left = run.left[2]
    assert (run.run(1800).left[2] - left) * 2 == pytest.approx(4650, rel=0.02)


def test_a_queue_from_beyond_and_free_mornings_are_no_site() -> None:
    for exit_vph, share in ((4000.0, 0.93), (1e6, 1.0)):
        flow, speed = days(share, count=4, exit_vph=exit_vph)
        if share == 1.0:
            flow, speed = flow[:60], speed[:60]  # before the first breakdown
        assert learn_sites(flow, speed, free_mps=FREE_MPS, interval_s=60.0) == []


def test_two_breakdowns_are_too_few_and_gaps_in_the_readings_are_passed_over() -> None:
    flow, speed = days(0.93, count=2)
    assert learn_sites(flow, speed, free_mps=FREE_MPS, interval_s=60.0) == []
    flow, speed = days(0.93, count=5)
    flow[::7] = np.nan
    (site,) = learn_sites(flow, speed, free_mps=FREE_MPS, interval_s=60.0)
    assert site.drop_share == pytest.approx(0.93, abs=0.02)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SimulationError, match="4 detectors"):
        learn_sites(np.zeros((5, 3)), np.zeros((5, 3)), free_mps=FREE_MPS, interval_s=60.0)
    site = Site(0, 1, 1.0, 0.9, 0.9, 0.9, 3)
    assert drop_shares([replace(site, behind=0)], entry_link=[1], links=2).tolist() == [1.0, 0.9]
