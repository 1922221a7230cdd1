"""How far a reconstructed field is from the true one: speed and experienced travel time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Floats
from twin.errors import Fault, InputError
from twin.perceive.corridor.kernels.travel import experienced_s
from twin.perceive.corridor.reports import Grid, Reports

FROM_S: Final = 60.0  # before it nothing can be known
DEPARTURE_S: Final = 15.0
SLOWEST_KPH: Final = 1.0


@dataclass(frozen=True)
class FieldErrors:
    """Errors of one estimate; estimate less truth.

    rmse_kph        of speed over all cells from 60 s on
    travel_mae_s    mean absolute error of the time experienced through the field, of a vehicle
                    that leaves every 15 s from 60 s on and arrives before the field's end
    travel_bias_s   its mean error;  vehicles   how many arrived in both fields
    """

    rmse_kph: float
    travel_mae_s: float
    travel_bias_s: float
    vehicles: int


def travel_times_s(speed_kph: Floats, *, cell_m: float, step_s: float) -> Floats:
    """Return what vehicles experience through a field, one every 15 s, NaN if it ends before."""
    starts = np.arange(FROM_S, speed_kph.shape[1] * step_s, DEPARTURE_S)
    speed_mps = np.ascontiguousarray(np.maximum(speed_kph, SLOWEST_KPH) / 3.6, np.float64)
    times = np.empty(len(starts))
    experienced_s(speed_mps, cell_m, step_s, starts, times)
    return times


def field_errors(
    estimate_kph: Floats, truth_kph: Floats, *, cell_m: float, step_s: float
) -> FieldErrors:
    """Hold an estimate (cells, columns) against the truth; cells without truth are left out.

    Raises InputError when the shapes differ or the estimate has holes.
    """
    if estimate_kph.shape != truth_kph.shape:
        raise InputError(
            Fault("estimate", str(estimate_kph.shape), f"the field is {truth_kph.shape}")
        )
    first = int(np.ceil(FROM_S / step_s - 1e-9))
    off = (estimate_kph - truth_kph)[:, first:]
    known = np.isfinite(truth_kph[:, first:])
    if not known.any() or not np.isfinite(off[known]).all():
        raise InputError(
            Fault("estimate", "", "there is nothing to compare, or the estimate has holes")
        )
    there, true = (
        travel_times_s(field, cell_m=cell_m, step_s=step_s) for field in (estimate_kph, truth_kph)
    )
    both = np.isfinite(there) & np.isfinite(true)
    late = (there - true)[both]
    return FieldErrors(
        rmse_kph=float(np.sqrt((off[known] ** 2).mean())),
        travel_mae_s=float(np.abs(late).mean()) if both.any() else float("nan"),
        travel_bias_s=float(late.mean()) if both.any() else float("nan"),
        vehicles=int(both.sum()),
    )


def linear_field(reports: Reports, grid: Grid, *, first_mps: float) -> Floats:
    """Return the trivial answer, (cells, columns) m/s: the newest reports, straight lines between.

    A detector without a value in a report is passed over; `first_mps` until anything is there.
    """
    field = np.full((grid.cells, grid.columns), first_mps)
    for column, moment_s in enumerate(grid.moment_s):
        arrived = reports.arrived(moment_s)
        newest = reports.speed_mps[arrived - 1] if arrived else np.empty(0)
        known = np.isfinite(newest)
        if known.any():
            places = reports.place_m[known]
            field[:, column] = np.interp(grid.middle_m, places, newest[known])
    return field
