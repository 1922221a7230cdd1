"""What the worker did step by step: written with its commits, read again by a replay of the day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.store.database import Database
from twin.store.records import AccessCount, AccessStep, Opening, Step
from twin.store.statements import insert
from twin.store.tables_steps import access_count, access_step, opening, step

_AT_ONCE: Final = 500


async def insert_steps(
    connection: AsyncConnection,
    *,
    steps: Sequence[Step] = (),
    openings: Sequence[Opening] = (),
    access: Sequence[AccessStep] = (),
    counts: Sequence[AccessCount] = (),
) -> None:
    """Keep what one commit did; what is there already stays as it is."""
    rows: tuple[tuple[Any, list[dict[str, Any]]], ...] = (
        (step, [one._asdict() | {"begun": int(one.begun)} for one in steps]),
        (opening, [one._asdict() for one in openings]),
        (access_step, [one._asdict() for one in access]),
        (access_count, [one._asdict() for one in counts]),
    )
    for table, values in rows:
        if values:
            await connection.execute(insert(connection, table).on_conflict_do_nothing(), values)


async def newest_step(database: Database) -> Step | None:
    """Return the last step that was kept, None before the first."""
    query = select(step).order_by(step.c.time_us.desc()).limit(1)
    async with database.read() as connection:
        row = (await connection.execute(query)).one_or_none()
    return None if row is None else step_of(row)


async def newest_tick_us(database: Database) -> int:
    """Return the time of the last tick that was kept, 0 before the first."""
    query = select(func.max(step.c.now_us)).where(step.c.kind == "tick")
    async with database.read() as connection:
        return (await connection.execute(query)).scalar_one() or 0


async def opening_before(database: Database, time_us: int) -> Opening | None:
    """Return the last opening with time <= `time_us`; None if there is none."""
    query = select(opening).where(opening.c.time_us <= time_us)
    query = query.order_by(opening.c.time_us.desc()).limit(1)
    return await _opening(database, query)


async def opening_after(database: Database, time_us: int) -> Opening | None:
    """Return the first opening with time > `time_us`; None if there is none."""
    query = select(opening).where(opening.c.time_us > time_us)
    return await _opening(database, query.order_by(opening.c.time_us).limit(1))


async def _opening(database: Database, query: Any) -> Opening | None:
    async with database.read() as connection:
        row = (await connection.execute(query)).one_or_none()
    return None if row is None else Opening(row.time_us, row.map_version, row.state_hash, row.body)


async def steps_between(database: Database, after_us: int, to_us: int) -> AsyncIterator[list[Step]]:
    """Give the steps with after < time <= to in order, some hundred at a time."""
    while True:
        query = select(step).where(step.c.time_us > after_us, step.c.time_us <= to_us)
        query = query.order_by(step.c.time_us).limit(_AT_ONCE)
        async with database.read() as connection:
            rows = (await connection.execute(query)).all()
        if not rows:
            return
        yield [step_of(row) for row in rows]
        after_us = rows[-1].time_us


async def access_steps_between(
    database: Database, after_us: int, to_us: int
) -> dict[int, AccessStep]:
    """Return what is still known of vehicles and rights of steps with after < time <= to."""
    query = select(access_step).where(
        access_step.c.time_us > after_us, access_step.c.time_us <= to_us
    )
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return {row.time_us: AccessStep(*row) for row in rows}


async def counts_between(database: Database, from_us: int, to_us: int) -> list[AccessCount]:
    """Return the counts of the hours that begin at from <= time <= to, in order."""
    query = (
        select(access_count)
        .where(access_count.c.time_us >= from_us, access_count.c.time_us <= to_us)
        .order_by(*access_count.primary_key.columns)
    )
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return sorted(AccessCount(*row) for row in rows)


def step_of(row: Row[Any]) -> Step:
    """Read a step from its row."""
    return Step(**(row._asdict() | {"begun": bool(row.begun)}))
