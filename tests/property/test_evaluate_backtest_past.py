"""A forecast depends on the past alone, and the same past makes the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast_series import chain, corridor
from twin.evaluate.backtest import Backtest, Setting, run_backtest, split_samples
from twin.evaluate.backtest_files import Series
from twin.forecast.learned import fit

VALUES = corridor(1.2, 4)[60:]
SETTING = Setting(chain(4), shares=(0.6, 0.2))


@pytest.fixture(scope="module")
def once() -> Backtest:
    """Return the backtest of the series as it is."""
    return run_backtest(Series(VALUES, None), SETTING)


@pytest.fixture(autouse=True, scope="module")
def few_trees() -> object:
    """Grow few trees: a leak from the future does not need many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "ROUNDS", 5)
        patch.setattr(fit, "SILENT_ROUNDS", 5)
        yield


@settings(max_examples=2, deadline=None)
@given(later=st.integers(0, 50), seed=st.integers(0, 3))
def test_altered_rows_change_no_forecast_made_before_them(
    once: Backtest, later: int, seed: int
) -> None:
    first = int(once.rows[0]) + 1 + later  # the first row that is altered
    altered = VALUES.copy()
    altered[first:] = np.random.default_rng(seed).uniform(1.0, 90.0, altered[first:].shape)
    again = run_backtest(Series(altered, None), SETTING)
    before = once.rows < first
    assert before.any()
    for name in ("value", "low", "high"):
        one, other = getattr(once, name)[before], getattr(again, name)[before]
        assert one.tobytes() == other.tobytes()
    if not before.all():
        assert once.value[~before].tobytes() != again.value[~before].tobytes()


def test_the_same_series_makes_the_same_bytes(once: Backtest) -> None:
    again = run_backtest(Series(VALUES.copy(), None), SETTING)
    assert once.value.tobytes() == again.value.tobytes()
    assert once.low.tobytes() == again.low.tobytes()


@given(rows=st.integers(26, 5000))
def test_the_parts_make_the_whole(rows: int) -> None:
    split = split_samples(rows)
    samples = rows - 23
    assert split.train == round(0.7 * samples)
    assert split.test == round(0.2 * samples)
    assert split.train + split.validate + split.test == samples
    assert split.first_row == samples - split.test + 11
