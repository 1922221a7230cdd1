"""Who did what: rows chained by hashes, so that a changed or missing row shows.

The hash of a row covers its number, its content and the hash before it. Rows cut off at the end
cannot be seen from the table alone: compare `head` with a copy that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.store.database import Database
from twin.store.tables import audit

FIRST_HASH: Final = "0" * 64
CUT_ACT: Final = "retention.purge"
_LOCK: Final = 7_341_001  # any number, the same for every writer of the chain


@dataclass(frozen=True, slots=True)
class Cut:
    """What was removed from the beginning: up to which row, its hash, and how many rows."""

    through: int
    row_hash: str
    rows: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act of one person."""

    number: int
    time_us: int
    person: str
    act: str
    target: str
    detail: Mapping[str, Any]
    row_hash: str


async def record(
    database: Database,
    *,
    time_us: int,
    person: str,
    act: str,
    target: str,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Add a row at the end of the chain. `detail` is JSON and never holds a plate or a secret."""
    async with database.write() as connection:
        return await add(
            connection, time_us=time_us, person=person, act=act, target=target, detail=detail
        )


async def add(
    connection: AsyncConnection,
    *,
    time_us: int,
    person: str,
    act: str,
    target: str,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Do the same in the caller's transaction; on PostgreSQL other writers of the chain wait."""
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:lock)")
        await connection.execute(lock, {"lock": _LOCK})
    number, previous = await _head(connection)
    values = {
        "number": number + 1,
        "time_us": time_us,
        "person": person,
        "act": act,
        "target": target,
        "detail": json.dumps(detail or {}, sort_keys=True),
        "previous_hash": previous,
    }
    digest = _digest(values)
    await connection.execute(audit.insert().values(**values, row_hash=digest))
    return AuditEntry(number + 1, time_us, person, act, target, dict(detail or {}), digest)


async def head(database: Database) -> tuple[int, str]:
    """Return the number and the hash of the last row; (0, zeros) of an empty chain."""
    async with database.read() as connection:
        return await _head(connection)


async def list_entries(
    database: Database, *, after: int = 0, limit: int = 1000
) -> list[AuditEntry]:
    """Return rows with a number above `after`, oldest first."""
    query = select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(limit)
    async with database.read() as connection:
        return [_entry(row) for row in await connection.execute(query)]


async def cut_before(connection: AsyncConnection, before_us: int) -> Cut | None:
    """Remove the oldest rows up to the first one that is not older; None when there are none.

    The last row always stays. The caller adds a row that tells `through` and `hash`: from there
    the chain can still be followed.
    """
    young = select(func.min(audit.c.number)).where(audit.c.time_us >= before_us)
    first_kept = (await connection.execute(young)).scalar_one()
    last, _ = await _head(connection)
    through = (last if first_kept is None else first_kept) - 1
    query = select(audit.c.row_hash).where(audit.c.number == through)
    row_hash = (await connection.execute(query)).scalar_one_or_none()
    if row_hash is None:
        return None
    gone = await connection.execute(delete(audit).where(audit.c.number <= through))
    return Cut(through, row_hash, gone.rowcount)


async def first_broken(database: Database) -> int | None:
    """Return the number of the first row that is missing or was changed; None if all is well.

    A chain whose beginning was removed by retention starts where a later row of it says.
    """
    number, previous, missing_cut = 0, FIRST_HASH, None
    async with database.read() as connection:
        rows = await connection.stream(select(audit).order_by(audit.c.number))
        async for row in rows:
            if number == 0 and row.number > 1:
                number, previous = row.number - 1, row.previous_hash
                missing_cut = (number, previous)
            number += 1
            if not _follows(row, number, previous):
                return number
            previous = row.row_hash
            if row.act == CUT_ACT and _cut_of(row) == missing_cut:
                missing_cut = None
    return None if missing_cut is None else 1


def _follows(row: Row[Any], number: int, previous: str) -> bool:
    content = {name: row._mapping[name] for name in _COVERED}
    if row.number != number or row.previous_hash != previous:
        return False
    return bool(row.row_hash == _digest(content))


def _cut_of(row: Row[Any]) -> tuple[int, str] | None:
    detail = json.loads(row.detail)
    return (detail["through"], detail["hash"]) if "through" in detail else None


_COVERED: Final = ("number", "time_us", "person", "act", "target", "detail", "previous_hash")


def _digest(values: Mapping[str, Any]) -> str:
    content = json.dumps([values[name] for name in _COVERED], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


async def _head(connection: AsyncConnection) -> tuple[int, str]:
    query = select(audit.c.number, audit.c.row_hash).order_by(audit.c.number.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return (0, FIRST_HASH) if row is None else (row.number, row.row_hash)


def _entry(row: Row[Any]) -> AuditEntry:
    detail = json.loads(row.detail)
    return AuditEntry(
        row.number, row.time_us, row.person, row.act, row.target, detail, row.row_hash
    )
