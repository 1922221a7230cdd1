"""What a silent station would say now, from those beside it that speak."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

LEAST = 12.0  # rows seen together before anybody speaks for another
FEW = 10.0  # rows that the doubt about a covariance is worth


@njit(nogil=True, cache=True)
def remember_together(deviation: Floats, beside: Rows, kept: float, sums: Floats) -> None:
    """Add one row to the products of every station and those beside it.

    deviation  (stations,) read, NaN = silent    beside  (stations, k) read, -1 = none
    sums       (stations, k + 1, k + 1, 2) written: products, and how many of them
    """
    stations, near = beside.shape
    own = np.empty(near + 1)
    for station in range(stations):
        own[0] = deviation[station]
        for place in range(near):
            row = beside[station, place]
            own[place + 1] = deviation[row] if row >= 0 else math.nan
        for one in range(near + 1):
            if math.isnan(own[one]):
                continue
            for other in range(one + 1):
                if not math.isnan(own[other]):
                    sums[station, one, other, 0] *= kept
                    sums[station, one, other, 0] += own[one] * own[other]
                    sums[station, one, other, 1] *= kept
                    sums[station, one, other, 1] += 1.0


@njit(nogil=True, cache=True)
def _speakers(deviation: Floats, beside: Rows, sums: Floats, used: Ints) -> int:
    """Write the places of those that speak and were heard together often enough; how many."""
    count = 0
    for place in range(len(beside)):
        row = beside[place]
        if row < 0 or math.isnan(deviation[row]):
            continue
        if sums[place + 1, 0, 1] >= LEAST and sums[place + 1, place + 1, 1] >= LEAST:
            used[count] = place + 1
            count += 1
    return count


@njit(nogil=True, cache=True)
def speak_for(
    deviation: Floats, beside: Rows, sums: Floats, shrink: float, out: Floats, out_var: Floats
) -> None:
    """Estimate the deviation of silent stations by regression on those beside that speak.

    deviation  (stations,) read, NaN = silent    sums as `remember_together` writes them
    out        (stations,) written where silent: NaN when nobody speaks for it
    out_var    (stations,) written where silent: variance of what is left
    """
    stations, near = beside.shape
    used = np.empty(near, np.int64)
    matrix = np.empty((near, near))
    right = np.empty(near)
    for station in range(stations):
        if not math.isnan(deviation[station]):
            continue
        out[station] = math.nan
        own_count = sums[station, 0, 0, 1]
        if own_count < LEAST:
            continue
        variance = sums[station, 0, 0, 0] / own_count
        count = _speakers(deviation, beside[station], sums[station], used)
        if count == 0:
            out_var[station] = variance
            continue
        for one in range(count):
            for other in range(one + 1):
                cell = sums[station, used[one], used[other]]
                value = cell[0] / max(cell[1], 1.0)
                matrix[one, other] = value
                matrix[other, one] = value
            seen = sums[station, used[one], used[one], 1]
            matrix[one, one] = matrix[one, one] * (1.0 + shrink + FEW / seen) + 1e-6
            right[one] = sums[station, used[one], 0, 0] / sums[station, used[one], 0, 1]
        weights = np.linalg.solve(matrix[:count, :count].copy(), right[:count].copy())
        estimate = 0.0
        explained = 0.0
        farthest = 0.0  # of those beside, in units of its own spread
        for one in range(count):
            said = deviation[beside[station, used[one] - 1]]
            estimate += weights[one] * said
            explained += weights[one] * right[one]
            cell = sums[station, used[one], used[one]]
            farthest = max(farthest, abs(said) / math.sqrt(cell[0] / cell[1] + 1e-6))
        most = farthest * math.sqrt(variance)
        out[station] = min(max(estimate, -most), most)
        # Products counted over different rows need not fit together: then nothing is explained.
        sound = 0.0 <= explained <= variance
        out_var[station] = max(variance - explained, 0.05 * variance) if sound else variance
