"""How much waits on the log, asked now and then beside the worker's loop.

A broker that hangs answers late or never, and the beat must not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from twin.errors import BackendError
from twin.ingest.health import Vitals
from twin.log.contract import Log, Place, Records

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 2.0


class LagProbe:
    """Writes the lag of every partition into the worker's vitals."""

    def __init__(self, log: Log, vitals: Vitals) -> None:
        """Ask `log`; the first `ask` begins."""
        self._log = log
        self._vitals = vitals
        self._asked_s = -_EVERY_S
        self._asking: asyncio.Task[None] | None = None

    def ask(self, positions: Mapping[Place, int]) -> None:
        """Begin to ask, unless that was done in the last two seconds of wall time or is under way.

        Raises what an earlier asking could not handle.
        """
        if self._asking is not None:
            if not self._asking.done():
                return
            self._asking.result()
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._asked_s + _EVERY_S:
            self._asked_s = now_s
            self._asking = asyncio.create_task(self._ask(dict(positions)), name="ingest lag")

    async def _ask(self, positions: Mapping[Place, int]) -> None:
        with suppress(BackendError):  # the next fetch will say it
            ends = await self._log.end_offsets(list(positions))
            self._vitals.lag = {
                place: max(end - positions[place], 0) for place, end in ends.items()
            }

    async def close(self) -> None:
        """Forget what is being asked."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
            self._asking = None


def count_lost(vitals: Vitals, fetched: Sequence[Records]) -> None:
    """Count what retention removed before it was read, and say so."""
    for records in fetched:
        if records.skipped:
            vitals.lost[records.place] = vitals.lost.get(records.place, 0) + records.skipped
            extra = {"place": str(records.place), "records": records.skipped}
            _LOG.error("lost_retention", extra=extra)
