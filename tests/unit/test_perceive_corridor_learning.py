"""Demand, capacity and turning shares are learned from counts, within their bounds."""

from __future__ import annotations

import numpy as np
import pytest

from twin.perceive.corridor.learning import (
    LEAST_CAPACITY,
    MEMORY_S,
    PRIOR_S,
    FlowLevels,
    TurningShares,
    on_simplex,
)


def _levels() -> FlowLevels:
    return FlowLevels(np.full(2, 30.0), np.full(2, 2.0))


def test_free_traffic_teaches_demand_and_a_queue_teaches_capacity() -> None:
    levels = _levels()
    random = np.random.default_rng(2)
    for _ in range(120):
        counts = random.poisson([0.8 * 60, 1.4 * 60]) / 60
        levels.report(counts, np.array([28.0, 8.0]), 60.0)
    assert levels.demand_vps[0] == pytest.approx(0.8, rel=0.1)
    assert np.isnan(levels.demand_vps[1])
    assert levels.capacity_vps[0] == 2.0
    worth = PRIOR_S / (PRIOR_S + 120 * 60)
    assert levels.capacity_vps[1] == pytest.approx(worth * 2.0 + (1 - worth) * 1.4, rel=0.03)


def test_what_is_learned_stays_within_bounds_and_nothing_measured_teaches_nothing() -> None:
    levels = _levels()
    for _ in range(int(20 * MEMORY_S / 60)):
        levels.report(np.array([0.0, np.nan]), np.array([3.0, 3.0]), 60.0)
    assert levels.capacity_vps[0] == LEAST_CAPACITY * 2.0
    assert levels.capacity_vps[1] == 2.0
    assert np.isnan(levels.demand_vps).all()


def test_turning_shares_are_found_from_counts_and_always_make_one() -> None:
    true = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    shares = TurningShares(np.full((2, 3), 1 / 3))
    random = np.random.default_rng(5)
    for _ in range(400):
        entered = random.poisson(random.uniform(20, 120, 2)).astype(np.float64)
        left = sum(random.multinomial(int(n), row) for n, row in zip(entered, true, strict=True))
        share = shares.report(entered, np.asarray(left, np.float64))
        assert share.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
        assert (share >= 0).all()
    assert shares.share == pytest.approx(true, abs=0.06)


def test_an_exit_that_is_not_counted_keeps_what_is_left_over() -> None:
    shares = TurningShares(np.array([[0.5, 0.5]]))
    for _ in range(200):
        shares.report(np.array([100.0]), np.array([80.0, np.nan]))
    assert shares.share[0] == pytest.approx([0.8, 0.2], abs=0.05)
    before = shares.share.copy()
    shares.report(np.array([np.nan]), np.array([10.0, 10.0]))
    assert (shares.share == before).all()


def test_the_nearest_shares_are_themselves_when_they_are_shares() -> None:
    rows = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])
    assert on_simplex(rows) == pytest.approx(rows, abs=1e-15)
    assert on_simplex(np.array([[1.5, 0.5, -1.0]])) == pytest.approx(np.array([[1.0, 0.0, 0.0]]))
