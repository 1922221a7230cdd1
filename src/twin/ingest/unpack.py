"""Records of readings into rows, whichever way they were written, and refused rows back again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, overload

import msgspec
import numpy as np

from twin.columns import Ints, ReadingBatch
from twin.events import Reading, Topic
from twin.ingest.columnar import ColumnReader
from twin.ingest.decode import DecodedReadings, Faults, decode_readings
from twin.ingest.tally import dead_letter, sources_of
from twin.log.contract import Records
from twin.store.origins import origins
from twin.store.records import DeadLetter

_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Rows:
    """The readings of one fetch, row by row.

    fetched      entries of the fetch, JSON first
    decoded      n readings
    record       (n,) int64: number of the record, counted over all entries
    entry        (n,) int64: number of the entry of `fetched`
    within       (n,) int64: row in a record of many; -1 for a record that is one row
    arrival_us   (n,) int64
    origin       (n,) int64: where each stood on the log (`store/origins.py`)
    sources      sender by record
    """

    fetched: Sequence[Records]
    decoded: DecodedReadings
    record: Ints
    entry: Ints
    within: Ints
    arrival_us: Ints
    origin: Ints
    sources: Sequence[str] = field(default=())

    def __len__(self) -> int:
        return len(self.record)

    def of_topic(self, topic: str) -> Ints:
        """Return the rows that came on a topic."""
        named = np.array([records.place.topic == topic for records in self.fetched])
        return np.flatnonzero(named[self.entry])

    def letters(self, faults: Faults) -> list[DeadLetter]:
        """Keep what was refused: whole records as they stood, rows of a record as JSON."""
        starts = np.cumsum([0, *(len(records) for records in self.fetched)])
        letters = []
        for row in sorted(faults):
            number = int(self.record[row])
            records = self.fetched[int(self.entry[row])]
            at = number - int(starts[int(self.entry[row])])
            alone = int(self.within[row]) >= 0
            letters.append(
                dead_letter(
                    records,
                    at,
                    source=self.sources[number],
                    faults=faults[row],
                    payload=(
                        _ENCODER.encode(self.decoded.events[row]) if alone else records.values[at]
                    ),
                    within=int(self.within[row]) if alone else None,
                )
            )
        return letters


class EventIds(Sequence[str]):
    """The ids of chosen readings, looked up when history is written."""

    def __init__(self, events: Sequence[Reading], rows: Ints) -> None:
        """Choose `rows` (k,) of `events`."""
        self._events = events
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        if isinstance(at, slice):
            return EventIds(self._events, self._rows[at])
        return self._events[int(self._rows[at])].id


class Unpacker:
    """Reads records of readings for one map."""

    def __init__(self, sensor_rows: Mapping[str, int]) -> None:
        """Look sensors up in `sensor_rows`."""
        self._sensor_rows = sensor_rows
        self._columns = ColumnReader(sensor_rows)

    def unpack(self, fetched: Sequence[Records]) -> Rows:
        """Decode a fetch. Entries of JSON come first in the rows, each kind in its order."""
        plain = [records for records in fetched if records.place.topic != Topic.READING_COLUMNS]
        packed = [records for records in fetched if records.place.topic == Topic.READING_COLUMNS]
        ordered = [*plain, *packed]
        singles = [value for records in plain for value in records.values]
        blocks = [value for records in packed for value in records.values]
        parts: list[tuple[DecodedReadings, Ints, Ints]] = []
        if singles:
            rows = np.arange(len(singles), dtype=np.int64)
            decoded = decode_readings(singles, self._sensor_rows)
            parts.append((decoded, rows, np.full_like(rows, -1)))
        if blocks:
            columns = self._columns.decode(blocks)
            parts.append((columns.readings, columns.record + len(singles), columns.within))
        record = np.concatenate([part[1] for part in parts]) if parts else np.empty(0, np.int64)
        entry_of_record = np.repeat(np.arange(len(ordered)), [len(one) for one in ordered])
        arrivals = [records.arrival_us for records in ordered] or [np.empty(0, np.int64)]
        stood = [origins(records.place, records.offsets) for records in ordered] or arrivals
        return Rows(
            fetched=ordered,
            decoded=_joined([part[0] for part in parts]),
            record=record,
            entry=entry_of_record[record],
            within=np.concatenate([part[2] for part in parts]) if parts else record,
            arrival_us=np.concatenate(arrivals)[record],
            origin=np.concatenate(stood)[record],
            sources=sources_of(ordered),
        )


def _joined(parts: Sequence[DecodedReadings]) -> DecodedReadings:
    if len(parts) == 1:
        return parts[0]
    events: list[Reading] = []
    faults: Faults = {}
    for part in parts:
        faults |= {row + len(events): found for row, found in part.faults.items()}
        events.extend(part.events)
    return DecodedReadings(
        batch=ReadingBatch.concatenate([part.batch for part in parts]),
        events=events,
        content=np.concatenate([part.content for part in parts] or [np.empty(0, np.int64)]),
        faults=faults,
        spoken=sum(part.spoken for part in parts),
    )
