"""The whole database into one file while the service runs, and back into an empty place.

SQLite copies itself page by page, the embedded log included. PostgreSQL is asked by its own
`pg_dump` and `pg_restore`. A backup holds one state: the positions in it are those of its rows, so
that a worker goes on from there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url

from twin.errors import BackendError, Fault, InputError
from twin.log.sqlite import plain_reason
from twin.store.database import Database

_MAGIC: Final = b"SQLite format 3\0"
_PRIVATE: Final = 0o600


async def back_up(url: str, file: Path) -> int:
    """Write a backup of TWIN_DATABASE; return its size in bytes. The service may run meanwhile.

    The file is readable by its owner only. Raises InputError when it exists already, or when
    PostgreSQL's programs are missing; BackendError when the database or the disk refuses.
    """
    if await asyncio.to_thread(file.exists):
        raise InputError(Fault("FILE", str(file), "exists; a backup replaces nothing"))
    database = await Database.open(url)
    try:
        await database.check_version()
    finally:
        await database.close()
    partial = file.with_name(file.name + ".partial")
    await asyncio.to_thread(_empty, partial)
    try:
        if database.path is not None:
            await asyncio.to_thread(_copy, database.path, partial)
        else:
            await _dump(make_url(url), partial)
        return await asyncio.to_thread(_settle, partial, file)
    finally:
        await asyncio.to_thread(partial.unlink, missing_ok=True)


async def restore(url: str, file: Path) -> None:
    """Bring a backup into an empty place: a file that does not exist, a database without tables.

    Raises InputError when the place is taken or the file is no backup of this engine, SettingsError
    when its schema is not the one of this program (`twin database migrate` then helps).
    """
    if not await asyncio.to_thread(file.is_file):
        raise InputError(Fault("FILE", str(file), "is no file", "missing"))
    target = Database.at(url)
    try:
        if target.path is not None:
            await asyncio.to_thread(_put_back, file, target.path)
        else:
            await _refuse_taken(target)
            await _undump(make_url(url), file)
        await target.check_version()
    finally:
        await target.close()


def _empty(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))


def _settle(partial: Path, file: Path) -> int:
    """Let a whole backup take its name once it is on the disk."""
    with partial.open("rb") as content:
        os.fsync(content.fileno())
    partial.replace(file)
    return file.stat().st_size


def _copy(source: Path, target: Path) -> None:
    """Copy an SQLite file as it stands at one moment, and see that the copy is sound."""
    try:
        origin = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        copy = sqlite3.connect(target)
        try:
            origin.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, no companions
            (answer,) = copy.execute("PRAGMA quick_check").fetchone()
        finally:
            copy.close()
            origin.close()
    except sqlite3.Error as error:
        raise BackendError(f"SQLite file {source}: {plain_reason(source, error)}") from error
    if answer != "ok":
        raise BackendError(f"SQLite file {source}: the copy is damaged: {answer}")


def _put_back(file: Path, path: Path) -> None:
    if path.exists():
        rule = "exists; move it away first, a restore replaces nothing"
        raise InputError(Fault("TWIN_DATABASE", str(path), rule))
    with file.open("rb") as content:
        if content.read(len(_MAGIC)) != _MAGIC:
            raise InputError(Fault("FILE", str(file), "is no backup of an SQLite database"))
    partial = path.with_name(path.name + ".partial")
    _empty(partial)
    try:
        _copy(file, partial)
        _settle(partial, path)
    finally:
        partial.unlink(missing_ok=True)


async def _refuse_taken(target: Database) -> None:
    async with target.read() as connection:
        found = await connection.exec_driver_sql("SELECT to_regclass('alembic_version')::text")
        taken = found.scalar_one() is not None
    if taken:
        rule = "has tables of twin; restore into an empty database (createdb), replace nothing"
        raise InputError(Fault("TWIN_DATABASE", target.where, rule))


async def _dump(url: URL, file: Path) -> None:
    await _run("pg_dump", url, "--format=custom", "--no-owner", f"--file={file}")


async def _undump(url: URL, file: Path) -> None:
    options = ("--no-owner", "--no-comments", "--exit-on-error", "--single-transaction")
    await _run("pg_restore", url, *options, str(file))


async def _run(name: str, url: URL, *options: str) -> None:
    """Run a program of PostgreSQL; the password goes by the environment, nobody sees it in `ps`."""
    program = shutil.which(name)
    if program is None:
        rule = (
            f"is not installed here; install PostgreSQL's client programs, or run {name} yourself"
        )
        raise InputError(Fault("program", name, rule, "missing"))
    place = url.set(drivername="postgresql", password=None).render_as_string()
    process = await asyncio.create_subprocess_exec(
        program,
        f"--dbname={place}",
        *options,
        env={**os.environ, "PGPASSWORD": url.password or "", "PGCONNECT_TIMEOUT": "5"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        words = said.decode(errors="replace").strip().split("\n")[0]
        raise BackendError(f"PostgreSQL {url.host}/{url.database}: {words}")
