"""SQLite as the embedded log and the store use it: one file, the same pragmas, one writer.

SQLite has one write lock a file. Inside a process the writers queue for `writer_lock`, so that
none of them burns its busy timeout while another one is writing; between processes the busy
timeout does it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Final, NoReturn
from weakref import WeakKeyDictionary

from twin.errors import BackendError

BUSY_MS: Final = 15_000
PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit that was answered survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
)

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, asyncio.Lock]] = WeakKeyDictionary()


def writer_lock(path: Path) -> asyncio.Lock:
    """Return the lock that every writer of this file in this event loop takes first.

    Whoever holds it must not wait for another writer of the same file, such as `Log.append`.
    """
    locks = _locks.setdefault(asyncio.get_running_loop(), {})
    return locks.setdefault(path.resolve(), asyncio.Lock())


def connect(path: Path) -> sqlite3.Connection:
    """Open the file (made if absent) with our pragmas, to be used from any one thread at a time.

    Raises BackendError naming the file and what is wrong with it.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            connection.execute(pragma)
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        refuse(path, error)
    return connection


def refuse(path: Path, error: Exception) -> NoReturn:
    """Raise the BackendError for something that SQLite or the file system refused."""
    raise BackendError(f"SQLite file {path}: {plain_reason(path, error)}") from error


def plain_reason(path: Path, error: Exception) -> str:
    """Say in one line what a person can do something about."""
    text = str(error).replace("\n", " ")
    if "unable to open database file" in text:
        if not path.parent.is_dir():
            return f"the folder {path.parent} does not exist"
        return "cannot be opened or made; may this user write to its folder?"
    if "readonly" in text:
        return "is read-only, or its folder is; the service must be able to write here"
    if "disk is full" in text:
        return "the disk is full; nothing more is taken in until there is room"
    if "is locked" in text:
        return f"another process has been writing for more than {BUSY_MS // 1000} s"
    if "not a database" in text:
        return "is not an SQLite database"
    return text
