"""The learned forecast as a machine that takes one row every five minutes and looks an hour ahead.

It works from its first row, with no history; a station may be silent, die, or come at any time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.forecast.learned import blend as blending
from twin.forecast.learned import intervals as spans
from twin.forecast.learned import linear as lines
from twin.forecast.learned import trees as forest
from twin.forecast.learned.alike import alike_block
from twin.forecast.learned.blend import Blend, Expert, Regime
from twin.forecast.learned.calendar import Calendar
from twin.forecast.learned.features import ahead_block, join, now_block
from twin.forecast.learned.intervals import Intervals
from twin.forecast.learned.memory import (
    STEPS,
    Memory,
    observe,
    usual_now,
    usual_of,
)
from twin.forecast.learned.model import Model
from twin.forecast.learned.neighbours import Neighbours
from twin.forecast.learned.trees import Trees

CONGESTED = 0.6  # of the 85th percentile
SILENT_ROWS = 2
_ALL_STEPS = np.arange(STEPS, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class LearnedForecast:
    """The next hour in steps of five minutes, (STEPS, n); NaN where a station never spoke.

    value, low, high  the median and the bounds of 80 %
    experts           (STEPS, n, experts) what each expert said, NaN = nothing
    regime            (n,) `Regime` at the moment of the forecast
    """

    value: Floats
    low: Floats
    high: Floats
    experts: Floats
    regime: Ints


@dataclass(slots=True)
class Pending:
    """Forecasts whose time has not come, by the row they were made in, modulo STEPS.

    experts (STEPS, STEPS, n, experts) mixed (STEPS, STEPS, n) cell (STEPS, STEPS, n)
    regime  (STEPS, n)
    """

    experts: Floats
    mixed: Floats
    cell: Ints
    regime: Ints

    @classmethod
    def empty(cls, stations: int) -> Pending:
        """Return no forecasts."""
        return cls(
            np.full((STEPS, STEPS, stations, len(Expert)), np.nan),
            np.full((STEPS, STEPS, stations), np.nan),
            np.zeros((STEPS, STEPS, stations), np.int64),
            np.zeros((STEPS, stations), np.int64),
        )


@dataclass(slots=True)
class Engine:
    """State of the learned forecast; written by `step` and `install` alone."""

    calendar: Calendar
    model: Model
    memory: Memory
    blend: Blend
    intervals: Intervals
    pending: Pending

    @classmethod
    def start(cls, calendar: Calendar, model: Model, stations: int) -> Engine:
        """Return an engine that has seen nothing."""
        return cls(
            calendar,
            model,
            Memory.empty(stations),
            Blend.empty(stations),
            Intervals.empty(stations),
            Pending.empty(stations),
        )

    @property
    def near(self) -> Neighbours:
        """Return who stands near whom."""
        return self.model.near

    def install(self, model: Model) -> None:
        """Take a fitted model; what was learned on line stays."""
        self.model = model
        if model.high is not None:
            known = np.isfinite(model.high)
            self.memory.high = np.where(known, model.high, self.memory.high)
        if model.together is not None:
            self.memory.together = model.together.copy()

    def step(self, values: Floats, given: Floats | None = None) -> LearnedForecast:
        """Take in the next row, (n,) with NaN = none, and forecast the twelve rows after it.

        given  (1 + STEPS, n): a profile for this row and those after it, NaN = none.
        """
        self._learn(values)
        learned = self._observe(values, given)
        now = now_block(self.memory, self.near, self.calendar)
        ahead = ahead_block(self.memory, self.near, given, learned, self.model.fade)
        regime = self._regime()
        experts = self._experts(now, ahead, usual_of(given, learned))
        most = blending.most_weight(self.memory.row + 1)
        weight = blending.weights(self.blend, regime, self.memory.age, experts, most)
        mixed = blending.mix(weight, experts)
        mixed = np.maximum(mixed, 0.0)
        cell = self._cells(regime, now, mixed)
        low, high = spans.bounds(self.intervals, cell, mixed)
        place = self.memory.row % STEPS
        self.pending.experts[place], self.pending.mixed[place] = experts, mixed
        self.pending.cell[place], self.pending.regime[place] = cell, regime
        return LearnedForecast(mixed, np.maximum(low, 0.0), high, experts, regime)

    def _learn(self, values: Floats) -> None:
        """Score what was forecast for this row."""
        steps = np.arange(STEPS)
        made = (self.memory.row - steps) % STEPS  # step k was forecast k rows before the last one
        heard = self.pending.experts[made, steps]
        mixed = self.pending.mixed[made, steps]
        blending.learn(self.blend, heard, mixed, self.pending.regime[made], values)
        spans.learn(self.intervals, self.pending.cell[made, steps], mixed, values)

    def _observe(self, values: Floats, given: Floats | None) -> Floats:
        """Take the row into the memory; return the learned profile from this row on."""
        rows = self.memory.row + 1 + np.arange(STEPS + 1, dtype=np.int64)
        kinds, slots = self.calendar.kinds(rows), self.calendar.slots(rows)
        learned = self.memory.profile.at(kinds, slots)
        usual = usual_of(given, learned)[0]
        observe(self.memory, values, usual, self.near, self.calendar)
        return learned

    def _regime(self) -> Ints:
        memory = self.memory
        with np.errstate(invalid="ignore"):
            congested = memory.filled[0] < CONGESTED * memory.high
        regime = np.where(congested, Regime.CONGESTED, Regime.FREE)
        return np.where(memory.age >= SILENT_ROWS, Regime.SILENT, regime).astype(np.int64)

    def _experts(self, now: Floats, ahead: Floats, usual: Floats) -> Floats:
        """Return what each expert says, (STEPS, n, experts); usual (1 + STEPS, n)."""
        memory, model = self.memory, self.model
        stations = len(now)
        said = np.full((STEPS, stations, len(Expert)), np.nan)
        said[:, :, Expert.LAST_VALUE] = memory.last
        said[:, :, Expert.USUAL] = usual[1:]
        known = np.isfinite(usual_now(memory, usual[1:])) & np.isfinite(memory.filled[0])
        damped = np.where(known, ahead[:, :, lines.DAMPED], np.nan)
        said[:, :, Expert.DAMPED] = damped
        if model.linear is not None:
            line = lines.predict(model.linear, now, ahead)
            said[:, :, Expert.LINEAR] = np.where(known, line, np.nan)
        speaks = known & (memory.age < SILENT_ROWS)  # of silence other trees know
        if model.trees is not None:
            said[:, :, Expert.TREES] = np.where(speaks, _grown(model.trees, now, ahead), np.nan)
        silent = np.flatnonzero((memory.age >= SILENT_ROWS) & known.all(axis=0))
        if model.silent_trees is not None and model.past is not None and len(silent):
            usual_then = usual_now(memory, usual)
            spoken = memory.raw_at(memory.row)
            block = alike_block(model.past, self.near, silent, spoken, usual_then)
            table = (now[silent], ahead[:, silent], block)
            said[:, silent, Expert.TREES] = _grown(model.silent_trees, *table)
        return said

    def _cells(self, regime: Ints, now: Floats, mixed: Floats) -> Ints:
        high = np.maximum(np.nan_to_num(self.memory.high, nan=1.0), 1e-6)
        wander = now[:, 9] / high
        return spans.cells(regime, wander, np.nan_to_num(mixed / high))


def _grown(trees: Trees, now: Floats, ahead: Floats, more: Floats | None = None) -> Floats:
    """Return what trees forecast, (STEPS, n)."""
    added = forest.predict(trees, join(now, ahead, _ALL_STEPS, more))
    return np.asarray(ahead[:, :, lines.DAMPED] + added.reshape(STEPS, -1), np.float64)
