"""Fits the models to a history: everything is replayed as it would have been seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.forecast.learned import linear as lines
from twin.forecast.learned.alike import Past, alike_block, remember
from twin.forecast.learned.calendar import SLOTS, Calendar
from twin.forecast.learned.features import NAMES, Singles, ahead_block, join, now_block
from twin.forecast.learned.linear import Linear
from twin.forecast.learned.memory import (
    HIGH,
    LAGS,
    STEPS,
    Memory,
    observe,
    usual_now,
    usual_of,
)
from twin.forecast.learned.model import Model
from twin.forecast.learned.neighbours import Neighbours, learned
from twin.forecast.learned.profile import leave_one_out
from twin.forecast.learned.trees import OPTIONS, ROUNDS, SILENT_OPTIONS, SILENT_ROUNDS, Trees, grow

SEED: Final = 3
LEAST_ROWS_LINEAR: Final = 72  # six hours
LEAST_ROWS_TREES: Final = 144
LEAST_EXAMPLES: Final = 5_000
EXAMPLES: Final = 230_000  # for the trees: more cost more than they bring
QUIET_SHARE: Final = 1.0 / 3.0  # of quiet examples are drawn; each then counts three times
ONSET_WEIGHT: Final = 1.6  # of an example that becomes congested: the median sees it sooner
LOOK_EVERY: Final = 2  # rows: the next one is nearly the same
SILENT_EVERY: Final = 4  # rows: silence is looked at less often
LEAST_SILENT: Final = 2_000
OUTAGE_ROWS: Final = 432  # a day and a half: yesterday is silent, too
OUTAGE_SHARES: Final = (0.1, 0.3)  # one or the other at a time
CONGESTED: Final = 0.6  # of the 85th percentile
_LIVELY_DEVIATION: Final = 0.06  # of the 85th percentile
_LIVELY_WANDER: Final = 0.03
_ALL_STEPS: Final = np.arange(STEPS, dtype=np.int32)
_DAMPED: Final = NAMES.index("damped")

Progress = Callable[[str], None]


@dataclass(slots=True)
class _Examples:
    """What the replay collects: blocks for the lines, drawn rows for the trees."""

    now: list[Floats] = field(default_factory=list)
    ahead: list[Floats] = field(default_factory=list)
    left: list[Floats] = field(default_factory=list)
    table: list[Singles] = field(default_factory=list)
    target: list[Floats] = field(default_factory=list)
    weight: list[Floats] = field(default_factory=list)


def fit(
    values: Floats,
    given: Floats | None,
    calendar: Calendar,
    near: Neighbours,
    on_stage: Progress = lambda _stage: None,
) -> Model:
    """Fit to a history, (rows, n) with NaN = none; `given` (rows, n) is a profile, or None.

    The same history gives the same model, bit by bit. A short one gives a small model.
    """
    on_stage("the usual day")
    left_out = leave_one_out(values, calendar)
    usual = usual_of(given, left_out)
    mean = _column_means(values)
    deviation = values - np.where(np.isfinite(usual), usual, mean)
    known = learned(near, deviation)
    fade = _fades(deviation)
    high = _high(values)
    on_stage("what was seen then")
    history = _History(values, given, left_out, calendar, known, fade, high)
    looked_at = values.size * STEPS / _look_every(len(values))
    share = min(1.0, EXAMPLES / max(1.0, 0.55 * looked_at))
    draw = _Draw(share, high, np.random.default_rng(SEED))
    memory, examples = _replay(history, draw)
    on_stage("what silence looks like")
    silent = _outages(values.shape, draw.chance)
    past = remember(values, usual, high, known, memory.together)
    _, quiet = _replay(history, draw, silent=silent, past=past, together=memory.together)
    on_stage("lines")
    line = _lines(examples)
    on_stage("trees")
    trees = _trees(examples, len(values), LEAST_EXAMPLES, ROUNDS, OPTIONS)
    on_stage("trees of silence")
    deaf = _trees(quiet, len(values), LEAST_SILENT, SILENT_ROUNDS, SILENT_OPTIONS)
    return Model(known, fade, high, memory.together, line, trees, deaf, past)


def _column_means(values: Floats) -> Floats:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _high(values: Floats) -> Floats:
    """Return the 85th percentile of every station, NaN where it never spoke."""
    spoke = np.isfinite(values).any(axis=0)
    high = np.full(values.shape[1], np.nan)
    if spoke.any():
        high[spoke] = np.nanquantile(values[:, spoke], HIGH, axis=0)
    return high


def _fades(deviation: Floats) -> Floats:
    """Return for every step the share of a deviation that is left, by least absolute error."""
    shares = np.linspace(0.0, 1.0, 41)
    fade = 0.97 ** np.arange(1.0, STEPS + 1)
    for step in range(1, STEPS + 1):
        then, now = deviation[step:], deviation[:-step]
        both = np.isfinite(then) & np.isfinite(now)
        count = int(both.sum())
        if count < LEAST_ROWS_LINEAR:
            continue
        thin = slice(None, None, max(1, count // 60_000))
        target, source = then[both][thin], now[both][thin]
        fade[step - 1] = shares[np.argmin([np.abs(target - x * source).mean() for x in shares])]
    return fade


@dataclass(frozen=True, slots=True)
class _History:
    """What is replayed: values and given (rows, n), left_out (3, rows, n), fade, high (n,)."""

    values: Floats
    given: Floats | None
    left_out: Floats
    calendar: Calendar
    near: Neighbours
    fade: Floats
    high: Floats

    def given_rows(self, rows: slice) -> Floats | None:
        """Return the given profile of some rows."""
        return None if self.given is None else self.given[rows]


def _replay(
    history: _History,
    draw: _Draw,
    *,
    silent: Bools | None = None,
    past: Past | None = None,
    together: Floats | None = None,
) -> tuple[Memory, _Examples]:
    """See the history again row by row, and collect what the models learn from.

    silent (rows, n): readings that are withheld; then only examples of silent stations are drawn.
    """
    rows, stations = history.values.shape
    memory, examples = Memory.empty(stations), _Examples()
    every = _look_every(rows) if silent is None else SILENT_EVERY
    memory.high = history.high.copy()
    if together is not None:
        memory.together = together.copy()
    for row in range(rows):
        ahead_rows = slice(row, row + STEPS + 1)
        day, given = history.left_out[:, ahead_rows], history.given_rows(ahead_rows)
        seen = history.values[row]
        if silent is not None:
            seen = np.where(silent[row], np.nan, seen)
        observe(memory, seen, usual_of(given, day)[0], history.near, None)
        memory.high = history.high.copy()
        if row < LAGS or row + STEPS >= rows or row % every:
            continue
        now = now_block(memory, history.near, history.calendar)
        ahead = ahead_block(memory, history.near, given, day, history.fade)
        truth = history.values[row + 1 : row + 1 + STEPS]
        if silent is None or past is None:
            examples.now.append(now[:, lines.NOW_USED].astype(np.float32))
            examples.ahead.append(ahead[..., lines.AHEAD_USED].astype(np.float32))
            examples.left.append(truth - ahead[..., lines.DAMPED])
            draw.lively(examples, now, ahead, truth)
        else:
            chosen = np.flatnonzero(silent[row])
            usual = usual_now(memory, usual_of(given, day))
            block = alike_block(past, history.near, chosen, seen, usual, barred=row)
            table = join(now[chosen], ahead[:, chosen], _ALL_STEPS, block)
            draw.silent(examples, table, (truth - ahead[..., lines.DAMPED])[:, chosen], chosen)
    return memory, examples


@dataclass(frozen=True, slots=True)
class _Draw:
    """Draws the rows that the trees learn from; `share` of the lively ones."""

    share: float
    high: Floats
    chance: np.random.Generator

    def lively(self, into: _Examples, now: Floats, ahead: Floats, truth: Floats) -> None:
        """Draw lively rows more often than quiet ones, with weights that make up for it."""
        table = join(now, ahead, _ALL_STEPS)
        high = np.tile(self.high, STEPS)
        chance = np.where(_lively(table, high), self.share, QUIET_SHARE * self.share)
        self._take(into, table, high, truth - ahead[..., lines.DAMPED], chance, ONSET_WEIGHT)

    def silent(self, into: _Examples, table: Singles, left: Floats, stations: Ints) -> None:
        """Draw rows of silent stations: `left` (STEPS, m) is what the damped day leaves."""
        chance = np.full(len(table), min(1.0, SILENT_EVERY / LOOK_EVERY * self.share))
        self._take(into, table, np.tile(self.high[stations], STEPS), left, chance, 1.0)

    def _take(
        self,
        into: _Examples,
        table: Singles,
        high: Floats,
        left: Floats,
        chance: Floats,
        onset_weight: float,
    ) -> None:
        flat = left.reshape(-1)
        chosen = (self.chance.random(len(table)) < chance) & np.isfinite(flat)
        limit = CONGESTED * high[chosen]
        truth = flat[chosen] + table[chosen, _DAMPED]
        onset = (table[chosen, 0] >= limit) & (truth < limit)
        into.table.append(table[chosen])
        into.target.append(flat[chosen])
        into.weight.append(np.where(onset, onset_weight, 1.0) / chance[chosen])


def _lively(table: Singles, high: Floats) -> Bools:
    size = np.nan_to_num(high, nan=1.0)
    limit = _LIVELY_DEVIATION * size
    return np.asarray(
        (np.abs(table[:, NAMES.index("deviation")]) > limit)
        | (np.abs(table[:, NAMES.index("usual_rise")]) > limit)
        | (table[:, NAMES.index("wander")] > _LIVELY_WANDER * size),
        np.bool_,
    )


def _lines(examples: _Examples) -> Linear | None:
    """Fit the lines of every step, or none."""
    if len(examples.now) < LEAST_ROWS_LINEAR:
        return None
    now = np.stack(examples.now)
    ahead = np.stack(examples.ahead)
    left = np.stack(examples.left)
    fitted = [lines.fit_step(now, ahead[:, step], left[:, step]) for step in range(STEPS)]
    return Linear(np.stack([one for one, _ in fitted]), np.stack([own for _, own in fitted]))


def _look_every(rows: int) -> int:
    """Return which rows of a history are learned from: all of a short one."""
    return LOOK_EVERY if rows > 2 * SLOTS else 1


def _outages(shape: tuple[int, ...], draw: np.random.Generator) -> Bools:
    """Return who is made silent when, (rows, n): few or many stations, for a day and a half."""
    times = shape[0] // OUTAGE_ROWS + 1
    shares = np.resize(OUTAGE_SHARES, times)[:, None]
    blocks = draw.random((times, shape[1])) < shares
    return np.asarray(np.repeat(blocks, OUTAGE_ROWS, axis=0)[: shape[0]], np.bool_)


def _trees(
    examples: _Examples, rows: int, least: int, rounds: int, options: dict[str, Any]
) -> Trees | None:
    """Grow the trees, or none."""
    count = sum(len(part) for part in examples.target)
    if rows < LEAST_ROWS_TREES or count < least:
        return None
    table, target = np.concatenate(examples.table), np.concatenate(examples.target)
    return grow(table, target, np.concatenate(examples.weight), rounds, options)
