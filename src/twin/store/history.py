"""The history of a UTC day, by kind: streamed in order, counted, and told apart by one hash.

The hash is SHA-256 over the rows in their order, each as MessagePack. It covers what both engines
and Parquet keep alike: the number of a commit and the mark of the newest version of a decision
belong to one database alone and stay out. Access decisions are about single vehicles: they are no
history, only their counts are.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Column, ColumnElement, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import Fault, InputError
from twin.events import DecisionKind
from twin.store.database import Database
from twin.store.days import DAY_US
from twin.store.tables import audit, decision, minute_picture, observation, watermark
from twin.store.tables_scores import forecast_score
from twin.store.tables_steps import access_count, opening, step

Rows = list[tuple[Any, ...]]
ACCESS_TARGET: Final = "decision.access"
"""Rows of the audit that say which decisions about vehicles were removed."""
SMALLEST_COUNT: Final = 5  # a smaller number of vehicles is not told
_SLICES: Final = 24  # a day is asked for in so many parts: each statement stays short
_PACKED: Final = ("speed_mps", "flow_vps", "density_vpm", "source")


class Kind(StrEnum):
    """What history consists of; each is a table."""

    OBSERVATION = "observation"
    MINUTE = "minute_picture"
    DECISION = "decision"
    SCORE = "forecast_score"
    STEP = "step"
    OPENING = "opening"
    COUNT = "access_count"


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows, and their SHA-256 in hex."""

    rows: int
    sha256: str


