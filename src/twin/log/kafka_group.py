"""Membership in a Kafka consumer group: who of several processes owns which partitions.

It reads nothing: the partitions that the group gives are read by a reader of the contract, at the
positions that the database holds. A process that dies is found out by the broker when its
heartbeats stay away for `SESSION_S`; one that leaves in good order lets go at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from twin.log.kafka_faults import mapped
from twin.log.kafka_reader import ANSWER_S, shut_consumer

SESSION_S: Final = 6.0  # the shortest that a broker takes unless it is told otherwise
_HEARTBEAT_S: Final = 1.0
_NO_POLL_LIMIT_MS: Final = 2**31 - 1  # nothing is polled here; heartbeats alone say that we live

Given = Callable[[frozenset[int]], None]
Taken = Callable[[], Awaitable[None]]


class KafkaGroup(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of a group that shares the partitions of one topic."""

    def __init__(self, bootstrap: str, topic: str, group: str, *, given: Given, taken: Taken):
        """Remember whom to tell; `join` connects.

        topic, group   as the broker knows them, prefix included
        given          is told the partitions that are ours from now on
        taken          is awaited before partitions may go to others: finish and let go
        """
        self._bootstrap = bootstrap
        self._topic = topic
        self._group = group
        self._given = given
        self._taken = taken
        self._consumer: AIOKafkaConsumer | None = None

    async def join(self) -> None:
        """Become a member. Raises BackendError when the broker is away."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=int(SESSION_S * 1000),
            heartbeat_interval_ms=int(_HEARTBEAT_S * 1000),
            max_poll_interval_ms=_NO_POLL_LIMIT_MS,
            request_timeout_ms=int(ANSWER_S * 1000),
            partition_assignment_strategy=(StickyPartitionAssignor,),
        )
        consumer.subscribe([self._topic], listener=self)
        self._consumer = consumer
        with mapped(self._bootstrap, "joining the group"):
            try:
                async with asyncio.timeout(ANSWER_S + SESSION_S):
                    await consumer.start()
            except BaseException:
                await self.leave()
                raise

    async def check(self) -> None:
        """Raise BackendError when the membership failed in a way that it cannot mend itself."""
        if self._consumer is not None:
            with mapped(self._bootstrap, "keeping the membership of the group"):
                await self._consumer.getmany(timeout_ms=0)

    async def leave(self) -> None:
        """Leave the group, within bounds; the others take over at once."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await shut_consumer(consumer)

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Let go before the partitions are shared out anew."""
        await self._taken()

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """Own what the group gave, and read none of it here."""
        if self._consumer is not None and assigned:
            self._consumer.pause(*assigned)
        self._given(frozenset(partition.partition for partition in assigned))
