"""Vehicles at gates, by tokens, for as long as they may be kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, select, tuple_

from twin.columns import PassageFact
from twin.store.database import Database
from twin.store.tables import passage

_ASKED_AT_ONCE: Final = 500


async def passages_between(
    database: Database, from_us: int, to_us: int, *, limit: int = 10_000
) -> list[PassageFact]:
    """Return passages with from_us <= time <= to_us, newest first."""
    query = (
        select(passage)
        .where(passage.c.time_us >= from_us, passage.c.time_us <= to_us)
        .order_by(passage.c.time_us.desc(), passage.c.gate, passage.c.id)
        .limit(limit)
    )
    async with database.read() as connection:
        return [_fact(row) for row in await connection.execute(query)]


async def passages_of(
    database: Database, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], PassageFact]:
    """Return the passages with these (gate, id); those that are gone are absent."""
    found = {}
    async with database.read() as connection:
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            part = list(keys[start : start + _ASKED_AT_ONCE])
            query = select(passage).where(tuple_(passage.c.gate, passage.c.id).in_(part))
            for row in await connection.execute(query):
                found[row.gate, row.id] = _fact(row)
    return found


def _fact(row: Row[Any]) -> PassageFact:
    return PassageFact(
        id=row.id,
        gate=row.gate,
        time_us=row.time_us,
        inbound=row.inbound,
        token=row.token,
        candidates=tuple(json.loads(row.candidates)),
        country=row.country,
        confidence=row.confidence,
        track=row.track,
        sealed=row.sealed,
        payload_hash=row.payload_hash,
    )
