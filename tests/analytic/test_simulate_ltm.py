"""The link transmission model against traffic solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_roads import KPH, VPH, random_network, roads, turns
from twin.errors import SimulationError
from twin.simulate.curves import Curves
from twin.simulate.ltm import LinkTransmission
from twin.simulate.steps import choose_step


def bottleneck(step_s: float) -> tuple[LinkTransmission, Curves]:
    """Run 12.5 km into an exit of 3000 veh/h: 4000 veh/h for an hour, then 2000."""
    road = roads((0, 1, 12.5, 100, 5000, 300))
    run = LinkTransmission(road, turns(1, [0], (1, 0)), step_s=step_s)
    run.share_turns(np.ones(1), np.array([1.0, 0.0]))
    run.limit(out_vps=np.array([3000 * VPH, 1e6]))
    curves = Curves(road)
    curves.take(run)
    for demand, until_s in ((4000, 3600.0), (2000, 9000.0)):
        run.demand(np.array([demand * VPH]))
        while run.time_s < until_s:
            curves.take(run.run(step_s))
    return run, curves


@pytest.mark.parametrize("step_s", [5.0, 10.0, 30.0])
def test_queue_before_a_bottleneck(step_s: float) -> None:
    run, curves = bottleneck(step_s)
    first_s = 450.0
    assert curves.waiting(0, first_s + 3600) == pytest.approx(1000, abs=1)
    assert curves.waiting(0, first_s + 7200) == pytest.approx(0, abs=1)
    moments = np.arange(0, 7200 + step_s, step_s)
    waiting = [curves.waiting(0, first_s + moment) for moment in moments]
    assert np.trapezoid(waiting, moments) / 3600 == pytest.approx(1000, rel=1e-3)
    served = [curves.left_at(0, first_s + 3600 + wait) for wait in (1199.0, 1201.0)]
    assert served[0] < 4000 < served[1]  # the longest wait is 20 minutes
    totals = run.totals()
    assert totals.appeared == pytest.approx(
        totals.waiting + totals.inside + totals.arrived, rel=1e-12
    )


@pytest.mark.parametrize("step_s", [5.0, 10.0, 30.0])
def test_tail_of_the_queue(step_s: float) -> None:
    _, curves = bottleneck(step_s)

    def tail_km(minutes: float) -> float:
        return curves.tail_m(0, 450 + 60 * minutes) / 1000

    assert tail_km(55) == pytest.approx(12.5 - 8.3333, rel=1e-3)
    assert (tail_km(50) - tail_km(20)) / 0.5 == pytest.approx(-9.0909, rel=1e-3)
    assert (tail_km(85) - tail_km(60)) / (25 / 60) == pytest.approx(7.6923, rel=1e-3)


def test_ring_road_flows_for_ever() -> None:
    """10 km, 400 vehicles, vf 100, w 20, kj 150: 2200 veh/h at 55 km/h."""
    road = roads((0, 1, 5.0, 100, 2500, 150), (1, 0, 5.0, 100, 2500, 150))
    run = LinkTransmission(
        road, turns(2, [], (0, 1), (1, 0)), step_s=10.0, density_vpm=np.full(2, 0.04)
    )
    run.share_turns(np.ones(2), np.zeros(2)).run(7200)
    means = run.means_over(3600)
    assert means.flow_vps * 3600 == pytest.approx(2200, rel=1e-9)
    assert means.speed_mps * 3.6 == pytest.approx(55, rel=1e-9)
    assert run.vehicles.sum() == pytest.approx(400, rel=1e-12)


def test_a_jam_dissolves_at_capacity_and_from_its_head() -> None:
    """Jam of 150 veh/km released: 2500 veh/h leave, the start of the link waits for the wave."""
    road = roads((0, 1, 2.0, 100, 2500, 150))
    run = LinkTransmission(road, turns(1, []), step_s=10.0, density_vpm=np.array([0.15]))
    run.run(360)
    assert run.left[0] == pytest.approx(250, rel=1e-9)
    assert run.vehicles[0] == pytest.approx(50, rel=1e-9)


def test_spillback_reaches_the_diverge_and_holds_both_ways() -> None:
    """Off-ramp 0.5 km, 800 in, 500 out: at the diverge 700 s after the first vehicle enters."""
    road = roads(
        (0, 1, 1.0, 100, 5000, 300), (1, 2, 5.0, 100, 5000, 300), (1, 3, 0.5, 60, 2250, 150)
    )
    run = LinkTransmission(road, turns(3, [0], (0, 1), (0, 2), (3, 0)), step_s=10.0)
    run.share_turns(np.array([0.8, 0.2, 1.0]), np.array([0.0, 1.0, 1.0, 0.0]))
    run.limit(out_vps=np.array([1e6, 1e6, 500 * VPH, 1e6]))
    run.demand(np.array([4000 * VPH]))
    run.run(30)
    before = run.means_over(700.0)
    assert before.flow_vps[0] * 3600 > 3700
    run.run(300)
    left = run.left
    run.run(600)
    assert (run.left - left)[0] * 6 == pytest.approx(2500, rel=1e-6)
    assert (run.left - left)[2] * 6 == pytest.approx(500, rel=1e-6)


def test_gridlock_stands_still_and_keeps_everyone() -> None:
    """Two full links that each lead only into the other."""
    road = roads((0, 1, 0.5, 50, 1800, 150), (1, 0, 0.5, 50, 1800, 150))
    run = LinkTransmission(
        road, turns(2, [0], (0, 1), (1, 0), (2, 0)), step_s=5.0, density_vpm=np.full(2, 0.15)
    )
    run.share_turns(np.ones(3), np.zeros(3)).demand(np.array([0.1])).run(3600)
    assert run.vehicles.sum() == pytest.approx(150)
    assert run.left.sum() == pytest.approx(0, abs=1e-6)
    assert run.waiting[0] == pytest.approx(360)


def test_an_empty_network_runs() -> None:
    run = LinkTransmission(roads(nodes=0), turns(0, []), step_s=1.0).run(10)
    assert run.time_s == 10
    assert run.totals().appeared == 0


def test_nothing_happens_without_demand() -> None:
    road = roads((0, 1, 1.0, 50, 1800, 150), (1, 2, 1.0, 50, 1800, 150))
    run = LinkTransmission(road, turns(2, [0], (0, 1), (2, 0)), step_s=5.0)
    run.share_turns(np.ones(2), np.array([0.0, 1.0, 0.0]))
    means = run.means_over(600)
    assert means.flow_vps.tolist() == [0, 0]
    assert means.speed_mps.tolist() == pytest.approx([50 * KPH] * 2)


def test_a_closed_link_lets_nobody_in() -> None:
    road = roads((0, 1, 1.0, 50, 1800, 150), (1, 2, 1.0, 50, 1800, 150))
    run = LinkTransmission(road, turns(2, [0], (0, 1), (2, 0)), step_s=5.0)
    run.share_turns(np.ones(2), np.array([0.0, 1.0, 0.0]))
    run.limit(in_vps=np.array([1e6, 0.0])).demand(np.array([0.2])).run(3600)
    assert run.entered[1] == 0
    assert run.vehicles[0] == pytest.approx(150)
    assert run.waiting[0] == pytest.approx(0.2 * 3600 - 150)


def test_red_and_green_make_the_queue_of_the_textbook() -> None:
    """s 1800, q 600, cycle 60, green 30: delay 11.25 s, queue 5 at the end of red."""
    road = roads((0, 1, 1.0, 60, 1800, 150))
    run = LinkTransmission(road, turns(1, [0], (1, 0)), step_s=5.0)
    run.share_turns(np.ones(1), np.array([1.0, 0.0])).demand(np.array([600 * VPH]))
    curves = Curves(road)
    curves.take(run)
    curves.take(run.run(60))
    waited = []
    for cycle in range(4):
        for green in (False, True):
            run.limit(out_vps=np.array([1800 * VPH if green else 0.0, 1e6]))
            for _ in range(6):
                curves.take(run.run(5.0))
            if cycle >= 1 and not green:
                assert curves.waiting(0, run.time_s) == pytest.approx(5, rel=1e-6)
        if cycle >= 1:
            moments = np.arange(run.time_s - 60, run.time_s + 1, 5)
            queue = [curves.waiting(0, moment) for moment in moments]
            waited.append(np.trapezoid(queue, moments) / 10)
            assert queue[6 + 3] == pytest.approx(0, abs=1e-6)  # clear 15 s into green
    assert waited == pytest.approx([11.25] * 3, rel=1e-6)


def test_short_links_round_up_and_still_carry_their_capacity() -> None:
    road = roads(
        (0, 1, 1.0, 60, 1800, 150), (1, 2, 0.01, 60, 1800, 150), (2, 3, 1.0, 60, 1800, 150)
    )
    choice = choose_step(road, np.ones(3), wanted_s=10.0)
    assert choice.rounded_links.tolist() == [1]
    assert choice.added_share <= 0.01
    run = LinkTransmission(road, turns(3, [0], (0, 1), (1, 2), (3, 0)), step_s=10.0)
    run.share_turns(np.ones(3), np.array([0.0, 0.0, 1.0, 0.0])).demand(np.array([0.6])).run(600)
    assert run.means_over(600).flow_vps * 3600 == pytest.approx(1800)


def test_conservation_on_a_random_network() -> None:
    road, table, share, ended, density = random_network()
    run = LinkTransmission(road, table, step_s=5.0, density_vpm=density)
    start = run.totals().inside
    run.share_turns(share, ended).demand(np.array([1.5]))
    for _ in range(40):
        run.run(90)
        totals = run.totals()
        there = totals.waiting + totals.inside + totals.arrived
        assert there == pytest.approx(start + totals.appeared, rel=1e-9)
        assert (run.vehicles >= -1e-9).all()
        assert (run.vehicles <= run.storage * (1 + 1e-9)).all()


@pytest.mark.parametrize("step_s", [0.0, -1.0, float("nan")])
def test_a_step_without_meaning_is_refused(step_s: float) -> None:
    road = roads((0, 1, 1.0, 50, 1800, 150))
    with pytest.raises(SimulationError, match="UnstableStep"):
        LinkTransmission(road, turns(1, []), step_s=step_s)
    with pytest.raises(SimulationError, match="UnstableStep"):
        choose_step(road, np.ones(1), wanted_s=step_s)


def test_shares_that_do_not_add_up_name_the_approach() -> None:
    road = roads((0, 1, 1.0, 50, 1800, 150), (1, 2, 1.0, 50, 1800, 150))
    run = LinkTransmission(road, turns(2, [0], (0, 1), (2, 0)), step_s=5.0)
    with pytest.raises(SimulationError, match="approach 0"):
        run.share_turns(np.array([0.5, 1.0]), np.array([0.0, 1.0, 0.0]))


def test_a_diagram_without_meaning_is_refused() -> None:
    with pytest.raises(SimulationError, match="link 0 has a jam density"):
        LinkTransmission(roads((0, 1, 1.0, 50, 3000, 50)), turns(1, []), step_s=5.0)


def test_detectors_count_what_stepwise_runs_see() -> None:
    road = roads((0, 1, 1.0, 100, 5000, 300), (1, 2, 0.5, 60, 1800, 150))
    pair = [
        LinkTransmission(road, turns(2, [0], (0, 1), (2, 0)), step_s=5.0)
        .share_turns(np.ones(2), np.array([0.0, 1.0, 0.0]))
        .demand(np.array([0.6]))
        for _ in range(2)
    ]
    entered, left = pair[0].counts(600.0, every_s=60.0, links=np.array([1, 0]))
    for minute in range(10):
        pair[1].run(60.0)
        assert entered[minute].tolist() == pair[1].entered[[1, 0]].tolist()
        assert left[minute].tolist() == pair[1].left[[1, 0]].tolist()
    with pytest.raises(SimulationError, match="no whole part"):
        pair[0].counts(600.0, every_s=90.0, links=np.array([0]))
    with pytest.raises(SimulationError, match="not there"):
        pair[0].counts(600.0, every_s=60.0, links=np.array([2]))
