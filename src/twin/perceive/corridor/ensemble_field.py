"""A field of speed by the ensemble filter when nothing but speeds is reported.

Without counts a lane of an ordinary freeway stands for the road: only the shape of its diagram
matters, and how fast its waves travel. A filter looks back only; there is no off line of it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from twin.columns import Floats
from twin.perceive.corridor.ensemble import Chain, CorridorFilter
from twin.perceive.corridor.nowcast import Field
from twin.perceive.corridor.reports import Grid, Reports
from twin.units import mps_from_kph, vps_from_vph

FREE_MPS: Final = mps_from_kph(90.0)
CAPACITY_VPS: Final = vps_from_vph(2000.0)
JAM_VPM: Final = 0.14
CELL_M: Final = 60.0
LONGEST_STEP_S: Final = 2.0


def ensemble_field(reports: Reports, grid: Grid, *, first_mps: float, seed: int = 0) -> Field:
    """Return each column from the reports that have arrived at its moment, (cells, columns) m/s.

    Reports that end between two columns are taken in at the next one.
    """
    length_m = grid.cells * grid.cell_m
    chain = Chain(*(np.array([x]) for x in (length_m, FREE_MPS, CAPACITY_VPS, JAM_VPM)))
    # A step crosses neither a cell nor a short road.
    most_s = min(LONGEST_STEP_S, 0.99 * min(CELL_M, length_m) / FREE_MPS)
    steps = max(1, math.ceil(grid.step_s / most_s))
    followed = CorridorFilter(
        chain, reports.place_m, step_s=grid.step_s / steps, cell_m=CELL_M, seed=seed
    )
    unknown = np.full(len(reports.row), np.nan)
    speed, sd = np.empty((grid.cells, grid.columns)), np.empty((grid.cells, grid.columns))
    taken = 0
    for column, moment_s in enumerate(grid.moment_s):
        arrived = reports.arrived(moment_s)
        if arrived > taken:
            taken = arrived
            followed.report(reports.speed_mps[taken - 1], unknown, reports.period_s)
        said = followed.state()
        speed[:, column] = _at(grid, followed.middle_m, said.speed_mps) if taken else first_mps
        sd[:, column] = _at(grid, followed.middle_m, said.speed_sd_mps)
        followed.advance(grid.step_s)
    return Field(speed, sd)


def _at(grid: Grid, middle_m: Floats, values: Floats) -> Floats:
    return np.interp(grid.middle_m, middle_m, values)
