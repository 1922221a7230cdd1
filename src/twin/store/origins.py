"""Where on the log a reading stood, as one number: topic, partition and offset.

origin = offset * 2^17 + columns * 2^16 + partition, with columns 1 for `reading.columns`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twin.columns import Ints
from twin.events import Topic
from twin.log.contract import Place

_PLACE_BITS: Final = 17
_COLUMNS: Final = 1 << 16
_OFFSET_BITS: Final = 46


def origins(place: Place, offsets: Ints) -> Ints:
    """Return the origins of records at these offsets of a partition."""
    return (offsets.astype(np.int64) << _PLACE_BITS) | _number(place)


class Origins:
    """Origins of readings, to be asked which of them stood in a part of a partition."""

    def __init__(self, origin: Ints) -> None:
        """Take (n,) origins; a negative one stood nowhere."""
        offset, number = origin >> _PLACE_BITS, origin & ((1 << _PLACE_BITS) - 1)
        key = np.where(origin < 0, -1, (number << _OFFSET_BITS) | offset)
        self._order = np.argsort(key, kind="stable")
        self._keys = key[self._order]

    def rows(self, place: Place, first: int, last: int) -> Ints:
        """Return the rows with first <= offset < last, in the order of the log."""
        base = _number(place) << _OFFSET_BITS
        low, high = np.searchsorted(self._keys, [base | first, base | last])
        return self._order[low:high]


def _number(place: Place) -> int:
    return place.partition + (_COLUMNS if place.topic == Topic.READING_COLUMNS else 0)
