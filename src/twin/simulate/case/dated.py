"""Values that change at given moments, and their means over a step."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from twin.columns import Floats


class Dated(Protocol):
    """A column of values over time, constant between its moments."""

    base: Floats

    def moments(self) -> list[float]:
        """Return when something changes."""
        ...

    def at(self, time_s: float) -> Floats:
        """Return the values at a moment (from it on), (rows,)."""
        ...


@dataclass
class Stairs:
    """Values that each hold until the next is set; `base` (rows,) before the first."""

    base: Floats
    _changes: list[tuple[float, int, float]] = field(default_factory=list)

    def set(self, row: int, from_s: float, value: float) -> None:
        """Let a value hold from a moment on."""
        self._changes.append((from_s, row, value))
        self._changes.sort(key=lambda change: change[0])

    def moments(self) -> list[float]:
        """Return when something changes."""
        return [change[0] for change in self._changes]

    def at(self, time_s: float) -> Floats:
        """Return the values at a moment."""
        values = self.base.copy()
        for from_s, row, value in self._changes:
            if from_s > time_s:
                break
            values[row] = value
        return values


@dataclass
class Caps:
    """Capacities: the least of `base` (rows,) and of every limit that holds at the moment."""

    base: Floats
    _limits: list[tuple[int, float, float, float]] = field(default_factory=list)
    _columns: tuple[Floats, Floats, Floats, Floats] | None = None

    def cap(self, row: int, from_s: float, until_s: float, value: float) -> None:
        """Let a limit hold in [from_s, until_s)."""
        self._limits.append((row, from_s, until_s, value))
        self._columns = None

    def moments(self) -> list[float]:
        """Return when something changes."""
        return [moment for limit in self._limits for moment in limit[1:3] if math.isfinite(moment)]

    def at(self, time_s: float) -> Floats:
        """Return the capacities at a moment."""
        if self._columns is None:
            columns = np.array(self._limits, np.float64).reshape(-1, 4).T
            self._columns = (columns[0], columns[1], columns[2], columns[3])
        row, from_s, until_s, value = self._columns
        values = self.base.copy()
        holds = (from_s <= time_s) & (time_s < until_s)
        np.minimum.at(values, row[holds].astype(np.int64), value[holds])
        return values


def mean_over(column: Dated, inside: list[float], from_s: float, until_s: float) -> Floats:
    """Return the mean of a column over a time in which it may change at the moments `inside`."""
    edges = [from_s, *inside, until_s]
    if not inside:
        return column.at(0.5 * (from_s + until_s))
    total = np.zeros(len(column.base))
    for start, end in itertools.pairwise(edges):
        total += column.at(0.5 * (start + end)) * ((end - start) / (until_s - from_s))
    return total
