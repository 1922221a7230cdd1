"""Decisions as they were kept: the open ones, lists of the newest, the life of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import func, or_, select

from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.store.database import Database
from twin.store.tables import decision

OPEN_STATES: Final = frozenset(
    {
        DecisionState.PROPOSED,
        DecisionState.APPROVED,
        DecisionState.DECIDED,
        DecisionState.ISSUED,
        DecisionState.ACKNOWLEDGED,
    }
)

_decoder = msgspec.json.Decoder(DecisionEvent)
_NEWEST_FIRST: Final = (decision.c.time_us.desc(), decision.c.id, decision.c.version.desc())


async def open_decisions(
    database: Database, now_us: int | None = None
) -> tuple[DecisionEvent, ...]:
    """Return the newest version of every decision that is still open, oldest first.

    With `now_us`, those whose lease and expiry have both passed are left out.
    """
    query = (
        select(decision.c.body)
        .where(decision.c.newest, decision.c.state.in_(sorted(OPEN_STATES)))
        .order_by(decision.c.time_us, decision.c.id)
    )
    if now_us is not None:
        query = query.where(or_(decision.c.until_us.is_(None), decision.c.until_us > now_us))
    async with database.read() as connection:
        return tuple(_decoder.decode(body) for (body,) in await connection.execute(query))


async def list_decisions(
    database: Database,
    *,
    kind: DecisionKind | None = None,
    state: str = "all",
    limit: int = 100,
) -> tuple[DecisionEvent, ...]:
    """Return the newest versions, newest first. `state` is `open`, `all` or one state's name."""
    query = select(decision.c.body).where(decision.c.newest).order_by(*_NEWEST_FIRST).limit(limit)
    if kind is not None:
        query = query.where(decision.c.kind == kind.value)
    if state == "open":
        query = query.where(decision.c.state.in_(sorted(OPEN_STATES)))
    elif state != "all":
        query = query.where(decision.c.state == state)
    async with database.read() as connection:
        return tuple(_decoder.decode(body) for (body,) in await connection.execute(query))


async def history(database: Database, decision_id: str) -> tuple[DecisionEvent, ...]:
    """Return every version of one decision, first to last; empty if there is none."""
    query = select(decision.c.body).where(decision.c.id == decision_id).order_by(decision.c.version)
    async with database.read() as connection:
        return tuple(_decoder.decode(body) for (body,) in await connection.execute(query))


async def made_us(database: Database, ids: Iterable[str]) -> dict[str, int]:
    """Return when the first version of each of these decisions was made; unknown ids are absent."""
    query = select(decision.c.id, decision.c.time_us).where(
        decision.c.version == 1, decision.c.id.in_(sorted(set(ids)))
    )
    async with database.read() as connection:
        return {row[0]: row[1] for row in await connection.execute(query)}


async def made_since(
    database: Database, kind: DecisionKind, from_us: int
) -> tuple[DecisionEvent, ...]:
    """Return the first versions of a kind that were made at or after a moment, oldest first."""
    query = (
        select(decision.c.body)
        .where(decision.c.kind == kind.value, decision.c.version == 1)
        .where(decision.c.time_us >= from_us)
        .order_by(decision.c.time_us, decision.c.id)
    )
    async with database.read() as connection:
        return tuple(_decoder.decode(body) for (body,) in await connection.execute(query))


async def made_between(
    database: Database, first_us: int, last_us: int
) -> tuple[DecisionEvent, ...]:
    """Return every version that was made with first <= time <= last, oldest first."""
    query = (
        select(decision.c.body)
        .where(decision.c.time_us >= first_us, decision.c.time_us <= last_us)
        .order_by(decision.c.time_us, decision.c.id, decision.c.version)
    )
    async with database.read() as connection:
        return tuple(_decoder.decode(body) for (body,) in await connection.execute(query))


async def counts(database: Database) -> tuple[tuple[str, str, int], ...]:
    """Return how many decisions of each kind stand in each state: (kind, state, number)."""
    query = (
        select(decision.c.kind, decision.c.state, func.count())
        .where(decision.c.newest)
        .group_by(decision.c.kind, decision.c.state)
        .order_by(decision.c.kind, decision.c.state)
    )
    async with database.read() as connection:
        return tuple((row[0], row[1], row[2]) for row in await connection.execute(query))
