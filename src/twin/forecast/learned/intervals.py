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

TAIL: Final = 0.1  # of the truth on either side of the interval
TAIL_RATE: Final = 0.01
LEAST_TAIL: Final = 0.03
MOST_TAIL: Final = 0.2
CROWD: Final = 20.0  # errors that make one row's step a full one
RESTLESS: Final = (0.012, 0.03)  # mean change from row to row, share of free speed
EXPECTED: Final = (0.6, 0.85)  # forecast, share of free speed
PLACES: Final = 9  # cells of one regime
CELLS: Final = len(Regime) * PLACES
GAIN: Final = 0.06
FIRST_HALF_WIDTH: Final = 0.08  # of the forecast, before any error is known
STATION_GAIN: Final = 0.02


@dataclass(slots=True)
class Intervals:
    """Quantiles of the error in units of its station's size.

    quantile  (CELLS, STEPS, 2)      updates (CELLS, STEPS)
    tail      (regimes, STEPS) what the quantiles aim at, so that 80 % are kept in the end
    size      (STEPS,) mean absolute error, NaN = not known      own (n,) the station's share of it
    """

    quantile: Floats
    updates: Floats
    tail: Floats
    size: Floats
    own: Floats

    @classmethod
    def empty(cls, stations: int) -> Intervals:
        """Return intervals that know no errors yet."""
        quantile = np.empty((CELLS, STEPS, 2))
        quantile[...] = (-1.5, 1.5)
        return cls(
            quantile,
            np.zeros((CELLS, STEPS)),
            np.full((len(Regime), STEPS), TAIL),
            np.full(STEPS, np.nan),
            np.ones(stations),
        )


def cells(regime: Ints, wander: Floats, expected: Floats) -> Ints:
    """Return the cell of every forecast, (STEPS, n).

    regime (n,); wander (n,) and expected (STEPS, n) as shares of free speed.
    """
    restless = np.searchsorted(RESTLESS, wander)
    place = np.searchsorted(EXPECTED, expected)
    return np.asarray(regime * PLACES + restless * 3 + place, np.int64)


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
    steps = np.arange(STEPS)[:, None]
    pair = intervals.quantile[cell, steps]
    ratio = error / size
    tail = intervals.tail[cell // PLACES, steps]
    under, over = ratio < pair[:, :, 0], ratio > pair[:, :, 1]
    flat = cell * STEPS + steps
    moves = [_sums(flat, np.where(known, part, 0.0)) for part in (under - tail, tail - over)]
    count = _sums(flat, known.astype(np.float64))
    intervals.updates += count > 0
    gain = np.maximum(GAIN, 1.0 / np.sqrt(np.maximum(intervals.updates, 1.0)))
    share = 4.0 * gain * np.sqrt(np.minimum(count / CROWD, 1.0)) / np.maximum(count, 1.0)
    intervals.quantile = intervals.quantile - np.stack(moves, axis=2) * share[:, :, None]
    missed = _sums(flat, (known & (under | over)).astype(np.float64))
    _learn_tails(intervals, missed, count)


def _sums(flat: Ints, values: Floats) -> Floats:
    """Return the sum over the forecasts of every cell and step, (CELLS, STEPS)."""
    sums = np.bincount(flat.ravel(), values.ravel(), CELLS * STEPS)
    return np.asarray(sums.reshape(CELLS, STEPS), np.float64)


def _learn_tails(intervals: Intervals, missed: Floats, count: Floats) -> None:
    """Aim further out where more is missed than was promised, regime by regime."""
    missed = missed.reshape(len(Regime), PLACES, STEPS).sum(axis=1)
    count = count.reshape(len(Regime), PLACES, STEPS).sum(axis=1)
    off = 2 * TAIL - missed / np.maximum(count, 1.0)
    step = TAIL_RATE * off * np.minimum(count / CROWD, 1.0)
    intervals.tail = np.clip(intervals.tail + step, LEAST_TAIL, MOST_TAIL)


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
