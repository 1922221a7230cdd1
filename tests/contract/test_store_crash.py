"""Rule 1 under faults, on both engines: a commit is there whole or not at all."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from store_samples import ACT, READ, a_commit, everything
from twin.errors import BackendError, FencedError
from twin.store.commit import assign, write_commit
from twin.store.database import Database


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Give a database with all tables on each engine."""
    opened = await Database.open(request.getfixturevalue(f"{request.param}_ready_url"))
    yield opened
    await opened.close()


class Cut(RuntimeError):
    """The moment at which the process is thought to die."""


class Cutter:
    """Lets `allowed` statements through, then breaks off; remembers what it saw."""

    def __init__(self, allowed: int, error: type[Exception]) -> None:
        self.left = allowed
        self.error = error
        self.seen: list[str] = []

    def __call__(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if self.left == 0:
            raise self.error
        self.left -= 1
        self.seen.append(statement)


@contextmanager
def cut_after(database: Database, allowed: int, error: type[Exception] = Cut) -> Iterator[Cutter]:
    """Break off every transaction after this many statements."""
    cutter = Cutter(allowed, error)
    event.listen(database._engine.sync_engine, "before_cursor_execute", cutter)
    try:
        yield cutter
    finally:
        event.remove(database._engine.sync_engine, "before_cursor_execute", cutter)


async def test_a_commit_cut_off_anywhere_leaves_nothing(database: Database) -> None:
    """Whichever statement is the last before the end: all or nothing, and the retry succeeds."""
    _, epochs = await assign(database, [READ, ACT], "worker-1")
    await write_commit(database, a_commit(epochs, end=10))
    commit = a_commit(epochs, end=20, first=3)
    before = await everything(database)
    cuts = 0
    for allowed in range(100):
        with cut_after(database, allowed) as cutter:
            try:
                assert await write_commit(database, commit) is True
            except Cut:
                cuts += 1
            else:
                break
        assert await everything(database) == before, f"after {cutter.seen[-1:]}"
    assert cuts >= 15  # one a kind of row, and the offsets
    assert any("partition_offset" in statement for statement in cutter.seen[-1:])
    after = await everything(database)
    assert len(after["observation"]) == 6
    assert await write_commit(database, commit) is False
    assert await everything(database) == after


async def test_a_commit_whose_worker_is_cancelled_leaves_nothing(database: Database) -> None:
    """A task that is cancelled in the middle of a commit rolls back, and the next one succeeds."""
    _, epochs = await assign(database, [READ], "worker-1")
    before = await everything(database)
    commit = a_commit(epochs, end=10)
    tracebacks = []  # they hold cursors, and through them what SQLite has locked
    for turns in range(0, 100, 3):
        writing = asyncio.create_task(write_commit(database, commit))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        outcome = (await asyncio.gather(writing, return_exceptions=True))[0]
        if outcome is True:
            break
        assert isinstance(outcome, asyncio.CancelledError)
        tracebacks.append(outcome)
        assert await everything(database) == before
    assert len(tracebacks) > 5
    await write_commit(database, commit)
    assert (await everything(database))["partition_offset"][0][2] == 10


async def test_a_takeover_between_two_commits_fences_the_first_owner(database: Database) -> None:
    """Many owners in turn: only the last one's commits count, whoever tries."""
    owners = []
    for number in range(4):
        _, epochs = await assign(database, [READ], f"worker-{number}")
        owners.append(epochs)
    for number, epochs in enumerate(owners[:-1]):
        before = await everything(database)
        with pytest.raises(FencedError, match="held by worker-3"):
            await write_commit(database, a_commit(epochs, end=10 + number))
        assert await everything(database) == before
    assert await write_commit(database, a_commit(owners[-1], end=10)) is True


async def test_two_takeovers_at_once_get_different_epochs(database: Database) -> None:
    """Workers that start together are told apart; one of them holds the place in the end."""
    taken = await asyncio.gather(
        *(assign(database, [READ, ACT], f"worker-{number}") for number in range(5))
    )
    epochs = sorted(found[READ] for _, found in taken)
    assert epochs == [1, 2, 3, 4, 5]


async def test_commits_of_one_owner_at_once_are_written_once(database: Database) -> None:
    """The same commit sent five times at the same moment: one is stored, four change nothing."""
    _, epochs = await assign(database, [READ], "worker-1")
    commit = a_commit(epochs, end=10)
    stored = await asyncio.gather(*(write_commit(database, commit) for _ in range(5)))
    assert sorted(stored) == [False, False, False, False, True]
    assert (await everything(database))["tally"] == [("city", "reading", 4, 3, 0, 0, 0, 1)]


async def test_a_lost_connection_is_a_backend_error(database: Database) -> None:
    """What the system raises in the middle of a commit arrives as BackendError, nothing kept."""
    _, epochs = await assign(database, [READ], "worker-1")
    before = await everything(database)
    with cut_after(database, 4, ConnectionResetError), pytest.raises(BackendError):
        await write_commit(database, a_commit(epochs, end=10))
    assert await everything(database) == before


async def test_days_of_a_commit_that_failed_are_made_again(database: Database) -> None:
    """Parts of the history made in a transaction that was rolled back are not thought to exist."""
    _, epochs = await assign(database, [READ], "worker-1")
    commit = dataclasses.replace(a_commit(epochs, end=10), snapshot=None)
    with cut_after(database, 3), pytest.raises(Cut):
        await write_commit(database, commit)
    assert await write_commit(database, commit) is True
