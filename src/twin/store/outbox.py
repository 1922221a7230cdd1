"""What is still to be published (`ingest/relay.py` does it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, tuple_

from twin.log.contract import Place
from twin.store.database import Database
from twin.store.records import Outgoing
from twin.store.tables import outbox


class Pending(NamedTuple):
    """A record of the outbox; `id` rises in the order of publication, `key` is its alone."""

    id: int
    key: str
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Share:
    """Whose records one relay publishes: those of `places`, or all but those of a topic.

    Each record must be one relay's alone, or two of them would mix up its order.
    """

    places: frozenset[Place] | None = None
    without_topic: str = ""

    def condition(self) -> ColumnElement[bool]:
        """Return what must hold of a row."""
        if self.places is not None:
            columns = tuple_(outbox.c.topic, outbox.c.partition)
            return columns.in_([tuple(place) for place in sorted(self.places)])
        return outbox.c.topic != self.without_topic


EVERYTHING: Final = Share()


async def pending(
    database: Database, limit: int = 1000, *, share: Share = EVERYTHING
) -> list[Pending]:
    """Return the oldest records of a share that are still to be published."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(outbox).where(share.condition()).order_by(outbox.c.id).limit(limit)
        )
        return [
            Pending(
                row.id,
                row.key,
                Outgoing(Place(row.topic, row.partition), row.value, row.arrival_us),
            )
            for row in rows
        ]


async def count_pending(database: Database) -> int:
    """Return how many records are still to be published."""
    async with database.read() as connection:
        counted = await connection.execute(select(func.count()).select_from(outbox))
        return int(counted.scalar_one())


async def done(database: Database, keys: Sequence[str]) -> None:
    """Take published records out, by key: SQLite gives the number of a row that went to another."""
    if not keys:
        return
    async with database.write() as connection:
        await connection.execute(delete(outbox).where(outbox.c.key.in_(list(keys))))
