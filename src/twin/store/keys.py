"""What the next batch is judged against: keys of accepted events, and how far event time has come.

Readings have their keys in `observation`; everything else has them here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.log.contract import Place
from twin.store.database import Database
from twin.store.records import EventKey
from twin.store.statements import insert
from twin.store.tables import event_key, watermark

_ASKED_AT_ONCE: Final = 500


async def insert_event_keys(connection: AsyncConnection, keys: Sequence[EventKey]) -> None:
    """Keep keys, in the caller's transaction; one that is there already stays as it is."""
    if keys:
        rows = [key._asdict() for key in keys]
        await connection.execute(insert(connection, event_key).on_conflict_do_nothing(), rows)


async def move_watermarks(connection: AsyncConnection, watermarks: Mapping[Place, int]) -> None:
    """Set the watermarks of the partitions that moved, in the caller's transaction."""
    if not watermarks:
        return
    statement = insert(connection, watermark)
    statement = statement.on_conflict_do_update(
        index_elements=["topic", "partition"], set_={"time_us": statement.excluded.time_us}
    )
    rows = [
        {"topic": place.topic, "partition": place.partition, "time_us": time_us}
        for place, time_us in sorted(watermarks.items())
    ]
    await connection.execute(statement, rows)


async def known_events(database: Database, topic: str, keys: Sequence[str]) -> dict[str, int]:
    """Return the content hash of those keys of a topic that were accepted before."""
    found: dict[str, int] = {}
    asked = sorted(set(keys))
    async with database.read() as connection:
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            part = asked[start : start + _ASKED_AT_ONCE]
            rows = await connection.execute(
                select(event_key.c.key, event_key.c.content)
                .where(event_key.c.topic == topic)
                .where(event_key.c.key.in_(part))
            )
            found.update({row.key: row.content for row in rows})
    return found


async def stored_watermarks(database: Database) -> dict[Place, int]:
    """Return how far event time had come in each partition at the last commit."""
    async with database.read() as connection:
        rows = await connection.execute(select(watermark))
        return {Place(row.topic, row.partition): row.time_us for row in rows}
