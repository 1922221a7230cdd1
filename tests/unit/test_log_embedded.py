"""What only the embedded log does: one file, retention by arrival, several processes."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from twin.errors import BackendError
from twin.log.contract import Place, Records, TopicSpec
from twin.log.embedded import EmbeddedLog
from twin.store.database import Database

ONE = Place("readings", 0)
PASSAGE = Place("anpr.read", 0)
HOUR_US = 3_600_000_000


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    """Give a log with `readings` (kept for ever) and `anpr.read` (kept for a day)."""
    opened = EmbeddedLog(tmp_path / "twin.db")
    await opened.start()
    await opened.create_topics([TopicSpec("readings"), TopicSpec("anpr.read", 1, 86_400.0)])
    yield opened
    await opened.close()


async def read(log: EmbeddedLog, place: Place, offset: int = 0) -> list[Records]:
    """Fetch once from an offset."""
    reader = await log.reader({place: offset})
    return await reader.fetch(max_records=10_000, timeout_s=0.0)


async def test_a_closed_log_keeps_everything(log: EmbeddedLog) -> None:
    """After closing and opening, records and the next offset are where they were."""
    await log.append(ONE, [b"a", b"b"], arrival_us=5, headers={"source": "city"})
    await log.close()
    again = EmbeddedLog(log.path)
    await again.start()
    (records,) = await read(again, ONE)
    assert list(records.values) == [b"a", b"b"]
    assert await again.append(ONE, [b"c"], arrival_us=6) == 2
    await again.close()


async def test_a_killed_process_loses_nothing_it_was_told(tmp_path: Path) -> None:
    """A process that ends without closing leaves every record whose append had returned."""
    path = tmp_path / "twin.db"
    program = (
        "import asyncio, os, pathlib, sys\n"
        "from twin.log.contract import Place, TopicSpec\n"
        "from twin.log.embedded import EmbeddedLog\n"
        "async def main():\n"
        "    log = EmbeddedLog(pathlib.Path(sys.argv[1]))\n"
        "    await log.start()\n"
        "    await log.create_topics([TopicSpec('readings')])\n"
        "    for number in range(50):\n"
        "        await log.append(Place('readings', 0), [b'%d' % number], arrival_us=number)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(path))
    assert await process.wait() == -9
    log = EmbeddedLog(path)
    await log.start()
    (records,) = await read(log, ONE)
    assert list(records.values) == [b"%d" % number for number in range(50)]
    await log.close()


async def test_old_records_go_and_the_gap_is_counted(log: EmbeddedLog) -> None:
    """A reader that stands before the start is told how many records it has lost."""
    await log.append(PASSAGE, [b"old"] * 3, arrival_us=0)
    await log.append(PASSAGE, [b"kept"], arrival_us=12 * HOUR_US)
    await log.append(PASSAGE, [b"new"], arrival_us=25 * HOUR_US)
    (records,) = await read(log, PASSAGE, offset=1)
    assert records.skipped == 2
    assert list(records.values) == [b"kept", b"new"]
    assert records.offsets.tolist() == [3, 4]
    (records,) = await read(log, PASSAGE, offset=4)
    assert records.skipped == 0


async def test_topics_without_retention_keep_all(log: EmbeddedLog) -> None:
    """A year between two records removes none."""
    await log.append(ONE, [b"old"], arrival_us=0)
    await log.append(ONE, [b"new"], arrival_us=365 * 24 * HOUR_US)
    (records,) = await read(log, ONE)
    assert (list(records.values), records.skipped) == ([b"old", b"new"], 0)


async def test_a_busy_partition_does_not_starve_a_quiet_one(log: EmbeddedLog) -> None:
    """A fetch of 100 from 10,000 and 1 brings the 1 and 99 of the others."""
    await log.append(ONE, [b"x"] * 10_000, arrival_us=0)
    await log.append(PASSAGE, [b"y"], arrival_us=0)
    reader = await log.reader({ONE: 0, PASSAGE: 0})
    found = await reader.fetch(max_records=100, timeout_s=0.0)
    assert {records.place: len(records) for records in found} == {ONE: 99, PASSAGE: 1}


async def test_another_process_sees_what_is_appended(log: EmbeddedLog) -> None:
    """A second log on the same file, as another process has it, polls and finds the record."""
    other = EmbeddedLog(log.path)
    await other.start()
    reader = await other.reader({ONE: 0})
    waiting = asyncio.create_task(reader.fetch(max_records=10, timeout_s=30.0))
    await log.append(ONE, [b"a"], arrival_us=5)
    (records,) = await waiting
    assert list(records.values) == [b"a"]
    assert await other.append(ONE, [b"b"], arrival_us=6) == 1
    assert await log.append(ONE, [b"c"], arrival_us=7) == 2
    await other.close()


async def test_appends_that_wait_share_one_transaction(log: EmbeddedLog) -> None:
    """Callers that come while the file is being written are written together."""
    await log.append(ONE, [b"first"], arrival_us=0)
    commits: list[str] = []

    def trace(statement: str) -> None:
        commits.extend([statement] if statement == "COMMIT" else [])

    await log._writes.run(lambda sql: sql.set_trace_callback(trace))
    offsets = await asyncio.gather(
        *(log.append(ONE, [b"%d" % number], arrival_us=number) for number in range(100))
    )
    assert sorted(offsets) == list(range(1, 101))
    assert len(commits) < 10


async def test_an_append_to_nowhere_fails_alone(log: EmbeddedLog) -> None:
    """In a group, a wrong partition does not take the others with it."""
    outcomes = await asyncio.gather(
        log.append(ONE, [b"a"], arrival_us=0),
        log.append(Place("nothing", 0), [b"b"], arrival_us=0),
        log.append(ONE, [b"c"], arrival_us=0),
        return_exceptions=True,
    )
    assert outcomes[0] == 0
    assert outcomes[2] == 1
    assert isinstance(outcomes[1], BackendError)
    assert "no partition nothing/0" in str(outcomes[1])


async def test_a_caller_that_gives_up_does_not_stop_the_others(log: EmbeddedLog) -> None:
    """A cancelled append may be stored or not; those that wait beside it are."""
    first = asyncio.create_task(log.append(ONE, [b"a"], arrival_us=0))
    second = asyncio.create_task(log.append(ONE, [b"b"], arrival_us=0))
    await asyncio.sleep(0)
    first.cancel()
    offset = await second
    (records,) = await read(log, ONE)
    assert records.values[offset] == b"b"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_closed_log_refuses(log: EmbeddedLog) -> None:
    """Appending after close says so; closing twice is no fault."""
    await log.close()
    with pytest.raises(BackendError, match="is closed"):
        await log.append(ONE, [b"a"], arrival_us=0)
    await log.close()


async def test_log_and_store_share_one_file(tmp_path: Path) -> None:
    """Writers of both take turns in one process: none sees a locked file."""
    path = tmp_path / "twin.db"
    database = await Database.open(f"sqlite:///{path}")
    await database.migrate()
    log = EmbeddedLog(path)
    await log.start()
    await log.create_topics([TopicSpec("readings")])

    async def write(number: int) -> None:
        async with database.write() as connection:
            await connection.exec_driver_sql("INSERT INTO batch VALUES (?)", (number,))

    await asyncio.gather(
        *(write(number) for number in range(20)),
        *(log.append(ONE, [b"a"], arrival_us=0) for _ in range(20)),
    )
    assert await log.end_offsets([ONE]) == {ONE: 20}
    await log.close()
    await database.close()


async def test_a_damaged_batch_is_reported(log: EmbeddedLog) -> None:
    """A payload that cannot be unpacked is an error, not an empty record."""
    await log.append(ONE, [b"a"], arrival_us=0)
    with sqlite3.connect(log.path) as direct:
        direct.execute("UPDATE log_batch SET payload = x'00ff'")
    direct.close()
    with pytest.raises(BackendError, match="cannot be read"):
        await read(log, ONE)
