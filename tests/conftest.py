"""Fixtures that every test may use: an embedded database, and the real servers.

The servers start when the first test asks for them and run until the end of the session. Where
one cannot run, its tests are skipped with the reason; with CI=true that fails instead.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import broker
import postgis
import pytest
from broker import Broker, run_apart
from hypothesis import settings
from postgis import Server

from real_parts import require
from twin.store.database import Database

pytest_plugins = ["room_times"]

settings.register_profile("twin", deadline=None, derandomize=True)  # no test measures time
settings.load_profile("twin")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Name a database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'twin.db'}"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an SQLite file with all tables, to be copied: that is ten times as quick."""
    path = tmp_path_factory.mktemp("migrated") / "twin.db"
    run_apart(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_ready_url(sqlite_url: str, migrated_file: Path) -> str:
    """Name an embedded database that has all tables."""
    shutil.copyfile(migrated_file, sqlite_url.removeprefix("sqlite:///"))
    return sqlite_url


@pytest.fixture
async def sqlite_database(sqlite_ready_url: str) -> AsyncIterator[Database]:
    """Give an embedded database with all tables."""
    database = await Database.open(sqlite_ready_url)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Give a folder that a server under another user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="twin-servers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_broker(servers_folder: Path) -> Iterator[Broker]:
    """Give the broker that all tests of the session share. Do not kill this one."""
    require(broker.missing())
    server = Broker(servers_folder / "kafka")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_broker: Broker) -> str:
    """Give HOST:PORT of the session's broker. Use a topic prefix of your own."""
    return kafka_broker.bootstrap


@pytest.fixture
def topic_prefix() -> str:
    """Give a prefix for topics that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest.fixture
def lone_broker(servers_folder: Path) -> Iterator[Broker]:
    """Give a started broker of the test's own, to be killed (`kill`) and started again (`start`).

    Both block: in an async test call them by `asyncio.to_thread`.
    """
    require(broker.missing())
    server = Broker(servers_folder / f"kafka-{uuid.uuid4().hex[:8]}")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgis_server(servers_folder: Path) -> Iterator[Server]:
    """Give the PostgreSQL server that all tests of the session share. Do not kill this one."""
    require(postgis.missing())
    server = Server(servers_folder / "postgis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgis_url(postgis_server: Server) -> Iterator[str]:
    """Give the URL of an empty database with PostGIS, for this test alone."""
    name = f"t{uuid.uuid4().hex[:12]}"
    yield postgis_server.create(name)
    postgis_server.drop(name)


@pytest.fixture(scope="session")
def migrated_postgis(postgis_server: Server) -> str:
    """Name a database of the session's server that has all tables, to be copied."""
    run_apart(migrate(postgis_server.create("migrated")))
    return "migrated"


@pytest.fixture
def postgis_ready_url(postgis_server: Server, migrated_postgis: str) -> Iterator[str]:
    """Give the URL of a PostGIS database that has all tables, for this test alone."""
    name = f"t{uuid.uuid4().hex[:12]}"
    yield postgis_server.create(name, template=migrated_postgis)
    postgis_server.drop(name)


@pytest.fixture
async def postgis_database(postgis_ready_url: str) -> AsyncIterator[Database]:
    """Give a PostGIS database with all tables."""
    database = await Database.open(postgis_ready_url)
    yield database
    await database.close()


@pytest.fixture
def lone_postgis(servers_folder: Path) -> Iterator[Server]:
    """Give a started PostgreSQL server of the test's own, to be killed and started again."""
    require(postgis.missing())
    server = Server(servers_folder / f"postgis-{uuid.uuid4().hex[:8]}")
    server.start()
    yield server
    server.stop()


async def migrate(url: str) -> None:
    """Make all tables in an empty database."""
    database = await Database.open(url)
    await database.migrate()
    await database.close()


@pytest.fixture(scope="session")
def city_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the practice city with its SUMO files, made once; who changes a file puts it back."""
    from sumo_city import make_city  # the programs of SUMO are looked for only where they are used

    return make_city(tmp_path_factory.mktemp("city"))
