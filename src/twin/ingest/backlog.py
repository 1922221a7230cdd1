"""How far behind the worker is by time, and which partitions rest.

Behind is the time since the newest record that was taken had arrived, of the partition that is
furthest behind among those where records wait. A partition rests when nothing waits in it and
nothing came for a while: its watermark stands still then and says nothing about the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from twin.log.contract import Place, Records
from twin.units import SECOND_US

IDLE_S: Final = 120.0
"""Two reports of a usual detector missed."""


class Backlog:
    """Remembers when the newest record taken of each partition had arrived."""

    def __init__(self) -> None:
        """Nothing was taken yet."""
        self._arrived_us: dict[Place, int] = {}

    def take(self, fetched: Iterable[Records]) -> None:
        """Take note of one fetch."""
        for records in fetched:
            if len(records):
                self._arrived_us[records.place] = int(records.arrival_us[-1])

    def behind_s(self, lag: Mapping[Place, int], now_us: int) -> float:
        """Return by how many seconds we are behind; 0 when nothing waits anywhere."""
        arrived_us = [
            self._arrived_us[place]
            for place, waits in lag.items()
            if waits and place in self._arrived_us
        ]
        return max(now_us - min(arrived_us), 0) / SECOND_US if arrived_us else 0.0

    def idle(self, lag: Mapping[Place, int], now_us: int) -> tuple[Place, ...]:
        """Return the partitions that rest, of those whose lag is known."""
        since_us = now_us - round(IDLE_S * SECOND_US)
        return tuple(
            sorted(
                place
                for place, waits in lag.items()
                if not waits and self._arrived_us.get(place, since_us) <= since_us
            )
        )
