"""What an event log promises, whichever engine keeps it.

A log holds topics, a topic holds partitions, a partition is an endless list of records with
offsets 0, 1, 2 … A record is bytes with the time at which it arrived (`arrival_us`, given by the
appender) and headers. What `append` has returned is durable. Readers keep their own positions:
the log remembers none, because state and position are committed together elsewhere (rule 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from twin.columns import Ints


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic to be created if it is absent. `retention_s` None keeps for ever."""

    name: str
    partitions: int = 1
    retention_s: float | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """Consecutive records of one partition, oldest first.

    `offsets` (n,) int64 strictly rises (it may have holes on Kafka); `next_offset` is where to
    go on. `skipped` counts records that retention removed before they were read.
    """

    place: Place
    offsets: Ints
    arrival_us: Ints
    values: Sequence[bytes]
    next_offset: int
    headers: Sequence[Mapping[str, str]] = field(default=())
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.values)


class LogReader(Protocol):
    """Reads chosen partitions from chosen offsets on, in order."""

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Records]:
        """Return what is there, at most `max_records` in all, one entry a partition.

        Waits up to `timeout_s` for the first record; empty list if none came. Raises
        BackendError when the log is away.
        """
        ...

    async def seek(self, place: Place, offset: int) -> None:
        """Go on at `offset` in one partition."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Log(Protocol):
    """One event log."""

    @property
    def where(self) -> str:
        """The broker with its port, or the file."""
        ...

    async def start(self) -> None:
        """Connect. Raises BackendError when the log cannot be reached."""
        ...

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create the topics that do not exist; leave the others as they are."""
        ...

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has (0: there is no such topic)."""
        ...

    async def append(
        self,
        place: Place,
        values: Sequence[bytes],
        *,
        arrival_us: int | Sequence[int],
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Append records in order and return the last one's offset once they are durable.

        Raises BackendError when they may not be; the caller may append again (at least once).
        """
        ...

    async def reader(self, positions: Mapping[Place, int]) -> LogReader:
        """Open a reader on these partitions at these offsets."""
        ...

    async def end_offsets(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return the offset that the next record of each partition will get."""
        ...

    async def close(self) -> None:
        """Flush and release."""
        ...
