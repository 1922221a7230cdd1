"""The outbox, published: what a commit wanted to say reaches the log after it, at least once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from typing import Final

from twin.errors import BackendError
from twin.ingest.patience import Patience
from twin.log.contract import Log
from twin.store import outbox
from twin.store.database import Database
from twin.store.outbox import EVERYTHING, Share

_AT_ONCE: Final = 1000
_LOOK_AGAIN_S: Final = 1.0


class Relay:
    """Appends the outbox's records in order and takes out what the log has made durable."""

    def __init__(
        self,
        *,
        log: Log,
        database: Database,
        share: Callable[[], Share] = lambda: EVERYTHING,
        at_once: int = _AT_ONCE,
    ) -> None:
        """Publish from `database` to `log`.

        share     asked before each look: whose records are ours now
        at_once   most records held in memory at a time
        """
        self._log = log
        self._database = database
        self._share = share
        self._at_once = at_once
        self._woken = asyncio.Event()
        self.patience = Patience("relay")
        self.published = 0

    def wake(self) -> None:
        """Say that a commit put something into the outbox."""
        self._woken.set()

    def stop(self) -> None:
        """Let `run` publish what is there, once more, and return."""
        self.patience.stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Publish until `stop` is called; servers that are away are waited for."""
        while not self.patience.stopping.is_set():
            self._woken.clear()
            await self.patience.until_done(self.drain)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _LOOK_AGAIN_S)
        with suppress(BackendError):  # it stays in the outbox for the next start
            await self.drain()

    async def drain(self) -> int:
        """Publish everything that waits now and return how much. Raises BackendError."""
        count = 0
        while rows := await outbox.pending(self._database, self._at_once, share=self._share()):
            for place, group in groupby(rows, key=lambda row: row.outgoing.place):
                records = list(group)
                await self._log.append(
                    place,
                    [row.outgoing.value for row in records],
                    arrival_us=[row.outgoing.arrival_us for row in records],
                )
            await outbox.done(self._database, [row.key for row in rows])
            count += len(rows)
            self.published += len(rows)
        return count
