"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from twin.store.database import Database


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Name a database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'twin.db'}"


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """Give an embedded database with all tables."""
    database = await Database.open(sqlite_url)
    await database.migrate()
    yield database
    await database.close()
