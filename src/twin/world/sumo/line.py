"""The line between the street and the service, which can be cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import httpx

from twin.events import DecisionEvent
from twin.world.service import Answer, Pause, Service

_LOOK_AGAIN_S = 0.05


class Line(Service):
    """A service behind a line: while it is cut nothing is sent and nothing is heard."""

    def __init__(
        self, client: httpx.AsyncClient, *, key: str, is_cut: Callable[[], bool], pause: Pause
    ) -> None:
        """Ask `is_cut` before every use; `pause` waits so many seconds of the machine."""
        super().__init__(client, key=key, pause=pause)
        self._is_cut = is_cut
        self._wait = pause

    async def send(self, path: str, items: Sequence[bytes], *, tries: int = 0) -> Answer | None:
        """Send as a service is sent to; over a cut line wait, or with `tries` give up at once."""
        while self._is_cut():
            if tries:
                return None
            await self._wait(_LOOK_AGAIN_S)
        return await super().send(path, items, tries=tries)

    async def commands(
        self, devices: Sequence[str], *, after: int, wait_s: float
    ) -> tuple[int, list[DecisionEvent]] | None:
        """Poll commands; what comes in over a line that is cut meanwhile is not heard."""
        if self._is_cut():
            return None
        heard = await super().commands(devices, after=after, wait_s=wait_s)
        return None if self._is_cut() else heard
