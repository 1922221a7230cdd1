"""The cell model against traffic solved by hand; its ensembles and states, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_roads import KPH, VPH, random_network, roads, turns
from twin.columns import Floats
from twin.errors import SimulationError
from twin.simulate.ctm import CellTransmission
from twin.simulate.curves import Curves
from twin.simulate.diagrams import tabulated, triangular


def test_queue_before_a_bottleneck_in_100_m_cells() -> None:
    """4000 veh/h for an hour, then 2000, into 3000: 1000 waiting, 1000 vehicle-hours, 20 min."""
    road = roads((0, 1, 12.5, 100, 5000, 300))
    run = CellTransmission(road, turns(1, [0], (1, 0)), step_s=3.6, cell_m=100.0)
    assert len(run.density_vpm) == 125
    run.share_turns(np.ones(1), np.array([1.0, 0.0]))
    run.limit(out_vps=np.array([3000 * VPH, 1e6]))
    counted: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]
    tail_km = []
    for demand, until_s in ((4000, 3600.0), (2000, 9000.0)):
        run.demand(np.array([demand * VPH]))
        while run.time_s < until_s - 1e-6:
            run.run(3.6)
            counted.append((run.time_s, float(run.entered[0, 0]), float(run.left[0, 0])))
            arriving = 40 if run.time_s < 450 + 3600 - 60 else 20
            over = np.maximum(run.density_vpm[:, 0] * 1000 - arriving, 0)
            tail_km.append(12.5 - 0.1 * over.sum() / (150 - arriving))
    time_s, entered, left = np.array(counted).T
    queue = np.interp(time_s - 450, time_s, entered) - left
    assert np.interp(450 + 3600, time_s, queue) == pytest.approx(1000, abs=5)
    assert np.interp(450 + 7200, time_s, queue) == pytest.approx(0, abs=5)
    assert np.trapezoid(queue, time_s) / 3600 == pytest.approx(1000, rel=5e-3)
    served = np.interp(450 + 3600 + 1200, time_s, left)
    assert served == pytest.approx(4000, rel=5e-3)
    tails = np.interp(450 + 60 * np.array([20, 50, 80, 100]), time_s[1:], tail_km)
    farthest = np.interp(450 + 60 * 55, time_s[1:], tail_km)
    assert 12.5 - farthest == pytest.approx(8.3333, rel=5e-3)
    assert (tails[1] - tails[0]) * 2 == pytest.approx(-9.0909, rel=5e-3)
    assert tails[1] == pytest.approx(12.5 - 9.0909 * 50 / 60, rel=5e-3)
    assert (tails[3] - tails[2]) * 3 == pytest.approx(7.6923, rel=5e-3)


def test_ring_road_flows_for_ever() -> None:
    road = roads((0, 1, 5.0, 100, 2500, 150), (1, 0, 5.0, 100, 2500, 150))
    table = turns(2, [], (0, 1), (1, 0))
    run = CellTransmission(road, table, step_s=3.0, density_vpm=np.full(2, 0.04))
    run.share_turns(np.ones(2), np.zeros(2)).run(3600)
    left = run.left
    run.run(3600)
    assert (run.left - left)[:, 0] == pytest.approx(2200, rel=1e-9)
    assert run.vehicles.sum() == pytest.approx(400, rel=1e-12)


def test_merge_and_diverge_in_cells() -> None:
    """A merge of 2000 with priorities 3:1, and a diverge of .7/.3 into 1000 and 900."""
    merge = roads(*[(k, 2, 1.0, 100, 2500, 150) for k in (0, 1)], (2, 3, 1.0, 100, 2500, 150))
    run = CellTransmission(
        merge,
        turns(3, [0, 1], (0, 2), (1, 2), (3, 0), (4, 1)),
        step_s=3.0,
        priority_vps=np.array([3.0, 1, 1, 1, 1]),
    )
    run.share_turns(np.ones(4), np.array([0.0, 0, 1, 0, 0]))
    run.limit(in_vps=np.array([1e6, 1e6, 2000 * VPH]))
    run.demand(np.array([1500, 1000]) * VPH).run(1800)
    left = run.left
    run.run(1800)
    assert ((run.left - left)[:2, 0] * 2).tolist() == pytest.approx([1500, 500], rel=1e-6)
    fork = roads((0, 1, 1.0, 100, 2500, 150), *[(1, k, 1.0, 100, 2500, 150) for k in (2, 3)])
    run = CellTransmission(fork, turns(3, [0], (0, 1), (0, 2), (3, 0)), step_s=3.0)
    run.share_turns(np.array([0.7, 0.3, 1.0]), np.array([0.0, 1, 1, 0]))
    run.limit(in_vps=np.array([1e6, 1000 * VPH, 900 * VPH]))
    run.demand(np.array([2000 * VPH])).run(1800)
    left = run.left
    run.run(1800)
    assert (run.left - left)[0, 0] * 2 == pytest.approx(1428.571, abs=1e-3)


def members(count: int) -> tuple[CellTransmission, Floats]:
    """Make an ensemble on the random network, each member with its own diagram and density."""
    road, table, share, ended, density = random_network()
    rng = np.random.default_rng(11)
    factor = rng.uniform(0.8, 1.2, (3, len(road), 8))[:, :, :count]
    diagrams = triangular(
        road,
        free_speed_mps=road.free_speed_mps[:, None] * factor[0],
        capacity_vps=road.capacity_vps[:, None] * factor[1],
    )
    empty = CellTransmission(road, table, step_s=3.0, cell_m=80.0, diagrams=diagrams)
    run = CellTransmission(
        road,
        table,
        step_s=3.0,
        cell_m=80.0,
        diagrams=diagrams,
        density_vpm=density[empty.link_of_cell, None] * factor[2][empty.link_of_cell],
    )
    run.share_turns(share, ended)
    return run, rng.uniform(0.5, 2.0, (1, 8))


def test_a_member_alone_is_the_member_in_the_ensemble_to_the_bit() -> None:
    road, table, share, ended, density = random_network()
    run, demand = members(8)
    run.demand(demand).run(1200)
    for member in (0, 3, 7):
        whole, _ = members(8)
        only = triangular(
            road,
            free_speed_mps=whole.diagrams.rise_mps[:, [member]],
            capacity_vps=whole.diagrams.capacity_vps[:, [member]],
        )
        alone = CellTransmission(
            road,
            table,
            step_s=3.0,
            cell_m=80.0,
            diagrams=only,
            density_vpm=whole.density_vpm[:, [member]],
        )
        assert (alone.cell_start == whole.cell_start).all()
        state = whole.state()
        mine = {
            name: column[:, [member]] if column.ndim == 2 else column
            for name, column in state.items()
        }
        alone.restore(mine).demand(demand[:, [member]]).run(1200)
        assert (alone.density_vpm[:, 0] == run.density_vpm[:, member]).all()
        assert (alone.left[:, 0] == run.left[:, member]).all()
    assert density.shape == ended[:-1].shape
    assert share.min() > 0


def test_a_state_goes_on_to_the_bit() -> None:
    run, demand = members(4)
    run.demand(demand[:, :4]).run(402)
    state = run.state()
    run.run(798)
    other, _ = members(4)
    other.restore(state).run(798)
    assert (other.density_vpm == run.density_vpm).all()
    assert (other.left == run.left).all()
    assert other.time_s == run.time_s == 1200
    state["left"] = state["left"][:1]
    with pytest.raises(SimulationError, match="left"):
        other.restore(state)


def test_cells_keep_every_vehicle_within_bounds() -> None:
    run, demand = members(4)
    start = run.vehicles.sum(axis=0)
    jam = (run.diagrams.fall_vps / -run.diagrams.fall_mps)[run.link_of_cell]
    run.demand(demand[:, :4])
    for _ in range(20):
        run.run(81)
        there = run.waiting.sum(0) + run.vehicles.sum(0) + run.ended.sum(0)
        assert there == pytest.approx(start + run.appeared.sum(0), rel=1e-9)
        assert (run.density_vpm >= -1e-12).all()
        assert (run.density_vpm <= jam * (1 + 1e-9)).all()
        assert run.entered - run.left == pytest.approx(run.vehicles, abs=1e-7)


def test_a_draining_road_does_not_decay_into_subnormal_numbers() -> None:
    road = roads((0, 1, 5.0, 60, 1800, 150))
    run = CellTransmission(road, turns(1, []), step_s=3.0, density_vpm=np.array([0.05]))
    run.run(6 * 3600)
    cells = run.density_vpm[:, 0]
    assert run.vehicles.sum() < 1e-6
    assert ((cells == 0) | (cells > 1e-18)).all()


def test_a_table_of_two_lines_is_a_triangle() -> None:
    road = roads((0, 1, 3.0, 100, 2500, 150))
    table = np.array([[0, 0], [0.025, 2500 * VPH], [0.15, 0]])
    runs = []
    for diagrams in (triangular(road), tabulated(road, {0: table})):
        run = CellTransmission(
            road, turns(1, [0], (1, 0)), step_s=3.0, diagrams=diagrams, density_vpm=np.array([0.08])
        )
        run.share_turns(np.ones(1), np.array([1.0, 0.0])).demand(np.array([0.4]))
        run.limit(out_vps=np.array([0.5, 1e6]))
        runs.append(run.run(600))
    assert runs[0].density_vpm == pytest.approx(runs[1].density_vpm, rel=1e-9)
    assert runs[0].diagrams.critical_vpm(0) == pytest.approx(0.025)
    flow = runs[1].diagrams.flow_vps(0, np.array([[0.01], [0.15]]))
    assert flow[:, 0].tolist() == pytest.approx([1000 * VPH, 0.0], abs=1e-12)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"step_s": 40.0}, "link 0 of 1000 m"),
        ({"step_s": 0.0}, "UnstableStep"),
        ({"step_s": 3.0, "cell_m": 0.0}, "UnstableStep"),
        ({"step_s": 3.0, "drop_share": np.zeros(1)}, "capacity drop"),
    ],
)
def test_cells_without_meaning_are_refused(fields: dict[str, object], says: str) -> None:
    road = roads((0, 1, 1.0, 100, 2500, 150))
    with pytest.raises(SimulationError, match=says):
        CellTransmission(road, turns(1, []), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "points",
    [
        [[0, 0], [0.1, 0]],
        [[0, 0], [0.05, 0.2], [0.06, 0.5], [0.1, 0]],
        [[0, 0.1], [0.05, 0.5], [0.1, 0]],
        [[0, 0], [0.05, 0.5], [0.05, 0.4], [0.1, 0]],
    ],
)
def test_a_table_that_is_not_concave_is_refused(points: list[list[float]]) -> None:
    road = roads((0, 1, 1.0, 100, 2500, 150))
    with pytest.raises(SimulationError, match="not concave"):
        tabulated(road, {0: np.array(points, np.float64)})


def test_shares_that_do_not_add_up_and_broken_steps_are_refused() -> None:
    road = roads((0, 1, 1.0, 100, 2500, 150))
    run = CellTransmission(road, turns(1, [0], (1, 0)), step_s=3.0)
    with pytest.raises(SimulationError, match="approach 0"):
        run.share_turns(np.ones(1), np.array([0.5, 0.0]))
    with pytest.raises(SimulationError, match="whole number"):
        run.run(4.0)
    with pytest.raises(SimulationError, match="jam density below"):
        triangular(road, jam_vpm=np.full((1, 2), 0.02))
    assert Curves(road).time_s == []
    assert pytest.approx(10) == KPH * 36
