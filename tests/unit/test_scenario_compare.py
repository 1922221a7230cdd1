"""Differences with their intervals, and the word for each."""

from __future__ import annotations

import numpy as np
import pytest

from twin.scenario.compare import Verdict, differences, student_factor


@pytest.mark.parametrize(
    ("freedom", "factor"), [(1, 12.7062), (2, 4.30265), (4, 2.77645), (29, 2.04523), (120, 1.97993)]
)
def test_students_factor_is_that_of_the_tables(freedom: int, factor: float) -> None:
    assert student_factor(freedom, 0.95) == pytest.approx(factor, rel=1e-4)


def test_what_both_sides_share_cancels_out() -> None:
    day = np.array([100.0, 300.0, 200.0, 500.0, 400.0])
    found = differences(day, day + np.array([9.0, 11.0, 10.0, 10.0, 10.0]))
    assert found.difference[0] == pytest.approx(10.0)
    half = 2.77645 * np.std([9, 11, 10, 10, 10], ddof=1) / np.sqrt(5)
    assert found.high[0] - found.difference[0] == pytest.approx(half, rel=1e-4)
    assert found.day_to_day[0] == pytest.approx(np.std(day, ddof=1))
    assert found.verdict() is Verdict.HIGHER


@pytest.mark.parametrize(
    ("edited", "verdict"),
    [
        ([1.0, 2.0, 3.0], Verdict.SAME),
        ([1.5, 1.0, 3.2], Verdict.NOISE),
        ([0.1, 1.0, 2.1], Verdict.LOWER),
        ([3.0, 4.1, 5.0], Verdict.HIGHER),
    ],
)
def test_each_difference_gets_its_word(edited: list[float], verdict: Verdict) -> None:
    assert differences(np.array([1.0, 2.0, 3.0]), np.array(edited)).verdict() is verdict


def test_one_seed_has_no_interval() -> None:
    found = differences(np.array([1.0]), np.array([2.0]))
    assert np.isnan(found.low[0])
    assert found.verdict() is Verdict.UNKNOWN
    assert found.within_noise[0]


def test_a_seed_without_a_value_is_left_out_on_both_sides() -> None:
    base = np.array([[1.0, 1.0], [2.0, np.nan], [3.0, 3.0]])
    found = differences(base, base + 1.0)
    assert found.seeds.tolist() == [3.0, 2.0]
    assert found.difference.tolist() == [1.0, 1.0]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    base = rng.normal(100, 20, (5, 4000))
    found = differences(base, base + rng.normal(3, 5, (5, 4000)))
    inside = (found.low <= 3) & (found.high >= 3)
    assert inside.mean() == pytest.approx(0.95, abs=0.015)
