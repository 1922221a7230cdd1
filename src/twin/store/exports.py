"""Which days were exported, and with how many rows: the audit knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import select

from twin.store import audit
from twin.store.database import Database
from twin.store.history import Digest, Kind
from twin.store.tables import audit as rows_of_audit

_ACT: Final = "history.export"

Exports = Mapping[date, Mapping[Kind, Digest]]


async def note(
    database: Database, day: date, kinds: Mapping[Kind, Digest], *, now_us: int, person: str
) -> None:
    """Remember that a day was exported with these rows."""
    await audit.record(
        database,
        time_us=now_us,
        person=person,
        act=_ACT,
        target=day.isoformat(),
        detail={kind.value: msgspec.to_builtins(digest) for kind, digest in kinds.items()},
    )


async def exported(database: Database) -> Exports:
    """Return the newest export of each day."""
    query = (
        select(rows_of_audit.c.target, rows_of_audit.c.detail)
        .where(rows_of_audit.c.act == _ACT)
        .order_by(rows_of_audit.c.number)
    )
    async with database.read() as connection:
        return {
            date.fromisoformat(target): msgspec.convert(json.loads(detail), dict[Kind, Digest])
            for target, detail in await connection.execute(query)
        }
