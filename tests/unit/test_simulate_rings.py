"""The counts that links remember, and which approaches of a node meet."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from simulate_roads import roads, turns
from twin.simulate.gridlock import gridlocked
from twin.simulate.kernels.arrays import GENERAL, MERGE, SINGLE
from twin.simulate.rings import history_of, places, ring_of, steps_ago, write_now
from twin.simulate.roads import joints, wires_of

STEP_S = 10.0
TIMES_S = np.array([10.0, 25.0, 10.0, 3.0, 200.0, 30.0000000001])


def test_every_link_has_a_ring_as_long_as_its_travel_time() -> None:
    ring = ring_of(TIMES_S, STEP_S)
    assert ring.steps.tolist() == [1.0, 2.5, 1.0, 1.0, 20.0, 3.0]
    assert ring.lag.tolist() == [0.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    assert places(ring) == 2 + 4 + 2 + 2 + 21 + 4
    taken = [
        int(ring.place[link]) + slot * int(ring.stride[ring.group[link]])
        for link in range(len(TIMES_S))
        for slot in range(int(ring.size[ring.group[link]]))
    ]
    assert sorted(taken) == list(range(places(ring)))  # nobody writes into another's ring


@pytest.mark.parametrize("step", [0, 1, 7, 100])
def test_a_ring_gives_back_what_was_written(step: int) -> None:
    ring = ring_of(TIMES_S, STEP_S)
    links = np.arange(len(TIMES_S))
    history = history_of(ring, np.zeros(6), 2.0 * ring.steps)  # two a step before the start
    for now in range(step + 1):
        write_now(ring, history, step=now, now=np.full(6, 2.0 * now))
    for share in (0.0, 0.3, 1.0):
        back = ring.steps * share
        counts = steps_ago(ring, history, step=step, links=links, back=back)
        assert counts == pytest.approx(2.0 * (step - back), abs=1e-9)


def test_directions_that_pass_a_node_do_not_meet_and_merges_do() -> None:
    diagram = (1.0, 60, 1800, 150)
    road = roads((0, 1, *diagram), (1, 2, *diagram), (2, 1, *diagram), (1, 0, *diagram))
    table = turns(4, [], (0, 1), (2, 3))
    start, rows = joints(road, table)
    assert [rows[a:b].tolist() for a, b in itertools.pairwise(start)] == [
        [3], [0], [2], [1],
    ]  # fmt: skip
    wires, _ = wires_of(road, table, np.ones(4), np.zeros(0, np.int64))
    assert wires.node_kind.tolist() == [SINGLE] * 4
    gate, _ = wires_of(road, table, np.ones(4), np.array([1]))
    assert sorted(gate.node_kind.tolist()) == [GENERAL, SINGLE, SINGLE]
    merge = roads((0, 2, *diagram), (1, 2, *diagram), (2, 3, *diagram))
    wires, _ = wires_of(merge, turns(3, [], (0, 2), (1, 2)), np.ones(3), np.zeros(0, np.int64))
    assert wires.node_kind.tolist() == [MERGE, SINGLE]


def test_only_links_that_wait_for_each_other_are_in_gridlock() -> None:
    """A ring of 0, 1, 2; 3 waits for the ring; 4 stands before a closed road; 5 moves."""
    table = turns(6, [], (0, 1), (1, 2), (2, 0), (3, 0), (4, 5), (5, 4))
    still = np.array([True, True, True, True, True, False])
    share = np.ones(6)
    assert gridlocked(table, share, still).tolist() == [0, 1, 2, 3]
    share[2] = 0.0  # nobody on 2 wants to go round
    assert gridlocked(table, share, still).tolist() == []
