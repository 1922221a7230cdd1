"""A reader that is watched: one that stands still while its lag grows is dead, whatever it says.

It is rebuilt once; a partition that stands still after that too ends the process, because a
service that answers while its consumer is dead is the worst fault of all. Only time in which the
worker waits for records counts: a database that is away stops the worker, not the reader. A log
that is away says so itself and is waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from twin.errors import BackendError, StalledError
from twin.log.contract import Log, LogReader, Place, Records

_LOG: Final = logging.getLogger(__name__)
_ASKS: Final = 5.0
"""So many times within the allowed standstill the log is asked how far it goes."""
_CANCEL_S: Final = 2.0
_CLOSE_S: Final = 12.0


@dataclass(slots=True)
class _Standstill:
    """One partition since its last record: its lag when first asked, and how long it grew."""

    lag: int | None = None
    grows: bool = False
    waited_s: float = 0.0
    rebuilt: bool = False

    def hear(self, lag: int) -> None:
        """Compare the lag with what it was when the partition began to stand."""
        if self.lag is None:
            self.lag = 0 if self.rebuilt else lag
        self.grows = lag > self.lag

    def forget(self) -> None:
        """Begin to stand anew: the log could not say how far it goes."""
        self.lag, self.grows = None, False


@dataclass
class WatchedReader:
    """A `LogReader` over another that it opens, watches and rebuilds. Use `open`.

    stall_s   so long a partition may stand while its lag grows, wall time
    rebuilt   how often the reader was rebuilt
    """

    log: Log
    positions: dict[Place, int]
    stall_s: float
    rebuilt: int = 0
    _reader: LogReader | None = None
    _fetching: asyncio.Task[list[Records]] | None = None
    _asking: asyncio.Task[None] | None = None
    _ask_in_s: float = 0.0
    _stands: dict[Place, _Standstill] = field(default_factory=dict)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    async def open(
        cls, log: Log, positions: Mapping[Place, int], *, stall_s: float
    ) -> WatchedReader:
        """Open a reader on these partitions at these offsets. Raises BackendError."""
        made = cls(log, dict(positions), stall_s)
        made._reader = await log.reader(positions)
        return made

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Records]:
        """Return what is there, as the reader does; nothing where it does not answer in time.

        Raises BackendError as the reader does, StalledError when a rebuilt one stands still too.
        """
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            fetched = await self._fetched(max_records, timeout_s)
        except BackendError:
            await self._watch(loop.time() - begun_s)  # the log may be there, and only we be lost
            raise
        for records in fetched:
            self.positions[records.place] = records.next_offset
            self._stands.pop(records.place, None)
        await self._watch(loop.time() - begun_s)
        return fetched

    async def _fetched(self, max_records: int, timeout_s: float) -> list[Records]:
        """Wait for the reader as long as it was given; its answer may come at a later call."""
        if self._reader is None:  # the last try to rebuild it failed
            self._reader = await self.log.reader(self.positions)
        if self._fetching is None:
            work = self._reader.fetch(max_records=max_records, timeout_s=timeout_s)
            self._fetching = asyncio.create_task(work, name="ingest fetch")
        # a little more than it was told: its own wait ends first
        await asyncio.wait({self._fetching}, timeout=timeout_s + 0.05)
        if not self._fetching.done():
            return []
        fetching, self._fetching = self._fetching, None
        return fetching.result()

    async def _watch(self, waited_s: float) -> None:
        """Count how long partitions stand, ask for their lag now and then, rebuild."""
        stalled = []
        for place in self.positions:
            stand = self._stands.setdefault(place, _Standstill())
            stand.waited_s = stand.waited_s + waited_s if stand.grows else 0.0
            if stand.waited_s >= self.stall_s:
                stalled.append(place)
        self._ask_in_s -= waited_s
        if self._ask_in_s <= 0.0 and self._asking is None:
            self._ask_in_s = self.stall_s / _ASKS
            self._asking = asyncio.create_task(self._ask(), name="ingest watchdog")
        elif self._asking is not None and self._asking.done():
            asking, self._asking = self._asking, None
            asking.result()
        if stalled:
            await self._rebuild(stalled)

    async def _ask(self) -> None:
        standing = {place: self.positions[place] for place in self._stands}
        try:
            async with asyncio.timeout(self.stall_s):
                ends = await self.log.end_offsets(list(standing))
        except (BackendError, TimeoutError):  # the log is away, and the fetch will say it
            for stand in self._stands.values():
                stand.forget()
            return
        for place, end in ends.items():
            if place in self._stands and self.positions[place] == standing[place]:
                self._stands[place].hear(max(end - standing[place], 0))

    async def _rebuild(self, stalled: Sequence[Place]) -> None:
        """Throw the reader away and open another at the same positions."""
        names = ", ".join(str(place) for place in stalled)
        if any(self._stands[place].rebuilt for place in stalled):
            message = (
                f"{names}: no record came for {self.stall_s:g} s although more arrive, "
                "and a rebuilt reader did not help"
            )
            raise StalledError(message)
        self.rebuilt += 1
        extra = {"places": names, "stood_s": self.stall_s, "rebuilt": self.rebuilt}
        _LOG.error("consumer_stalled", extra=extra)
        self._stands = {place: _Standstill(rebuilt=place in stalled) for place in self.positions}
        self._leave()
        self._reader = await self.log.reader(self.positions)

    def _leave(self) -> None:
        """Let go of a reader that may never answer; it is closed beside."""
        reader, fetching = self._reader, self._fetching
        self._reader = self._fetching = None
        task = asyncio.create_task(_shut(reader, fetching), name="ingest reader end")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def seek(self, place: Place, offset: int) -> None:
        """Go on at `offset` in one partition."""
        assert self._reader is not None
        self.positions[place] = offset
        self._stands.pop(place, None)
        await self._reader.seek(place, offset)

    async def close(self) -> None:
        """Release connections, within bounds."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        self._leave()
        await asyncio.gather(*self._closing, return_exceptions=True)


async def _shut(reader: LogReader | None, fetching: asyncio.Task[list[Records]] | None) -> None:
    if fetching is not None:
        fetching.cancel()
        await asyncio.wait({fetching}, timeout=_CANCEL_S)
    if reader is not None:
        with suppress(BackendError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await reader.close()
