"""Tells a statement that the database refuses from a database that is away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

import asyncpg
from sqlalchemy import exc

_STATES: Final = ("21", "22", "23", "42")
"""Classes of SQLSTATE that blame the statement: cardinality, data, integrity, syntax and names."""
_OURS: Final = (
    exc.DataError,
    exc.IntegrityError,
    exc.ProgrammingError,
    exc.NotSupportedError,
    exc.ArgumentError,
    exc.CompileError,
    exc.NoResultFound,
    exc.MultipleResultsFound,
    asyncpg.DataError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
)
_AWAY: Final = (
    exc.OperationalError,
    exc.DisconnectionError,
    OSError,  # TimeoutError is one
    asyncpg.InternalClientError,
    sqlite3.OperationalError,
)


def is_refusal(error: BaseException) -> bool:
    """Say whether an error is about what a statement says: trying again gives it again."""
    chain = list(_causes(error))
    if any(isinstance(one, exc.DBAPIError) and one.connection_invalidated for one in chain):
        return False
    for one in reversed(chain):  # the driver's own word first: SQLAlchemy folds many into few
        if isinstance(one, asyncpg.PostgresError):
            return (one.sqlstate or "").startswith(_STATES)
        if isinstance(one, _AWAY) or "closed" in str(one):
            return False
        if isinstance(one, _OURS):
            return True
    return isinstance(error, exc.StatementError) and not isinstance(error, exc.DBAPIError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what SQLAlchemy and its driver layer wrapped."""
    one: BaseException | None = error
    for _ in range(5):
        if one is None:
            return
        yield one
        one = getattr(one, "orig", None) or one.__cause__
