"""The node's law for whole vehicles: the published example of Tampere and others (2011)."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_roads import roads, turns
from twin.columns import Ints
from twin.simulate.fleet import fleet
from twin.simulate.vehicles import VehicleRun

CAPACITY = (1000, 2000, 1000, 2000)
DEMAND = np.array([(0, 50, 150, 300), (100, 0, 300, 1600), (100, 100, 0, 600), (100, 800, 800, 0)])


def mixed(part: np.ndarray, count: int) -> Ints:
    """Return ways for vehicles so that each way is taken as evenly as whole numbers allow."""
    owed, ways = np.zeros(len(part)), []
    for _ in range(count):
        owed += part
        ways.append(int(np.argmax(owed)))
        owed[ways[-1]] -= 1
    return np.array(ways)


def crossing(demand: np.ndarray, hours: float) -> VehicleRun:
    """Return a run of four ways in and four out of capacities CAPACITY."""
    ways = [(1, 60, capacity, capacity / 5) for capacity in CAPACITY]
    ends_in = [(k, 4, *way) for k, way in enumerate(ways)]
    road = roads(*ends_in, *[(4, 5 + k, *way) for k, way in enumerate(ways)])
    pairs = [(i, 4 + j) for i in range(4) for j in range(4) if demand[i, j] > 0]
    table = turns(8, [0, 1, 2, 3], *pairs, *[(8 + i, i) for i in range(4)])
    columns = []
    for origin, row in enumerate(demand):
        count = int(row.sum() * hours)
        to = 5 + mixed(row / row.sum(), count)
        start_s = np.arange(count) * 3600 / row.sum()
        columns.append(np.column_stack([np.full(count, origin), to, start_s]))
    origin, to, start_s = np.concatenate(columns).T
    cars = fleet(origin.astype(np.int64), to.astype(np.int64), start_s)
    return VehicleRun(road, table, cars, step_s=10.0)


@pytest.mark.parametrize("share", [1.0, 2000 / 1700])
def test_published_example_of_the_general_node(share: float) -> None:
    """In 500, 1369.7, 800, 1369.7, also when the fourth approach asks for more; 4 % for order."""
    demand = DEMAND.astype(np.float64)
    demand[3] *= share
    run = crossing(demand, 3.0).run(3600)
    left, entered = run.left, run.entered
    run.run(3600)
    flows_in, flows_out = (run.left - left)[:4], (run.entered - entered)[4:]
    assert flows_in == pytest.approx([500, 1369.67, 800, 1369.67], rel=0.04)
    assert flows_out == pytest.approx([249.05, 794.55, 1000, 1995.73], rel=0.04)
