"""The schema on both engines: made by migrations, equal to the tables, checked by version."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection

from store_samples import READ, observations
from twin.errors import SettingsError
from twin.store import schema
from twin.store.commit import assign, write_commit
from twin.store.database import Database
from twin.store.records import Commit
from twin.store.tables import metadata

GIST = "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%USING gist%' ORDER BY indexname"
SPATIAL = ["ix_map_link_geom", "ix_map_node_geom", "ix_map_point_geom"]


def differences(connection: Connection) -> list[object]:
    """Return what a migration would have to change to get from the database to the tables."""

    def ours(item: object, name: str | None, kind: str, *_rest: object) -> bool:
        del item
        if kind == "index" and connection.dialect.name == "sqlite":
            return name not in SPATIAL  # declared for PostgreSQL only
        return kind != "table" or name in metadata.tables

    options = {"include_object": ours, "compare_type": connection.dialect.name == "sqlite"}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, metadata))


async def test_migrations_make_the_tables_on_sqlite(sqlite_database: Database) -> None:
    """Nothing is missing and nothing is left over."""
    async with sqlite_database.read() as connection:
        assert await connection.run_sync(differences) == []


@pytest.mark.postgis
async def test_migrations_make_the_tables_on_postgis(postgis_database: Database) -> None:
    """Nothing is missing and nothing is left over."""
    async with postgis_database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_twice_changes_nothing(sqlite_url: str) -> None:
    """A database at the newest version is left alone."""
    database = await Database.open(sqlite_url)
    await database.migrate()
    await database.migrate()
    await database.check_version()
    await database.close()


async def test_a_wrong_version_stops_in_one_line(sqlite_database: Database) -> None:
    """The message names the file, the version found, the version needed and what to do."""
    async with sqlite_database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError) as caught:
        await sqlite_database.check_version()
    message = str(caught.value)
    assert "has schema version 9999, which this program (up to " in message
    assert "newer program" in message
    assert str(sqlite_database.path) in message
    assert "\n" not in message


async def test_an_empty_database_says_so(sqlite_url: str) -> None:
    """Without tables the message says that, not a version of None."""
    database = await Database.open(sqlite_url)
    with pytest.raises(SettingsError, match="has no tables of twin yet"):
        await database.check_version()
    await database.close()


@pytest.mark.postgis
async def test_the_spatial_index_exists_after_sqlite_came_first(
    postgis_url: str, tmp_path: Path
) -> None:
    """Making the same tables on SQLite in the same process does not take PostGIS its index."""
    embedded = create_engine(f"sqlite:///{tmp_path / 'first.db'}")
    metadata.create_all(embedded)
    embedded.dispose()
    database = await Database.open(postgis_url)
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
        assert list((await connection.execute(text(GIST))).scalars()) == SPATIAL
    await database.close()


@pytest.mark.postgis
async def test_the_spatial_index_exists_after_migration(postgis_database: Database) -> None:
    """The migration makes it too, and the column is PostGIS geometry in WGS84."""
    async with postgis_database.read() as connection:
        assert list((await connection.execute(text(GIST))).scalars()) == SPATIAL
        kinds = await connection.execute(
            text("SELECT type, srid FROM geometry_columns WHERE f_table_name = 'map_link'")
        )
        assert [tuple(row) for row in kinds] == [("LINESTRING", 4326)]


@pytest.mark.postgis
async def test_history_has_one_part_a_day(postgis_database: Database) -> None:
    """Readings of two days stand in two parts, each with its BRIN index on time."""
    _, epochs = await assign(postgis_database, [READ], "worker")
    written = observations(30, step_us=3_600_000_000)
    await write_commit(
        postgis_database, Commit(epochs=epochs, positions={READ: 30}, observations=written)
    )
    async with postgis_database.read() as connection:
        rows = await connection.execute(
            text("SELECT tableoid::regclass::text, count(*) FROM observation GROUP BY 1 ORDER BY 1")
        )
        assert [tuple(row) for row in rows] == [
            ("observation_20260616", 24),
            ("observation_20260617", 6),
        ]
        brin = await connection.execute(
            text("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%USING brin (time_us)%'")
        )
        assert brin.scalar_one() >= 2


def test_there_is_one_newest_migration() -> None:
    """Two heads would make the version of a database ambiguous."""
    assert schema.needed() is not None
