"""What goes wrong with a database arrives as one line that names it."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy.exc
from broker import free_port
from sqlalchemy import text

from store_samples import READ, a_commit, everything
from twin.errors import BackendError, SettingsError, StoreError
from twin.store.commit import assign, write_commit
from twin.store.database import Database

PLAIN = (sqlalchemy.exc.StatementError, sqlalchemy.exc.UnsupportedCompilationError)


def made(kind: type[Exception]) -> Exception:
    """Make an error of a kind; those whose constructor wants more get what a driver gives."""
    if issubclass(kind, sqlalchemy.exc.StatementError):
        driver = ValueError if kind in PLAIN else getattr(sqlite3, kind.__name__, sqlite3.Error)
        cause = driver("something is wrong")
        return kind("something is wrong", "SELECT 1", {}, cause)
    try:
        return kind("something is\nwrong")
    except TypeError:
        error = kind.__new__(kind)
        error.args = ("something is wrong",)
        return error


def errors_of(module: Any, root: type[Exception]) -> list[type[Exception]]:
    """Return every error class of a module that derives from `root`."""
    found = [kind for _, kind in inspect.getmembers(module, inspect.isclass)]
    return [kind for kind in found if issubclass(kind, root)]


SQLALCHEMY = errors_of(sqlalchemy.exc, sqlalchemy.exc.SQLAlchemyError)
POSTGRES = errors_of(asyncpg.exceptions, asyncpg.PostgresError)
CLIENT = [asyncpg.InterfaceError, asyncpg.InternalClientError, sqlite3.OperationalError]
SYSTEM = [ConnectionRefusedError, ConnectionResetError, BrokenPipeError, TimeoutError]


REFUSED = {
    "StatementError",
    "DataError",
    "IntegrityError",
    "ProgrammingError",
    "NotSupportedError",
    "NoResultFound",
    "MultipleResultsFound",
}


def blames_the_statement(kind: type[Exception]) -> bool:
    """Say whether trying again would only raise the same error again."""
    if issubclass(kind, asyncpg.PostgresError):
        return str(getattr(kind, "sqlstate", ""))[:2] in {"21", "22", "23", "42"}
    roots = (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.CompileError)
    return issubclass(kind, roots) or kind.__name__ in REFUSED


async def test_every_error_is_mapped(sqlite_database: Database) -> None:
    """What the statement is to blame for is a StoreError, whatever else a BackendError."""
    for kind in [*SQLALCHEMY, *POSTGRES, *CLIENT, *SYSTEM]:
        error = made(kind)
        expected = StoreError if blames_the_statement(kind) else BackendError
        with pytest.raises(expected) as caught:
            async with sqlite_database.read():
                raise error
        assert caught.value.__cause__ is error, kind
        message = str(caught.value)
        assert "\n" not in message, kind
        assert str(sqlite_database.path) in message, kind


async def test_a_refused_statement_is_no_server_that_is_away(sqlite_database: Database) -> None:
    """A row that breaks a rule of its table is refused once and not tried again for ever."""

    async def insert() -> None:
        async with sqlite_database.write() as connection:
            await connection.execute(text("INSERT INTO tally VALUES ('a', 'b', 0, 0, 0, 0, 0, 0)"))

    await insert()
    with pytest.raises(StoreError, match=r"UNIQUE constraint failed"):
        await insert()


@pytest.mark.parametrize("cause", [ConnectionResetError("gone"), TimeoutError()])
async def test_a_lost_connection_inside_a_statement_is_away(
    sqlite_database: Database, cause: Exception
) -> None:
    """SQLAlchemy wraps what happens before a statement is sent; the cause decides."""
    with pytest.raises(BackendError):
        async with sqlite_database.read():
            raise sqlalchemy.exc.StatementError("lost", "SELECT 1", {}, cause)


async def test_a_text_that_postgresql_refuses_is_a_refusal(sqlite_database: Database) -> None:
    """SQLAlchemy makes a plain DBAPIError of NUL in a text: the state of SQL tells."""
    cause = asyncpg.CharacterNotInRepertoireError("invalid byte sequence: 0x00")
    driver = sqlite3.Error("wrapped by the driver layer")
    driver.__cause__ = cause
    with pytest.raises(StoreError):
        async with sqlite_database.read():
            raise sqlalchemy.exc.DBAPIError("INSERT", {}, driver)


def test_the_walk_found_the_errors() -> None:
    """The lists above are not empty by accident."""
    assert len(SQLALCHEMY) > 30
    assert len(POSTGRES) > 100


async def test_our_own_errors_pass(sqlite_database: Database) -> None:
    """A ValueError of the caller stays what it is."""
    with pytest.raises(ValueError, match="mine"):
        async with sqlite_database.write():
            raise ValueError("mine")


async def test_no_server_names_host_and_port() -> None:
    """A refused connection says where to, without the password."""
    port = free_port()
    with pytest.raises(BackendError) as caught:
        await Database.open(f"postgresql://ada:secret@127.0.0.1:{port}/city")
    message = str(caught.value)
    assert message.startswith(f"PostgreSQL 127.0.0.1:{port}/city: ")
    assert "secret" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "url", ["mysql://a:b@host/db", "sqlite://", "postgresql+psycopg://a:b@h/d", "nothing", ""]
)
async def test_other_urls_are_refused(url: str) -> None:
    """Only the two forms that the settings describe are taken."""
    with pytest.raises(SettingsError, match="must be sqlite:///FILE or postgresql://"):
        await Database.open(url)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """SQLite's own words do not say what is missing."""
    folder = tmp_path / "nowhere"
    with pytest.raises(BackendError, match=f"the folder {folder} does not exist"):
        await Database.open(f"sqlite:///{folder / 'twin.db'}")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """Another file at the place of the database is not touched."""
    path = tmp_path / "twin.db"
    path.write_bytes(b"a letter to a friend" * 100)
    with pytest.raises(BackendError, match=f"{path}: is not an SQLite database"):
        await Database.open(f"sqlite:///{path}")
    assert path.read_bytes() == b"a letter to a friend" * 100


