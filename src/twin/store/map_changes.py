"""Changes of the map while the service runs: asked, done or refused, and the version in use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.store.database import Database
from twin.store.records import MapChange, MapChangeState
from twin.store.statements import insert
from twin.store.tables_maps import map_change


async def put_changes(connection: AsyncConnection, changes: Sequence[MapChange]) -> None:
    """Write what was asked, or how it ended; one that ended is not changed again."""
    for change in changes:
        values = {
            "id": change.id,
            "version": change.version,
            "before": change.before,
            "person": change.person,
            "reason": change.reason,
            "asked_us": change.asked_us,
            "state": str(change.state),
            "settled_us": change.settled_us,
            "report": json.dumps(change.report, sort_keys=True),
        }
        statement = insert(connection, map_change).values(values)
        ended = {name: values[name] for name in ("state", "before", "settled_us", "report")}
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["id"],
                set_=ended,
                where=map_change.c.state == str(MapChangeState.ASKED),
            )
        )


async def active_version(database: Database) -> str | None:
    """Return the version that was activated last; None before the first change."""
    query = (
        select(map_change.c.version)
        .where(map_change.c.state == str(MapChangeState.DONE))
        .order_by(map_change.c.number.desc())
        .limit(1)
    )
    async with database.read() as connection:
        found: str | None = (await connection.execute(query)).scalar_one_or_none()
        return found


async def asked_changes(database: Database) -> list[MapChange]:
    """Return the changes that are still to be made, in the order of asking."""
    query = (
        select(map_change)
        .where(map_change.c.state == str(MapChangeState.ASKED))
        .order_by(map_change.c.number)
    )
    async with database.read() as connection:
        return [_change(row) for row in await connection.execute(query)]


async def list_changes(database: Database, *, most: int = 100) -> list[MapChange]:
    """Return the newest changes, newest first."""
    query = select(map_change).order_by(map_change.c.number.desc()).limit(most)
    async with database.read() as connection:
        return [_change(row) for row in await connection.execute(query)]


async def find_change(database: Database, change_id: str) -> MapChange | None:
    """Return one change by the id of the act that asked for it."""
    async with database.read() as connection:
        row = (
            await connection.execute(select(map_change).where(map_change.c.id == change_id))
        ).one_or_none()
    return None if row is None else _change(row)


def _change(row: Row[Any]) -> MapChange:
    return MapChange(
        id=row.id,
        version=row.version,
        person=row.person,
        reason=row.reason,
        asked_us=row.asked_us,
        state=MapChangeState(row.state),
        before=row.before,
        settled_us=row.settled_us,
        report=json.loads(row.report),
    )
