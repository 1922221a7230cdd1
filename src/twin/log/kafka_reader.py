"""Reads from Kafka: partitions assigned by hand, positions given by the caller, no group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError

from twin.clock import WallClock
from twin.errors import BackendError
from twin.log.contract import Place, Records
from twin.log.kafka_faults import KAFKA_ERRORS, mapped
from twin.log.kafka_raw import Part, read_part
from twin.log.kafka_writer import ARRIVAL_HEADER
from twin.log.limits import beyond_end

_LOG: Final = logging.getLogger(__name__)
ANSWER_S: Final = 10.0
_QUIET_S: Final = 2.0  # after so long without a record, ask whether the broker is still there
_CHECK_S: Final = 5.0
_END_US: Final = 253_402_300_800 * 1_000_000  # no calendar goes beyond the year 9999


async def connect_consumer(bootstrap: str) -> AIOKafkaConsumer:
    """Connect a consumer without a group. Raises BackendError when the broker is away."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=100,  # a partition waits so long for the answer about the others
        max_partition_fetch_bytes=2 * 1024 * 1024,
        request_timeout_ms=int(ANSWER_S * 1000),
    )
    with mapped(bootstrap, "connecting a consumer"):
        try:
            async with asyncio.timeout(ANSWER_S):
                await consumer.start()
        except BaseException:
            await shut_consumer(consumer)
            raise
    return consumer


async def shut_consumer(consumer: AIOKafkaConsumer) -> None:
    """Disconnect within bounds."""
    with suppress(*KAFKA_ERRORS):
        async with asyncio.timeout(ANSWER_S):
            await consumer.stop()


