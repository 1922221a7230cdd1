"""The parts of `observation` on PostgreSQL: one a UTC day, made ahead or with the first reading.

SQLite has one table without parts; there everything here does nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.columns import Ints
from twin.units import SECOND_US

DAY_US: Final = 86_400 * SECOND_US
AHEAD_DAYS: Final = 3
_MAKING_DAYS: Final = 0x7477_696E_0001  # any number that no other lock of ours has


async def make_days(connection: AsyncConnection, time_us: Ints, known: set[int]) -> set[int]:
    """Make the parts for these times that `known` lacks; return their days since 1970.

    Runs in the caller's transaction. The caller adds them to `known` once that is committed.
    """
    if connection.dialect.name != "postgresql":
        return set()
    wanted = set((time_us // DAY_US).tolist()) - known
    if wanted:  # two workers that make the same day at once would refuse each other
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MAKING_DAYS})"))
    for day in sorted(wanted):
        await connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {part_of(day)} PARTITION OF observation"
                f" FOR VALUES FROM ({day * DAY_US}) TO ({(day + 1) * DAY_US})"
            )
        )
    return wanted


async def make_ahead(connection: AsyncConnection, now_us: int, known: set[int]) -> set[int]:
    """Make the parts of today and the next days, so that midnight finds them; as `make_days`."""
    ahead_us = now_us + np.arange(AHEAD_DAYS + 1, dtype=np.int64) * DAY_US
    return await make_days(connection, ahead_us, known)


def part_of(day: int) -> str:
    """Return the name of the part of a day, counted since 1970."""
    return f"observation_{datetime.fromtimestamp(day * 86_400, UTC):%Y%m%d}"
