"""Vehicles driven through a field of speed: the travel time that they experience."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def experienced_s(
    speed_mps: Floats, cell_m: float, step_s: float, start_s: Floats, out: Floats
) -> None:
    """Drive one vehicle from each start through all cells, at the speed of cell and column.

    speed_mps (cells, columns) float64 read, above zero; start_s (vehicles,) read
    out (vehicles,) float64 written in full, seconds; NaN where the field ends or has a hole
    """
    cells, columns = speed_mps.shape
    for vehicle in range(len(start_s)):
        now = start_s[vehicle]
        column = int(now / step_s + 1e-9)
        for cell in range(cells):
            left = cell_m
            while left > 1e-9 and column < columns:
                speed = speed_mps[cell, column]
                end = (column + 1) * step_s
                if speed * (end - now) >= left:
                    now += left / speed
                    left = 0.0
                else:
                    left -= speed * (end - now)
                    now = end
                    column += 1
            if column >= columns:
                now = math.nan
                break
        out[vehicle] = now - start_s[vehicle]
