"""What is newest on the log while the worker is behind: looked at, shown, and never counted.

Verdicts follow the order of arrival, so a backlog is worked through from its front, and what is
shown would be as old as the backlog. Meanwhile the newest records of every partition are looked at
over a reader of their own: of each sensor the readings after the last one that was taken. Nothing
of this is committed, counted or decided upon; the records come again in their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import numpy as np

from twin.columns import ReadingBatch
from twin.errors import BackendError
from twin.ingest.check import Checker
from twin.ingest.order import repeats
from twin.ingest.topics import OF_READINGS
from twin.ingest.unpack import Unpacker
from twin.live import Live
from twin.log.contract import Log, LogReader, Place, Records
from twin.picture import Picture

_EVERY_S: Final = 2.0
"""The newest records are looked at so often, wall time."""
_WAIT_S: Final = 1.0
_MOST: Final = {"reading": 4000, "reading.columns": 16}
"""So many of the newest records of one partition are looked at."""


class Ahead:
    """The newest readings of the log, ahead of a worker that is behind."""

    def __init__(self, log: Log, checker: Checker) -> None:
        """Look at nothing until `look`."""
        self._log = log
        self._checker = checker
        self._reader: LogReader | None = None
        self._looking: asyncio.Task[ReadingBatch] | None = None
        self._looked_s = -_EVERY_S
        self.readings: ReadingBatch | None = None

    def stand_on(self, checker: Checker) -> None:
        """Read by another version of the map from now on."""
        self._checker, self.readings = checker, None

    async def picture(
        self, live: Live, picture: Picture, positions: Mapping[Place, int], *, behind: bool
    ) -> Picture:
        """Return what is published: while we are behind, as the newest readings would have it.

        Raises what looking at them could not handle.
        """
        if not behind:
            await self.rest()
            return picture
        self.look(positions)
        if self.readings is None or not len(self.readings):
            return picture
        return live.picture_ahead(picture, self.readings)

    def look(self, positions: Mapping[Place, int]) -> None:
        """Look at the newest records beyond `positions`, unless that was done a moment ago.

        Raises what an earlier look could not handle.
        """
        if self._looking is not None:
            if not self._looking.done():
                return
            looking, self._looking = self._looking, None
            self.readings = looking.result()
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._looked_s + _EVERY_S:
            self._looked_s = now_s
            places = {place: at for place, at in positions.items() if place.topic in OF_READINGS}
            self._looking = asyncio.create_task(self._look(places), name="ingest ahead")

    async def rest(self) -> None:
        """Forget what was seen: the worker is no longer behind."""
        self.readings = None
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None
        if self._reader is not None:
            reader, self._reader = self._reader, None
            with suppress(BackendError):
                await reader.close()

    async def _look(self, positions: Mapping[Place, int]) -> ReadingBatch:
        try:
            ends = await self._log.end_offsets(list(positions))
            starts = {
                place: max(at, ends[place] - _MOST[place.topic])
                for place, at in positions.items()
                if ends[place] > at
            }
            return self._newest(await self._fetched(starts, ends)) if starts else _NOTHING
        except BackendError:  # the worker's own reading will say it
            return _NOTHING

    async def _fetched(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> list[Records]:
        """Read from the starts to the ends, as far as that goes at once."""
        if self._reader is not None:
            await self._reader.close()
        self._reader = reader = await self._log.reader(starts)
        found: list[Records] = []
        left = {place for place, start in starts.items() if start < ends[place]}
        while left:
            fetched = await reader.fetch(max_records=max(_MOST.values()), timeout_s=_WAIT_S)
            if not fetched:
                break
            found.extend(fetched)
            left -= {one.place for one in fetched if one.next_offset >= ends[one.place]}
        return found

    def _newest(self, fetched: Sequence[Records]) -> ReadingBatch:
        """Return the good readings, each key once, in the order of their times."""
        rows = Unpacker(self._checker.network.sensor_rows).unpack(fetched)
        if not len(rows):
            return _NOTHING
        good = np.ones(len(rows), np.bool_)
        good[list(self._checker.readings(rows.decoded, rows.arrival_us))] = False
        batch = rows.decoded.batch.take(good)
        _, again = repeats(batch)
        return batch.take(np.flatnonzero(~again))


_NOTHING: Final = ReadingBatch.empty()
