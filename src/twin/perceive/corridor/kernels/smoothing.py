"""The adaptive smoothing method: measurements spread along the two characteristics of traffic.

Treiber and Helbing 2002, "Reconstructing the spatio-temporal traffic dynamics from stationary
detector data"; Treiber, Kesting and Wilson 2011 for the generalised form.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]


class Filter(NamedTuple):
    """How far and along which lines a measurement speaks.

    reach_m, reach_s            where and when its weight has fallen to 1/e
    free_mps, jam_mps           along which velocity news travels in free and congested traffic
    change_mps, blur_mps        around which speed, and over which width, one gives way to other
    """

    reach_m: float
    reach_s: float
    free_mps: float
    jam_mps: float
    change_mps: float
    blur_mps: float


@njit(cache=True, nogil=True)
def smooth_point(
    away_m: Floats, ago_s: Floats, speed: Floats, first: int, last: int, filt: Filter
) -> float:
    """Return the filtered speed of one point; NaN when no report holds a value.

    away_m (stations,)     from each station to the point, metres downstream
    ago_s (reports,)       from the middle of each report to the point's moment
    speed (reports, stations)   read in rows first..last-1
    """
    free = free_weight = jam = jam_weight = 0.0
    for report in range(first, last):
        for station in range(len(away_m)):
            value = speed[report, station]
            if math.isnan(value):
                continue
            away, ago = away_m[station], ago_s[report]
            near = -abs(away) / filt.reach_m
            weight = math.exp(near - abs(ago - away / filt.free_mps) / filt.reach_s) + 1e-300
            free += weight * value
            free_weight += weight
            weight = math.exp(near - abs(ago - away / filt.jam_mps) / filt.reach_s) + 1e-300
            jam += weight * value
            jam_weight += weight
    if free_weight == 0.0:
        return math.nan
    free /= free_weight
    jam /= jam_weight
    congested = 0.5 * (1.0 + math.tanh((filt.change_mps - min(free, jam)) / filt.blur_mps))
    return congested * jam + (1.0 - congested) * free


@njit(cache=True, nogil=True)
def smooth_column(
    middle_m: Floats,
    place_m: Floats,
    ago_s: Floats,
    speed: Floats,
    first: int,
    last: int,
    filt: Filter,
    out: Floats,
) -> None:
    """Filter one moment of a road.

    middle_m (cells,), place_m (stations,), ago_s (reports,), speed (reports, stations)   read
    out (cells,) float64 written in full
    """
    for cell in range(len(middle_m)):
        out[cell] = smooth_point(middle_m[cell] - place_m, ago_s, speed, first, last, filt)
