"""Readings that come as arrays: one record of the topic `reading.columns` is many readings.

A record that cannot be read is one refused item, kept whole; a row of a good record that breaks a
rule is refused alone, like a reading that came by itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, overload

import msgspec
import numpy as np

from twin.clock import datetime_from_us
from twin.columns import Floats, Ints, ReadingBatch, Rows
from twin.errors import Fault
from twin.events import Reading, ReadingColumns
from twin.ingest.check import EARLIEST_US, LATEST_US
from twin.ingest.decode import PLACEHOLDER, DecodedReadings, Faults, content_hash
from twin.ingest.texts import CONTROL_RULE, has_control
from twin.units import frac_from_pct, mps_from_kph

MOST_ROWS: Final = 1_000_000
LONGEST_PERIOD_MS: Final = 86_400_000
_WHOLE: Final = -1
_KEPT_NAMES: Final = 256
_NAMES: Final = msgspec.msgpack.Decoder(tuple[str, ...])


class _Wire(ReadingColumns, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record whose names are decoded only when they were not seen before."""

    sensors: msgspec.Raw  # type: ignore[assignment]


_DECODER: Final = msgspec.msgpack.Decoder(_Wire)


@dataclass(frozen=True, slots=True)
class Names:
    """The ids of a record, their rows in the map (-1: unknown), and whether all can be stored."""

    ids: tuple[str, ...]
    rows: Rows
    plain: bool = True


@dataclass(frozen=True, slots=True)
class _Block:
    """One good record, in the units in which it was sent."""

    id: str
    source: str
    names: Names
    sensor: Rows
    time_us: Ints
    period_ms: Ints
    count: Floats
    speed_kph: Floats
    occupancy_pct: Floats


@dataclass(frozen=True, slots=True)
class DecodedColumns:
    """Rows of records one after the other; an unreadable record is one row with a fault.

    record      (n,) int64: number of the record that a row came from
    within      (n,) int64: the row's number in its record, -1 where the record is refused whole
    """

    readings: DecodedReadings
    record: Ints
    within: Ints


class ColumnEvents(Sequence[Reading]):
    """The rows as events, made one by one when a person must be told about one."""

    def __init__(self, blocks: Sequence[_Block | None], record: Ints, within: Ints) -> None:
        """Keep what is needed to make any row."""
        self._blocks = blocks
        self._record = record
        self._within = within

    def __len__(self) -> int:
        return len(self._record)

    @overload
    def __getitem__(self, row: int) -> Reading: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Reading]: ...
    def __getitem__(self, row: int | slice) -> Reading | Sequence[Reading]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        block = self._blocks[int(self._record[row])]
        if block is None:
            return PLACEHOLDER
        k = int(self._within[row])
        return Reading(
            id=f"{block.id}#{k}",
            sensor=block.names.ids[int(block.sensor[k])],
            time=datetime_from_us(int(block.time_us[k])),
            period_s=int(block.period_ms[k]) / 1000.0,
            count=_measured(block.count[k]),
            speed_kph=_measured(block.speed_kph[k]),
            occupancy_pct=_measured(block.occupancy_pct[k]),
            source=block.source,
        )


