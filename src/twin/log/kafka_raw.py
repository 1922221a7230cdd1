"""What the client cannot read: a record batch whose checksum is wrong or whose header's name is
no text, fetched as it stands.

The client library raises on such a batch, again and again, and gives nothing of what stands before
it in the same answer. So the partition is read here as bytes: what is whole before it is given as
usual, and the batch itself as one record that holds all its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

_HEADER: Final = struct.Struct(">qi")  # base offset, bytes that follow
_LAST_DELTA_AT: Final = 23
_MAX_TIMESTAMP_AT: Final = 35
_LEAST: Final = 61
"""Bytes of the header of a batch of version 2."""
_BYTES: Final = 2 * 1024 * 1024


class Part(NamedTuple):
    """What stands on a partition from some offset on, up to the first batch that is broken.

    records    readable records of the client's own kind; empty where the broken batch is first
    broken     the whole batch as bytes; empty where nothing is broken
    next_offset, timestamp_ms   behind the broken batch, and its newest time as it claims
    """

    records: list[Any]
    broken: bytes = b""
    next_offset: int = 0
    timestamp_ms: int = 0


async def read_part(consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> Part:
    """Read a partition at an offset over the consumer's own connection."""
    client = consumer._client
    request = FetchRequest(
        100, 1, _BYTES, 0, [(partition.topic, [(partition.partition, offset, _BYTES)])], rack_id=""
    )
    response = await client.send(client.cluster.leader_for_partition(partition), request)
    ((_, (answer,)),) = response.topics
    return take_apart(bytes(answer[-1] or b""), offset)


def take_apart(whole: bytes, offset: int) -> Part:
    """Return the readable records from `offset` on, or the broken batch that stands there."""
    records: list[Any] = []
    for batch, body in _batches(whole):
        whole_records = _readable(batch)
        if whole_records is not None:
            records.extend(record for record in whole_records if record.offset >= offset)
        elif records:
            break
        else:
            base, _ = _HEADER.unpack_from(body)
            (delta,) = struct.unpack_from(">i", body, _LAST_DELTA_AT)
            (timestamp_ms,) = struct.unpack_from(">q", body, _MAX_TIMESTAMP_AT)
            return Part([], body, max(base + delta + 1, offset + 1), timestamp_ms)
    return Part(records)


def _readable(batch: Any) -> list[Any] | None:
    """Return the records of a batch; None where its checksum or the name of a header is wrong."""
    if not batch.validate_crc():
        return None
    try:
        return list(batch)
    except UnicodeDecodeError:
        return None


def _batches(whole: bytes) -> Iterator[tuple[Any, bytes]]:
    """Give every complete batch as the client sees it, and as bytes."""
    at = 0
    while at + _LEAST <= len(whole):
        _, length = _HEADER.unpack_from(whole, at)
        body = whole[at : at + _HEADER.size + length]
        if length < _LEAST - _HEADER.size or len(body) < _HEADER.size + length:
            return
        yield MemoryRecords(body).next_batch(), body
        at += len(body)
