"""The forecast's own clock: once a cycle, in a worker thread, swapped in whole or dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from twin.forecast.result import Forecast
from twin.ingest.order import NEVER_US
from twin.ingest.timings import Timings
from twin.live import Live
from twin.offload import Offload
from twin.picture import forecast_digest


class Swap(NamedTuple):
    """What one tick did: the id of the forecast taken in, or of the one that came too late."""

    taken: str = ""
    dropped: str = ""


class ForecastCycle:
    """Starts a forecast when one is due and none is running; never queues a second."""

    def __init__(
        self,
        live: Live,
        offload: Offload,
        *,
        make: Callable[[Any], Forecast],
        every_us: int,
        timings: Timings | None = None,
    ) -> None:
        """Make a forecast with the pure function `make` every `every_us` of service time."""
        self._live = live
        self._offload = offload
        self._make = make
        self._every_us = every_us
        self._timings = timings or Timings()
        self._due_us = NEVER_US
        self._running: asyncio.Task[tuple[Forecast, str]] | None = None
        self.made = 0
        self.dropped = 0
        self.content = ""
        """Hash of the forecast that was taken in last."""

    def take(self, now_us: int) -> Swap:
        """Hand a finished forecast to the live state. Raises what the forecast raised."""
        if self._running is None or not self._running.done():
            return Swap()
        (forecast, content), self._running = self._running.result(), None
        if self._live.take_forecast(forecast, now_us):
            self.made += 1
            self.content = content
            return Swap(taken=forecast.id)
        self.dropped += 1
        return Swap(dropped=forecast.id)

    def stand_on(self, live: Live) -> None:
        """Forecast another live state from now on; one of the map before is dropped when done."""
        self._live = live
        self._due_us = NEVER_US

    @property
    def resting(self) -> bool:
        """Say whether none is being made."""
        return self._running is None

    def begins(self, now_us: int) -> bool:
        """Say whether `start` would begin a forecast now."""
        return self._running is None and now_us >= self._due_us

    def start(self, now_us: int) -> None:
        """Begin the next forecast if it is due, on a copy of the state of this moment."""
        if not self.begins(now_us):
            return
        self._due_us = now_us + self._every_us
        frozen = self._live.forecast_input(now_us)
        self._running = asyncio.create_task(
            self._offload.run(self._made, frozen), name="live forecast"
        )

    def _made(self, frozen: Any) -> tuple[Forecast, str]:
        """Make a forecast and the hash of its content, both beside the loop."""
        with self._timings.of("forecast"):
            forecast = self._make(frozen)
        return forecast, forecast_digest(forecast)

    async def close(self) -> None:
        """Forget the forecast that is being made."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
