"""All that is remembered of the stations from row to row: plain arrays that a snapshot can keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.forecast.learned.calendar import SLOTS, Calendar
from twin.forecast.learned.kernels.silent import remember_together, speak_for
from twin.forecast.learned.neighbours import BESIDE, Neighbours
from twin.forecast.learned.profile import MEAN, Profile

STEPS: Final = 12  # of five minutes ahead
LAGS: Final = 13  # now and the twelve rows before it
KEPT: Final = SLOTS + 32  # raw rows kept: yesterday's hour
LEARNED_LATE: Final = 36  # rows until the profile takes one in
FAST: Final = 1.0 / 24.0  # two hours
SLOW: Final = 1.0 / 72.0  # six hours
LEVEL: Final = 1.0 / 48.0
HIGH: Final = 0.85  # the quantile that stands for free traffic
TOGETHER: Final = 1.0 - 1.0 / 2016.0
OWN_FADES: Final = 0.985  # of a silent station's own last deviation, each row
SHRINK: Final = 0.05
OLDEST: Final = 288


@dataclass(slots=True)
class Memory:
    """Arrays over stations (n), written by `observe` alone.

    raw       (KEPT, n) readings of rows row - KEPT + 1 .. row, NaN = none
    filled    (LAGS, n) readings, or what stands in for them; newest first
    deviation (LAGS, n) filled minus the usual day of that row; newest first
    last      (n,) last valid reading, NaN = never        age  (n,) rows since it
    fast, slow, level  (n,) moving means of deviation, of deviation, of readings
    high      (n,) running 85th percentile                seen (n,) readings so far
    doubt     (n,) standard deviation of what stands in for a silent one, 0 where it speaks
    together  (n, k + 1, k + 1, 2) products of deviations with those beside
    """

    row: int
    raw: Floats
    filled: Floats
    deviation: Floats
    last: Floats
    age: Ints
    fast: Floats
    slow: Floats
    level: Floats
    high: Floats
    seen: Ints
    doubt: Floats
    together: Floats
    profile: Profile

    @classmethod
    def empty(cls, stations: int) -> Memory:
        """Return a memory of nothing."""
        unknown = np.full(stations, np.nan)
        return cls(
            row=-1,
            raw=np.full((KEPT, stations), np.nan),
            filled=np.full((LAGS, stations), np.nan),
            deviation=np.full((LAGS, stations), np.nan),
            last=unknown.copy(),
            age=np.full(stations, OLDEST, np.int64),
            fast=np.zeros(stations),
            slow=np.zeros(stations),
            level=unknown.copy(),
            high=unknown.copy(),
            seen=np.zeros(stations, np.int64),
            doubt=np.zeros(stations),
            together=np.zeros((stations, BESIDE + 1, BESIDE + 1, 2)),
            profile=Profile.empty(stations),
        )

    def raw_at(self, row: int) -> Floats:
        """Return the readings of a row that is still kept, else NaN."""
        if 0 <= self.row - row < KEPT and row >= 0:
            return np.asarray(self.raw[row % KEPT], np.float64)
        return np.full(self.raw.shape[1], np.nan)


def usual_now(memory: Memory, usual: Floats) -> Floats:
    """Return what is usual for the rows of `usual` (rows, n): its values, else the level."""
    level = np.where(np.isfinite(memory.level), memory.level, memory.last)
    return np.where(np.isfinite(usual), usual, level)


def observe(
    memory: Memory, values: Floats, usual: Floats, near: Neighbours, calendar: Calendar | None
) -> None:
    """Take in the readings of the next row, (n,), NaN = none; `usual` (n,) of that row.

    Without a calendar the profile learns nothing.
    """
    memory.row += 1
    row = memory.row
    known = np.isfinite(values)
    memory.raw[row % KEPT] = values
    memory.last = np.where(known, values, memory.last)
    memory.age = np.where(known, 0, np.minimum(memory.age + 1, OLDEST))
    memory.seen += known
    reference = usual_now(memory, usual)
    deviation = np.where(known, values - reference, np.nan)
    remember_together(deviation, near.beside, TOGETHER, memory.together)
    filled = _stand_in(memory, deviation, near)
    memory.deviation = np.concatenate([filled[None], memory.deviation[:-1]])
    memory.filled = np.concatenate([(reference + filled)[None], memory.filled[:-1]])
    _learn_levels(memory, values, known, filled)
    if calendar is not None and row >= LEARNED_LATE:
        past = np.array([row - LEARNED_LATE], np.int64)
        memory.profile.add(
            int(calendar.kinds(past)[0]), int(calendar.slots(past)[0]), memory.raw_at(int(past[0]))
        )


def _stand_in(memory: Memory, deviation: Floats, near: Neighbours) -> Floats:
    """Fill the silent: by those beside and its own fading last word, each by its variance."""
    memory.doubt = np.zeros(len(deviation))
    if np.isfinite(deviation).all():
        return deviation
    beside = deviation.copy()
    left = np.full(len(deviation), np.nan)
    speak_for(deviation, near.beside, memory.together, SHRINK, beside, left)
    fade = OWN_FADES**memory.age
    own = np.where(np.isfinite(memory.deviation[0]), memory.deviation[0] * OWN_FADES, np.nan)
    own = np.where(memory.age < OLDEST, own, 0.0)
    cell = memory.together[:, 0, 0]
    variance = cell[:, 0] / np.maximum(cell[:, 1], 1.0) + 1e-6
    own_left = variance * (1.0 - fade * fade) + 1e-9
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(np.isfinite(beside) & np.isfinite(left), own_left / (own_left + left), 0)
    mixed = weight * np.nan_to_num(beside) + (1.0 - weight) * own
    rest = weight * weight * np.nan_to_num(left) + (1.0 - weight) ** 2 * own_left
    memory.doubt = np.where(np.isfinite(deviation), 0.0, np.sqrt(rest))
    return np.where(np.isfinite(deviation), deviation, mixed)


def _learn_levels(memory: Memory, values: Floats, known: np.ndarray, filled: Floats) -> None:
    """Move the running means; a first reading is taken at its word."""
    solid = np.nan_to_num(filled)
    memory.fast += FAST * (solid - memory.fast)
    memory.slow += SLOW * (solid - memory.slow)
    gain = np.maximum(LEVEL, 1.0 / np.maximum(memory.seen, 1))
    level = np.where(np.isfinite(memory.level), memory.level, values)
    memory.level = np.where(known, level + gain * (np.nan_to_num(values) - level), memory.level)
    high = np.where(np.isfinite(memory.high), memory.high, values)
    step = 0.05 * np.abs(high) * np.maximum(0.01, 1.0 / np.sqrt(np.maximum(memory.seen, 1)))
    pulled = high + step * np.where(values > high, HIGH, HIGH - 1.0)
    memory.high = np.where(known, pulled, memory.high)


def usual_of(given: Floats | None, learned: Floats) -> Floats:
    """Return the usual values: those given (rows, n) where there are any, else the learned mean."""
    if given is None:
        return np.asarray(learned[MEAN], np.float64)
    return np.asarray(np.where(np.isfinite(given), given, learned[MEAN]), np.float64)
