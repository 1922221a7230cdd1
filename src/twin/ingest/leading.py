"""One of several forecasters leads: it holds the lease; the others stand by and look again.

The lease says who begins; that two can never both write is not its work but that of the epochs,
which the one who begins raises. Whoever loses the lease, or finds itself fenced, lets its term go
and stands by. In good order the lease is given back, and the next begins at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from twin.errors import BackendError, FencedError
from twin.ingest.health import WorkerHealth
from twin.ingest.patience import Patience
from twin.store.database import Database
from twin.store.roles import Lease, release_lease, take_lease

_LOG: Final = logging.getLogger(__name__)
LEADER: Final = "forecaster"
"""Name of the lease."""
_LOOKS: Final = 6
"""So often within the length of a lease it is renewed, or looked at."""
_END_S: Final = 4.0


class Term(Protocol):
    """The work of a leader, from taking over to letting go."""

    async def run(self) -> None:
        """Work until `stop`; raises FencedError when somebody else took over."""
        ...

    def stop(self) -> None:
        """Ask `run` to finish in good order."""
        ...

    def health(self) -> WorkerHealth:
        """Say how it is."""
        ...


class Leading:
    """Stands by until the lease is free, then leads for as long as it holds it. Use `run`."""

    def __init__(
        self, *, database: Database, owner: str, lease_s: float, begin: Callable[[Lease], Term]
    ) -> None:
        """Make each term with `begin`; `lease_s` is how long a silent leader keeps the others out.

        owner   unique to this start of this process: an earlier one's lease is not ours
        """
        self._database = database
        self._owner = owner
        self._lease_s = lease_s
        self._begin = begin
        self._patience = Patience("standby")
        self._term: Term | None = None
        self.led = asyncio.Event()
        """Set when the first term begins."""

    def health(self) -> WorkerHealth:
        """Say how the term is, or that we stand by."""
        if self._term is not None:
            return self._term.health()
        stopping = self._patience.stopping.is_set()
        return WorkerHealth(
            state="stopped" if stopping else "standby", problem=self._patience.problem
        )

    def stop(self) -> None:
        """Ask `run` to finish the term, give the lease back, and return."""
        self._patience.stopping.set()
        if self._term is not None:
            self._term.stop()

    async def run(self) -> None:
        """Stand by and lead until `stop`. Raises what a term could not handle, except fencing."""
        while not self._patience.stopping.is_set():
            with suppress(BackendError):  # only raised once we are stopping
                held = await self._patience.until_done(self._take)
                if held is not None:
                    await self._lead(held)
                await self._rest()

    async def _take(self) -> Lease | None:
        return await take_lease(self._database, LEADER, self._owner, for_s=self._lease_s)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._patience.stopping.wait(), self._lease_s / _LOOKS)

    async def _lead(self, held: Lease) -> None:
        self.led.set()
        _LOG.warning("leadership_taken", extra={"epoch": held.epoch})
        term = self._term = self._begin(held)
        work = asyncio.create_task(term.run(), name="term")
        renewing = asyncio.create_task(self._renew(), name="lease")
        try:
            await asyncio.wait({work, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            else:
                renewing.result()
                _LOG.warning("leadership_lost", extra={"problem": "the lease went to another"})
        except FencedError as error:
            _LOG.warning("leadership_lost", extra={"problem": str(error)})
        finally:
            await self._end(term, work, renewing)
            with suppress(BackendError):  # then it ends by itself
                await release_lease(self._database, held)

    async def _end(
        self, term: Term, work: asyncio.Task[None], renewing: asyncio.Task[None]
    ) -> None:
        """Let the term finish, and be renewed meanwhile; cut it only when it hangs."""
        term.stop()
        await asyncio.wait({work}, timeout=_END_S)
        for task in (work, renewing):
            task.cancel()
        await asyncio.gather(work, renewing, return_exceptions=True)
        self._term = None

    async def _renew(self) -> None:
        """Renew the lease until it went to another; a database that is away decides nothing."""
        while True:
            await asyncio.sleep(self._lease_s / _LOOKS)
            with suppress(BackendError):
                if await self._take() is None:
                    return
