"""A series played through the forecast as if it came live: only the past is ever used."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import Fault, InputError
from twin.evaluate.backtest_files import WINDOW, Series
from twin.forecast.learned.calendar import Calendar
from twin.forecast.learned.engine import Engine
from twin.forecast.learned.fit import fit
from twin.forecast.learned.memory import STEPS
from twin.forecast.learned.model import unfitted
from twin.forecast.learned.neighbours import from_map

HALF: Final = WINDOW // 2  # rows in, and rows out
SHOWN: Final = (3, 6, 12)  # steps: 15, 30 and 60 minutes

OnRow = Callable[[int, int], None]
OnStage = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Split:
    """How many samples train, validate and test; they follow each other in time."""

    train: int
    validate: int
    test: int

    @property
    def first_fit_row(self) -> int:
        """Return the last row that the last training sample has seen."""
        return self.train + HALF - 2

    @property
    def first_row(self) -> int:
        """Return the last row that the first test sample has seen."""
        return self.train + self.validate + HALF - 1


def split_samples(rows: int, shares: tuple[float, float] = (0.7, 0.1)) -> Split:
    """Share out the rows - 23 samples: the first round(train) train, the last round(rest) test.

    Raises InputError when the shares are out of range or nothing is left to test.
    """
    train_share, validate_share = shares
    text = f"{train_share:g},{validate_share:g}"
    if not (0.0 <= train_share <= 1.0 and 0.0 <= validate_share <= 1.0):
        raise InputError(Fault("split", text, "each share is between 0 and 1"))
    parts = [Fraction(f"{share:.12g}") for share in (train_share, validate_share)]
    rest = 1 - sum(parts)
    if rest <= 0:
        raise InputError(Fault("split", text, "the two shares must leave something to test"))
    samples = rows - WINDOW + 1
    train, test = round(parts[0] * samples), round(rest * samples)
    if test < 1:
        raise InputError(
            Fault("data", f"{rows} rows", f"make {samples} samples, of which none is left to test")
        )
    return Split(train, max(0, samples - train - test), min(test, samples - train))


@dataclass(slots=True)
class Backtest:
    """What came out, in the order of time.

    value, low, high (samples, STEPS, n)   experts (samples, STEPS, n, experts), if kept
    rows     (samples,) the last row that each sample has seen
    fit_s, step_s: CPU seconds of all fits, and of one forecast on average
    """

    split: Split
    value: Floats
    low: Floats
    high: Floats
    rows: Ints
    fit_s: float = 0.0
    step_s: float = 0.0
    experts: list[Floats] = field(default_factory=list)


def run_backtest(
    series: Series,
    *,
    adjacency: Floats | None = None,
    profile: Floats | None = None,
    shares: tuple[float, float] = (0.7, 0.1),
    calendar: Calendar | None = None,
    keep_experts: bool = False,
    on_row: OnRow = lambda _row, _rows: None,
    on_stage: OnStage = lambda _stage: None,
) -> Backtest:
    """Play the series row by row through the engine; fit twice, before validation and test.

    A sample's forecast depends on rows up to its last input row alone. Raises InputError.
    """
    rows, stations = series.values.shape
    split = split_samples(rows, shares)
    days = Calendar(series.start) if calendar is None else calendar
    near = from_map(adjacency, stations)
    engine = Engine.start(days, unfitted(near), stations)
    ahead = None if profile is None else np.vstack([profile, np.full((STEPS, stations), np.nan)])
    shape = (split.test, STEPS, stations)
    found = Backtest(
        split,
        np.empty(shape),
        np.empty(shape),
        np.empty(shape),
        split.first_row + np.arange(split.test),
    )
    fit_rows = {split.first_fit_row, split.first_row - 1} if split.train else set()
    spent = 0.0
    for row in range(int(found.rows[-1]) + 1):
        given = None if ahead is None else ahead[row : row + STEPS + 1]
        began = time.process_time()
        made = engine.step(series.values[row], given)
        if row >= split.first_row:
            spent += time.process_time() - began
            place = row - split.first_row
            found.value[place], found.low[place], found.high[place] = (
                made.value,
                made.low,
                made.high,
            )
            if keep_experts:
                found.experts.append(made.experts)
        if row in fit_rows:
            began = time.process_time()
            past = slice(0, row + 1)
            known = None if profile is None else profile[past]
            engine.install(fit(series.values[past], known, days, near, on_stage))
            found.fit_s += time.process_time() - began
        on_row(row + 1, int(found.rows[-1]) + 1)
    found.step_s = spent / split.test
    return found


def truths(values: Floats, rows: Ints) -> Floats:
    """Return what came true for the samples that end at `rows`, (samples, STEPS, n)."""
    return np.asarray(values[rows[:, None] + 1 + np.arange(STEPS)], np.float64)


def mean_errors(pred: Floats, truth: Floats) -> Floats:
    """Return the mean absolute error of every step over what is known, (STEPS,); NaN = nothing."""
    error = np.abs(pred - truth)
    known = np.isfinite(error)
    count = known.sum(axis=(0, 2))
    total = np.where(known, error, 0.0).sum(axis=(0, 2))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
