"""Trying again while a server is away, and saying so meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from twin.errors import BackendError

Result = TypeVar("Result")

_LOG: Final = logging.getLogger(__name__)
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0


@dataclass
class Patience:
    """Repeats work until the server is back or we are asked to stop.

    `problem` is what is wrong now, None when the last try went well. The pause doubles from
    `first_pause_s` up to 5 s, wall time.
    """

    name: str
    first_pause_s: float = FIRST_PAUSE_S
    problem: str | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _pause_s: float = 0.0

    def beside(self, name: str) -> Patience:
        """Return another that stops with this one."""
        return Patience(name, self.first_pause_s, stopping=self.stopping)

    async def until_done(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Return what `work` returns. Raises BackendError only once we are stopping."""
        while True:
            try:
                result = await work()
            except BackendError as error:
                self.failed(error)
                if self.stopping.is_set():
                    raise
                await self.rest()
            else:
                self.went_well()
                return result

    def failed(self, error: BackendError) -> None:
        """Remember that a try failed."""
        if self.problem is None:
            _LOG.warning("server_away", extra={"task": self.name, "problem": str(error)})
        self.problem = str(error)
        self._pause_s = min(max(self._pause_s * 2, self.first_pause_s), LONGEST_PAUSE_S)

    def went_well(self) -> None:
        """Remember that a try succeeded."""
        if self.problem is not None:
            _LOG.warning("server_back", extra={"task": self.name})
        self.problem = None
        self._pause_s = 0.0

    async def rest(self, at_most_s: float = LONGEST_PAUSE_S) -> None:
        """Wait before the next try, or until we are asked to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), min(self._pause_s, at_most_s))
