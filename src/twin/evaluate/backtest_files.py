"""The files of a backtest: series, adjacency and profile in, forecasts out, with clear errors."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin.columns import Floats
from twin.errors import Fault, InputError
from twin.forecast.learned.calendar import STEP_MIN

WINDOW: Final = 24  # twelve rows in, twelve rows out


@dataclass(frozen=True, slots=True)
class Series:
    """values (rows, stations) float64, NaN = missing; start: local time of row 0, or None."""

    values: Floats
    start: datetime | None


def read_series(path: Path) -> Series:
    """Read `data` (T, N), and `start` and `step_min` where there are any.

    Raises InputError naming the key, its value and the rule; OSError.
    """
    held = _open_npz(path)
    if "data" not in held:
        raise _fault("data", f"not in {path.name} ({', '.join(sorted(held)) or 'empty'})", "needed")
    data = numbers(held["data"], "data")
    if data.ndim != 2 or data.shape[1] == 0:
        raise _fault("data", f"shape {data.shape}", "must be (T, N): rows of time, N >= 1 columns")
    if len(data) < WINDOW:
        raise _fault("data", f"{len(data)} rows", f"a sample needs {WINDOW}: 12 in and 12 out")
    if np.isinf(data).any():
        raise _fault("data", "inf", "a speed is finite; missing is 0 or NaN")
    if (data < 0).any():
        raise _fault("data", f"{np.nanmin(data):g}", "a speed is not negative; missing is 0 or NaN")
    _check_step(held)
    return Series(np.where(data > 0, data, np.nan), _start(held))


def read_links(path: Path) -> tuple[str, ...]:
    """Read `links`, the id of the link that each column is. Raises InputError, OSError."""
    held = _open_npz(path)
    if "links" not in held:
        raise _fault("links", f"not in {path.name}", "says of which link each column is")
    links = tuple(str(one) for one in np.asarray(held["links"]).ravel())
    columns = np.asarray(held["data"]).shape[-1]
    if len(links) != columns or len(set(links)) != columns:
        raise _fault("links", f"{len(links)} ids", f"must be {columns}, each once")
    return links


def read_adjacency(path: Path, stations: int) -> Floats:
    """Read nearness (N, N), row = from, column = to, 0 = not linked. Raises InputError, OSError."""
    table = numbers(_open_npy(path, "adjacency"), "adjacency")
    if table.shape != (stations, stations):
        raise _fault("adjacency", f"shape {table.shape}", f"must be {(stations, stations)}")
    if not np.isfinite(table).all() or (table < 0).any():
        raise _fault("adjacency", "negative, NaN or inf", "nearness is finite and at least 0")
    return table


def read_profile(path: Path, shape: tuple[int, int]) -> Floats:
    """Read a profile (T, N), row t beside row t of the data; NaN or 0 = none."""
    table = numbers(_open_npy(path, "profile"), "profile")
    if table.shape != shape:
        raise _fault("profile", f"shape {table.shape}", f"must be {shape}, row t beside data row t")
    if np.isinf(table).any() or (table < 0).any():
        raise _fault("profile", "negative or inf", "a usual speed is finite and at least 0")
    return np.where(table > 0, table, np.nan)


def write_forecasts(path: Path, pred: Floats, low: Floats, high: Floats) -> None:
    """Write `pred`, `lo` and `hi`, each (samples, 12, N) float32, to `path`. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:  # numpy would add .npz to a name without it
        np.savez_compressed(
            file,
            pred=pred.astype(np.float32),
            lo=low.astype(np.float32),
            hi=high.astype(np.float32),
        )


def numbers(table: Any, field: str) -> Floats:
    """Return an array as float64. Raises InputError when it does not hold real numbers."""
    array = np.asarray(table)
    if array.dtype.kind not in "fiu":
        raise _fault(field, f"type {array.dtype}", "must hold real numbers")
    return array.astype(np.float64)


def _open_npz(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(2, "no such file", str(path))
    try:
        with np.load(path, allow_pickle=False) as held:
            if not hasattr(held, "files"):
                raise _fault("data", path.name, "must be a .npz file with the key `data`")
            return {name: held[name] for name in held.files if name in _KEYS}
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise _fault("data", path.name, "is not a readable .npz file of plain arrays") from error


_KEYS: Final = ("data", "start", "step_min", "links")


def _open_npy(path: Path, field: str) -> Any:
    if not path.exists():
        raise FileNotFoundError(2, "no such file", str(path))
    try:
        held = np.load(path, allow_pickle=False)
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise _fault(field, path.name, "is not a readable .npy file of a plain array") from error
    if not isinstance(held, np.ndarray):
        raise _fault(field, path.name, "must be one array in a .npy file")
    return held


def _check_step(held: dict[str, Any]) -> None:
    if "step_min" not in held:
        return
    step = np.asarray(held["step_min"])
    if step.size != 1 or step.dtype.kind not in "fiu" or float(step.reshape(-1)[0]) != STEP_MIN:
        raise _fault("step_min", f"{step.reshape(-1)[:3]}", f"must be {STEP_MIN}")


def _start(held: dict[str, Any]) -> datetime | None:
    """Return local time of row 0; an offset is dropped: a day is the people's day."""
    if "start" not in held:
        return None
    text = np.asarray(held["start"]).reshape(-1)
    if len(text) != 1:
        raise _fault("start", f"{len(text)} values", "must be one ISO time")
    try:
        return datetime.fromisoformat(str(text[0])).replace(tzinfo=None)
    except ValueError as error:
        raise _fault("start", str(text[0]), "must be an ISO time, such as 2012-03-01T00:00") from (
            error
        )


def _fault(field: str, value: str, rule: str) -> InputError:
    return InputError(Fault(field, value, rule))
