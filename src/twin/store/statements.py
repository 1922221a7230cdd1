"""The one word in which the two dialects differ in every table: INSERT … ON CONFLICT."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def insert(connection: AsyncConnection, table: Table) -> postgresql.Insert:
    """Start an INSERT that may go on with `on_conflict_do_nothing` or `…_do_update`."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    # SQLite's class has the same two methods but no common type with PostgreSQL's.
    return cast("postgresql.Insert", sqlite.insert(table))
