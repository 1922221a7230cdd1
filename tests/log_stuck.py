"""A log whose readers can be made to hang, to say nothing, or to raise, while it takes records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from twin.errors import BackendError
from twin.log.contract import Log, LogReader, Place, Records, TopicSpec

_FEW = 2
"""A reader of more places than these is the worker's own."""


class Fault(StrEnum):
    """How a reader is stuck."""

    HANGS = "hangs"
    IS_SILENT = "is silent"
    RAISES = "raises"


@dataclass
class StuckReader:
    """A reader that is stuck from the start, or later, once `fault` is set."""

    inner: LogReader
    fault: Fault | None = None
    closed: bool = False
    on_fetch: Callable[[], None] = lambda: None

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Records]:
        """Do as the real reader, or as the fault says."""
        if self.fault is Fault.HANGS:
            await asyncio.get_running_loop().create_future()
        if self.fault is Fault.IS_SILENT:
            await asyncio.sleep(timeout_s)
            return []
        if self.fault is Fault.RAISES:
            await asyncio.sleep(timeout_s)
            raise BackendError("this reader has lost its way")
        self.on_fetch()
        return await self.inner.fetch(max_records=max_records, timeout_s=timeout_s)

    async def seek(self, place: Place, offset: int) -> None:
        """Go on at `offset` in one partition."""
        await self.inner.seek(place, offset)

    async def close(self) -> None:
        """Release what the real one holds."""
        self.closed = True
        await self.inner.close()


@dataclass
class StuckLog:
    """A log like another; its readers get the faults of `faults`, one after the other."""

    inner: Log
    faults: list[Fault | None] = field(default_factory=list)
    readers: list[StuckReader] = field(default_factory=list)
    away: bool = False
    on_fetch: Callable[[], None] = lambda: None

    @property
    def where(self) -> str:
        """The real log's place."""
        return self.inner.where

    async def start(self) -> None:
        """Connect the real one."""
        await self.inner.start()

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create them in the real one."""
        await self.inner.create_topics(specs)

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return await self.inner.partitions(topic)

    async def append(
        self,
        place: Place,
        values: Sequence[bytes],
        *,
        arrival_us: int | Sequence[int],
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Append to the real one."""
        return await self.inner.append(place, values, arrival_us=arrival_us, headers=headers)

    async def reader(self, positions: Mapping[Place, int]) -> LogReader:
        """Open a reader with the next fault."""
        fault = self.faults.pop(0) if self.faults else None
        inner = await self.inner.reader(positions)
        told = self.on_fetch if len(positions) > _FEW else lambda: None
        self.readers.append(StuckReader(inner, fault, on_fetch=told))
        return self.readers[-1]

    async def end_offsets(self, places: Sequence[Place]) -> dict[Place, int]:
        """Ask the real one, unless it is away."""
        if self.away:
            raise BackendError("the log is away")
        return await self.inner.end_offsets(places)

    async def close(self) -> None:
        """Close the real one."""
        await self.inner.close()