@pytest.fixture
async def small_database(sqlite_database: Database) -> Database:
    """Give a database on a disk that is full, as SQLite sees it: its file may not grow."""
    await assign(sqlite_database, [READ], "worker")
    engine = sqlite_database._engine

    def limit(connection: Any) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    async with engine.connect() as connection:
        await connection.run_sync(limit)
    return sqlite_database


async def test_a_full_disk_is_named_and_nothing_is_kept(small_database: Database) -> None:
    """A commit that does not fit is rolled back; the message says that the disk is full."""
    before = await everything(small_database)
    body = b"x" * 5_000_000
    commit = a_commit({READ: 1}, end=10)
    letter = commit.dead_letters[0]
    object.__setattr__(letter, "payload", body)
    with pytest.raises(BackendError, match="the disk is full"):
        await write_commit(small_database, commit)
    assert await everything(small_database) == before


async def test_a_file_that_may_not_be_written_is_named(sqlite_database: Database) -> None:
    """Where writing is refused, the message says so (by a pragma: root may write everywhere)."""
    async with sqlite_database._engine.connect() as connection:
        await connection.execute(text("PRAGMA query_only = ON"))
    with pytest.raises(BackendError, match="is read-only"):
        await assign(sqlite_database, [READ], "worker")


async def test_writers_of_one_process_take_turns(sqlite_database: Database) -> None:
    """Twenty writers at once all succeed, each seeing what the one before left."""
    async with sqlite_database.write() as connection:
        await connection.execute(text("INSERT INTO tally VALUES ('a', 'b', 0, 0, 0, 0, 0, 0)"))

    async def add() -> None:
        async with sqlite_database.write() as connection:
            found = await connection.execute(text("SELECT received FROM tally"))
            await asyncio.sleep(0)
            await connection.execute(
                text("UPDATE tally SET received = :value"), {"value": found.scalar_one() + 1}
            )

    await asyncio.gather(*(add() for _ in range(20)))
    async with sqlite_database.read() as connection:
        assert (await connection.execute(text("SELECT received FROM tally"))).scalar_one() == 20


@pytest.mark.parametrize(
    ("name", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 15_000)],
)
async def test_the_file_is_set_to_be_durable(
    sqlite_database: Database, name: str, value: object
) -> None:
    """WAL with full synchronisation: what was committed survives a power cut."""
    async with sqlite_database.read() as connection:
        found = await connection.execute(text(f"PRAGMA {name}"))
        assert found.scalar_one() == value
