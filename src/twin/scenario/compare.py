"""Differences between base and edited, each with its interval and a plain word for it.

Base and edited of a seed share their random numbers, so the differences of the seeds are compared,
not the two means: what a day does to both sides cancels out. The interval is Student's t over the
differences. It is called *within noise* when it holds 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from twin.columns import Bools, Floats

CONFIDENCE: Final = 0.95
_SAME: Final = 1e-9  # of the larger side: rounding, not a difference
_STEPS: Final = 4000


class Verdict(StrEnum):
    """What can be said about a difference."""

    SAME = "no difference"
    NOISE = "within noise"
    HIGHER = "higher"
    LOWER = "lower"
    UNKNOWN = "one seed: no interval"


@dataclass(frozen=True, slots=True)
class Differences:
    """Edited less base of columns of values over paired seeds; all float64 of shape (n,).

    base, edited   means over the seeds;  difference: their difference
    low, high      interval of the difference; NaN with fewer than two seeds
    day_to_day     standard deviation of the base over the seeds: how far days lie apart anyway
    seeds          how many seeds have a value on both sides
    """

    base: Floats
    edited: Floats
    difference: Floats
    low: Floats
    high: Floats
    day_to_day: Floats
    seeds: Floats

    @property
    def within_noise(self) -> Bools:
        """Return where nothing can be told from noise: the interval holds 0, or there is none."""
        return ~((self.low > 0) | (self.high < 0))

    def verdict(self, row: int = 0) -> Verdict:
        """Return the word for one row."""
        size = max(abs(float(self.base[row])), abs(float(self.edited[row])))
        flat = abs(float(self.difference[row])) <= _SAME * size
        spread = float(self.high[row] - self.low[row])
        if flat and not spread > 2.0 * _SAME * size:
            return Verdict.SAME
        if math.isnan(spread):
            return Verdict.UNKNOWN
        if self.within_noise[row]:
            return Verdict.NOISE
        return Verdict.HIGHER if self.difference[row] > 0 else Verdict.LOWER


def differences(base: Floats, edited: Floats, *, confidence: float = CONFIDENCE) -> Differences:
    """Compare values of shape (seeds,) or (seeds, n) of paired seeds, row by row.

    A seed that has no value (NaN) on one side is left out on both.
    """
    first = np.asarray(base, np.float64).reshape(len(base), -1)
    second = np.asarray(edited, np.float64).reshape(len(edited), -1)
    there = np.isfinite(first) & np.isfinite(second)
    seeds = there.sum(axis=0).astype(np.float64)
    apart = np.where(there, second - first, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = apart.sum(axis=0) / seeds
        spread = _deviation(np.where(there, second - first, np.nan), mean, seeds)
        half = _factors(seeds, confidence) * spread / np.sqrt(seeds)
        base_mean = np.where(there, first, 0.0).sum(axis=0) / seeds
        day = _deviation(np.where(there, first, np.nan), base_mean, seeds)
    return Differences(
        base=base_mean,
        edited=base_mean + mean,
        difference=mean,
        low=mean - half,
        high=mean + half,
        day_to_day=day,
        seeds=seeds,
    )


def _deviation(values: Floats, mean: Floats, seeds: Floats) -> Floats:
    """Return the standard deviation of each column over its seeds; NaN below two."""
    total = np.nansum((values - mean) ** 2, axis=0)
    return np.asarray(np.where(seeds > 1, np.sqrt(total / np.maximum(seeds - 1, 1)), np.nan))


def _factors(seeds: Floats, confidence: float) -> Floats:
    """Return Student's factor for each number of seeds."""
    factor = np.full(len(seeds), np.nan)
    for count in np.unique(seeds[seeds > 1]).tolist():
        factor[seeds == count] = student_factor(int(count) - 1, confidence)
    return factor


def student_factor(freedom: int, confidence: float) -> float:
    """Return t with P(|T| <= t) = confidence for a number of degrees of freedom, to 1e-6.

    With T = sqrt(freedom) tan(a) the density is proportional to cos(a)^(freedom - 1).
    """
    angle = np.linspace(0.0, math.pi / 2, _STEPS + 1)
    density = np.cos(angle) ** (freedom - 1)
    width = angle[1]
    middle = np.cos(angle[:-1] + 0.5 * width) ** (freedom - 1)
    parts = width / 6.0 * (density[:-1] + 4.0 * middle + density[1:])  # Simpson's rule
    reached = np.concatenate([[0.0], np.cumsum(parts)])
    wanted = confidence * reached[-1]
    row = min(int(np.searchsorted(reached, wanted, side="right")) - 1, _STEPS - 1)
    inside = angle[row] + (wanted - reached[row]) / parts[row] * width
    return math.sqrt(freedom) * math.tan(float(inside))
