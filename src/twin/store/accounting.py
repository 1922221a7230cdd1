"""What came in and what became of it, per source and topic."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select

from twin.store.database import Database
from twin.store.records import Tally
from twin.store.tables import tally, tally_reason


async def totals(database: Database) -> tuple[Tally, ...]:
    """Return the counts of every source and topic since the first record, ordered by both."""
    async with database.read() as connection:
        rows = (
            await connection.execute(select(tally).order_by(tally.c.source, tally.c.topic))
        ).all()
        reasons: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        query = select(tally_reason).order_by(tally_reason.c.reason)
        for source, topic, reason, count in await connection.execute(query):
            reasons[source, topic][reason] = count
    return tuple(Tally(**row._mapping, reasons=reasons[row.source, row.topic]) for row in rows)


def balanced(entry: Tally) -> bool:
    """Say whether everything received is accounted for."""
    parts = entry.applied + entry.duplicate + entry.late + entry.rejected
    return entry.received == parts and entry.rejected == sum(entry.reasons.values())
