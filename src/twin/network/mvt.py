"""One layer of a Mapbox Vector Tile (version 2.1), written straight from arrays.

Feature by feature in Python objects a tile of a big city takes seconds; here the numbers of all
geometries are turned into variable-length integers at once, and only the framing is a loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

EXTENT: Final = 4096
_MOVE: Final = 1
_LINE: Final = 2
_CLOSE: Final = 7

Value = str | int | bool
Ints = npt.NDArray[np.int64]


class Shapes(NamedTuple):
    """Many geometries of one kind: all their points, and where each one's part begins.

    kind     1 points, 2 lines, 3 polygons (single outer rings, closed, clockwise on the screen)
    points   (n, 2) int64 in tile units, y down
    starts   (shapes + 1,) int64 into points
    """

    kind: int
    points: Ints
    starts: Ints


def layer(name: str, ids: Ints, shapes: Shapes, properties: Sequence[dict[str, Value]]) -> bytes:
    """Return an encoded layer, ready to be put beside others; b"" without features.

    `ids` (shapes,) are the features' ids; `properties` one dict a feature, None left out by the
    caller.
    """
    if not len(ids):
        return b""
    keys: dict[str, int] = {}
    values: dict[tuple[type, Value], int] = {}
    geometries = _geometries(shapes)
    parts = [_field(1, name.encode())]
    kind = b"\x18" + bytes([shapes.kind])
    for number, (feature_id, geometry) in enumerate(zip(ids.tolist(), geometries, strict=True)):
        tags = b"".join(
            _varint(keys.setdefault(key, len(keys)))
            + _varint(values.setdefault((type(value), value), len(values)))
            for key, value in properties[number].items()
        )
        feature = b"\x08" + _varint(feature_id) + _field(2, tags) + kind + _field(4, geometry)
        parts.append(_field(2, feature))
    parts += [_field(3, key.encode()) for key in keys]
    parts += [_field(4, _value(value)) for _, value in values]
    parts += [b"\x28" + _varint(EXTENT), b"\x78\x02"]
    return _field(3, b"".join(parts))


def _geometries(shapes: Shapes) -> list[bytes]:
    """Encode the commands of every shape: MoveTo, LineTo (and ClosePath)."""
    commands, starts = _commands(shapes)
    body, ends = varints(commands)
    cuts = np.concatenate([[0], ends])[starts].tolist()
    return [body[first:last] for first, last in pairwise(cuts)]


def _commands(shapes: Shapes) -> tuple[Ints, Ints]:
    """Return all command integers in a row, and where each shape's begin (shapes + 1,)."""
    starts, polygon = shapes.starts, shapes.kind == 3
    counts = np.diff(starts)
    if polygon:  # the closing point is a command of its own
        keep = np.ones(len(shapes.points), np.bool_)
        keep[starts[1:] - 1] = False
        counts = counts - 1
        points = shapes.points[keep]
    else:
        points = shapes.points
    firsts = np.concatenate([[0], np.cumsum(counts)])
    steps = np.diff(points, axis=0, prepend=np.zeros((1, 2), np.int64))
    steps[firsts[:-1]] = points[firsts[:-1]]  # every shape begins at the tile's corner
    zigzag = (steps << 1) ^ (steps >> 63)
    single = shapes.kind == 1
    sizes = counts * 2 + (1 if single else 2 + polygon)
    begins = np.concatenate([[0], np.cumsum(sizes)])
    found = np.empty(begins[-1], np.int64)
    found[begins[:-1]] = _MOVE | (1 << 3)
    shape = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(points)) - firsts[:-1][shape]
    at = begins[:-1][shape] + 1 + 2 * within + np.where(within > 0, 0 if single else 1, 0)
    found[at], found[at + 1] = zigzag[:, 0], zigzag[:, 1]
    if not single:
        found[begins[:-1] + 3] = _LINE | ((counts - 1) << 3)
    if polygon:
        found[begins[1:] - 1] = _CLOSE | (1 << 3)
    return found, begins


def varints(numbers: Ints) -> tuple[bytes, Ints]:
    """Return numbers (n,) of 0 to 2**35 as variable-length integers, and where each one ends."""
    groups = np.stack([(numbers >> shift) & 0x7F for shift in (0, 7, 14, 21, 28)], axis=1)
    bounds = np.array([1 << 7, 1 << 14, 1 << 21, 1 << 28], np.int64)
    sizes = 1 + (numbers[:, None] >= bounds).sum(axis=1)
    place = np.arange(5)
    groups[place < (sizes[:, None] - 1)] |= 0x80
    used = place < sizes[:, None]
    return groups[used].astype(np.uint8).tobytes(), np.cumsum(sizes)


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _field(number: int, body: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(body)) + body


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x38" + bytes([value])
    if isinstance(value, int):
        return b"\x28" + _varint(value)
    return _field(1, str(value).encode())
