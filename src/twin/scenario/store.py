"""The runs of a scenario in a folder: one file a seed and side, read one at a time.

A folder holds `frame.npz` (links, zones, classes, report moments), `base-SEED.npz` and
`edited-SEED.npz`, and what was run: `scenario.yaml` (or `.json`) and `run.json`. Plain numpy
arrays and JSON, no pickles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, overload

import msgspec
import numpy as np

from twin.errors import Fault, InputError
from twin.scenario.outcome import Frame, LinkTable, Pair, SeedRun, Spells, StepTold, Trips

RUNS: Final = "runs"
RESULTS: Final = "results"
SUMMARY: Final = "summary.json"
REPORT: Final = "report.html"
FILE: Final = "scenario.yaml"
BASE: Final = "base"
EDITED: Final = "edited"
SIDES: Final = (BASE, EDITED)
_FRAME: Final = "frame.npz"
_TEXTS: Final = "texts"
_TABLES: Final[dict[str, type[Any]]] = {
    "trips": Trips,
    "full": Spells,
    "gridlock": Spells,
    "step": StepTold,
}


class StoredRuns(Sequence[SeedRun]):
    """The runs of one side in a folder; each is read when it is asked for."""

    def __init__(self, folder: Path, side: str, seeds: tuple[int, ...]) -> None:
        """Name them; nothing is read yet."""
        self._paths = [run_path(folder, side, seed) for seed in seeds]

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, row: int) -> SeedRun: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[SeedRun]: ...

    def __getitem__(self, row: int | slice) -> SeedRun | Sequence[SeedRun]:
        if isinstance(row, slice):
            return [read_run(path) for path in self._paths[row]]
        return read_run(self._paths[row])

    def __iter__(self) -> Iterator[SeedRun]:
        return (read_run(path) for path in self._paths)


def run_path(folder: Path, side: str, seed: int) -> Path:
    """Return where a run is kept."""
    return folder / f"{side}-{seed}.npz"


def write_run(path: Path, run: SeedRun) -> None:
    """Keep one run, whole or not at all. Raises OSError."""
    columns: dict[str, Any] = {}
    for field in fields(SeedRun):
        value = getattr(run, field.name)
        if field.name in _TABLES:
            columns |= {
                f"{field.name}.{one.name}": getattr(value, one.name) for one in fields(value)
            }
        else:
            columns[field.name] = value
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **columns)
    unfinished.replace(path)


def read_run(path: Path) -> SeedRun:
    """Read one run. Raises InputError for a file that is none."""
    columns = _columns(path)
    try:
        values: dict[str, Any] = {}
        for field in fields(SeedRun):
            kind = _TABLES.get(field.name)
            values[field.name] = (
                columns[field.name] if kind is None else _table(kind, field.name, columns)
            )
        return SeedRun(**{**values, "seed": int(values["seed"])})
    except KeyError as error:
        raise _no_run(path, f"has no {error}") from error


def write_frame(folder: Path, frame: Frame, seeds: Sequence[int]) -> None:
    """Keep what all runs share, and which seeds there are."""
    arrays: dict[str, Any] = {"times_s": frame.times_s}
    texts: dict[str, Any] = {"seeds": list(seeds), "start_s": frame.start_s}
    for name in ("name", "map_name", "map_version", "zones", "classes"):
        texts[name] = getattr(frame, name)
    for field in fields(LinkTable):
        value = getattr(frame.links, field.name)
        target = arrays if isinstance(value, np.ndarray) else texts
        target[f"links.{field.name}"] = value
    arrays[_TEXTS] = np.frombuffer(msgspec.json.encode(texts), np.uint8)
    np.savez(folder / _FRAME, **arrays)


def read_pair(folder: Path) -> Pair:
    """Return the runs of a folder, base and edited; each run is read when it is asked for.

    Raises InputError for a folder that holds none.
    """
    columns = _columns(folder / _FRAME)
    try:
        texts = msgspec.json.decode(columns[_TEXTS].tobytes())
        links = {
            field.name: _either(columns, texts, f"links.{field.name}")
            for field in fields(LinkTable)
        }
        table = LinkTable(**{name: _frozen(value) for name, value in links.items()})
        names = ("name", "map_name", "map_version", "start_s")
        frame = Frame(
            links=table,
            zones=tuple(texts["zones"]),
            classes=tuple(texts["classes"]),
            times_s=columns["times_s"],
            **{name: texts[name] for name in names},
        )
        seeds = tuple(texts["seeds"])
    except (KeyError, TypeError, msgspec.DecodeError) as error:
        raise _no_run(folder / _FRAME, str(error)) from error
    sides = {side: StoredRuns(folder, side, seeds) for side in SIDES}
    return Pair(frame, seeds, sides[BASE], sides[EDITED])


def _either(columns: dict[str, Any], texts: dict[str, Any], name: str) -> Any:
    """Return a column or a text. Raises KeyError, as in a folder of another version."""
    return columns[name] if name in columns else texts[name]


def _columns(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise _no_run(path, "is not there: `twin scenario run` writes it") from error
    except (ValueError, EOFError, OSError) as error:
        raise _no_run(path, str(error)) from error


def _no_run(path: Path, problem: str) -> InputError:
    return InputError(
        Fault(path.name, str(path.parent), f"is a file of a scenario's runs: {problem}")
    )


def _table(kind: type[Any], name: str, columns: dict[str, Any]) -> Any:
    values = {field.name: columns[f"{name}.{field.name}"] for field in fields(kind)}
    scalars = {key: float(value) if value.ndim == 0 else value for key, value in values.items()}
    return kind(**scalars)


def _frozen(value: Any) -> Any:
    """Return lists as tuples, all the way down."""
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value
