"""Where on the log a reading stood, as one number: topic, partition and offset.

origin = offset * 2^17 + columns * 2^16 + partition, with columns 1 for `reading.columns`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from twin.columns import Bools, Ints
from twin.events import Topic
from twin.log.contract import Place

UNKNOWN: Final = -1
"""Readings kept before origins were, or by a sender that has none."""
_PLACE_BITS: Final = 17
_COLUMNS: Final = 1 << 16


def origins(place: Place, offsets: Ints) -> Ints:
    """Return the origins of records at these offsets of a partition."""
    return (offsets.astype(np.int64) << _PLACE_BITS) | _number(place)


def between(origin: Ints, first: Mapping[Place, int], last: Mapping[Place, int]) -> Bools:
    """Say which origins lie at first <= offset < last of their own partition.

    A partition that `first` lacks begins at 0; one that `last` lacks has none.
    """
    inside = np.zeros(len(origin), np.bool_)
    number, offset = origin & ((1 << _PLACE_BITS) - 1), origin >> _PLACE_BITS
    for place, end in last.items():
        here = number == _number(place)
        inside |= here & (offset >= first.get(place, 0)) & (offset < end)
    return inside & (origin >= 0)


def _number(place: Place) -> int:
    return place.partition + (_COLUMNS if place.topic == Topic.READING_COLUMNS else 0)
