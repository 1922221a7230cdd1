"""The connection to the database, PostgreSQL or SQLite, and how its errors reach us.

Everything that a driver, SQLAlchemy or the system raises in here leaves in one line that names the
server or the file: as StoreError what the statement itself is to blame for (`refusals.py`), as
BackendError everything else.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, Self

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from twin.errors import BackendError, Fault, SettingsError, StoreError
from twin.log.sqlite import PRAGMAS, plain_reason, writer_lock
from twin.store import schema
from twin.store.refusals import is_refusal

_CONNECT_S: Final = 5.0
_IDLE_S: Final = 5.0
"""A process that sleeps, or lost its power, in the middle of a transaction holds locks so long."""
_STATEMENT_S: Final = 60.0
_POOL_S: Final = 30.0
_MIGRATE_S: Final = 120.0
_MIGRATING: Final = 0x7477_696E_0002  # any number that no other lock of ours has


class Database:
    """One database. `write` gives a transaction that is committed at the end of the block."""

    def __init__(self, url: URL, engine: AsyncEngine) -> None:
        """Take an engine; `open` makes it."""
        self._url = url
        self._engine = engine
        self._writer = engine.execution_options(twin_write=True)
        self.dialect = url.get_backend_name()
        self._reader = engine
        if self.dialect == "postgresql":  # SQLite reads one state by itself
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ")
        self.path = Path(url.database or "") if self.dialect == "sqlite" else None
        self.known_days: set[int] = set()  # days of `observation` known to exist (`days.py`)

    @classmethod
    def at(cls, url: str) -> Self:
        """Know where the database is without connecting: the first use does, and may fail."""
        parsed = _parsed(url)
        return cls(parsed, _engine(parsed))

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect to `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`.

        Raises BackendError when the server or the file cannot be reached, SettingsError when the
        text names neither.
        """
        database = cls.at(url)
        try:
            async with database.read() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except BaseException:
            await database.close()
            raise
        return database

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction: committed at the end, rolled back on an error.

        On SQLite the writers of this process take turns: inside the block nobody may wait for
        another writer of the same file (`Log.append` of the embedded log, a second `write`).
        """
        turn = nullcontext() if self.path is None else writer_lock(self.path)
        with self._mapped():
            async with turn, self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that sees one state of the database; what it writes is dropped."""
        with self._mapped():
            async with self._reader.connect() as connection:
                yield connection

    async def migrate(self) -> None:
        """Bring the schema to the version that this program needs.

        Raises SettingsError for a database that a newer program made.
        """
        async with self.read() as connection:
            self._refuse_newer(await connection.run_sync(schema.current))
        async with self.write() as connection:
            if self.dialect == "postgresql":  # several processes may find it empty at once
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
            await asyncio.wait_for(connection.run_sync(schema.upgrade), _MIGRATE_S)

    async def prepare(self) -> None:
        """Make the tables of an empty database; refuse one with another schema version.

        Raises SettingsError as `check_version` does.
        """
        async with self.read() as connection:
            empty = await connection.run_sync(schema.current) is None
        if empty:
            await self.migrate()
        await self.check_version()

    async def check_version(self) -> None:
        """Raise SettingsError, in one line, when the schema has another version than needed."""
        async with self.read() as connection:
            found = await connection.run_sync(schema.current)
        self._refuse_newer(found)
        needed = schema.needed()
        if found != needed:
            state = f"has schema version {found}" if found else "has no tables of twin yet"
            rule = f"{state}, this program needs {needed}: run `twin database migrate`"
            raise SettingsError(Fault("TWIN_DATABASE", self.where, rule, "schema_version"))

    def _refuse_newer(self, found: str | None) -> None:
        if found is not None and not schema.knows(found):
            rule = (
                f"has schema version {found}, which this program (up to {schema.needed()}) does "
                "not know: use the newer program that made it, or another database"
            )
            raise SettingsError(Fault("TWIN_DATABASE", self.where, rule, "schema_version"))

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @property
    def where(self) -> str:
        """The server and database, or the file; without user and password."""
        if self.path is not None:
            return f"SQLite file {self.path}"
        port = self._url.port or 5432
        return f"PostgreSQL {self._url.host or 'localhost'}:{port}/{self._url.database}"

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except (
            SQLAlchemyError,
            sqlite3.Error,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
            TimeoutError,
        ) as error:
            kind = StoreError if is_refusal(error) else BackendError
            raise kind(f"{self.where}: {self._reason(error)}") from error

    def _reason(self, error: Exception) -> str:
        cause = getattr(error, "orig", None) or error
        if self.path is not None:
            return plain_reason(self.path, cause)
        if isinstance(error, TimeoutError) and not str(error):
            return f"no answer within {_STATEMENT_S:.0f} s"
        line = str(cause).split("\n", maxsplit=1)[0]
        return line.rpartition(">: ")[2] or type(cause).__name__


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except SQLAlchemyError as error:
        raise SettingsError(Fault("TWIN_DATABASE", "(not shown)", _RULE)) from error
    if parsed.drivername == "sqlite" and parsed.database:
        return parsed
    if parsed.drivername == "postgresql" and parsed.database:
        return parsed
    raise SettingsError(Fault("TWIN_DATABASE", parsed.render_as_string(hide_password=True), _RULE))


_RULE: Final = "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"


def _engine(url: URL) -> AsyncEngine:
    if url.drivername == "postgresql":
        return create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            connect_args={
                "timeout": _CONNECT_S,
                "command_timeout": _STATEMENT_S,
                "server_settings": {
                    "idle_in_transaction_session_timeout": str(round(_IDLE_S * 1000))
                },
            },
            pool_timeout=_POOL_S,
            pool_pre_ping=True,
        )
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), pool_timeout=_POOL_S)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "invalidate", _roll_back)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    try:
        connection.isolation_level = None  # `_begin` begins, not the driver
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()
    except BaseException:
        connection.close()  # the pool forgets one that fails here, and its thread would live on
        raise


def _roll_back(connection: Any, _record: object, _error: object) -> None:
    """End the transaction of a connection that is given up because its task was cancelled.

    Closing is not enough: SQLite keeps a closed connection, and its write lock, for as long as a
    cursor of it lives, and the traceback of the cancellation holds one.
    """
    connection.rollback()


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("twin_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
