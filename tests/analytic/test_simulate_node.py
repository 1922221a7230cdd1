"""Node flows against numbers that can be worked out by hand or are published."""

from __future__ import annotations

import numpy as np
import pytest

from twin.errors import SimulationError
from twin.simulate.node import node_flows


@pytest.mark.parametrize(
    ("sending", "passes"),
    [
        ((1500.0, 1000.0), (1500.0, 500.0)),
        ((1200.0, 1200.0), (1200.0, 800.0)),
        ((1800.0, 400.0), (1600.0, 400.0)),
        ((900.0, 600.0), (900.0, 600.0)),
    ],
)
def test_merge_of_2000_with_priorities_3_to_1(
    sending: tuple[float, float], passes: tuple[float, float]
) -> None:
    flows = node_flows(np.array(sending), np.array([3.0, 1.0]), np.ones((2, 1)), np.array([2000.0]))
    assert flows[:, 0].tolist() == pytest.approx(passes, abs=1e-9)


def test_diverge_is_held_by_its_full_branch() -> None:
    flows = node_flows(
        np.array([2000.0]), np.array([2000.0]), np.array([[0.7, 0.3]]), np.array([1000.0, 900.0])
    )
    assert flows.sum() == pytest.approx(1428.571, abs=1e-3)
    assert flows[0].tolist() == pytest.approx([1000.0, 428.571], abs=1e-3)


def tampere(fourth: float) -> tuple[list[float], list[float]]:
    """Return in and out flows of the published 4x4 example with the fourth demand scaled."""
    wants = np.array(
        [[0, 50, 150, 300], [100, 0, 300, 1600], [100, 100, 0, 600], [100, 800, 800, 0]], float
    )
    wants[3] *= fourth / 1700.0
    sending = wants.sum(axis=1)
    capacity = np.array([1000.0, 2000.0, 1000.0, 2000.0])
    flows = node_flows(sending, capacity, wants / sending[:, None], capacity)
    return flows.sum(axis=1).tolist(), flows.sum(axis=0).tolist()


@pytest.mark.parametrize("fourth", [1700.0, 2000.0])
def test_published_general_node(fourth: float) -> None:
    """The flows do not change when a held approach sends more (invariance)."""
    entering, leaving = tampere(fourth)
    assert entering == pytest.approx([500.0, 1369.66825, 800.0, 1369.66825], abs=1e-4)
    assert leaving == pytest.approx([249.0521, 794.5498, 1000.0, 1995.7346], abs=1e-4)


def test_axioms_on_random_nodes() -> None:
    rng = np.random.default_rng(7)
    for _ in range(2000):
        approaches, after = rng.integers(1, 5, 2)
        share = rng.dirichlet(np.ones(after + 1), approaches)[:, :after]
        share[rng.random(share.shape) < 0.2] = 0.0
        sending = rng.uniform(0, 2000, approaches) * (rng.random(approaches) > 0.1)
        receiving = rng.uniform(0, 2000, after) * (rng.random(after) > 0.1)
        flows = node_flows(sending, rng.uniform(500, 2000, approaches), share, receiving)
        moved = flows.sum(axis=1) / np.maximum(share.sum(axis=1), 1e-12)
        wants = share.sum(axis=1) > 0
        assert (flows >= 0).all()
        assert (flows.sum(axis=0) <= receiving + 1e-9).all()
        assert (moved[wants] <= sending[wants] + 1e-9).all()
        full = flows.sum(axis=0) >= receiving - 1e-6
        for i in np.flatnonzero(wants & (moved < sending - 1e-6)):
            assert (full & (share[i] > 0)).any()  # held back by a full link, by nothing else


@pytest.mark.parametrize(
    ("share", "receiving", "says"),
    [([[0.7, 0.4]], [1.0, 1.0], "more than 1"), ([[0.5, 0.5]], [1.0], "one room")],
)
def test_impossible_nodes_are_refused(
    share: list[list[float]], receiving: list[float], says: str
) -> None:
    with pytest.raises(SimulationError, match=says):
        node_flows(np.ones(1), np.ones(1), np.array(share), np.array(receiving))
