"""The rows of the embedded log: written and read with plain `sqlite3`, in the log's own thread.

log_partition   one row a partition: where it starts (after retention) and what comes next
log_batch       one row a batch: base offset, count, time range, codec, payload
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from twin.columns import Ints
from twin.errors import BackendError
from twin.log.contract import Place, Records, TopicSpec
from twin.log.limits import beyond_end
from twin.units import SECOND_US

BATCH_RECORDS: Final = 4096  # bounds what has to be unpacked to read a single record
_PLAIN: Final = 0
_ZLIB: Final = 1
_WORTH_PACKING: Final = 400  # bytes; below it zlib gains less than a disk page

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS log_partition (
        id INTEGER PRIMARY KEY,
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        retention_us INTEGER,
        start_offset INTEGER NOT NULL DEFAULT 0,
        next_offset INTEGER NOT NULL DEFAULT 0,
        UNIQUE (topic, partition)
    )""",
    """CREATE TABLE IF NOT EXISTS log_batch (
        partition_id INTEGER NOT NULL REFERENCES log_partition (id),
        base_offset INTEGER NOT NULL,
        count INTEGER NOT NULL,
        first_us INTEGER NOT NULL,
        last_us INTEGER NOT NULL,
        codec INTEGER NOT NULL,
        payload BLOB NOT NULL,
        PRIMARY KEY (partition_id, base_offset)
    )""",
)


@dataclass(frozen=True, slots=True)
class Append:
    """Records of one call; `arrival_us` (n,) int64."""

    place: Place
    values: list[bytes]
    arrival_us: Ints
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pull:
    """What a reader wants: where it stands, and how many records at most."""

    positions: dict[Place, int]
    max_records: int


class _Body(msgspec.Struct, array_like=True):
    """A batch as it stands in the file; `arrival_us` is int64 little-endian, one or n values."""

    values: list[bytes]
    arrival_us: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class _Partition:
    id: int
    retention_us: int | None
    start: int
    end: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)


def arrivals(arrival_us: int | Sequence[int], count: int) -> Ints:
    """Spread one arrival time, or check that there are `count` of them: (count,) int64."""
    if isinstance(arrival_us, int):
        return np.full(count, arrival_us, np.int64)
    column = np.asarray(arrival_us, np.int64)
    if column.shape != (count,):
        message = f"{len(column)} arrival times for {count} records"
        raise ValueError(message)
    return column


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the two tables if they are absent."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute("COMMIT")


def make_topics(connection: sqlite3.Connection, specs: Sequence[TopicSpec]) -> None:
    """Make partitions 0 … n-1 of each topic that does not exist."""
    connection.execute("BEGIN IMMEDIATE")
    for spec in specs:
        if count_partitions(connection, spec.name):
            continue
        keep_us = None if spec.retention_s is None else round(spec.retention_s * SECOND_US)
        connection.executemany(
            "INSERT INTO log_partition (topic, partition, retention_us) VALUES (?, ?, ?)",
            [(spec.name, partition, keep_us) for partition in range(spec.partitions)],
        )
    connection.execute("COMMIT")


def count_partitions(connection: sqlite3.Connection, topic: str) -> int:
    """Return how many partitions a topic has."""
    row = connection.execute("SELECT count(*) FROM log_partition WHERE topic = ?", (topic,))
    return int(row.fetchone()[0])


def ends(connection: sqlite3.Connection, places: Sequence[Place]) -> dict[Place, int]:
    """Return the next offset of each partition."""
    return {place: _partition(connection, place).end for place in places}


def write(connection: sqlite3.Connection, appends: Sequence[Append]) -> list[int | BackendError]:
    """Write all appends in one transaction; return each one's last offset, or why it cannot be.

    Only an append to a partition that does not exist fails alone; anything else raises for all.
    """
    outcomes: list[int | BackendError] = []
    connection.execute("BEGIN IMMEDIATE")
    for append in appends:
        try:
            partition = _partition(connection, append.place)
        except BackendError as error:
            outcomes.append(error)
            continue
        outcomes.append(_write_one(connection, partition, append))
    connection.execute("COMMIT")
    return outcomes


def _write_one(connection: sqlite3.Connection, partition: _Partition, append: Append) -> int:
    end = partition.end
    for first in range(0, len(append.values), BATCH_RECORDS):
        values = append.values[first : first + BATCH_RECORDS]
        arrival_us = append.arrival_us[first : first + BATCH_RECORDS]
        codec, payload = _packed(values, arrival_us, append.headers)
        connection.execute(
            "INSERT INTO log_batch VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                partition.id,
                end,
                len(values),
                int(arrival_us.min()),
                int(arrival_us.max()),
                codec,
                payload,
            ),
        )
        end += len(values)
    connection.execute("UPDATE log_partition SET next_offset = ? WHERE id = ?", (end, partition.id))
    _forget(connection, partition, now_us=int(append.arrival_us.max()))
    return end - 1


