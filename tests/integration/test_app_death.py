"""When a part of `twin serve` dies, the process says which and why, and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_process import Twin, embedded, serving
from twin.store.commit import assign, stored_positions
from twin.store.database import Database

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def twin(tmp_path: Path, migrated_file: Path) -> Iterator[Twin]:
    """Give a service on an SQLite file, ready."""
    with serving(tmp_path, embedded(tmp_path, migrated_file)) as twin:
        twin.make_key()
        twin.start().wait_ready()
        yield twin


async def take_over(url: str) -> None:
    """Raise the epochs of every partition, as the worker of another process does."""
    database = await Database.open(url)
    try:
        await assign(database, await stored_positions(database), "another worker")
    finally:
        await database.close()


def test_a_worker_that_was_replaced_ends_the_process(twin: Twin) -> None:
    asyncio.run(take_over(twin.database))
    assert twin.wait_end() == 2
    died, why = twin.lines[-2:]
    assert " ERROR task_died task=worker problem=" in died
    assert "is held by another worker with epoch 2; this worker has epoch 1" in died
    assert why.startswith("twin: ")
    assert why.endswith("this worker has epoch 1")
    assert "Traceback" not in "\n".join(twin.lines)
