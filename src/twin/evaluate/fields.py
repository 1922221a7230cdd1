"""Files of fields: speed over place and time, and what was reconstructed of it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin.columns import Floats
from twin.errors import Fault, InputError
from twin.perceive.corridor.reconstruct import Reconstruction
from twin.perceive.corridor.reports import Grid
from twin.units import kph_from_mps


@dataclass(frozen=True)
class FieldFile:
    """A field as it is filed: speed_kph (cells, columns) with rows going downstream."""

    speed_kph: Floats
    grid: Grid


def read_arrays(path: Path) -> dict[str, Floats]:
    """Read the arrays of a `.npz`. Raises InputError when it is none, OSError when it is away."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name], np.float64) for name in archive.files}
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise InputError(Fault("file", path.name, "it is not a .npz of numbers")) from error


def read_field(path: Path) -> FieldFile:
    """Read `v` (cells, columns) km/h, `dx_m` and `dt_s`. Raises InputError when one is wrong."""
    arrays = read_arrays(path)
    for name in ("v", "dx_m", "dt_s"):
        if name not in arrays:
            raise InputError(Fault(name, "-", f"{path.name} must hold v, dx_m and dt_s"))
    speed = arrays["v"]
    if speed.ndim != 2 or not speed.size:
        raise InputError(Fault("v", str(speed.shape), "cells by columns, one of each at least"))
    for name in ("dx_m", "dt_s"):
        if arrays[name].size != 1 or not 0 < float(arrays[name].ravel()[0]) < np.inf:
            raise InputError(Fault(name, str(arrays[name]), "one number above zero"))
    cell_m, step_s = (float(arrays[name].ravel()[0]) for name in ("dx_m", "dt_s"))
    return FieldFile(speed, Grid(speed.shape[0], speed.shape[1], cell_m, step_s))


def write_estimate(path: Path, found: Reconstruction) -> None:
    """Write `online`, `offline` and their standard deviations, (cells, columns) km/h each.

    The same estimate makes the same bytes.
    """
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            online=kph_from_mps(found.online_mps),
            offline=kph_from_mps(found.offline_mps),
            online_sd=kph_from_mps(found.online_sd_mps),
            offline_sd=kph_from_mps(found.offline_sd_mps),
        )
