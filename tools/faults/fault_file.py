"""The file of events: deliveries in lanes, written and read without the program under test.

A lane is what one sender sends in order to one partition: a delivery goes out when the one before
it in its lane was acknowledged. Lanes know nothing of each other and share no key, so the file
alone fixes every verdict, whatever happens to processes and servers on the way.

The file is a row of frames: a length (uint32, little-endian) and a MessagePack array.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

HTTP: Final = "http"
LOG: Final = "log"
_LENGTH: Final = struct.Struct("<I")


class Delivery(msgspec.Struct, array_like=True, frozen=True):
    """What is sent in one go.

    number      rises over the file
    lane        sent in the order of their numbers
    place       topic and partition on which it lands
    way         `http` (the service's API) or `log` (written to the log itself)
    values      records as the sender writes them; of `reading.columns` each is many readings
    events      readings or other events in it
    """

    number: int
    lane: str
    topic: str
    partition: int
    way: str
    values: tuple[bytes, ...]
    events: int


def write_file(path: Path, deliveries: Iterable[Delivery]) -> None:
    """Write deliveries in their order."""
    encoder = msgspec.msgpack.Encoder()
    with path.open("wb") as file:
        for delivery in deliveries:
            body = encoder.encode(delivery)
            file.write(_LENGTH.pack(len(body)))
            file.write(body)


def read_file(path: Path) -> Iterator[Delivery]:
    """Read deliveries one by one, in their order."""
    decoder = msgspec.msgpack.Decoder(Delivery)
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            (length,) = _LENGTH.unpack(head)
            yield decoder.decode(file.read(length))
