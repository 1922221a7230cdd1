"""Every hour what may no longer be kept goes, and the parts of the coming days are made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from twin.clock import Clock
from twin.ingest.patience import Patience
from twin.store.database import Database
from twin.store.days import make_ahead
from twin.store.retention import Forgotten, Keep, forget_old

_LOG: Final = logging.getLogger(__name__)
EVERY_S: Final = 3600.0


class Forgetting:
    """Removes old rows of one database by the clock of the service."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        keep: Keep | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep as long as `keep` says; `pause` waits so many seconds of the machine."""
        self._database = database
        self._clock = clock
        self._keep = keep or Keep()
        self._pause = pause
        self._patience = Patience("forgetting")

    async def run(self) -> None:
        """Work until cancelled; a database that is away is waited for."""
        while True:
            gone = await self._patience.until_done(self._once)
            if any(gone):
                _LOG.info("forgotten", extra=gone._asdict())
            await self._pause(self._clock.wall_seconds(EVERY_S))

    async def _once(self) -> Forgotten:
        known = self._database.known_days
        async with self._database.write() as connection:
            ahead = await make_ahead(connection, self._clock.now_us(), known)
        known |= ahead
        return await forget_old(self._database, self._keep, now_us=self._clock.now_us())
