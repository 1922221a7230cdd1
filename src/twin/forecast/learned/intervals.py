"""Intervals that hold what they promise: quantiles of past errors, learned on line.

One pair of quantiles for each cell: what the station is like now, how restless it was, and where
it is forecast to go; so that the promise holds in congestion, too. Gibbs and Candès (2021),
"Adaptive conformal inference under distribution shift".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.forecast.learned.blend import Regime
from twin.forecast.learned.memory import STEPS

LOW: Final = 0.1
HIGH: Final = 0.9
RESTLESS: Final = (0.012, 0.03)  # mean change from row to row, share of free speed
EXPECTED: Final = (0.6, 0.85)  # forecast, share of free speed
CELLS: Final = len(Regime) * 9
GAIN: Final = 0.06
FIRST_HALF_WIDTH: Final = 0.08  # of the forecast, before any error is known
STATION_GAIN: Final = 0.02


@dataclass(slots=True)
class Intervals:
    """Quantiles of the error in units of its station's size.

    quantile  (CELLS, STEPS, 2)      updates (CELLS, STEPS)
    size      (STEPS,) mean absolute error, NaN = not known      own (n,) the station's share of it
    """

    quantile: Floats
    updates: Floats
    size: Floats
    own: Floats

    @classmethod
    def empty(cls, stations: int) -> Intervals:
        """Return intervals that know no errors yet."""
        quantile = np.empty((CELLS, STEPS, 2))
        quantile[...] = (-1.5, 1.5)
        return cls(quantile, np.zeros((CELLS, STEPS)), np.full(STEPS, np.nan), np.ones(stations))


def cells(regime: Ints, wander: Floats, expected: Floats) -> Ints:
    """Return the cell of every forecast, (STEPS, n): wander (n,), expected (STEPS, n), as shares."""
    restless = np.searchsorted(RESTLESS, wander)
    place = np.searchsorted(EXPECTED, expected)
    return np.asarray(regime * 9 + restless * 3 + place, np.int64)


def bounds(intervals: Intervals, cell: Ints, mixed: Floats) -> tuple[Floats, Floats]:
    """Return the 10 % and 90 % quantiles, (STEPS, n)."""
    size = np.where(
        np.isfinite(intervals.size)[:, None],
        intervals.size[:, None] * intervals.own,
        FIRST_HALF_WIDTH * np.abs(mixed),
    )
    pair = intervals.quantile[cell, np.arange(STEPS)[:, None]]
    low = mixed + np.minimum(pair[:, :, 0], 0.0) * size
    high = mixed + np.maximum(pair[:, :, 1], 0.0) * size
    return low, high


def learn(intervals: Intervals, cell: Ints, mixed: Floats, truth: Floats) -> None:
    """Move the quantiles by what came true: cell and mixed (STEPS, n), truth (n,), NaN = none."""
    error = truth - mixed
    known = np.isfinite(error)
    if not known.any():
        return
    _learn_sizes(intervals, error, known)
    size = np.maximum(intervals.size[:, None] * intervals.own, 1e-9)
    pair = intervals.quantile[cell, np.arange(STEPS)[:, None]]
    ratio = (error / size)[:, :, None]
    below = np.where(known[:, :, None], (ratio < pair) - np.array([LOW, HIGH]), 0.0)
    flat = cell * STEPS + np.arange(STEPS)[:, None]
    total = np.stack(
        [np.bincount(flat.ravel(), below[:, :, side].ravel(), CELLS * STEPS) for side in range(2)],
        axis=-1,
    ).reshape(CELLS, STEPS, 2)
    count = np.bincount(flat.ravel(), known.ravel(), CELLS * STEPS).reshape(CELLS, STEPS)
    intervals.updates += count > 0
    gain = np.maximum(GAIN, 1.0 / np.sqrt(np.maximum(intervals.updates, 1.0)))
    share = np.where(count > 0, np.sqrt(np.minimum(count / 20.0, 1.0)), 0.0) * gain
    step = total / np.maximum(count, 1.0)[:, :, None] * share[:, :, None]
    intervals.quantile = intervals.quantile - 4.0 * step


def _learn_sizes(intervals: Intervals, error: Floats, known: np.ndarray) -> None:
    absolute = np.where(known, np.abs(error), 0.0)
    count = known.sum(axis=1)
    mean = absolute.sum(axis=1) / np.maximum(count, 1)
    moved = intervals.size + 0.02 * (mean - intervals.size)
    moved = np.where(np.isfinite(intervals.size), moved, mean)
    intervals.size = np.where(count > 0, moved, intervals.size)
    share = absolute / np.maximum(np.nan_to_num(intervals.size, nan=1.0), 1e-9)[:, None]
    seen = known.sum(axis=0)
    own = np.where(seen > 0, share.sum(axis=0) / np.maximum(seen, 1), intervals.own)
    intervals.own = np.clip(intervals.own + STATION_GAIN * (own - intervals.own), 0.3, 3.0)