class ColumnReader:
    """Decodes records for one map; remembers the lists of names that it has seen."""

    def __init__(self, sensor_rows: Mapping[str, int]) -> None:
        """Look sensors up in `sensor_rows`."""
        self._sensor_rows = sensor_rows
        self._seen: OrderedDict[bytes, Names] = OrderedDict()

    def decode(self, values: Sequence[bytes]) -> DecodedColumns:
        """Decode records into rows, in their order."""
        blocks: list[_Block | None] = []
        broken: dict[int, Fault] = {}
        for number, value in enumerate(values):
            block = self._block(value)
            if isinstance(block, Fault):
                broken[number] = block
            blocks.append(None if isinstance(block, Fault) else block)
        sizes = np.array([1 if block is None else len(block.sensor) for block in blocks], np.int64)
        record = np.repeat(np.arange(len(blocks), dtype=np.int64), sizes)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        within = np.arange(len(record), dtype=np.int64) - starts[record]
        faults: Faults = {int(starts[number]): [fault] for number, fault in broken.items()}
        within[list(faults)] = _WHOLE
        parts = [block or _NOTHING for block in blocks]
        count, speed_kph, occupancy_pct = (
            _joined([getattr(part, name) for part in parts])
            for name in ("count", "speed_kph", "occupancy_pct")
        )
        batch = ReadingBatch(
            sensor=_joined([part.names.rows[part.sensor] for part in parts]),
            time_us=_joined([part.time_us for part in parts]),
            period_ms=_joined([part.period_ms for part in parts]),
            count=count,
            speed_mps=mps_from_kph(speed_kph),
            occupancy_frac=frac_from_pct(occupancy_pct),
        )
        events = ColumnEvents(blocks, record, within)
        content = content_hash(count, speed_kph, occupancy_pct)
        return DecodedColumns(DecodedReadings(batch, events, content, faults), record, within)

    def _block(self, value: bytes) -> _Block | Fault:
        try:
            wire = _DECODER.decode(value)
            names = self._names(bytes(wire.sensors))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Fault("$", "(bytes)", f"must be MessagePack of reading columns: {error}"[:300])
        if any(has_control(text) for text in (wire.id, wire.source)):
            return Fault("id", "(not shown)", CONTROL_RULE)
        if not names.plain:
            return Fault("sensors", "(not shown)", CONTROL_RULE)
        return _filled(wire, names)

    def _names(self, raw: bytes) -> Names:
        """Return the rows of a list of ids; the same list costs its comparison only."""
        known = self._seen.get(raw)
        if known is None:
            ids = _NAMES.decode(raw)
            rows = np.array([self._sensor_rows.get(name, -1) for name in ids], np.int32)
            known = self._seen[raw] = Names(ids, rows, not has_control("".join(ids)))
            if len(self._seen) > _KEPT_NAMES:
                self._seen.popitem(last=False)
        return known


def _filled(wire: _Wire, names: Names) -> _Block | Fault:
    """Cut the bytes into arrays, or say which of them has a wrong length or range."""
    if len(wire.sensor) % 4 or not 4 <= len(wire.sensor) <= 4 * MOST_ROWS:
        rule = f"must be 1 to {MOST_ROWS} int32 values"
        return Fault("sensor", f"{len(wire.sensor)} bytes", rule)
    sensor = np.frombuffer(wire.sensor, "<i4").astype(np.int32, copy=False)
    n = len(sensor)
    if not len(names.ids) or int(sensor.min()) < 0 or int(sensor.max()) >= len(names.ids):
        return Fault("sensor", f"{sensor.min()} to {sensor.max()}", "must be rows of `sensors`")
    columns: dict[str, Any] = {}
    for name, bounds in _WHOLE_NUMBERS.items():
        found = _numbers(name, getattr(wire, name), n, *bounds)
        if isinstance(found, Fault):
            return found
        columns[name] = found
    for name in ("count", "speed_kph", "occupancy_pct"):
        raw = getattr(wire, name)
        if raw and len(raw) != 8 * n:
            return Fault(name, f"{len(raw)} bytes", f"must be {n} float64 values, or none")
        columns[name] = np.frombuffer(raw, "<f8") if raw else np.full(n, np.nan)
    return _Block(wire.id, wire.source, names, sensor, **columns)


_WHOLE_NUMBERS: Final = {
    "time_us": (EARLIEST_US, LATEST_US, "must be within the years 2000 to 2199"),
    "period_ms": (1, LONGEST_PERIOD_MS + 1, "must be 1 to 86400000 ms"),
}


def _numbers(name: str, raw: bytes, n: int, first: int, end: int, rule: str) -> Ints | Fault:
    """Return (n,) int64 from n values or from one for all; a wrong unit spoils the record."""
    if len(raw) not in (8, 8 * n):
        return Fault(name, f"{len(raw)} bytes", f"must be {n} int64 values, or one")
    values = np.frombuffer(raw, "<i8")
    if int(values.min()) < first or int(values.max()) >= end:
        return Fault(name, f"{values.min()} to {values.max()}", rule)
    return values if len(values) == n else np.full(n, values[0], np.int64)


def encode_columns(columns: ReadingColumns) -> bytes:
    """Write a record as it stands on the log."""
    return _ENCODER.encode(columns)


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _measured(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


_ENCODER: Final = msgspec.msgpack.Encoder()
_NOTHING: Final = _Block(
    id="",
    source="",
    names=Names(("",), np.array([-1], np.int32)),
    sensor=np.zeros(1, np.int32),
    time_us=np.array([EARLIEST_US], np.int64),
    period_ms=np.array([1000], np.int64),
    count=np.full(1, np.nan),
    speed_kph=np.full(1, np.nan),
    occupancy_pct=np.full(1, np.nan),
)
"""Stands for a record that cannot be read: one row, so that rows and records stay in step."""
