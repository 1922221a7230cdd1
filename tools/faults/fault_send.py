"""The senders: every lane sends its deliveries in order, again and again until acknowledged.

They speak to the service's API and to the broker with a client of their own, and keep their own
record on disk: a line before an attempt and one after it. `acknowledged` is what the other side
answered for.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fault_file import HTTP, Delivery

from twin.errors import BackendError
from twin.log.contract import Place
from twin.log.embedded import EmbeddedLog
from twin.log.kafka_writer import shut_producer

PATHS: Final = {
    "reading": "/api/v1/readings",
    "anpr.read": "/api/v1/passages",
    "incident": "/api/v1/incidents",
    "street.status": "/api/v1/street/status",
}
_ANSWER_S: Final = 12.0
_PAUSE_S: Final = 0.15
_BEGUN: Final = "begun"
_ACKNOWLEDGED: Final = "acknowledged"


class Carrier(Protocol):
    """Brings records to the log itself."""

    async def carry(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        """Return once they are durable; raise anything of `REFUSED` if they may not be."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


REFUSED: Final = (httpx.TransportError, KafkaError, BackendError, TimeoutError, OSError)


class KafkaCarrier:
    """A producer of the sender's own, as a partner would use one."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        """Remember where."""
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def _connected(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    compression_type="lz4",
                    request_timeout_ms=int(_ANSWER_S * 1000),
                )
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        await producer.start()
                except BaseException:
                    await shut_producer(producer)
                    raise
                self._producer = producer
            return self._producer

    async def carry(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        """Send records in order and wait for every acknowledgement."""
        producer = await self._connected()
        try:
            async with asyncio.timeout(_ANSWER_S):
                name = self._prefix + topic
                sent = [await producer.send(name, value, partition=partition) for value in values]
                await asyncio.gather(*sent)
        except BaseException:
            if self._producer is producer:
                self._producer = None
                await shut_producer(producer)
            raise

    async def close(self) -> None:
        """Stop the producer."""
        if self._producer is not None:
            await shut_producer(self._producer)
            self._producer = None


class FileCarrier:
    """Writes to the embedded log from a process of its own."""

    def __init__(self, path: Path) -> None:
        """Open the file at the first delivery."""
        self._log = EmbeddedLog(path)

    async def carry(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        """Append records."""
        await self._log.append(Place(topic, partition), values, arrival_us=time.time_ns() // 1000)

    async def close(self) -> None:
        """Close the file."""
        await self._log.close()


class Sender:
    """All lanes together, with the record of what was acknowledged."""

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        record: Path,
        *,
        url: str,
        key: str,
        carrier: Carrier,
        seal: Any,
    ) -> None:
        """Go on where the record ends. `seal` turns passages in clear into sealed ones."""
        self._record = record
        self._url = url
        self._key = key
        self._carrier = carrier
        self._seal = seal
        done, self.failed = read_record(record)
        self.acknowledged = sum(one.events for one in deliveries if one.number in done)
        self.total = sum(one.events for one in deliveries)
        self._lanes: dict[str, list[Delivery]] = defaultdict(list)
        for one in deliveries:
            if one.number not in done:
                self._lanes[one.lane].append(one)
        self._claimed = self.acknowledged
        self._allowed = 0
        self._moved = asyncio.Condition()

    async def allow(self, events: int) -> None:
        """Let the lanes go on until so many events are on their way or acknowledged in all."""
        async with self._moved:
            self._allowed = max(events, self._allowed)
            self._moved.notify_all()

    async def allow_more(self) -> None:
        """Let one delivery more go out, at least."""
        await self.allow(self._claimed + 1)

    async def reached(self, events: int) -> None:
        """Wait until so many events are acknowledged."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.acknowledged >= min(events, self.total))

    async def run(self) -> None:
        """Send everything."""
        try:
            await self._run()
        finally:
            await self._carrier.close()

    async def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        with self._record.open("a", encoding="utf-8") as record:
            async with httpx.AsyncClient(
                base_url=self._url, headers=headers, timeout=_ANSWER_S
            ) as client:
                lanes = [self._lane(lane, client, record) for lane in self._lanes.values()]
                async with asyncio.TaskGroup() as group:
                    for lane in lanes:
                        group.create_task(lane)

    async def _lane(self, lane: list[Delivery], client: httpx.AsyncClient, record: Any) -> None:
        for delivery in lane:
            async with self._moved:
                await self._moved.wait_for(lambda: self._claimed < self._allowed)
                self._claimed += delivery.events
            while True:
                self._note(record, delivery, _BEGUN)
                problem = await self._attempt(delivery, client)
                if problem is None:
                    break
                self.failed[delivery.number] += 1
                self._note(record, delivery, problem)
                await asyncio.sleep(_PAUSE_S)
            self._note(record, delivery, _ACKNOWLEDGED)
            async with self._moved:
                self.acknowledged += delivery.events
                self._moved.notify_all()

    def _note(self, record: Any, delivery: Delivery, what: str) -> None:
        """Write a line that stands even if this process is killed the next moment."""
        record.write(json.dumps([delivery.number, what]) + "\n")
        record.flush()

    async def _attempt(self, delivery: Delivery, client: httpx.AsyncClient) -> str | None:
        """Send once; return what went wrong, None when it was acknowledged."""
        try:
            if delivery.way == HTTP:
                answer = await client.post(
                    PATHS[delivery.topic],
                    content=b"\n".join(delivery.values),
                    headers={"Content-Type": "application/x-ndjson"},
                )
                if answer.status_code == 202:
                    assert answer.json()["received"] == len(delivery.values), answer.text
                    return None
                if answer.status_code != 503:
                    raise AssertionError(f"{answer.status_code}: {answer.text}")
                return f"HTTP {answer.status_code}"
            values = delivery.values
            if delivery.topic == "anpr.read":
                values = self._seal(values)
            await self._carrier.carry(delivery.topic, delivery.partition, values)
        except REFUSED as error:
            return f"{type(error).__name__}: {error}"[:200]
        return None


def read_record(path: Path) -> tuple[set[int], Counter[int]]:
    """Read the sender's record: deliveries acknowledged, and failed attempts of each."""
    done: set[int] = set()
    failed: Counter[int] = Counter()
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            number, what = json.loads(line)
            if what == _ACKNOWLEDGED:
                done.add(number)
                failed[number] -= 1
            elif what == _BEGUN:
                failed[number] += 1
    return done, failed
