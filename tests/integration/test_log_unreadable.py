"""A record batch that was damaged on the broker's disk: kept whole, and the partition goes on."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from broker import Broker

from ingest_city import START_US, reading
from ingest_house import House
from twin.events import Topic
from twin.log.kafka import KafkaLog
from twin.log.kafka_raw import take_apart
from twin.store import deadletters
from twin.store.database import Database
from twin.units import SECOND_US

pytestmark = pytest.mark.kafka


def batches(segment: bytes) -> list[tuple[int, int]]:
    """Return where each batch of a segment begins and ends."""
    found, at = [], 0
    while at + 12 <= len(segment):
        _, length = struct.unpack_from(">qi", segment, at)
        found.append((at, at + 12 + length))
        at += 12 + length
    return found


def damage(segment: Path, number: int) -> bytes:
    """Change the last byte of one batch on the disk; return the batch as it stands now."""
    whole = bytearray(segment.read_bytes())
    start, end = batches(bytes(whole))[number]
    whole[end - 1] ^= 0xFF
    with segment.open("r+b") as file:
        file.seek(end - 1)
        file.write(whole[end - 1 : end])
    return bytes(whole[start:end])


async def test_damaged_batch_is_a_dead_letter_and_the_next_is_taken(
    kafka_broker: Broker, topic_prefix: str, sqlite_database: Database
) -> None:
    """Readings before and behind it are applied, of this partition and of others."""
    house = House(KafkaLog(kafka_broker.bootstrap, topic_prefix), sqlite_database)
    await house.open()
    for number in range(5):
        at_us = START_US + number * 60 * SECOND_US
        await house.send(
            [reading(at_s=60.0 * number), reading("S2", at_s=60.0 * number)], at_us=at_us
        )
        await house.send(
            [reading("S3", at_s=60.0 * number)],
            place=house.topics.reading_place("S3"),
            at_us=at_us,
        )
    folder = kafka_broker.folder / "data" / f"{topic_prefix}{Topic.READING}-0"
    broken = damage(folder / f"{0:020d}.log", 2)

    await house.work()
    tally = (await house.totals())["probe", str(Topic.READING)]
    (letter,) = await deadletters.list_letters(house.database)
    assert (tally.applied, tally.rejected) == (4 * 2 + 5, 0)
    assert letter.letter.payload == broken
    assert (letter.letter.offset, str(letter.letter.place)) == (4, "reading/0")
    await house.log.close()


async def send_nameless(house: House, value: bytes) -> bytes:
    """Append a whole batch whose header has a name that is no text; return the header's place."""
    assert isinstance(house.log, KafkaLog)
    producer = AIOKafkaProducer(bootstrap_servers=house.log.bootstrap)
    await producer.start()
    batch = producer.create_batch()
    batch.append(timestamp=1, key=None, value=value, headers=[("NAME", b"")])
    batch.close()
    raw = bytearray(batch._build())
    at = raw.index(b"NAME")
    raw[at : at + 4] = b"\xff\xfe\xff\xfe"
    struct.pack_into(">I", raw, 17, calc_crc32c(bytes(raw[21:])))
    batch._buffer = bytes(raw)
    await (await producer.send_batch(batch, f"{house.log.prefix}{Topic.READING}", partition=0))
    await producer.stop()
    return bytes(raw[61:])


async def test_header_whose_name_is_no_text_is_a_dead_letter(
    kafka_broker: Broker, topic_prefix: str, sqlite_database: Database
) -> None:
    """The client library cannot read such a record at all; what stands around it is taken."""
    house = House(KafkaLog(kafka_broker.bootstrap, topic_prefix), sqlite_database)
    await house.open()
    await house.send([reading()])
    body = await send_nameless(house, reading(at_s=60.0))
    await house.send([reading(at_s=120.0)], at_us=START_US + 120 * SECOND_US)
    await house.work()
    tally = (await house.totals())["probe", str(Topic.READING)]
    (letter,) = await deadletters.list_letters(house.database)
    assert (tally.applied, letter.letter.offset) == (2, 1)
    assert (letter.letter.payload or b"").endswith(body)
    await house.log.close()


def test_what_stands_before_the_broken_batch_comes_first() -> None:
    """The bytes of an answer may end in the middle of a batch: what is whole is taken."""
    assert take_apart(b"", 7).records == []
    assert take_apart(b"\0" * 60, 7) == ([], b"", 0, 0)