class Digester:
    """Counts rows and hashes them one after the other."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self._rows = 0
        self._hash = hashlib.sha256()
        self._encode = msgspec.msgpack.Encoder().encode

    def take(self, rows: Rows) -> None:
        """Add rows; how they are cut into batches changes nothing."""
        self._rows += len(rows)
        self._hash.update(b"".join(map(self._encode, rows)))

    def digest(self) -> Digest:
        """Return the sum so far."""
        return Digest(self._rows, self._hash.hexdigest())


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a kind is read: its columns, its order, rows at once, and which columns are packed."""

    table: Table
    columns: tuple[str, ...]
    order: tuple[str, ...]
    at_once: int
    packed: tuple[str, ...] = ()

    def plain(self, row: Any) -> tuple[Any, ...]:
        """Return a row with nothing packed."""
        if not self.packed:
            return tuple(row)
        return tuple(
            zlib.decompress(value) if name in self.packed else value
            for name, value in zip(self.columns, row, strict=True)
        )

    def stored(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a row as the table has it."""
        if not self.packed:
            return row
        return tuple(
            zlib.compress(value, 1) if name in self.packed else value
            for name, value in zip(self.columns, row, strict=True)
        )


_OBSERVED: Final = (
    *("time_us", "sensor", "period_ms", "count", "speed_mps", "occupancy_frac"),
    *("event_id", "late", "content", "origin"),
)
_STEPPED: Final = (
    *("time_us", "kind", "now_us", "map_version", "picture", "decided", "forecast"),
    *("taken", "dropped", "begun", "body"),
)
_OPENED: Final = ("time_us", "map_version", "state_hash", "body")
_COUNTED: Final = ("time_us", "gate", "direction", "profile", "vehicles")
_DECIDED: Final = ("time_us", "id", "version", "kind", "state", "target", "until_us", "body")
_SCORED: Final = (
    *("samples", "error", "last_error", "usual_samples", "error_there", "usual_error"),
    "inside",
)
SHAPES: Final = {
    Kind.OBSERVATION: _Shape(observation, _OBSERVED, ("time_us", "sensor", "period_ms"), 20_000),
    Kind.MINUTE: _Shape(
        minute_picture,
        ("time_us", "map_version", *_PACKED),
        ("time_us", "map_version"),
        16,
        _PACKED,
    ),
    Kind.DECISION: _Shape(decision, _DECIDED, ("time_us", "id", "version"), 2_000),
    Kind.SCORE: _Shape(
        forecast_score,
        ("time_us", "map_version", "step_s", "turns", *_SCORED),
        ("time_us", "map_version"),
        16,
        _SCORED,
    ),
    Kind.STEP: _Shape(step, _STEPPED, ("time_us",), 2_000),
    Kind.OPENING: _Shape(opening, _OPENED, ("time_us",), 1),
    Kind.COUNT: _Shape(access_count, _COUNTED, _COUNTED[:4], 2_000),
}


def first_us(day: date) -> int:
    """Return the first microsecond of a UTC day."""
    return (day - date(1970, 1, 1)).days * DAY_US


def day_of(time_us: int) -> date:
    """Return the UTC day of a moment."""
    return datetime.fromtimestamp(time_us // DAY_US * 86_400, UTC).date()


async def stream_day(database: Database, kind: Kind, day: date) -> AsyncIterator[Rows]:
    """Give the rows of a day in order, a bounded batch at a time, all of one state."""
    shape = SHAPES[kind]
    start_us, step_us = first_us(day), DAY_US // _SLICES
    async with database.read() as connection:
        for begin_us in range(start_us, start_us + DAY_US, step_us):
            query = select(*(shape.table.c[name] for name in shape.columns)).where(
                *_between(kind, begin_us, begin_us + step_us)
            )
            query = query.order_by(*_order(shape, connection))
            found = await connection.stream(query.execution_options(yield_per=shape.at_once))
            async for rows in found.partitions(shape.at_once):
                yield [shape.plain(row) for row in rows]


async def digest_day(database: Database, kind: Kind, day: date) -> Digest:
    """Count and hash the rows of a day."""
    digester = Digester()
    async for rows in stream_day(database, kind, day):
        digester.take(rows)
    return digester.digest()


async def count_day(connection: AsyncConnection, kind: Kind, day: date) -> int:
    """Count the rows of a day that an export would hold."""
    start_us = first_us(day)
    query = select(func.count()).select_from(SHAPES[kind].table)
    return (
        await connection.execute(query.where(*_between(kind, start_us, start_us + DAY_US)))
    ).scalar_one()


async def days_between(database: Database, from_us: int, to_us: int) -> list[date]:
    """Return the UTC days with from_us <= time < to_us that have rows of any kind, in order."""
    async with database.read() as connection:
        found = [await days_of(connection, kind, from_us, to_us) for kind in Kind]
    return sorted({day for days in found for day in days})


async def days_of(connection: AsyncConnection, kind: Kind, from_us: int, to_us: int) -> list[date]:
    """Return the UTC days with from_us <= time < to_us that have rows of a kind, in order.

    It goes from day to day by the index, however many rows a day has. Access decisions count.
    """
    column = SHAPES[kind].table.c.time_us
    found: list[date] = []
    while True:
        query = select(func.min(column)).where(column >= from_us, column < to_us)
        time_us = (await connection.execute(query)).scalar_one()
        if time_us is None:
            return found
        found.append(day_of(time_us))
        from_us = (time_us // DAY_US + 1) * DAY_US


async def access_counts(
    connection: AsyncConnection, from_us: int, to_us: int
) -> list[dict[str, Any]]:
    """Count access decisions by gate and state; a number below `SMALLEST_COUNT` is None."""
    query = (
        select(decision.c.target, decision.c.state, func.count())
        .where(decision.c.kind == DecisionKind.ACCESS.value)
        .where(decision.c.time_us >= from_us, decision.c.time_us < to_us)
        .group_by(decision.c.target, decision.c.state)
        .order_by(decision.c.target, decision.c.state)
    )
    return [
        {"gate": gate, "state": state, "count": count if count >= SMALLEST_COUNT else None}
        for gate, state, count in await connection.execute(query)
    ]


async def access_told(connection: AsyncConnection, day: date) -> list[dict[str, Any]]:
    """Return the counts of a day as `access_counts` gave them when its rows were removed."""
    query = select(audit.c.detail).where(audit.c.target == ACCESS_TARGET).order_by(audit.c.number)
    found: list[dict[str, Any]] = []
    for (text,) in await connection.execute(query):
        detail = json.loads(text)
        if detail.get("day") == day.isoformat():
            found.extend(detail["access"])
    return found


async def refuse_open(database: Database, day: date, *, now_us: int, lateness_s: float) -> None:
    """Raise InputError while readings of a day may still come in time.

    A day is closed when the clock has passed its end by the allowed lateness, and the events have
    passed it too (or have stood still for another day).
    """
    end_us = first_us(day) + DAY_US
    if now_us < end_us + int(lateness_s * 1_000_000):
        rule = f"is still open: it closes at its end (UTC) and {lateness_s:g} s of lateness"
        raise InputError(Fault("day", day.isoformat(), rule, "open"))
    async with database.read() as connection:
        newest = (await connection.execute(select(func.max(watermark.c.time_us)))).scalar_one()
    if newest is not None and newest < end_us and now_us < end_us + DAY_US:
        rule = "is still open: the worker has not come to its end yet; see the lag at /metrics"
        raise InputError(Fault("day", day.isoformat(), rule, "open"))


def _between(kind: Kind, begin_us: int, end_us: int) -> Sequence[ColumnElement[bool]]:
    table = SHAPES[kind].table
    within = [table.c.time_us >= begin_us, table.c.time_us < end_us]
    if kind is Kind.DECISION:
        within.append(table.c.kind != DecisionKind.ACCESS.value)
    return within


def _order(shape: _Shape, connection: AsyncConnection) -> list[ColumnElement[Any]]:
    """Order by bytes on both engines: the collation of a server must not change the hash."""
    columns: list[Column[Any]] = [shape.table.c[name] for name in shape.order]
    if connection.dialect.name != "postgresql":
        return list(columns)
    return [c.collate("C") if isinstance(c.type, Text) else c for c in columns]
