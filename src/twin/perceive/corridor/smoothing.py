"""Adaptive smoothing on line (from what has arrived) and off line (from all reports)."""

from __future__ import annotations

from typing import Final

import numpy as np

from twin.columns import Floats
from twin.perceive.corridor.kernels.smoothing import Filter, smooth_column
from twin.perceive.corridor.reports import Grid, Reports
from twin.units import mps_from_kph

FREE_KPH: Final = 70.0
JAM_KPH: Final = -15.0
CHANGE_KPH: Final = 60.0
BLUR_KPH: Final = 20.0
LEAST_REACH_M: Final = 50.0

MEMORY_S: Final = 600.0  # older reports weigh nothing


def filter_for(reports: Reports) -> Filter:
    """Return the filter of the literature: it reaches half the spacing and half the period.

    Velocities and the change of regimes are those of Treiber and Helbing (2002).
    """
    spacing_m = float(np.diff(reports.place_m).mean()) if len(reports.place_m) > 1 else 1000.0
    return Filter(
        reach_m=max(0.5 * spacing_m, LEAST_REACH_M),
        reach_s=0.5 * reports.period_s,
        free_mps=mps_from_kph(FREE_KPH),
        jam_mps=mps_from_kph(JAM_KPH),
        change_mps=mps_from_kph(CHANGE_KPH),
        blur_mps=mps_from_kph(BLUR_KPH),
    )


def smooth(
    reports: Reports, grid: Grid, *, online: bool, first_mps: float, filt: Filter | None = None
) -> Floats:
    """Return the smoothed field, (cells, columns) m/s.

    online      each column from the reports that have arrived at its moment; else from all
    first_mps   what is said as long as nothing has arrived;  filt   `filter_for` when None
    """
    used = filter_for(reports) if filt is None else filt
    field = np.empty((grid.columns, grid.cells))
    middle_s = reports.end_s - 0.5 * reports.period_s
    for column, moment_s in enumerate(grid.moment_s):
        ago_s = moment_s + 0.5 * grid.step_s - middle_s
        first = int(np.searchsorted(-ago_s, -MEMORY_S))
        last = (
            reports.arrived(moment_s)
            if online
            else int(np.searchsorted(-ago_s, MEMORY_S, side="right"))
        )
        smooth_column(
            grid.middle_m,
            reports.place_m,
            ago_s,
            reports.speed_mps,
            first,
            last,
            used,
            field[column],
        )
    return np.ascontiguousarray(np.where(np.isnan(field), first_mps, field).T)
