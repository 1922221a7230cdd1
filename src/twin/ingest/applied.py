"""Readings on their way from the worker that judged them to the process that owns the live state.

One record of topic `reading.applied` holds what one commit applied, as arrays: values come out to
the bit as they went in. `mark` rises with every commit of a partition, so that a record that the
relay sent twice is known. Sensors are named by their ids: the two processes may stand on different
versions of the map for a moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from twin.columns import ReadingBatch
from twin.errors import Fault, InputError
from twin.ingest.topics import InnerTopic
from twin.log.contract import Records

MOST_ROWS: Final = 12_000
"""Rows of one record: at most 44 bytes each and an id of 128 for every sensor, well below 900 kB
for any map that names its sensors in fewer than 30 bytes; see `MOST_BYTES`."""
MOST_BYTES: Final = 800_000


Ranges = tuple[tuple[str, int, int], ...]


class AppliedReadings(msgspec.Struct, frozen=True, array_like=True):
    """One part of what one commit applied.

    mark        sum of the next offsets of reading/k and reading.columns/k after that commit
    part, parts number of this record among those of the commit, from 0, and how many they are
    sensors     ids; `sensor` says which of them each row is
    the arrays  little-endian, (rows,): int32, int64, int64, float64, float64, float64;
                NaN where not measured; speeds in m/s
    ranges      (partition's name, first offset, next offset) of the records that it came from
    """

    mark: int
    part: int
    parts: int
    sensors: tuple[str, ...]
    sensor: bytes
    time_us: bytes
    period_ms: bytes
    count: bytes
    speed_mps: bytes
    occupancy_frac: bytes
    ranges: Ranges = ()


class Mark(NamedTuple):
    """How far a partition of `reading.applied` was taken: all parts up to this one."""

    mark: int
    part: int


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(AppliedReadings)
_COLUMNS: Final = (
    ("time_us", "<i8"),
    ("period_ms", "<i8"),
    ("count", "<f8"),
    ("speed_mps", "<f8"),
    ("occupancy_frac", "<f8"),
)


def encode_applied(
    batch: ReadingBatch, sensor_ids: Sequence[str], *, mark: int, ranges: Ranges = ()
) -> list[bytes]:
    """Return the records that carry a batch on, in order; none for an empty batch."""
    pieces = list(_pieces(batch, sensor_ids))
    records = [
        _record(piece, sensor_ids, mark, part, len(pieces)) for part, piece in enumerate(pieces)
    ]
    return [_ENCODER.encode(msgspec.structs.replace(one, ranges=ranges)) for one in records]


def _pieces(batch: ReadingBatch, sensor_ids: Sequence[str]) -> Iterator[ReadingBatch]:
    """Cut a batch so that every record stays below `MOST_BYTES`, however long the ids are."""
    rows = len(batch)
    if not rows:
        return
    longest = max(len(sensor_ids[row].encode()) for row in np.unique(batch.sensor).tolist())
    most = min(MOST_ROWS, max(MOST_BYTES // (44 + longest + 5), 1))
    for first in range(0, rows, most):
        yield batch.take(np.arange(first, min(first + most, rows)))


def _record(
    batch: ReadingBatch, sensor_ids: Sequence[str], mark: int, part: int, parts: int
) -> AppliedReadings:
    known, which = np.unique(batch.sensor, return_inverse=True)
    return AppliedReadings(
        mark,
        part,
        parts,
        tuple(sensor_ids[row] for row in known.tolist()),
        which.astype("<i4").tobytes(),
        *(getattr(batch, name).astype(kind).tobytes() for name, kind in _COLUMNS),
    )


def decode_applied(
    value: bytes, sensor_rows: Mapping[str, int]
) -> tuple[AppliedReadings, ReadingBatch]:
    """Return a record and its rows on a map; rows of sensors that it does not have are left out.

    Raises InputError for bytes that no worker wrote.
    """
    try:
        record = _DECODER.decode(value)
        which = np.frombuffer(record.sensor, "<i4")
        rows = np.array([sensor_rows.get(name, -1) for name in record.sensors], np.int32)
        columns = {
            name: np.frombuffer(getattr(record, name), kind).astype(kind[1:])
            for name, kind in _COLUMNS
        }
        batch = ReadingBatch(sensor=rows[which], **columns)
        if len({len(which), *map(len, columns.values())}) != 1:
            raise ValueError("the columns are not equally long")
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        rule = f"is no record of a worker: {error}"
        raise InputError(Fault("reading.applied", f"{len(value)} bytes", rule)) from error
    known = batch.sensor >= 0
    return record, batch if known.all() else batch.take(known)


class AppliedStage:
    """Takes every record once, in order, however often the relay sent it."""

    def __init__(self, sensor_rows: Mapping[str, int]) -> None:
        """Know no record yet; `resume` says otherwise."""
        self._sensor_rows = sensor_rows
        self._taken: dict[int, Mark] = {}
        self.repeated = 0
        self.ranges: Ranges = ()
        """Where the readings of the last `take` stood on the log."""

    def resume(self, taken: Mapping[int, Mark]) -> None:
        """Go on from what was stored, by partition."""
        self._taken = dict(taken)

    def stand_on(self, sensor_rows: Mapping[str, int]) -> None:
        """Read ids as rows of another version of the map from now on."""
        self._sensor_rows = sensor_rows

    def take(
        self, fetched: Sequence[Records], *, after: ReadingBatch | None = None
    ) -> tuple[ReadingBatch, dict[int, Mark]]:
        """Return the new rows of a fetch, and how far each of its partitions was taken.

        The rows follow those of `after`, if there are any.

        Raises InputError, nothing taken, for a record that no worker wrote.
        """
        taken = dict(self._taken)
        batches: list[ReadingBatch] = [] if after is None else [after]
        ranges: list[tuple[str, int, int]] = []
        repeated = 0
        for records in fetched:
            partition = records.place.partition
            for value in records.values:
                record, batch = decode_applied(value, self._sensor_rows)
                mark = Mark(record.mark, record.part)
                if mark <= taken.get(partition, Mark(-1, 0)):
                    repeated += 1
                    continue
                taken[partition] = mark
                batches.append(batch)
                if record.part == record.parts - 1:
                    ranges.extend(record.ranges)
        moved = {
            records.place.partition: taken[records.place.partition]
            for records in fetched
            if records.place.partition in taken
        }
        self._taken, self.repeated = taken, self.repeated + repeated
        self.ranges = tuple(ranges)
        return ReadingBatch.concatenate(batches), moved


def apart(fetched: Sequence[Records]) -> tuple[list[Records], list[Records]]:
    """Tell what is still to be judged from what others have judged and handed on."""
    judging = [one for one in fetched if one.place.topic != InnerTopic.APPLIED]
    return judging, [one for one in fetched if one.place.topic == InnerTopic.APPLIED]
