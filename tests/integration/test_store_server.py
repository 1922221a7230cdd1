"""The store when PostgreSQL dies in between and comes back; and its speed on a week of readings."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from postgis import Server
from sqlalchemy import text

from store_samples import READ, a_commit, everything
from twin.columns import ReadingBatch
from twin.errors import BackendError
from twin.store.commit import assign, write_commit
from twin.store.database import Database
from twin.store.observations import known_keys
from twin.store.records import Commit, Observations

pytestmark = pytest.mark.postgis


async def test_a_server_that_dies_is_named_and_the_commit_is_repeated(
    lone_postgis: Server,
) -> None:
    """While it is away each try says so; afterwards the same commit is stored once."""
    url = await asyncio.to_thread(lone_postgis.create, "city")
    database = await Database.open(url)
    await database.migrate()
    _, epochs = await assign(database, [READ], "worker")
    await write_commit(database, a_commit(epochs, end=10))
    before = await everything(database)
    await asyncio.to_thread(lone_postgis.kill)
    commit = a_commit(epochs, end=20, first=3)
    for _ in range(2):
        with pytest.raises(BackendError, match=f"PostgreSQL 127.0.0.1:{lone_postgis.port}/city: "):
            await write_commit(database, commit)
    await asyncio.to_thread(lone_postgis.start)
    assert await everything(database) == before
    assert await write_commit(database, commit) is True
    assert await write_commit(database, commit) is False
    await database.close()


async def test_a_connection_that_breaks_inside_a_commit_leaves_nothing(
    postgis_database: Database,
) -> None:
    """The server ends the session in the middle: BackendError, and no row of the commit."""
    _, epochs = await assign(postgis_database, [READ], "worker")
    before = await everything(postgis_database)
    with pytest.raises(BackendError, match="PostgreSQL"):
        await break_own_connection(postgis_database)
    assert await everything(postgis_database) == before
    assert await write_commit(postgis_database, a_commit(epochs, end=10)) is True


async def break_own_connection(database: Database) -> None:
    """Write a row, have the server end this session, write again."""
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO batch DEFAULT VALUES"))
        own = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with database.write() as other:
            await other.execute(text("SELECT pg_terminate_backend(:own)"), {"own": own})
        await connection.execute(text("INSERT INTO batch DEFAULT VALUES"))


async def test_a_full_batch_is_known_again(postgis_database: Database) -> None:
    """Ten thousand readings of 207 sensors over two days go in by COPY and are all found again."""
    count = 10_000
    ids = [f"s{number}" for number in range(207)]
    numbers = np.arange(count)
    batch = ReadingBatch(
        sensor=(numbers % 207).astype(np.int32),
        time_us=1_781_568_000_000_000 + numbers // 207 * 3_600_000_000,
        period_ms=np.full(count, 300_000),
        count=np.full(count, np.nan),
        speed_mps=numbers.astype(np.float64),
        occupancy_frac=np.full(count, np.nan),
    )
    _, epochs = await assign(postgis_database, [READ], "worker")
    late = np.zeros(count, np.bool_)
    entries = Observations(batch, ids, [str(number) for number in numbers], late, numbers)
    commit = Commit(epochs=epochs, positions={READ: count}, observations=entries)
    assert await write_commit(postgis_database, commit) is True
    known, content = await known_keys(postgis_database, ids, batch)
    assert known.all()
    assert content.tolist() == numbers.tolist()
    async with postgis_database.read() as connection:
        empty = await connection.execute(
            text("SELECT count(*) FROM observation WHERE count IS NULL AND speed_mps IS NOT NULL")
        )
        assert empty.scalar_one() == count
