"""Numbers of commits, and the snapshots of live state that stand at them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.log.contract import Place
from twin.store.database import Database
from twin.store.records import Snapshot
from twin.store.tables import batch as batch_table
from twin.store.tables import partition_offset, snapshot

KEPT_SNAPSHOTS: Final = 3
_TIDY_EVERY: Final = 256


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot with where it stands: after commit `batch`, at `positions` of the log."""

    snapshot: Snapshot
    batch: int
    positions: dict[Place, int]


async def next_number(connection: AsyncConnection) -> int:
    """Take the next commit's number, in the caller's transaction."""
    taken = await connection.execute(batch_table.insert().returning(batch_table.c.id))
    number = int(taken.scalar_one())
    if number % _TIDY_EVERY == 0:
        await connection.execute(delete(batch_table).where(batch_table.c.id < number))
    return number


async def insert_snapshot(
    connection: AsyncConnection, entry: Snapshot, *, batch: int, moved: Mapping[Place, int]
) -> None:
    """Keep a snapshot at all positions as they will be once `moved` is applied; drop old ones."""
    rows = await connection.execute(select(partition_offset))
    positions = {Place(row.topic, row.partition): row.next_offset for row in rows} | dict(moved)
    added = await connection.execute(
        snapshot.insert()
        .values(
            map_version=entry.map_version,
            time_us=entry.time_us,
            state_hash=entry.state_hash,
            batch=batch,
            positions=json.dumps([[*place, end] for place, end in sorted(positions.items())]),
            body=entry.body,
        )
        .returning(snapshot.c.id)
    )
    newest = select(snapshot.c.id).where(snapshot.c.map_version == entry.map_version)
    oldest_kept = newest.order_by(snapshot.c.id.desc()).limit(1).offset(KEPT_SNAPSHOTS - 1)
    await connection.execute(
        delete(snapshot)
        .where(snapshot.c.map_version == entry.map_version)
        .where(snapshot.c.id <= added.scalar_one())
        .where(snapshot.c.id < oldest_kept.scalar_subquery())
    )


async def newest_version(database: Database) -> str | None:
    """Return the map version of the newest snapshot of all; None where there is none."""
    query = select(snapshot.c.map_version).order_by(snapshot.c.id.desc()).limit(1)
    async with database.read() as connection:
        found: str | None = (await connection.execute(query)).scalar_one_or_none()
        return found


async def newest_snapshot(database: Database, map_version: str) -> StoredSnapshot | None:
    """Return the newest snapshot that was made on this map version."""
    async with database.read() as connection:
        row = (
            await connection.execute(
                select(snapshot)
                .where(snapshot.c.map_version == map_version)
                .order_by(snapshot.c.id.desc())
                .limit(1)
            )
        ).one_or_none()
    if row is None:
        return None
    return StoredSnapshot(
        snapshot=Snapshot(row.map_version, row.time_us, row.state_hash, row.body),
        batch=row.batch,
        positions={
            Place(topic, partition): end for topic, partition, end in json.loads(row.positions)
        },
    )
