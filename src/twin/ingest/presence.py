"""Tells the other processes of the service that this one is there, and how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from twin.clock import WallClock
from twin.errors import BackendError
from twin.ingest.health import WorkerHealth
from twin.ingest.roles import ProcessRole
from twin.store.database import Database
from twin.store.roles import ProcessEntry, drop_process, say_process

_EVERY_S: Final = 2.0
_LAST_WORD_S: Final = 1.0


class Presence:
    """Writes one row of the list of processes, again and again. Use `run` until cancelled."""

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        role: ProcessRole,
        url: str,
        health: Callable[[], WorkerHealth],
    ) -> None:
        """Speak for the process `name`; `url` is where its probes answer."""
        self._database = database
        self._health = health
        self._entry = ProcessEntry(
            name=name,
            role=str(role),
            state="starting",
            url=url,
            problem="",
            started_us=WallClock().now_us(),
        )

    async def run(self) -> None:
        """Say it every two seconds; at the end the row goes, if the database is there."""
        try:
            while True:
                with suppress(BackendError):  # the heart says that the database is away
                    await say_process(self._database, self._now())
                await asyncio.sleep(_EVERY_S)
        finally:
            with suppress(BackendError, TimeoutError):
                async with asyncio.timeout(_LAST_WORD_S):
                    await drop_process(self._database, self._entry.name)

    def _now(self) -> ProcessEntry:
        health = self._health()
        entry = self._entry
        return ProcessEntry(
            name=entry.name,
            role=entry.role,
            state=health.state,
            url=entry.url,
            problem=health.problem or "",
            started_us=entry.started_us,
        )
