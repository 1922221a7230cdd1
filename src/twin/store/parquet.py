"""Rows of history as Parquet files: the schema with its units, written and read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from twin.store.history import SHAPES, Kind, Rows

_TIME: Final = "microseconds since 1970-01-01 UTC"
_ARRAYS: Final = {
    "speed_mps": np.float32,
    "flow_vps": np.float32,
    "density_vpm": np.float32,
    "source": np.uint8,
} | dict.fromkeys(SHAPES[Kind.SCORE].packed, np.float32)


def _field(name: str, kind: Any, unit: str, meaning: str, *, nullable: bool = False) -> Any:
    told = {"unit": unit, "description": meaning}
    return pa.field(name, kind, nullable=nullable, metadata=told)


_BY_STEP: Final = "a value for each step and link, step by step; links as in minutes"
_BY_LINK: Final = "one value a link, in the order of links/MAP_VERSION.json; NaN is unknown"


def _sums(name: str, unit: str, meaning: str) -> Any:
    return _field(name, pa.list_(pa.float32()), unit, f"{meaning}, summed; {_BY_STEP}")


SCHEMAS: dict[Kind, pa.Schema] = {
    Kind.OBSERVATION: pa.schema(
        [
            _field("time_us", pa.int64(), _TIME, "end of the period that was measured"),
            _field("sensor", pa.string(), "", "id of the sensor in the map"),
            _field("period_ms", pa.int64(), "ms", "length of the period"),
            _field("count", pa.float64(), "vehicles", "vehicles in the period", nullable=True),
            _field("speed_mps", pa.float64(), "m/s", "mean speed", nullable=True),
            _field("occupancy_frac", pa.float64(), "1", "share of time occupied", nullable=True),
            _field("event_id", pa.string(), "", "id of the event that brought it"),
            _field("late", pa.bool_(), "", "came too late to change the live state"),
            _field("content", pa.int64(), "", "64-bit hash of the values as they came"),
            _field(
                "origin",
                pa.int64(),
                "",
                "where it stood on the log: offset * 2^17 + columns * 2^16 + partition",
                nullable=True,
            ),
        ]
    ),
    Kind.MINUTE: pa.schema(
        [
            _field("time_us", pa.int64(), _TIME, "end of the minute"),
            _field("map_version", pa.string(), "", "map whose links these are"),
            _field("speed_mps", pa.list_(pa.float32()), "m/s", f"mean speed; {_BY_LINK}"),
            _field("flow_vps", pa.list_(pa.float32()), "vehicles/s", f"flow; {_BY_LINK}"),
            _field("density_vpm", pa.list_(pa.float32()), "vehicles/m", f"density; {_BY_LINK}"),
            _field("source", pa.list_(pa.uint8()), "", f"where the value is from; {_BY_LINK}"),
        ]
    ),
    Kind.DECISION: pa.schema(
        [
            _field("time_us", pa.int64(), _TIME, "when this version was made"),
            _field("id", pa.string(), "", "id of the decision"),
            _field("version", pa.int64(), "", "its versions count from 1"),
            _field("kind", pa.string(), "", "what it is about"),
            _field("state", pa.string(), "", "where it is in its life"),
            _field("target", pa.string(), "", "junction or device"),
            _field("until_us", pa.int64(), _TIME, "end of lease or expiry", nullable=True),
            _field("body", pa.string(), "JSON", "the whole event"),
        ]
    ),
    Kind.SCORE: pa.schema(
        [
            _field("time_us", pa.int64(), _TIME, "end of the hour"),
            _field("map_version", pa.string(), "", "map whose links these are"),
            _field("step_s", pa.float64(), "s", "length of a step of the forecast"),
            _field("turns", pa.string(), "JSON", "sums of onsets and recoveries by step"),
            _sums("samples", "1", "speeds that were forecast and measured"),
            _sums("error", "m/s", "absolute errors of the forecast"),
            _sums("last_error", "m/s", "of the last value"),
            _sums("usual_samples", "1", "samples for which a usual day was known"),
            _sums("error_there", "m/s", "errors of the forecast on those"),
            _sums("usual_error", "m/s", "errors of the usual day"),
            _sums("inside", "1", "samples within the 80 % interval"),
        ]
    ),
}


SCHEMAS |= {
    Kind.STEP: pa.schema(
        [
            _field("time_us", pa.int64(), _TIME, "order of the steps"),
            _field("kind", pa.string(), "", "start, batch or tick"),
            _field("now_us", pa.int64(), _TIME, "time that was worked with"),
            _field("map_version", pa.string(), "", "map in use"),
            _field("picture", pa.string(), "", "hash of the picture of a tick"),
            _field("decided", pa.string(), "", "hash of the decisions made"),
            _field("forecast", pa.string(), "", "hash of the forecast taken in"),
            _field("taken", pa.string(), "", "id of the forecast taken in"),
            _field("dropped", pa.string(), "", "id of the forecast that came too late"),
            _field("begun", pa.int64(), "", "1: a forecast was begun after it"),
            _field("body", pa.binary(), "deflated JSON", "what a batch brought, vehicles aside"),
        ]
    ),
    Kind.OPENING: pa.schema(
        [
            _field("time_us", pa.int64(), _TIME, "step after which the state stood so"),
            _field("map_version", pa.string(), "", "map of the state"),
            _field("state_hash", pa.string(), "", "hash of what readings made"),
            _field("body", pa.binary(), "deflated MessagePack", "the live state"),
        ]
    ),
    Kind.COUNT: pa.schema(
        [
            _field("time_us", pa.int64(), _TIME, "begin of the hour"),
            _field("gate", pa.string(), "", "id of the gate in the map"),
            _field("direction", pa.string(), "", "in or out"),
            _field("profile", pa.string(), "", "of the right under which they entered"),
            _field("vehicles", pa.int64(), "vehicles", "to the nearest 5; ten different at least"),
        ]
    ),
}
_EARLIER: Final = {Kind.OBSERVATION: pa.schema(list(SCHEMAS[Kind.OBSERVATION])[:-1])}
"""Schemas of earlier versions that are read, too."""


class DayWriter:
    """Writes the rows of one kind and day; use as a context. A row group is one batch."""

    def __init__(self, path: Path, kind: Kind) -> None:
        """Write to `path`; what is there is replaced."""
        self._schema = SCHEMAS[kind]
        self._writer = pa_parquet.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def take(self, rows: Rows) -> None:
        """Write a batch of rows."""
        columns = zip(*rows, strict=True)
        arrays = [
            _array(field, column) for field, column in zip(self._schema, columns, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))


def read_rows(path: Path, kind: Kind) -> Iterator[Rows]:
    """Give the rows of a file, batch by batch. Raises ValueError for another schema."""
    with pa_parquet.ParquetFile(path) as file:
        found = file.schema_arrow
        if not (found.equals(SCHEMAS[kind]) or found.equals(_EARLIER.get(kind, SCHEMAS[kind]))):
            message = f"{path}: is not a {kind} file of this program"
            raise ValueError(message)
        for batch in file.iter_batches(batch_size=SHAPES[kind].at_once):
            yield list(zip(*(_values(batch, name) for name in batch.schema.names), strict=True))


def _array(field: Any, column: tuple[Any, ...]) -> Any:
    if field.name not in _ARRAYS or not pa.types.is_list(field.type):
        return pa.array(column, type=field.type)
    parts = [np.frombuffer(part, _ARRAYS[field.name]) for part in column]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(parts)), type=field.type)


def _values(batch: Any, name: str) -> list[Any]:
    column = batch.column(name)
    if not pa.types.is_list(column.type):
        values: list[Any] = column.to_pylist()
        return values
    flat = column.values.to_numpy(zero_copy_only=False)
    ends = column.offsets.to_numpy().tolist()
    return [flat[a:b].tobytes() for a, b in pairwise(ends)]
