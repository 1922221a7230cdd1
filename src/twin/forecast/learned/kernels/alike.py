"""What a silent station said in the past when those beside it spoke as they do now."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


@njit(nogil=True, cache=True)
def _distances(
    station: int,
    now: Floats,
    usual: float,
    past: Singles,
    past_usual: Singles,
    beside: Rows,
    closeness: Floats,
    out: Floats,
) -> int:
    """Write how far every past row is from now, inf where nothing can be said; how many speak."""
    for row in range(len(out)):
        out[row] = 0.0
    speakers = 0
    for place in range(len(beside)):
        other = beside[place]
        if other < 0 or math.isnan(now[other]) or closeness[place] <= 0.0:
            continue
        speakers += 1
        value, weight = now[other], closeness[place]
        for row in range(len(out)):
            step = weight * (past[row, other] - value)
            out[row] += step * step
    for row in range(len(out)):
        step = closeness[len(beside)] * (past_usual[row, station] - usual)
        if not math.isnan(step):
            out[row] += step * step
        if math.isnan(out[row]) or math.isnan(past[row, station]):
            out[row] = math.inf
    return speakers


@njit(nogil=True, cache=True)
def say_alike(
    stations: Ints,
    now: Floats,
    usual: Floats,
    past: Singles,
    past_usual: Singles,
    beside: Rows,
    closeness: Floats,
    barred: tuple[int, int],
    wanted: int,
    out: Floats,
) -> None:
    """Write the median of what followed in the past rows most alike.

    stations  (m,) read: for whom       now, usual  (n,) read, NaN = silent, unknown
    past, past_usual  (rows, n) read, NaN = none
    beside    (n, k) read, -1 = none    closeness   (n, k + 1) read: weights, the own profile's last
    barred    rows from .. to (exclusive) that are not looked at
    out       (m, steps + 1) written: now and the steps after it, NaN where nothing is alike
    """
    steps = out.shape[1]
    far = np.empty(max(0, len(past) - steps + 1))
    held = np.empty(2 * wanted)
    chosen = np.empty(2 * wanted, np.int64)
    for place in range(len(stations)):
        station = stations[place]
        out[place] = math.nan
        if len(far) < wanted:
            continue
        speakers = _distances(
            station,
            now,
            usual[station],
            past,
            past_usual,
            beside[station],
            closeness[station],
            far,
        )
        far[max(0, barred[0]) : max(0, min(barred[1], len(far)))] = math.inf
        limit = np.partition(far, wanted - 1)[wanted - 1]
        if speakers == 0 or math.isinf(limit):
            continue
        count = 0
        for row in range(len(far)):
            if far[row] <= limit and count < len(chosen):
                chosen[count] = row
                count += 1
        for step in range(steps):
            known = 0
            for one in range(count):
                value = past[chosen[one] + step, station]
                if not math.isnan(value):
                    held[known] = value
                    known += 1
            if known > 0:
                out[place, step] = np.median(held[:known])
