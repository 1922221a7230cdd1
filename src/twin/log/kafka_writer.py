"""Appends to Kafka: one idempotent producer, lz4, acknowledged by all replicas in sync.

A few records go through the producer's own batching, so that many callers share a request; many
records are put into batches here, which costs less a record. The exact arrival time travels in
header `a`, because Kafka's own timestamps have milliseconds only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed

from twin.columns import Ints
from twin.errors import BackendError
from twin.log.contract import Place
from twin.log.kafka_faults import KAFKA_ERRORS, mapped

ARRIVAL_HEADER: Final = "a"
_FEW: Final = 64  # records; above it our own batches are quicker
_BATCH_BYTES: Final = 512 * 1024  # before compression; one larger record makes a batch alone
_REQUEST_BYTES: Final = 1_000_000
_START_S: Final = 10.0
_ACKNOWLEDGED_S: Final = 15.0
_STOP_S: Final = 2.0


class KafkaWriter:
    """Appends to the partitions of one cluster; makes a new producer after a fatal error."""

    def __init__(self, bootstrap: str) -> None:
        """Remember where; the first append connects."""
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> AIOKafkaProducer:
        """Return the producer, connected. Raises BackendError when the broker is away."""
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    enable_idempotence=True,
                    acks="all",
                    compression_type="lz4",
                    max_batch_size=_BATCH_BYTES,
                    max_request_size=_REQUEST_BYTES,
                    request_timeout_ms=int(_START_S * 1000),
                )
                with mapped(self._bootstrap, "connecting a producer"):
                    try:
                        async with asyncio.timeout(_START_S):
                            await producer.start()
                    except BaseException:
                        await shut_producer(producer)
                        raise
                self._producer = producer
            return self._producer

    async def append(
        self, place: Place, values: Sequence[bytes], arrival_us: Ints, headers: Mapping[str, str]
    ) -> int | None:
        """Append records in order; return the last offset, or None if the broker did not say it.

        Raises BackendError when some of them may not be durable.
        """
        producer = await self.start()
        shared = [(name, text.encode()) for name, text in headers.items()]
        times: list[int] = arrival_us.tolist()
        send = self._send_few if len(values) <= _FEW else self._send_many
        doing = f"appending to {place}"
        try:
            with mapped(self._bootstrap, doing):
                async with asyncio.timeout(_ACKNOWLEDGED_S):
                    sent = await send(producer, place, values, times, shared)
                    return await _last_offset(sent)
        except BackendError as error:
            if not isinstance(error.__cause__, TimeoutError):
                await self._replace(producer)  # an idempotent producer may be out of sequence now
            raise

    async def close(self) -> None:
        """Send what waits, within bounds, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await shut_producer(producer)

    async def _replace(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            await shut_producer(producer)

    async def _send_few(
        self,
        producer: AIOKafkaProducer,
        place: Place,
        values: Sequence[bytes],
        times: list[int],
        headers: list[tuple[str, bytes]],
    ) -> list[tuple[asyncio.Future[Any], int]]:
        sent = []
        for value, time_us in zip(values, times, strict=True):
            future = await producer.send(
                place.topic,
                value,
                partition=place.partition,
                timestamp_ms=time_us // 1000,
                headers=[*headers, (ARRIVAL_HEADER, str(time_us).encode())],
            )
            future.add_done_callback(_heard)
            sent.append((future, 0))
        return sent

    async def _send_many(
        self,
        producer: AIOKafkaProducer,
        place: Place,
        values: Sequence[bytes],
        times: list[int],
        headers: list[tuple[str, bytes]],
    ) -> list[tuple[asyncio.Future[Any], int]]:
        sent = []
        first = 0
        while first < len(values):
            batch = producer.create_batch()
            row = first
            while row < len(values):
                stamped = [*headers, (ARRIVAL_HEADER, str(times[row]).encode())]
                added = batch.append(
                    timestamp=times[row] // 1000, key=None, value=values[row], headers=stamped
                )
                if added is None:
                    break
                row += 1
            batch.close()
            future = await producer.send_batch(batch, place.topic, partition=place.partition)
            future.add_done_callback(_heard)
            sent.append((future, row - first - 1))
            first = row
        return sent


def _heard(future: asyncio.Future[Any]) -> None:
    """Take note of how a record went even when the rest of its append never went out.

    Without it the loop reports "exception was never retrieved" for a failure that was told already.
    """
    if not future.cancelled():
        future.exception()


async def _last_offset(sent: list[tuple[asyncio.Future[Any], int]]) -> int | None:
    """Wait for every acknowledgement; raise the first error."""
    outcomes = await asyncio.gather(*(future for future, _ in sent), return_exceptions=True)
    base = -1
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        base = int(outcome.offset)
    return base + sent[-1][1] if base >= 0 else None


async def shut_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer for certain, leaving no task behind.

    Its own `stop` waits for ever for batches that an absent broker does not take, so those are
    failed first once the time is over (there is no public way to).
    """
    stopping = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait([stopping], timeout=_STOP_S)
    if not done:
        producer._message_accumulator.fail_all(ProducerClosed())
        if producer._sender.sender_task is not None:
            producer._sender.sender_task.cancel()
        await asyncio.wait([stopping], timeout=_STOP_S)
        stopping.cancel()
    with suppress(*KAFKA_ERRORS, asyncio.CancelledError):
        await stopping
    with suppress(*KAFKA_ERRORS):
        await producer.client.close()
