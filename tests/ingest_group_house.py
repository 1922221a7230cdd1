"""Workers in a group, told by the test what they own, and the owner of the live state."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ingest_house import KEYS, House, fresh_live
from twin.errors import BackendError
from twin.ingest.group import Given, GroupWorker, Taken
from twin.ingest.roles import ProcessRole
from twin.ingest.topics import applied_place
from twin.ingest.worker import Worker
from twin.live import Live
from twin.store import accounting, outbox

_LOOK_S = 0.01


@dataclass
class Member:
    """One membership, told by the test what it owns."""

    given: Given
    taken: Taken
    fails: BackendError | None = None
    joined: int = 0

    async def join(self) -> None:
        """Belong."""
        self.joined += 1

    async def check(self) -> None:
        """Fail once if the test says so."""
        failure, self.fails = self.fails, None
        if failure is not None:
            raise failure

    async def leave(self) -> None:
        """Leave."""


@dataclass
class Group:
    """Group workers over one house; `share` gives partitions as a broker would."""

    house: House
    workers: list[GroupWorker] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def add(self) -> GroupWorker:
        """Start one more."""

        def join(given: Given, taken: Taken) -> Member:
            self.members.append(Member(given, taken))
            return self.members[-1]

        name = f"worker {len(self.workers)}"
        worker = GroupWorker(
            network=self.house.network,
            log=self.house.log,
            database=self.house.database,
            clock=self.house.clock,
            policy=dataclasses.replace(self.house.policy, owner=name, first_pause_s=0.01),
            keys=KEYS,
            join=join,
        )
        self.workers.append(worker)
        self.tasks.append(asyncio.create_task(worker.run()))
        return worker

    async def share(self, *partitions: Iterable[int]) -> None:
        """Let everybody go, then give each what is his."""
        await asyncio.gather(*(member.taken() for member in self.members))
        for member, numbers in zip(self.members, partitions, strict=True):
            member.given(frozenset(numbers))

    async def end(self) -> None:
        """Stop all; what one died of is raised."""
        for worker in self.workers:
            worker.stop()
        await asyncio.gather(*self.tasks)


@asynccontextmanager
async def group(house: House, count: int) -> AsyncIterator[Group]:
    """Give started workers that own nothing yet."""
    made = Group(house)
    for _ in range(count):
        made.add()
    try:
        yield made
    finally:
        await made.end()


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again."""
    async with asyncio.timeout(30):
        while not await happened():  # noqa: ASYNC110 - what a database holds sets no event
            await asyncio.sleep(_LOOK_S)


async def received(house: House) -> int:
    """Return how many readings the books have; they must be balanced."""
    totals = await house.totals()
    assert all(accounting.balanced(tally) for tally in totals.values())
    return sum(tally.received for tally in totals.values())


async def published(house: House, count: int) -> bool:
    """Say whether everything was received, and what was applied was handed on."""
    handed_on = outbox.Share(frozenset({applied_place(0), applied_place(1)}))
    waiting = await outbox.pending(house.database, share=handed_on)
    return await received(house) == count and not waiting


def owner_of_state(house: House) -> tuple[Worker, Live]:
    """Make the worker of a forecaster over a fresh live state."""
    live = fresh_live(house.network)
    worker = Worker(
        network=house.network,
        live=live,
        log=house.log,
        database=house.database,
        clock=house.clock,
        policy=house.policy,
        keys=KEYS,
        on_picture=house.pictures.append,
        on_decisions=house.decisions.extend,
        role=ProcessRole.FORECASTER,
    )
    return worker, live


async def led(house: House) -> Live:
    """Let a new leader take what was handed on so far."""
    worker, live = owner_of_state(house)
    places = [applied_place(0), applied_place(1)]
    await worker.run_until(await house.log.end_offsets(places))
    await worker.close()
    return live
