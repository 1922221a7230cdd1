"""Where a slow reader's news waits: one slot that is overwritten, never a queue that grows."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from twin.events import DecisionEvent

ALERT_PLACES: Final = 256


class FrameSlot:
    """One client of the live stream. It holds no frame, only what the client has seen."""

    def __init__(self, choose: Callable[[int | None], tuple[int, bytes] | None]) -> None:
        """Take `choose(sequence seen or None) -> (sequence, frame)`, None when nothing is newer."""
        self._choose = choose
        self._news = asyncio.Event()
        self._seen: int | None = None
        self._news.set()

    def wake(self) -> None:
        """Say that there is a newer picture."""
        self._news.set()

    def ask_key(self) -> None:
        """Forget what the client has, so that the next frame stands alone."""
        self._seen = None
        self._news.set()

    async def next_frame(self) -> bytes:
        """Wait for something newer than what the client has, and return one frame.

        A delta if the client has the picture just before; otherwise the newest key frame.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            chosen = self._choose(self._seen)
            if chosen is not None:
                self._seen, frame = chosen
                return frame


class AlertSlot:
    """One reader of alerts: the newest version of each decision that it has not been given yet.

    Bounded: above `ALERT_PLACES` waiting decisions the oldest is dropped and counted, and the
    reader is told so, because then it must read the list of decisions again.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: OrderedDict[str, DecisionEvent] = OrderedDict()
        self._news = asyncio.Event()
        self.dropped = 0

    def put(self, event: DecisionEvent) -> None:
        """Leave a decision; an older version of the same that still waits is replaced."""
        self._waiting.pop(event.id, None)
        self._waiting[event.id] = event
        while len(self._waiting) > ALERT_PLACES:
            self._waiting.popitem(last=False)
            self.dropped += 1
        self._news.set()

    def wake(self) -> None:
        """Let the reader look round, although nothing is new."""
        self._news.set()

    async def take(self, timeout_s: float) -> list[DecisionEvent]:
        """Return everything that waits, oldest first; empty if nothing came in `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return []
        self._news.clear()
        taken = list(self._waiting.values())
        self._waiting.clear()
        return taken
