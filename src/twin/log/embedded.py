"""The log in one SQLite file: one row a batch of records.

Appends of several callers that come while the disk is busy go into one transaction (group
commit). A reader in the same process is woken by an append; one in another process polls.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from twin.errors import BackendError
from twin.log import segments
from twin.log.contract import Place, Records, TopicSpec
from twin.log.limits import check_sizes
from twin.log.segments import Append, Pull
from twin.log.sqlite import connect, refuse, writer_lock

_POLL_S: Final = 0.1

Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting:
    append: Append
    done: asyncio.Future[int]


class _Thread:
    """One SQLite connection and the one thread that may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="twin-log")
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `work` in the thread. Raises BackendError for whatever SQLite or the disk refuses."""
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, partial(self._work, work)
        )

    def _work(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        if self._connection is None:
            self._connection = connect(self._path)
        try:
            return work(self._connection)
        except (sqlite3.Error, OSError) as error:
            refuse(self._path, error)
        finally:
            if self._connection.in_transaction:  # broken off: nothing of it stays
                self._connection.rollback()

    async def close(self) -> None:
        """Close the connection and end the thread."""

        def shut() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, shut)
        except RuntimeError:  # the executor was shut down before: closing twice is no fault
            return
        self._executor.shutdown(wait=True)


class EmbeddedLog:
    """A `Log` in an SQLite file, which the store may share."""

    def __init__(self, path: Path) -> None:
        """Remember the file; `start` opens it."""
        self.path = path
        self._writes = _Thread(path)
        self._reads = _Thread(path)
        self._waiting: list[_Waiting] = []
        self._flusher: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()
        self._closed = False

    @property
    def where(self) -> str:
        """The file."""
        return f"SQLite file {self.path}"

    async def start(self) -> None:
        """Open the file and make the log's tables. Raises BackendError naming the file."""
        async with writer_lock(self.path):
            await self._writes.run(segments.make_tables)

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create the topics that do not exist; leave the others as they are."""
        async with writer_lock(self.path):
            await self._writes.run(partial(segments.make_topics, specs=specs))

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has (0: there is no such topic)."""
        return await self._reads.run(partial(segments.count_partitions, topic=topic))

    async def append(
        self,
        place: Place,
        values: Sequence[bytes],
        *,
        arrival_us: int | Sequence[int],
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Append records in order and return the last one's offset once they are on the disk.

        Raises BackendError (full disk, no such topic, closed), InputError for a record too large.
        """
        check_sizes(place, values)
        if self._closed:
            raise BackendError(f"log {self.path} is closed")
        if not values:
            return (await self.end_offsets([place]))[place] - 1
        waiting = _Waiting(
            Append(place, list(values), segments.arrivals(arrival_us, len(values)), headers or {}),
            asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(waiting)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush(), name="embedded log flush")
        return await waiting.done

    async def _flush(self) -> None:
        while self._waiting:
            async with writer_lock(self.path):
                group, self._waiting = self._waiting, []
                try:
                    await self._write_group(group)
                finally:
                    for waiting in group:  # cut off by a cancellation: durable or not, who knows
                        _fail(waiting, BackendError(f"log {self.path}: append was broken off"))

    async def _write_group(self, group: list[_Waiting]) -> None:
        try:
            outcomes = await self._writes.run(
                partial(segments.write, appends=[waiting.append for waiting in group])
            )
        except BackendError as error:
            for waiting in group:
                _fail(waiting, error)
            return
        for waiting, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, BackendError):
                _fail(waiting, outcome)
            elif not waiting.done.done():
                waiting.done.set_result(outcome)
        self.wake()

    def wake(self) -> None:
        """Let the readers that wait in this process look again."""
        self._grown.set()
        self._grown = asyncio.Event()

    async def reader(self, positions: Mapping[Place, int]) -> EmbeddedReader:
        """Open a reader on these partitions at these offsets."""
        await self.end_offsets(list(positions))  # names a partition that is not there
        return EmbeddedReader(self, positions)

    async def end_offsets(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return the offset that the next record of each partition will get."""
        return await self._reads.run(partial(segments.ends, places=places))

    async def pull(self, pull: Pull) -> list[Records]:
        """Read what is there now; for `EmbeddedReader`."""
        return await self._reads.run(partial(segments.read, pull=pull))

    async def wait_grown(self, grown: asyncio.Event, timeout_s: float) -> None:
        """Wait until `grown` is set, a poll is due or the time is over."""
        try:
            await asyncio.wait_for(grown.wait(), min(timeout_s, _POLL_S))
        except TimeoutError:
            return

    @property
    def grown(self) -> asyncio.Event:
        """The event that the next append sets; take it before looking."""
        return self._grown

    async def close(self) -> None:
        """Finish what was appended and close the file."""
        self._closed = True
        if self._flusher is not None and not self._flusher.done():
            await self._flusher
        self.wake()
        await self._writes.close()
        await self._reads.close()


class EmbeddedReader:
    """Reads chosen partitions of an `EmbeddedLog` in order."""

    def __init__(self, log: EmbeddedLog, positions: Mapping[Place, int]) -> None:
        """Start at `positions`."""
        self._log = log
        self._positions = dict(positions)

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Records]:
        """Return what is there, waiting up to `timeout_s` for the first record."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        while True:
            grown = self._log.grown
            found = await self._log.pull(Pull(dict(self._positions), max_records))
            for records in found:
                self._positions[records.place] = records.next_offset
            left_s = end_s - loop.time()
            if found or left_s <= 0:
                return found
            await self._log.wait_grown(grown, left_s)

    async def seek(self, place: Place, offset: int) -> None:
        """Go on at `offset` in one partition."""
        self._positions[place] = offset

    async def close(self) -> None:
        """Nothing to release: the log owns the connection."""


def _fail(waiting: _Waiting, error: BackendError) -> None:
    if not waiting.done.done():
        waiting.done.set_exception(error)
