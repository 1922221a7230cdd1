"""The frames of the live stream: bytes out of link codes, and back.

Little endian. Header of 52 bytes, then either one byte a link (key) or the rows that changed and
their new bytes (delta). `docs/reference/stream.md` draws it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from twin.errors import Fault, InputError
from twin.perceive.state import Codes

MAGIC: Final = b"TWIN"
PROTOCOL: Final = 1
_HEADER: Final = struct.Struct("<4sBBHII16sqqI")
HEADER_BYTES: Final = _HEADER.size
_SEQUENCE_MASK: Final = 0xFFFFFFFF
_DELTA_BYTES: Final = 5  # a changed link costs a u32 row and a byte; in a key frame one byte


class FrameKind(IntEnum):
    """Whether a frame stands alone or builds on another."""

    KEY = 0
    DELTA = 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a frame says about itself. `map_version` is 32 hex digits, times are microseconds."""

    sequence: int
    map_version: str
    event_us: int
    server_us: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame taken apart. `rows` is None in a key frame; `codes` is (links,) or (changes,)."""

    kind: FrameKind
    stamp: Stamp
    base_sequence: int
    rows: np.ndarray[tuple[int], np.dtype[np.uint32]] | None
    codes: Codes


def encode_key(codes: Codes, stamp: Stamp) -> bytes:
    """Encode a frame that holds every link: header and one byte a link row."""
    return _header(FrameKind.KEY, stamp, 0, len(codes)) + codes.tobytes()


def encode_delta(codes: Codes, base: Codes, stamp: Stamp, *, base_sequence: int) -> bytes | None:
    """Encode what changed since `base`, the codes of frame `base_sequence`.

    Both arrays are (links,) uint8. None where a key frame would be as short.
    """
    rows = np.flatnonzero(codes != base).astype("<u4")
    if len(rows) * _DELTA_BYTES >= len(codes):
        return None
    header = _header(FrameKind.DELTA, stamp, base_sequence, len(rows))
    return b"".join((header, rows.tobytes(), codes[rows].tobytes()))


def decode(frame: bytes) -> Frame:
    """Take a frame apart. Raises InputError when it is no frame of this protocol or is cut."""
    if len(frame) < HEADER_BYTES:
        raise InputError(Fault("frame", f"{len(frame)} bytes", f"has at least {HEADER_BYTES}"))
    magic, protocol, kind, size, sequence, base, version, event_us, server_us, count = (
        _HEADER.unpack_from(frame)
    )
    if magic != MAGIC or protocol != PROTOCOL or size != HEADER_BYTES or kind not in (0, 1):
        raise InputError(Fault("frame", repr(frame[:8]), "is not a frame of protocol 1"))
    delta = kind == FrameKind.DELTA
    if len(frame) != HEADER_BYTES + count * (_DELTA_BYTES if delta else 1):
        raise InputError(Fault("frame", f"{len(frame)} bytes", f"is cut: {count} links announced"))
    stamp = Stamp(sequence, version.hex(), event_us, server_us)
    rows = np.frombuffer(frame, "<u4", count, HEADER_BYTES) if delta else None
    start = HEADER_BYTES + (4 * count if delta else 0)
    codes = np.frombuffer(frame, np.uint8, count, start)
    return Frame(FrameKind(kind), stamp, base, rows, codes)


def apply(frame: Frame, codes: Codes | None, sequence: int) -> Codes:
    """Return the codes after `frame`, given those of frame `sequence` (None: nothing yet).

    Raises InputError when a delta builds on another frame: the reader must ask for a key frame.
    """
    if frame.rows is None:
        return frame.codes.copy()
    if codes is None or frame.base_sequence != sequence & _SEQUENCE_MASK:
        raise InputError(Fault("base_sequence", str(frame.base_sequence), f"is not {sequence}"))
    changed = codes.copy()
    changed[frame.rows] = frame.codes
    return changed


def _header(kind: FrameKind, stamp: Stamp, base_sequence: int, count: int) -> bytes:
    return _HEADER.pack(
        MAGIC,
        PROTOCOL,
        kind,
        HEADER_BYTES,
        stamp.sequence & _SEQUENCE_MASK,
        base_sequence & _SEQUENCE_MASK,
        bytes.fromhex(stamp.map_version).ljust(16, b"\0")[:16],
        stamp.event_us,
        stamp.server_us,
        count,
    )
