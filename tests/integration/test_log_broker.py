"""The Kafka log when the broker dies, comes back, forgets, or is written to by others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from broker import Broker

from twin.errors import BackendError
from twin.log.contract import LogReader, Place, Records, TopicSpec
from twin.log.kafka import KafkaLog

pytestmark = pytest.mark.kafka

ONE = Place("readings", 0)
ARRIVAL_US = 1_780_000_000_123_456


@pytest.fixture
async def log(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    """Give a log with the topic `readings` on the session's broker."""
    opened = KafkaLog(kafka_bootstrap, topic_prefix)
    await opened.start()
    await opened.create_topics([TopicSpec("readings", retention_s=86_400.0)])
    yield opened
    await opened.close()


async def test_records_that_retention_removed_are_counted(log: KafkaLog) -> None:
    """A reader that stands before the start is told how many are lost, and goes on behind them."""
    await log.append(ONE, [b"%d" % number for number in range(10)], arrival_us=ARRIVAL_US)
    admin = AIOKafkaAdminClient(bootstrap_servers=log.bootstrap)
    await admin.start()
    topic = TopicPartition(log.prefix + "readings", 0)
    await admin.delete_records({topic: RecordsToDelete(before_offset=7)})
    await admin.close()
    reader = await log.reader({ONE: 2})
    lost = await reader.fetch(max_records=100, timeout_s=10.0)
    assert [(len(records), records.skipped, records.next_offset) for records in lost] == [(0, 5, 7)]
    (records,) = await reader.fetch(max_records=100, timeout_s=10.0)
    assert list(records.values) == [b"7", b"8", b"9"]
    assert records.skipped == 0
    await reader.close()


async def test_a_foreign_producer_arrives_when_the_broker_says(log: KafkaLog) -> None:
    """A record without our header has the broker's append time, whatever its sender claims."""
    producer = AIOKafkaProducer(bootstrap_servers=log.bootstrap)
    await producer.start()
    topic = log.prefix + "readings"
    await producer.send_and_wait(topic, b"theirs", partition=0, timestamp_ms=1)
    await producer.stop()
    reader = await log.reader({ONE: 0})
    (records,) = await reader.fetch(max_records=10, timeout_s=10.0)
    await reader.close()
    assert list(records.values) == [b"theirs"]
    assert records.arrival_us[0] > ARRIVAL_US // 2


@pytest.mark.parametrize("said", [None, b"9" * 30, b"9" * 18, b"-1", b"noon", "\u0662".encode()])
async def test_a_foreign_arrival_time_that_is_none_is_the_brokers(
    log: KafkaLog, said: bytes | None
) -> None:
    """Whatever a foreign producer writes into our header stops nobody."""
    producer = AIOKafkaProducer(bootstrap_servers=log.bootstrap)
    await producer.start()
    topic, headers = log.prefix + "readings", [("a", said), ("source", None)]
    await producer.send_and_wait(topic, b"theirs", partition=0, headers=headers)
    await producer.stop()
    reader = await log.reader({ONE: 0})
    (records,) = await reader.fetch(max_records=10, timeout_s=10.0)
    await reader.close()
    assert ARRIVAL_US // 2 < records.arrival_us[0] < 2 * ARRIVAL_US
    assert records.headers[0] == {"source": ""}


async def test_a_service_with_another_clock_may_append(log: KafkaLog) -> None:
    """Arrival times far before and far after the broker's clock are taken and come back."""
    times = [1, 32_503_680_000_000_000]
    await log.append(ONE, [b"past", b"future"], arrival_us=times)
    reader = await log.reader({ONE: 0})
    found: list[int] = []
    while len(found) < 2:
        for records in await reader.fetch(max_records=10, timeout_s=10.0):
            found += records.arrival_us.tolist()
    await reader.close()
    assert found == times


async def test_a_killed_broker_is_reported_and_nothing_is_lost(lone_broker: Broker) -> None:
    """Appends and reads fail with its name while it is away, and go on when it is back."""
    log = KafkaLog(lone_broker.bootstrap)
    await log.start()
    await log.create_topics([TopicSpec("readings")])
    await log.append(ONE, [b"before"], arrival_us=1)
    reader = await log.reader({ONE: 0})
    assert await reader.fetch(max_records=10, timeout_s=10.0)
    await asyncio.to_thread(lone_broker.kill)

    with pytest.raises(BackendError, match=f"Kafka {lone_broker.bootstrap}: reading failed"):
        await until_it_raises(reader)
    with pytest.raises(BackendError, match=f"Kafka {lone_broker.bootstrap}: "):
        await log.end_offsets([ONE])
    with pytest.raises(BackendError, match=f"Kafka {lone_broker.bootstrap}: appending to readings"):
        await log.append(ONE, [b"during"], arrival_us=2)

    await asyncio.to_thread(lone_broker.start)
    await log.append(ONE, [b"after"], arrival_us=3)
    found: list[bytes] = []
    while b"after" not in found:
        for records in await patient(reader):
            found += records.values
    assert found in ([b"after"], [b"during", b"after"], [b"after", b"during"])
    await reader.seek(ONE, 0)
    (records,) = await patient(reader)
    assert records.values[0] == b"before"
    await reader.close()
    await log.close()


async def test_closing_while_the_broker_is_away_ends(lone_broker: Broker) -> None:
    """A log with an append under way closes within its bounds, and leaves no task behind."""
    log = KafkaLog(lone_broker.bootstrap)
    await log.start()
    await log.create_topics([TopicSpec("readings")])
    await log.append(ONE, [b"before"], arrival_us=1)
    await asyncio.to_thread(lone_broker.kill)
    appending = asyncio.create_task(log.append(ONE, [b"during"], arrival_us=2))
    await asyncio.sleep(0)
    await log.close()
    with pytest.raises(BackendError):
        await appending
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left


async def until_it_raises(reader: LogReader) -> None:
    """Fetch until an error comes."""
    while True:
        await reader.fetch(max_records=10, timeout_s=0.5)


async def patient(reader: LogReader) -> list[Records]:
    """Fetch, and again after the errors that a broker's return still brings."""
    for _ in range(20):
        try:
            return await reader.fetch(max_records=10, timeout_s=2.0)
        except BackendError:
            continue
    raise AssertionError("the broker is back, but reading still fails")