class KafkaReader:
    """Reads chosen partitions in order."""

    def __init__(
        self,
        bootstrap: str,
        consumer: AIOKafkaConsumer,
        positions: Mapping[TopicPartition, tuple[Place, int]],
    ) -> None:
        """Take a connected consumer; `positions` holds our name of each partition and an offset."""
        self._bootstrap = bootstrap
        self._consumer = consumer
        self._places = {partition: place for partition, (place, _) in positions.items()}
        self._next = {partition: offset for partition, (_, offset) in positions.items()}
        self._heard_s = asyncio.get_running_loop().time()
        self._check: asyncio.Task[None] | None = None
        self._away: str | None = None
        consumer.assign(list(positions))
        for partition, (_, offset) in positions.items():
            consumer.seek(partition, offset)

    async def fetch(self, *, max_records: int, timeout_s: float) -> list[Records]:
        """Return what is there, waiting up to `timeout_s` for the first record.

        Once a question to a silent broker went unanswered, raises BackendError until one is.
        """
        await self._raise_if_away(timeout_s)
        with mapped(self._bootstrap, "reading"):
            try:
                found = await self._consumer.getmany(
                    timeout_ms=max(0, int(timeout_s * 1000)), max_records=max_records
                )
            except OffsetOutOfRangeError as error:
                return [await self._skip(*lost) for lost in error.args[0].items()]
            except (CorruptRecordException, UnicodeDecodeError):
                found = await self._around_broken()
        if found:
            self._heard_s = asyncio.get_running_loop().time()
        else:
            self._ask_if_quiet()
        return [self._taken(key, records) for key, records in found.items() if records]

    async def seek(self, place: Place, offset: int) -> None:
        """Go on at `offset` in one partition."""
        for partition, known in self._places.items():
            if known == place:
                self._next[partition] = offset
                self._consumer.seek(partition, offset)
                return
        message = f"{place} is not read by this reader"
        raise ValueError(message)

    async def close(self) -> None:
        """Disconnect."""
        if self._check is not None:
            self._check.cancel()
            await asyncio.wait([self._check])
        await shut_consumer(self._consumer)

    async def _skip(self, partition: TopicPartition, position: int) -> Records:
        """Go to the start of a partition whose oldest records are gone, and say how many."""
        place = self._places[partition]
        async with asyncio.timeout(ANSWER_S):
            starts = await self._consumer.beginning_offsets([partition])
            ends = await self._consumer.end_offsets([partition])
        start, end = starts[partition], ends[partition]
        if position > end:
            raise BackendError(beyond_end(place, position, end))
        self._consumer.seek(partition, max(start, position))
        self._next[partition] = max(start, position)
        nothing = np.empty(0, np.int64)
        return Records(
            place=place,
            offsets=nothing,
            arrival_us=nothing,
            values=[],
            next_offset=max(start, position),
            skipped=max(start - position, 0),
        )

    def _taken(self, partition: TopicPartition, records: Sequence[Any]) -> Records:
        taken = _records(self._places[partition], records)
        if isinstance(records[-1], _Broken):
            taken = replace(taken, next_offset=records[-1].next_offset)
        self._next[partition] = taken.next_offset
        return taken

    async def _around_broken(self) -> dict[TopicPartition, Sequence[Any]]:
        """Read every partition as bytes, because one holds a batch with a wrong checksum.

        The client has moved on in the others without giving what it had read: all go back.
        """
        found: dict[TopicPartition, Sequence[Any]] = {}
        for partition, offset in self._next.items():
            async with asyncio.timeout(ANSWER_S):
                part = await read_part(self._consumer, partition, offset)
            found[partition] = part.records
            after = part.records[-1].offset + 1 if part.records else offset
            if part.broken:
                after = part.next_offset
                found[partition] = [_Broken(offset, part)]
                extra = {"place": str(self._places[partition]), "offset": offset}
                _LOG.error("batch_unreadable", extra=extra | {"bytes": len(part.broken)})
            self._consumer.seek(partition, after)
        return found

    def _ask_if_quiet(self) -> None:
        """Ask beside the reading, because the client itself waits for a lost broker in silence."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._heard_s > _QUIET_S:
            self._begin_check()

    def _begin_check(self) -> asyncio.Task[None]:
        if self._check is None:
            self._check = asyncio.create_task(self._ask(), name="kafka reader check")
        return self._check

    async def _ask(self) -> None:
        with mapped(self._bootstrap, "reading"):
            async with asyncio.timeout(_CHECK_S):
                await self._consumer.end_offsets(list(self._places)[:1])

    async def _raise_if_away(self, timeout_s: float) -> None:
        """Hear the answer, waiting for it once one was missed; raise while there is none."""
        if self._away is not None:
            await asyncio.wait([self._begin_check()], timeout=timeout_s)
        check = self._check
        if check is not None and check.done():
            self._check = None
            try:
                check.result()
            except BackendError as error:
                self._away = str(error)
            else:
                self._away = None
                self._heard_s = asyncio.get_running_loop().time()
        if self._away is not None:
            raise BackendError(self._away)


class _Broken:
    """A batch that cannot be read, in the form of a record that holds all its bytes."""

    headers: tuple[tuple[str, bytes], ...] = ()

    def __init__(self, offset: int, part: Part) -> None:
        """Take its time from its header where that can be: not after this moment."""
        self.offset = offset
        self.value = part.broken
        self.next_offset = part.next_offset
        now_ms = WallClock().now_us() // 1000
        self.timestamp = min(part.timestamp_ms, now_ms) if part.timestamp_ms > 0 else now_ms


def _arrival_us(exact: str, timestamp_ms: int) -> int:
    """Return the arrival time of the header, or the broker's where the header is none of ours."""
    number = int(exact) if exact.isascii() and exact.isdigit() and len(exact) < 20 else _END_US
    return number if number < _END_US else timestamp_ms * 1000


def _records(place: Place, found: Sequence[Any]) -> Records:
    count = len(found)
    offsets = np.empty(count, np.int64)
    arrival_us = np.empty(count, np.int64)
    values: list[bytes] = []
    headers: list[dict[str, str]] = []
    for row, record in enumerate(found):
        offsets[row] = record.offset
        texts = {name: (text or b"").decode(errors="replace") for name, text in record.headers}
        arrival_us[row] = _arrival_us(texts.pop(ARRIVAL_HEADER, ""), record.timestamp)
        values.append(record.value or b"")
        headers.append(texts)
    return Records(
        place=place,
        offsets=offsets,
        arrival_us=arrival_us,
        values=values,
        next_offset=int(offsets[-1]) + 1,
        headers=headers,
    )
