"""The heart of a process, by its role: what beats beside the HTTP side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from twin.api.board import Board
from twin.api.follow import Follower
from twin.clock import Clock
from twin.errors import Fault, SettingsError
from twin.events import Topic
from twin.ingest.group import Given, GroupWorker, Join, Membership, Taken
from twin.ingest.health import WorkerHealth
from twin.ingest.leading import Leading
from twin.ingest.policy import WorkerPolicy
from twin.ingest.roles import ProcessRole
from twin.ingest.showing import PictureSender
from twin.ingest.worker import Worker
from twin.keys import KeyRing
from twin.live import Live
from twin.log.contract import Log
from twin.network.model import SingleMap
from twin.store import maps
from twin.store.database import Database
from twin.store.roles import Lease

_STOP_S: Final = 3.0
GROUP: Final = "twin.workers"
"""Name of the consumer group; the prefix of the topics stands before it."""


class Heart(Protocol):
    """What every role runs until it is told to stop."""

    async def run(self) -> None:
        """Work until `stop`."""
        ...

    def stop(self) -> None:
        """Ask `run` to finish in good order."""
        ...

    def health(self) -> WorkerHealth:
        """Say how it is at this moment."""
        ...


@dataclass(frozen=True)
class Organs:
    """What the hearts are made of.

    live          makes a live state that knows the map alone
    on_map        is told of every change of the map in use
    leader_s      how long a leader that says nothing keeps the others out, s
    """

    network: SingleMap
    log: Log
    database: Database
    clock: Clock
    board: Board
    policy: WorkerPolicy
    keys: KeyRing
    live: Callable[[], Live]
    on_map: Callable[[SingleMap], None]
    leader_s: float


def make_heart(role: ProcessRole, organs: Organs) -> Heart:
    """Make the heart of a process. Raises InputError for rules that the map does not bear."""
    if role is ProcessRole.WORKER:
        return GroupWorker(
            network=organs.network,
            log=organs.log,
            database=organs.database,
            clock=organs.clock,
            policy=organs.policy,
            keys=organs.keys,
            join=group_of(organs.log),
        )
    if role is ProcessRole.API:
        return Follower(
            network=organs.network,
            log=organs.log,
            board=organs.board,
            load_map=lambda version: maps.load_map(organs.database, version),
            on_map=organs.on_map,
        )
    if role is ProcessRole.FORECASTER:
        return Leading(
            database=organs.database,
            owner=organs.policy.owner,
            lease_s=organs.leader_s,
            begin=Terms(organs).begin,
        )
    return _worker(organs, organs.live(), on_picture=organs.board.publish, show=True)


def _worker(
    organs: Organs,
    live: Live,
    *,
    on_picture: Callable[..., None],
    show: bool,
    role: ProcessRole = ProcessRole.ALL,
) -> Worker:
    return Worker(
        network=organs.network,
        live=live,
        log=organs.log,
        database=organs.database,
        clock=organs.clock,
        policy=organs.policy,
        keys=organs.keys,
        on_picture=on_picture,
        on_decisions=organs.board.publish_decisions if show else lambda _: None,
        on_map=organs.on_map,
        role=role,
    )


class Terms:
    """Makes the terms of a forecaster; the live state of the first is laid out beforehand."""

    def __init__(self, organs: Organs) -> None:
        """Read rules and lay the map out now: a standby is warm."""
        self._organs = organs
        self._spare: Live | None = organs.live()

    def begin(self, lease: Lease) -> OneTerm:
        """Make the term under a lease."""
        live, self._spare = self._spare or self._organs.live(), None
        return OneTerm(self._organs, live, epoch=lease.epoch)


class OneTerm:
    """The owner of the live state, and the sender of its pictures."""

    def __init__(self, organs: Organs, live: Live, *, epoch: int) -> None:
        """Work with a live state of its own."""
        self._sender = PictureSender(organs.log, epoch=epoch)
        self._worker = _worker(
            organs,
            live,
            on_picture=self._sender.publish,
            show=False,
            role=ProcessRole.FORECASTER,
        )

    def health(self) -> WorkerHealth:
        """Say how the owner of the live state is."""
        health = self._worker.health()
        return replace(health, problem=health.problem or self._sender.problem)

    def stop(self) -> None:
        """Ask `run` to finish."""
        self._worker.stop()
        self._sender.stop()

    async def run(self) -> None:
        """Work until `stop`. Raises what the worker raises, FencedError too."""
        tasks = [
            asyncio.create_task(self._worker.run(), name="live worker"),
            asyncio.create_task(self._sender.run(), name="pictures"),
        ]
        try:
            await _until_first(tasks)
        finally:
            self.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await asyncio.gather(*tasks, return_exceptions=True)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _until_first(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait until a task ends; raise what it died of."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def group_of(log: Log) -> Join:
    """Return how a worker joins the group that shares the partitions of `reading` out.

    Raises SettingsError for a log that no other process can read.
    """

    def join(given: Given, taken: Taken) -> Membership:
        from twin.log.kafka import KafkaLog  # their import costs what `all` need not wait for
        from twin.log.kafka_group import KafkaGroup

        if not isinstance(log, KafkaLog):
            rule = "workers share a broker: kafka://HOST:PORT"
            raise SettingsError(Fault("TWIN_LOG", log.where, rule))
        topic = log.prefix + Topic.READING.value
        return KafkaGroup(log.bootstrap, topic, f"{log.prefix}{GROUP}", given=given, taken=taken)

    return join
