"""One road's field of speed from few detectors: at each moment, and afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from twin.columns import Floats
from twin.errors import Fault, InputError
from twin.perceive.corridor.ensemble_field import ensemble_field
from twin.perceive.corridor.nowcast import Nowcast
from twin.perceive.corridor.reports import Grid, report_field
from twin.perceive.corridor.smoothing import smooth
from twin.units import mps_from_kph

FIRST_GUESS_MPS: Final = mps_from_kph(60.0)


class Method(StrEnum):
    """How the gaps between detectors are filled.

    NOWCAST     kriging along waves whose speed is learned on line; for stop and go
    SMOOTHING   the adaptive smoothing method of the literature; for standing fronts
    ENSEMBLE    an ensemble of cell transmission models on line; it looks only back, so off line
                is adaptive smoothing's
    """

    NOWCAST = "nowcast"
    SMOOTHING = "smoothing"
    ENSEMBLE = "ensemble"


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Fields of speed, (cells, columns) m/s, and the standard deviations that are stated.

    online    each column from the reports that had arrived at its moment
    offline   from all reports;  *_sd_mps   NaN where the method states none
    """

    online_mps: Floats
    offline_mps: Floats
    online_sd_mps: Floats
    offline_sd_mps: Floats


def reconstruct(
    speed_mps: Floats,
    grid: Grid,
    *,
    detectors: int,
    period_s: float,
    method: Method = Method.NOWCAST,
    first_mps: float = FIRST_GUESS_MPS,
) -> Reconstruction:
    """Reconstruct a field (cells, columns) from what evenly spread detectors report of it.

    Nothing but the detectors' rows is read. `first_mps` is said until the first report is there.
    Raises InputError when detectors or period do not fit the field, a detector saw a negative
    speed, or none of them saw anything.
    """
    reports = report_field(speed_mps, grid, detectors=detectors, period_s=period_s)
    seen = reports.speed_mps[np.isfinite(reports.speed_mps)]
    if not len(seen):
        raise InputError(Fault("v", "NaN", f"rows {reports.row.tolist()} hold no value"))
    if seen.min() < 0:
        raise InputError(Fault("v", f"{seen.min():g}", "a detector's mean speed is negative"))
    if method is Method.NOWCAST:
        nowcast = Nowcast(reports, grid, first_mps=first_mps)
        now, after = nowcast.online(), nowcast.offline()
        return Reconstruction(now.speed_mps, after.speed_mps, now.sd_mps, after.sd_mps)
    offline = smooth(reports, grid, online=False, first_mps=first_mps)
    unknown = np.full_like(offline, np.nan)
    if method is Method.ENSEMBLE:
        now = ensemble_field(reports, grid, first_mps=first_mps)
        return Reconstruction(now.speed_mps, offline, now.sd_mps, unknown)
    online = smooth(reports, grid, online=True, first_mps=first_mps)
    return Reconstruction(online, offline, unknown, unknown)
