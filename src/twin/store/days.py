"""The parts of `observation` on PostgreSQL: one a UTC day, made when the first reading comes.

SQLite has one table without parts; there everything here does nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.columns import Ints
from twin.units import SECOND_US

DAY_US: Final = 86_400 * SECOND_US


async def make_days(connection: AsyncConnection, time_us: Ints, known: set[int]) -> set[int]:
    """Make the parts for these times that `known` lacks; return their days since 1970.

    Runs in the caller's transaction. The caller adds them to `known` once that is committed.
    """
    if connection.dialect.name != "postgresql":
        return set()
    wanted = set((time_us // DAY_US).tolist()) - known
    for day in sorted(wanted):
        name = f"observation_{datetime.fromtimestamp(day * 86_400, UTC):%Y%m%d}"
        await connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF observation"
                f" FOR VALUES FROM ({day * DAY_US}) TO ({(day + 1) * DAY_US})"
            )
        )
    return wanted