def _forget(connection: sqlite3.Connection, partition: _Partition, *, now_us: int) -> None:
    """Drop whole batches that came longer than the retention before the newest arrival."""
    if partition.retention_us is None:
        return
    kept = connection.execute(
        "SELECT base_offset FROM log_batch WHERE partition_id = ? AND last_us >= ?"
        " ORDER BY base_offset LIMIT 1",
        (partition.id, now_us - partition.retention_us),
    ).fetchone()
    if kept is None or kept[0] <= partition.start:
        return
    where = (partition.id, kept[0])
    connection.execute("DELETE FROM log_batch WHERE partition_id = ? AND base_offset < ?", where)
    connection.execute("UPDATE log_partition SET start_offset = ? WHERE id = ?", where[::-1])


def read(connection: sqlite3.Connection, pull: Pull) -> list[Records]:
    """Read at most `max_records`, shared fairly: a partition with little gets all it has."""
    connection.execute("BEGIN")  # one snapshot: ends and batches belong together
    waiting = []
    for place, position in pull.positions.items():
        partition = _partition(connection, place)
        if position > partition.end:
            raise BackendError(beyond_end(place, position, partition.end))
        backlog = partition.end - max(position, partition.start)
        if backlog > 0:
            waiting.append((backlog, place, position, partition))
    waiting.sort(key=lambda entry: entry[0])
    found: list[Records] = []
    budget = pull.max_records
    for number, (_, place, position, partition) in enumerate(waiting):
        share = -(-budget // (len(waiting) - number))
        if share > 0:
            found.append(_read_one(connection, place, position, partition, limit=share))
            budget -= len(found[-1])
    connection.execute("COMMIT")
    return found


def _read_one(
    connection: sqlite3.Connection,
    place: Place,
    position: int,
    partition: _Partition,
    *,
    limit: int,
) -> Records:
    start = max(position, partition.start)
    rows = connection.execute(
        "SELECT base_offset, codec, payload FROM log_batch WHERE partition_id = ? AND base_offset"
        " >= (SELECT max(base_offset) FROM log_batch WHERE partition_id = ? AND base_offset <= ?)"
        " ORDER BY base_offset",
        (partition.id, partition.id, start),
    )
    values: list[bytes] = []
    headers: list[Mapping[str, str]] = []
    times: list[Ints] = []
    for base, codec, payload in rows:
        body = _unpacked(codec, payload)
        rows_of = slice(max(start - base, 0), max(start - base, 0) + limit - len(values))
        chosen = body.values[rows_of]
        arrival_us = np.frombuffer(body.arrival_us, "<i8").astype(np.int64)
        if len(arrival_us) == 1:
            arrival_us = np.broadcast_to(arrival_us, len(body.values))
        values += chosen
        headers += [body.headers] * len(chosen)
        times.append(arrival_us[rows_of])
        if len(values) >= limit:
            rows.close()
            break
    return Records(
        place=place,
        offsets=np.arange(start, start + len(values), dtype=np.int64),
        arrival_us=np.concatenate(times),
        values=values,
        next_offset=start + len(values),
        headers=headers,
        skipped=start - position,
    )


def _partition(connection: sqlite3.Connection, place: Place) -> _Partition:
    row = connection.execute(
        "SELECT id, retention_us, start_offset, next_offset FROM log_partition"
        " WHERE topic = ? AND partition = ?",
        place,
    ).fetchone()
    if row is None:
        raise BackendError(f"the log has no partition {place}")
    return _Partition(*row)


def _packed(values: list[bytes], arrival_us: Ints, headers: Mapping[str, str]) -> tuple[int, bytes]:
    times = arrival_us[:1] if (arrival_us == arrival_us[0]).all() else arrival_us
    body = _encoder.encode(_Body(values, times.astype("<i8").tobytes(), dict(headers)))
    if len(body) < _WORTH_PACKING:
        return _PLAIN, body
    return _ZLIB, zlib.compress(body, 1)


def _unpacked(codec: int, payload: bytes) -> _Body:
    if codec == _ZLIB:
        payload = zlib.decompress(payload)
    try:
        return _decoder.decode(payload)
    except msgspec.DecodeError as error:
        raise BackendError(f"a batch of the log cannot be read: {error}") from error
