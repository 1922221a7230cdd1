"""The stations of a map, and its days: what the engine needs to know of a real city."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from twin.clock import datetime_from_us
from twin.columns import Ints, Rows
from twin.forecast.learned.calendar import SLOTS, STEP_MIN, Calendar
from twin.forecast.learned.neighbours import BESIDE, LEADS, NEAR, Neighbours
from twin.network.model import SingleMap
from twin.units import SECOND_US

ROW_US: Final = STEP_MIN * 60 * SECOND_US
REACH_M: Final = 5000.0
_UTC: Final = ZoneInfo("UTC")
_Steps = list[list[tuple[int, float]]]


@dataclass(frozen=True)
class CityCalendar(Calendar):
    """Local time of rows that are counted from 1970 UTC; clocks may be put forward and back."""

    zone: ZoneInfo = _UTC

    def slots(self, rows: Ints) -> Ints:
        """Return the five-minute slot of the local day of every row, 0 to 287."""
        slots = [(one.hour * 60 + one.minute) // STEP_MIN % SLOTS for one in self._local(rows)]
        return np.array(slots, np.int64)

    def kinds(self, rows: Ints) -> Ints:
        """Return 0 for a row of a working day, 1 for a weekend or a holiday."""
        return np.array([self._kind(one.date()) for one in self._local(rows)], np.int64)

    def _local(self, rows: Ints) -> list[datetime]:
        """Return the local time at which each row begins."""
        begin = timedelta(minutes=STEP_MIN)
        return [(datetime_from_us(int(row) * ROW_US) - begin).astimezone(self.zone) for row in rows]


def near_on_map(network: SingleMap, stations: Ints) -> Neighbours:
    """Return for each station, a row of a link, those that can be driven to and come from."""
    after, before = _steps(network)
    place = np.full(len(network.links), -1, np.int64)
    place[stations] = np.arange(len(stations))
    ahead = np.full((len(stations), NEAR), -1, np.int32)
    behind = np.full((len(stations), NEAR), -1, np.int32)
    beside = np.full((len(stations), BESIDE), -1, np.int32)
    for row, link in enumerate(stations.tolist()):
        onward, back = _reached(link, after, place), _reached(link, before, place)
        _fill(ahead[row], onward)
        _fill(behind[row], back)
        _fill(beside[row], sorted(onward + back))
    leads: Rows = np.full((len(stations), LEADS), -1, np.int32)
    return Neighbours(ahead, behind, leads, beside)


def _fill(row: Rows, found: list[tuple[float, int]]) -> None:
    """Write the nearest stations into a row, each once."""
    named = list(dict.fromkeys(station for _, station in found))[: len(row)]
    row[: len(named)] = named


def _steps(network: SingleMap) -> tuple[_Steps, _Steps]:
    """Return for each link those after and before it, with the metres from middle to middle."""
    leaving: dict[str, list[int]] = {}
    for row, link in enumerate(network.links):
        leaving.setdefault(link.from_node, []).append(row)
    after: _Steps = [[] for _ in network.links]
    before: _Steps = [[] for _ in network.links]
    for row, link in enumerate(network.links):
        for other in leaving.get(link.to_node, []):
            if network.links[other].to_node != link.from_node:
                metres = (link.length_m + network.links[other].length_m) / 2
                after[row].append((other, metres))
                before[other].append((row, metres))
    return after, before


def _reached(origin: int, steps: _Steps, place: Ints) -> list[tuple[float, int]]:
    """Return the stations in reach, nearest first: (metres, station)."""
    queue, done = [(0.0, origin)], {origin: 0.0}
    found: list[tuple[float, int]] = []
    while queue and len(found) < BESIDE:
        metres, link = heapq.heappop(queue)
        if metres > done[link]:
            continue
        if link != origin and place[link] >= 0:
            found.append((metres, int(place[link])))
        for other, more in steps[link]:
            far = metres + more
            if far <= REACH_M and far < done.get(other, np.inf):
                done[other] = far
                heapq.heappush(queue, (far, other))
    return found
