"""Rows of history from elsewhere, written under their natural keys.

An imported reading has commit number 0: it was before every snapshot of this database, so that no
recovery takes it for one that came after.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, Final

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.store.days import make_days
from twin.store.history import SHAPES, Kind, Rows
from twin.store.statements import insert

_BEFORE_ALL: Final = 0
_ADDED: Final[dict[Kind, dict[str, Any]]] = {
    Kind.OBSERVATION: {"batch": _BEFORE_ALL},
    Kind.MINUTE: {},
    Kind.DECISION: {"newest": False},
    Kind.SCORE: {},
    Kind.STEP: {},
    Kind.OPENING: {},
    Kind.COUNT: {},
}


async def insert_history(
    connection: AsyncConnection, kind: Kind, rows: Rows, *, known_days: set[int]
) -> None:
    """Write rows in the caller's transaction; a key that is there already stays as it is."""
    shape = SHAPES[kind]
    if kind is Kind.OBSERVATION:
        await make_days(connection, np.array([row[0] for row in rows], np.int64), known_days)
    values = [
        dict(zip_longest(shape.columns, shape.stored(row))) | _ADDED[kind]
        for row in rows  # a file of an earlier version lacks the last column
    ]
    await connection.execute(insert(connection, shape.table).on_conflict_do_nothing(), values)
