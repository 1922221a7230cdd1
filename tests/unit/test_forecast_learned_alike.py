"""A silent station is looked up in moments of the past when those beside it spoke as now."""

from __future__ import annotations

import numpy as np
import pytest

from twin.columns import Floats
from twin.forecast.learned.alike import BARRED, WANTED, Past, alike_block
from twin.forecast.learned.memory import STEPS
from twin.forecast.learned.neighbours import Neighbours

ROWS = 400
BESIDE = np.array([[1], [0]], np.int32)
NEAR = Neighbours(BESIDE, BESIDE, BESIDE, BESIDE)
USUAL = np.full((STEPS + 1, 2), 50.0)


def past() -> Past:
    """Return a day in which station 0 stands at 10 whenever station 1 is below 40, else at 60."""
    other = np.where(np.arange(ROWS) % 100 < 50, 30.0, 55.0)
    own = np.where(other < 40.0, 10.0, 60.0)
    values = np.column_stack([own, other]).astype(np.float32)
    return Past(values, np.full((ROWS, 2), 50.0, np.float32), np.ones((2, 2)))


def said(now: Floats, barred: int | None = None, held: Past | None = None) -> Floats:
    """Return what is said of station 0."""
    known = past() if held is None else held
    return alike_block(known, NEAR, np.array([0]), now, USUAL, barred)


@pytest.mark.parametrize(("beside", "own"), [(31.0, 10.0), (54.0, 60.0)])
def test_the_state_of_the_neighbour_tells_that_of_the_silent(beside: float, own: float) -> None:
    block = said(np.array([np.nan, beside]))
    assert block.shape == (STEPS, 1, 3)
    assert block[:, 0, 1] == pytest.approx(own - 50.0)
    assert block[0, 0, 0] - block[0, 0, 1] == pytest.approx(block[0, 0, 2])


def test_nobody_speaks() -> None:
    assert (said(np.full(2, np.nan)) == 0.0).all()


def test_a_short_past_says_nothing() -> None:
    held = past()
    rows = WANTED + STEPS - 1
    short = Past(held.values[:rows], held.usual[:rows], held.closeness)
    assert (said(np.array([np.nan, 31.0]), held=short) == 0.0).all()


def test_a_moment_does_not_explain_itself() -> None:
    held = past()
    held.values[180:220, 1] = 20.0  # nowhere else is it so
    held.values[180:220, 0] = 77.0
    now = np.array([np.nan, 20.0])
    assert said(now, held=held)[0, 0, 1] == pytest.approx(27.0)
    assert BARRED > 20
    assert said(now, barred=200, held=held)[0, 0, 1] == pytest.approx(-40.0)


def test_gaps_of_the_past_are_passed_over() -> None:
    held = past()
    held.values[:100] = np.nan
    assert said(np.array([np.nan, 31.0]), held=held)[0, 0, 1] == pytest.approx(-40.0)
