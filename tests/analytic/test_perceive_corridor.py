"""Roads whose state is known by hand, and filters whose answer is known in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from twin.perceive.corridor.assimilate import nearness, take_in
from twin.perceive.corridor.ensemble import Chain, CorridorFilter
from twin.perceive.corridor.kernels.travel import experienced_s
from twin.perceive.corridor.reconstruct import Method, reconstruct
from twin.perceive.corridor.reports import Grid, report_field
from twin.perceive.corridor.smoothing import smooth

Floats = npt.NDArray[np.float64]
KPH = 1 / 3.6


def _kalman(
    mean: Floats, cov: Floats, matrix: Floats, measured: Floats, noise: Floats
) -> tuple[Floats, Floats]:
    gain = cov @ matrix.T @ np.linalg.inv(matrix @ cov @ matrix.T + np.diag(noise))
    return mean + gain @ (measured - matrix @ mean), cov - gain @ matrix @ cov


def test_the_ensemble_step_is_the_kalman_filter_when_all_is_linear() -> None:
    random = np.random.default_rng(4)
    state = random.normal(size=(5, 5)) @ random.normal(size=(5, 40)) + 3.0
    matrix = random.normal(size=(3, 5))
    measured, noise = random.normal(size=3), np.array([0.5, 2.0, 0.1])
    mean, cov = _kalman(state.mean(axis=1), np.cov(state), matrix, measured, noise)
    take_in(state, matrix @ state, measured, noise, np.ones((8, 3)))
    assert state.mean(axis=1) == pytest.approx(mean, rel=1e-9)
    assert np.cov(state) == pytest.approx(cov, rel=1e-9)


def test_nothing_measured_changes_nothing_and_far_rows_stay() -> None:
    state = np.random.default_rng(1).normal(size=(2, 30))
    before = state.copy()
    take_in(state, state[:1].copy(), np.array([np.nan]), np.ones(1), np.ones((3, 1)))
    assert state.tobytes() == before.tobytes()
    near = nearness(np.array([[0.0], [1000.0], [0.0]]), 500.0)
    take_in(state, state[:1].copy(), np.array([2.0]), np.ones(1), near)
    assert (state[1] == before[1]).all()
    assert (state[0] != before[0]).any()


def test_weights_of_distance_fall_from_one_to_nothing() -> None:
    weight = nearness(np.linspace(0.0, 1200.0, 121), 500.0)
    assert weight[0] == 1.0
    assert (np.diff(weight) <= 1e-12).all()
    assert weight[50] == pytest.approx(5 / 24)
    assert (weight[100:] == 0.0).all()


@pytest.mark.parametrize("method", [Method.NOWCAST, Method.SMOOTHING])
def test_a_constant_field_stays_constant(method: Method) -> None:
    grid = Grid(20, 60, 30.0, 5.0)
    found = reconstruct(np.full((20, 60), 12.5), grid, detectors=3, period_s=30.0, method=method)
    assert found.online_mps[:, 6:] == pytest.approx(12.5, abs=1e-9)
    assert found.offline_mps == pytest.approx(12.5, abs=1e-9)


def test_a_wave_between_two_detectors_is_where_its_speed_says() -> None:
    """A slow band travels upstream at 18 km/h; off line it stands in the middle when it did."""
    grid = Grid(40, 240, 25.0, 5.0)
    when = grid.moment_s[None] + grid.middle_m[:, None] / (18 * KPH) - 700.0
    speed = 22.0 - 16.0 * np.exp(-0.5 * (when / 40.0) ** 2)
    found = reconstruct(speed, grid, detectors=2, period_s=30.0)
    middle, true = found.offline_mps[20], speed[20]
    assert abs(int(middle.argmin()) - int(true.argmin())) <= 2
    assert middle.min() < 12.0
    # On line it is on its way as well: half a kilometre upstream nothing was measured yet.
    now = found.online_mps[20]
    assert abs(int(now.argmin()) - int(true.argmin())) <= 5


def test_a_travelling_measurement_is_weighed_along_its_characteristic() -> None:
    grid = Grid(3, 2, 400.0, 100.0)
    reports = report_field(np.full((3, 2), 5.0), grid, detectors=3, period_s=100.0)
    field = smooth(reports, grid, online=False, first_mps=1.0)
    assert field == pytest.approx(5.0)


def test_travel_time_through_a_step_of_speed() -> None:
    """300 m at 10 m/s would take 30 s; after 12 s the road goes at 20 m/s: 12 + 180 / 20."""
    field = np.where(np.arange(20) < 6, 10.0, 20.0) * np.ones((3, 1))
    times = np.empty(2)
    experienced_s(field, 100.0, 2.0, np.array([0.0, 39.0]), times)
    assert times[0] == pytest.approx(21.0)
    assert np.isnan(times[1])


def _two_links() -> Chain:
    """3 km at 5000 veh/h, then 1 km at 3000 veh/h; 100 km/h, jam 300 and 180 veh/km."""
    return Chain(
        length_m=np.array([3000.0, 1000.0]),
        free_speed_mps=np.array([100.0, 100.0]) * KPH,
        capacity_vps=np.array([5000.0, 3000.0]) / 3600,
        jam_vpm=np.array([0.3, 0.18]),
    )


def test_the_filter_finds_a_queue_whose_shock_stands_where_rankine_and_hugoniot_put_it() -> None:
    """3000 veh/h pass; before the bottleneck they stand at 140 veh/km, further up at 30.

    Flows on both sides are equal, so the shock stands; detectors at its sides say so.
    """
    places = np.array([300.0, 900.0, 1500.0, 2100.0, 2700.0, 3500.0])
    queued = 5000 / 3600 / (0.3 - 0.05)
    slow = 3000 / 3600 / (0.3 - 3000 / 3600 / queued)
    speed = np.where((places > 1800) & (places < 3000), slow, 100 * KPH)
    flow = np.full(len(places), 3000 / 3600)
    road = CorridorFilter(_two_links(), places, step_s=3.0, cell_m=100.0, members=50, seed=3)
    for _ in range(40):
        road.advance(60.0)
        road.report(speed, flow, 60.0)
    state = road.state()
    density = state.density_vpm * 1000
    assert density[:14].mean() == pytest.approx(30.0, rel=0.15)
    assert density[20:29].mean() == pytest.approx((0.3 - 3000 / 3600 / queued) * 1000, rel=0.15)
    tail = float(road.middle_m[np.flatnonzero(density > 85)[0]])
    assert tail == pytest.approx(1800.0, abs=350.0)
    assert state.flow_vps == pytest.approx(state.density_vpm * state.speed_mps, rel=1e-12)


def test_members_stay_within_bounds_and_a_seed_makes_the_same_bytes() -> None:
    def run(seed: int) -> list[bytes]:
        places = np.array([500.0, 2500.0, 3500.0])
        road = CorridorFilter(_two_links(), places, step_s=3.0, members=50, seed=seed)
        random = np.random.default_rng(0)
        said = []
        for _ in range(15):
            road.advance(30.0)
            speed, flow = random.uniform(0.0, 40.0, 3), random.uniform(0.0, 3.0, 3)
            road.report(speed, np.where(flow > 2, np.nan, flow), 30.0)
            state = road.state()
            assert (state.density_vpm >= 0).all()
            assert (state.density_vpm[:30] <= 0.3).all()
            assert (state.speed_mps > 0).all()
            assert (road.demand_vps <= 1.5 * 5000 / 3600).all()
            assert np.isfinite(np.concatenate(state)).all()
            said.append(b"".join(column.tobytes() for column in state))
        return said

    assert run(1) == run(1)
    assert run(1) != run(2)
