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

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.store.database import Database
from twin.store.tables import audit

FIRST_HASH: Final = "0" * 64
_LOCK: Final = 7_341_001  # any number, the same for every writer of the chain


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


async def first_broken(database: Database) -> int | None:
    """Return the number of the first row that is missing or was changed; None if all is well."""
    number, previous = 0, FIRST_HASH
    async with database.read() as connection:
        rows = await connection.stream(select(audit).order_by(audit.c.number))
        async for row in rows:
            number += 1
            content = {name: row._mapping[name] for name in _COVERED}
            if row.number != number or row.previous_hash != previous:
                return number
            if row.row_hash != _digest(content):
                return number
            previous = row.row_hash
    return None


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
