"""What few detectors report of a field of speed: where they stand, when a report is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import Fault, InputError

ROUNDING_S = 1e-6  # moments closer than this are one moment


@dataclass(frozen=True, slots=True)
class Grid:
    """A road cut into cells and a time cut into columns; rows go downstream.

    cells, columns   how many; cell_m, step_s   how long each
    """

    cells: int
    columns: int
    cell_m: float
    step_s: float

    @property
    def middle_m(self) -> Floats:
        """Return where the middle of each cell is, (cells,)."""
        return np.asarray((np.arange(self.cells) + 0.5) * self.cell_m, np.float64)

    @property
    def moment_s(self) -> Floats:
        """Return the moment of each column, (columns,)."""
        return np.asarray(np.arange(self.columns) * self.step_s, np.float64)


@dataclass(frozen=True, slots=True)
class Reports:
    """Mean speeds of detectors over equal intervals, one after the other.

    row          (stations,) int64, the cell of each detector, ascending, each once
    place_m      (stations,) float64, where it stands
    end_s        (reports,) float64, when each interval ends and its report is there
    speed_mps    (reports, stations) float64, NaN where nothing was measured
    period_s     length of an interval
    """

    row: Ints
    place_m: Floats
    end_s: Floats
    speed_mps: Floats
    period_s: float

    def arrived(self, moment_s: float) -> int:
        """Return how many reports are there at a moment; one that ends at it counts."""
        return int(np.searchsorted(self.end_s, moment_s + ROUNDING_S, side="right"))


def detector_rows(cells: int, detectors: int) -> Ints:
    """Return the cells of detectors spread evenly over a road, ascending, each cell once.

    They are floor(linspace(0, cells - 1, detectors) + 0.5); more detectors than cells share cells.
    Raises InputError when there is none.
    """
    if detectors < 1:
        raise InputError(Fault("detectors", str(detectors), "at least one is needed"))
    rows = np.floor(np.linspace(0, cells - 1, detectors) + 0.5).astype(np.int64)
    return np.unique(rows)


def report_field(speed_mps: Floats, grid: Grid, *, detectors: int, period_s: float) -> Reports:
    """Let detectors report a field (cells, columns); only their own rows are read.

    A report is the arithmetic mean over the columns whose moments lie in its interval, values that
    are missing (NaN) left out; an interval that the field does not fill is not reported.
    Raises InputError when an interval is shorter than a step or longer than the field.
    """
    if not period_s >= grid.step_s - ROUNDING_S:
        raise InputError(
            Fault("report_s", f"{period_s:g}", f"shorter than a column of {grid.step_s:g} s")
        )
    whole = int((grid.columns * grid.step_s + ROUNDING_S) / period_s)
    if whole < 1:
        length_s = grid.columns * grid.step_s
        raise InputError(Fault("report_s", f"{period_s:g}", f"the field lasts only {length_s:g} s"))
    rows = detector_rows(grid.cells, detectors)
    interval = ((grid.moment_s + ROUNDING_S) / period_s).astype(np.int64)
    kept = interval < whole
    seen = speed_mps[rows][:, kept].T
    known = np.isfinite(seen)
    total, count = np.zeros((whole, len(rows))), np.zeros((whole, len(rows)))
    np.add.at(total, interval[kept], np.where(known, seen, 0.0))
    np.add.at(count, interval[kept], known)
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return Reports(
        row=rows,
        place_m=grid.middle_m[rows],
        end_s=np.arange(1, whole + 1, dtype=np.float64) * period_s,
        speed_mps=mean,
        period_s=period_s,
    )
