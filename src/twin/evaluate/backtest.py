"""A series played through the forecast as if it came live: only the past is ever used."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import Fault, InputError
from twin.evaluate.backtest_files import WINDOW, Series
from twin.forecast.learned.calendar import Calendar
from twin.forecast.learned.engine import Engine, LearnedForecast
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
    rest = round(1.0 - train_share - validate_share, 12)  # 1 - 0.7 - 0.1 is 0.2 here
    if rest <= 0.0:
        raise InputError(Fault("split", text, "the two shares must leave something to test"))
    samples = rows - WINDOW + 1
    train, test = round(train_share * samples), round(rest * samples)
    if test < 1:
        raise InputError(
            Fault("data", f"{rows} rows", f"make {samples} samples, of which none is left to test")
        )
    return Split(train, max(0, samples - train - test), min(test, samples - train))


@dataclass(slots=True)
class Backtest:
    """What came out, in the order of time.

    value, low, high (samples, STEPS, n)   experts one (STEPS, n, experts) a sample, if kept
    rows     (samples,) the last row that each sample has seen
    fit_s, step_s: CPU seconds of all fits, and of one forecast on average
    """

    value: Floats
    low: Floats
    high: Floats
    rows: Ints
    fit_s: float = 0.0
    step_s: float = 0.0
    experts: list[Floats] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a backtest is made with; `profile` (rows, n) is beside the series, NaN = none."""

    adjacency: Floats | None = None
    profile: Floats | None = None
    shares: tuple[float, float] = (0.7, 0.1)
    calendar: Calendar | None = None
    on_row: OnRow = lambda _row, _rows: None
    on_stage: OnStage = lambda _stage: None

    def given(self, row: int) -> Floats | None:
        """Return the profile of a row and the STEPS after it, NaN beyond its end."""
        if self.profile is None:
            return None
        held = self.profile[row : row + STEPS + 1]
        missing = STEPS + 1 - len(held)
        return np.pad(held, ((0, missing), (0, 0)), constant_values=np.nan) if missing else held


def run_backtest(series: Series, setting: Setting | None = None) -> Backtest:
    """Play the series row by row through the engine; fit twice, before validation and test.

    A sample's forecast depends on rows up to its last input row alone. Raises InputError.
    """
    chosen = Setting() if setting is None else setting
    engine, fit_s = learn(series, chosen)
    found = play(engine, series.values, chosen)
    found.fit_s = fit_s
    return found


def learn(series: Series, setting: Setting) -> tuple[Engine, float]:
    """Play all rows before the last input row of the first test sample.

    Returns the engine and the CPU seconds of the fits. Raises InputError.
    """
    rows, stations = series.values.shape
    split = split_samples(rows, setting.shares)
    days = Calendar(series.start) if setting.calendar is None else setting.calendar
    near = from_map(setting.adjacency, stations)
    engine = Engine.start(days, unfitted(near), stations)
    fit_rows = {split.first_fit_row, split.first_row - 1} if split.train else set()
    fit_s = 0.0
    for row in range(split.first_row):
        engine.step(series.values[row], setting.given(row))
        if row in fit_rows:
            began = time.process_time()
            known = None if setting.profile is None else setting.profile[: row + 1]
            engine.install(fit(series.values[: row + 1], known, days, near, setting.on_stage))
            fit_s += time.process_time() - began
        setting.on_row(row + 1, rows - STEPS)
    return engine, fit_s


def play(
    engine: Engine, values: Floats, setting: Setting, *, keep_experts: bool = False
) -> Backtest:
    """Play the test part through an engine that has learned all before it; it goes on learning."""
    rows, stations = values.shape
    split = split_samples(rows, setting.shares)
    shape = (split.test, STEPS, stations)
    seen = split.first_row + np.arange(split.test)
    found = Backtest(np.empty(shape), np.empty(shape), np.empty(shape), seen)
    for place, row in enumerate(seen.tolist()):
        began = time.process_time()
        made = engine.step(values[row], setting.given(row))
        found.step_s += (time.process_time() - began) / split.test
        found.value[place], found.low[place], found.high[place] = for_all(made)
        if keep_experts:
            found.experts.append(made.experts)
        setting.on_row(row + 1, rows - STEPS)
    return found


def for_all(made: LearnedForecast) -> tuple[Floats, Floats, Floats]:
    """Return value, low and high, (STEPS, n), with a word for stations that never spoke.

    Nothing is known of them but the others: the median of their forecasts, between the lowest
    tenth of their lows and the highest tenth of their highs. NaN as long as nobody has spoken.
    """
    never = ~np.isfinite(made.value)
    told = ~never.any(axis=0)
    if told.all() or not told.any():
        return made.value, made.low, made.high
    middle = np.median(made.value[:, told], axis=1)[:, None]
    low = np.quantile(made.low[:, told], 0.1, axis=1)[:, None]
    high = np.quantile(made.high[:, told], 0.9, axis=1)[:, None]
    value, lower = np.where(never, middle, made.value), np.where(never, low, made.low)
    upper = np.where(never, high, made.high)
    return value, np.minimum(lower, value), np.maximum(upper, value)


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
