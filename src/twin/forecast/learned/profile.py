"""The usual day of every station: mean and spread by five minutes and kind of day.

It forgets slowly, and takes a row in only hours later: a forecast never meets its own day in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.forecast.learned.calendar import KINDS, SLOTS, Calendar

REMEMBERED: Final = 0.93  # of a kind of day, from one day of it to the next
HALF_WIDTH: Final = 2  # slots on either side of a mean: 25 minutes in all
MEAN, SPREAD, DAYS = 0, 1, 2
_FIELDS: Final = 3  # sum of weights, of values, of squares


@dataclass(slots=True)
class Profile:
    """Weighted sums, (KINDS, SLOTS, 3, stations) float64: weights, values, squares."""

    sums: Floats

    @classmethod
    def empty(cls, stations: int) -> Profile:
        """Return a profile that knows nothing."""
        return cls(np.zeros((KINDS, SLOTS, _FIELDS, stations)))

    def add(self, kind: int, slot: int, values: Floats) -> None:
        """Take in one row, (stations,); NaN is left out."""
        known = np.isfinite(values)
        filled = np.where(known, values, 0.0)
        here = self.sums[kind, slot]
        here *= np.where(known, REMEMBERED, 1.0)
        here[0] += known
        here[1] += filled
        here[2] += filled * filled

    def at(self, kinds: Ints, slots: Ints) -> Floats:
        """Return mean, spread and days of some rows, (3, rows, stations); NaN where unknown."""
        around = (slots[:, None] + np.arange(-HALF_WIDTH, HALF_WIDTH + 1)) % SLOTS
        own = self.sums[kinds[:, None], around].sum(axis=1)
        other = self.sums[1 - kinds[:, None], around].sum(axis=1)
        return _describe(own, other)


def leave_one_out(values: Floats, calendar: Calendar) -> Floats:
    """Return for every row of a history what the other days say of it, (3, rows, stations).

    Used to fit: a row that helped to make its own profile would look easier than it is.
    """
    rows = np.arange(len(values), dtype=np.int64)
    kinds, slots = calendar.kinds(rows), calendar.slots(rows)
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    parts = np.stack([known.astype(np.float64), filled, filled * filled], axis=1)
    sums = np.zeros((KINDS, SLOTS, _FIELDS, values.shape[1]))
    np.add.at(sums, (kinds, slots), parts)
    own = np.zeros_like(parts)
    other = np.zeros_like(parts)
    for shift in range(-HALF_WIDTH, HALF_WIDTH + 1):
        around = (slots + shift) % SLOTS
        near = np.clip(rows + shift, 0, len(values) - 1)
        mine = np.where((rows + shift == near)[:, None, None], parts[near], 0.0)
        same = (kinds[near] == kinds)[:, None, None]
        own += sums[kinds, around] - np.where(same, mine, 0.0)
        other += sums[1 - kinds, around] - np.where(same, 0.0, mine)
    return _describe(own, other)


def _describe(own: Floats, other: Floats) -> Floats:
    """Return (3, rows, stations) from sums (rows, 3, stations); the other kind where none is."""
    weight = own[:, 0]
    chosen = np.where((weight > 0.5)[:, None], own, other)
    count = chosen[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0.5, chosen[:, 1] / count, np.nan)
        spread = np.sqrt(np.maximum(chosen[:, 2] / count - mean * mean, 0.0))
    days = np.where(weight > 0.5, weight, 0.0) / (2 * HALF_WIDTH + 1)
    return np.stack([mean, np.where(count > 0.5, spread, np.nan), days])
