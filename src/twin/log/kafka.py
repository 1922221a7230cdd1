"""The log on Apache Kafka.

Topics are made with the broker's append time as their timestamp: retention then counts from the
append, and a service whose clock is not the broker's can append too. The arrival time that the
appender gives is exact to the microsecond in a header; a record without it, from a foreign
producer, arrived when the broker says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from twin.errors import BackendError
from twin.log.contract import Place, TopicSpec
from twin.log.kafka_faults import mapped
from twin.log.kafka_reader import ANSWER_S, KafkaReader, connect_consumer, shut_consumer
from twin.log.kafka_writer import KafkaWriter
from twin.log.limits import check_sizes
from twin.log.segments import arrivals

_SEGMENTS: Final = 8  # of one retention: so much longer than asked for does a record stay at most
_SHORTEST_SEGMENT_MS: Final = 60_000
_REPLICAS: Final = 3  # or as many brokers as there are
_LEADERS_S: Final = 15.0
_LEADERS_POLL_S: Final = 0.05


class KafkaLog:
    """A `Log` on a Kafka cluster. On the broker, `prefix` stands before every topic name."""

    def __init__(self, bootstrap: str, prefix: str = "") -> None:
        """Remember HOST:PORT[,HOST:PORT]; `start` connects."""
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._admin: AIOKafkaAdminClient | None = None
        self._writer = KafkaWriter(bootstrap)
        self._offsets: AIOKafkaConsumer | None = None
        self._offsets_lock = asyncio.Lock()

    @property
    def where(self) -> str:
        """The brokers where a client begins."""
        return f"Kafka {self.bootstrap}"

    async def start(self) -> None:
        """Connect. Raises BackendError when no broker answers."""
        if self._admin is not None:
            return
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self.bootstrap, request_timeout_ms=int(ANSWER_S * 1000)
        )
        with mapped(self.bootstrap, "connecting"):
            try:
                async with asyncio.timeout(ANSWER_S):
                    await admin.start()
            except BaseException:
                await admin.close()
                raise
        self._admin = admin

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create the topics that do not exist; leave the others as they are."""
        admin = self._connected()
        known = await self._topics()
        absent = [spec for spec in specs if self.prefix + spec.name not in known]
        if not absent:
            return
        with mapped(self.bootstrap, "creating topics"):
            async with asyncio.timeout(ANSWER_S):
                cluster = await admin.describe_cluster()
                replicas = min(_REPLICAS, len(cluster["brokers"]))
                topics = [_new_topic(self.prefix, spec, replicas) for spec in absent]
                answer = await admin.create_topics(topics)
            for topic, code, *said in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"{topic}: {said[0] if said else ''}")
        await self._wait_for_leaders({self.prefix + spec.name for spec in absent})

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has (0: there is no such topic)."""
        found = (await self._topics()).get(self.prefix + topic)
        return 0 if found is None else len(found["partitions"])

    async def append(
        self,
        place: Place,
        values: Sequence[bytes],
        *,
        arrival_us: int | Sequence[int],
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Append records in order; return the last offset once all replicas in sync have them.

        Raises BackendError when the broker is away (some may have been appended all the same),
        InputError for a record too large.
        """
        check_sizes(place, values)
        last = None
        if values:
            broker_place = Place(self.prefix + place.topic, place.partition)
            times = arrivals(arrival_us, len(values))
            last = await self._writer.append(broker_place, values, times, headers or {})
        if last is None:
            return (await self.end_offsets([place]))[place] - 1
        return last

    async def reader(self, positions: Mapping[Place, int]) -> KafkaReader:
        """Open a reader on these partitions at these offsets."""
        await self._require(list(positions))
        consumer = await connect_consumer(self.bootstrap)
        named = {self._key(place): (place, offset) for place, offset in positions.items()}
        return KafkaReader(self.bootstrap, consumer, named)

    async def end_offsets(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return the offset that the next record of each partition will get."""
        await self._require(places)
        async with self._offsets_lock:
            if self._offsets is None:
                self._offsets = await connect_consumer(self.bootstrap)
            with mapped(self.bootstrap, "asking for the end"):
                async with asyncio.timeout(ANSWER_S):
                    found = await self._offsets.end_offsets([self._key(place) for place in places])
        return {place: found[self._key(place)] for place in places}

    async def close(self) -> None:
        """Send what waits, within bounds, and disconnect."""
        await self._writer.close()
        if self._offsets is not None:
            await shut_consumer(self._offsets)
            self._offsets = None
        if self._admin is not None:
            await self._admin.close()
            self._admin = None

    def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            raise BackendError(f"Kafka {self.bootstrap}: not connected yet")
        return self._admin

    async def _topics(self) -> dict[str, Any]:
        with mapped(self.bootstrap, "asking for topics"):
            async with asyncio.timeout(ANSWER_S):
                found = await self._connected().describe_topics()
        return {topic["topic"]: topic for topic in found}

    async def _require(self, places: Sequence[Place]) -> None:
        known = await self._topics()
        for place in places:
            topic = known.get(self.prefix + place.topic)
            if topic is None or place.partition >= len(topic["partitions"]):
                raise BackendError(f"the log has no partition {place}")

    async def _wait_for_leaders(self, names: set[str]) -> None:
        """Wait until every partition has a leader: before, an append would have to retry."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + _LEADERS_S
        while loop.time() < end_s:
            known = await self._topics()
            if all(name in known and _led(known[name]) for name in names):
                return
            await asyncio.sleep(_LEADERS_POLL_S)
        raise BackendError(f"Kafka {self.bootstrap}: the topics made have no leader yet")

    def _key(self, place: Place) -> TopicPartition:
        return TopicPartition(self.prefix + place.topic, place.partition)


def _new_topic(prefix: str, spec: TopicSpec, replicas: int) -> NewTopic:
    keep_ms = -1 if spec.retention_s is None else round(spec.retention_s * 1000)
    configs = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(keep_ms)}
    if spec.retention_s is not None:
        # only closed segments go: left to the broker, one stays open for a week
        configs["segment.ms"] = str(max(keep_ms // _SEGMENTS, _SHORTEST_SEGMENT_MS))
    return NewTopic(
        name=prefix + spec.name,
        num_partitions=spec.partitions,
        replication_factor=replicas,
        topic_configs=configs,
    )


def _led(topic: dict[str, Any]) -> bool:
    return bool(topic["partitions"]) and all(
        partition["leader"] >= 0 and not partition["error_code"]
        for partition in topic["partitions"]
    )
