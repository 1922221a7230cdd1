"""Another free speed on a link while vehicles drive on it, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_grid import grid, trips
from simulate_roads import VPH, roads, turns
from twin.errors import SimulationError
from twin.simulate.choice import RouteChoice
from twin.simulate.fleet import fleet
from twin.simulate.vehicles import VehicleRun

FAST, SLOW = np.array([60 / 3.6]), np.array([30 / 3.6])


def test_who_is_under_way_drives_the_rest_at_the_new_speed() -> None:
    """1 km at 60 km/h takes 60 s; 30 km/h holds from 30 s to 100 s."""
    road = roads((0, 1, 1.0, 60, 1800, 150))
    start = np.array([0.0, 10.0, 40.0, 90.0, 120.0])
    cars = fleet(np.zeros(5, np.int64), np.ones(5, np.int64), start)
    run = VehicleRun(road, turns(1, [0], (1, 0)), cars, step_s=10.0)
    run.run(30).drive_at(SLOW).run(70).drive_at(FAST).run(200)
    # at 30 s the first two are at 500 and 333.3 m; at 100 s the next three at 916.7, 500, 83.3 m
    assert run.trips().travel_s == pytest.approx([90.0, 95.0, 90.0, 65.0, 60.0])
    assert run.vehicle_s[0] == pytest.approx(90 + 95 + 90 + 65 + 60)


@pytest.mark.parametrize(("kph", "flow_vph"), [(60.0, 1800.0), (20.0, 1800.0), (6.0, 894.63)])
def test_capacity_holds_as_far_as_the_places_let_it(kph: float, flow_vph: float) -> None:
    """150 places a km: at 6 km/h, with a wave of a step, 150 vehicles pass in 603.6 s."""
    road = roads((0, 1, 1.0, 100, 1800, 150), (1, 2, 1.0, 100, 1800, 150))
    start = np.arange(4000, dtype=np.float64) * 2.0
    cars = fleet(np.zeros(4000, np.int64), np.full(4000, 2), start)
    run = VehicleRun(road, turns(2, [0], (0, 1), (2, 0)), cars, step_s=3.6)
    run.run(600).drive_at(np.array([100, kph]) / 3.6).run(1800)
    left = run.left
    flow = (run.run(3600).left - left)[1]
    assert flow == pytest.approx(flow_vph, rel=2e-3)
    assert (run.vehicles <= run.storage).all()


def test_a_bottleneck_is_served_the_same_after_a_slow_hour() -> None:
    road = roads((0, 1, 2.0, 100, 5000, 300))
    cars = fleet(
        np.zeros(6000, np.int64), np.ones(6000, np.int64), np.arange(6000, dtype=np.float64)
    )
    run = VehicleRun(road, turns(1, [0], (1, 0)), cars, step_s=5.0)
    run.limit(out_vps=np.array([3000 * VPH, 1e6])).run(1000)
    left = run.left[0]
    run.drive_at(np.array([50 / 3.6])).run(600).drive_at(np.array([100 / 3.6])).run(600)
    assert run.left[0] - left == pytest.approx(1000, abs=1)


def test_who_looks_leaves_the_slow_way_and_a_saved_run_goes_on_to_the_bit() -> None:
    road, table = grid(5)
    choice = RouteChoice(compliant_share=0.6, update_s=120.0, spread_s=20.0)
    slow = road.free_speed_mps.copy()
    slow[::3] *= 0.4

    def start() -> VehicleRun:
        return VehicleRun(road, table, trips(5, 2500), choice=choice, seed=3, step_s=5.0)

    plain, run = start().run(3000), start().run(300).drive_at(slow)
    state = run.state()
    run.run(1500).drive_at(road.free_speed_mps).run(1200)
    other = start().restore(state).run(1500).drive_at(road.free_speed_mps).run(1200)
    assert other.trips().travel_s.tobytes() == run.trips().travel_s.tobytes()
    assert run.entered[::3].sum() < 0.95 * plain.entered[::3].sum()
    assert run.totals().arrived + run.totals().inside + run.totals().waiting == len(run.fleet)
    same = start().run(300).drive_at(road.free_speed_mps).run(2700)
    assert same.trips().travel_s.tobytes() == plain.trips().travel_s.tobytes()


def test_a_speed_without_meaning_is_refused() -> None:
    road = roads((0, 1, 1.0, 60, 1800, 150))
    cars = fleet(np.zeros(1, np.int64), np.ones(1, np.int64), np.zeros(1))
    run = VehicleRun(road, turns(1, [0], (1, 0)), cars)
    with pytest.raises(SimulationError, match="positive"):
        run.drive_at(np.zeros(1))
