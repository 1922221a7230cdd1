"""What signal control remembers besides the map, as bytes: it goes on there after a restart."""

from __future__ import annotations

from typing import Final

import msgspec

from twin.control.signals.safety import SiteMemory
from twin.events import SignalStatus


class WatchMemory(msgspec.Struct, frozen=True):
    """The newest status of one junction, and when each group was last seen green."""

    status: SignalStatus | None
    last_green_us: dict[str, int]


class LoopMemory(msgspec.Struct, frozen=True):
    """Loops that have spoken: rows of sensors, and little-endian arrays of their bins."""

    rows: list[int]
    newest_us: list[int]
    bins: bytes
    count: bytes
    occupied_s: bytes


class AskingMemory(msgspec.Struct, frozen=True):
    """When each junction was looked at last, and since when its saving has been clear."""

    looked_us: dict[str, int]
    clear_since_us: dict[str, int]


class SignalMemory(msgspec.Struct, frozen=True):
    """Everything that signal control remembers."""

    watches: dict[str, WatchMemory]
    sites: dict[str, SiteMemory]
    loops: LoopMemory
    asking: AskingMemory


_ENCODER: Final = msgspec.msgpack.Encoder(order="sorted")
_DECODER: Final = msgspec.msgpack.Decoder(SignalMemory)


def encode_memory(memory: SignalMemory) -> bytes:
    """Write a memory down; equal memories give equal bytes."""
    return _ENCODER.encode(memory)


def decode_memory(body: bytes) -> SignalMemory:
    """Read a memory. Raises msgspec.DecodeError for bytes that are none."""
    return _DECODER.decode(body)
