"""Tails of queues: where they are, how fast they come, and who drives into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Floats
from twin.network.corridors import corridors
from twin.network.model import LinkClass, SingleMap
from twin.perceive.incident_signs import Minutes

QUEUE_SHARE: Final = 0.5
"""Slower than this share of free speed is a queue."""
FAST_SHARE: Final = 0.7
"""Faster than this share, drivers do not expect one."""
TRACK_MIN: Final = 8  # over which the tail is followed
NEAR_M: Final = 2500.0  # a tail does not jump farther from one minute to the next


@dataclass(frozen=True, slots=True)
class QueueTail:
    """The upstream end of a queue on one road.

    link, position_m   where it is, from the start of the link
    growth_mps         by how much it moves against the traffic a second, negative: it dissolves;
                       NaN when it was seen for less than three minutes
    length_m           to the first station behind that is free again, or the last of the road
    queue_mps, approach_mps   speed in it, and of those who drive into it
    warn               fast traffic meets it
    """

    road: str
    link: str
    position_m: float
    growth_mps: float
    length_m: float
    queue_mps: float
    approach_mps: float
    warn: bool


@dataclass(frozen=True, slots=True)
class _Road:
    """The stations of one road in driving order: rows of links, metres, and all its links."""

    name: str
    rows: tuple[int, ...]
    at_m: Floats
    free_mps: Floats
    links: tuple[str, ...]
    start_m: tuple[float, ...]


class QueueTails:
    """Finds tails on the motorways of one map. It remembers nothing."""

    def __init__(self, network: SingleMap) -> None:
        """Put the stations of every motorway in order."""
        rows = network.link_rows
        sensor_m = {sensor.link: sensor.position_m for sensor in network.sensors}
        self._roads: list[_Road] = []
        for road in corridors(network):
            found = [
                (rows[link], start_m + sensor_m[link], network.links[rows[link]].free_speed_mps)
                for link, start_m in zip(road.links, road.start_m, strict=True)
                if link in sensor_m and network.links[rows[link]].link_class is LinkClass.MOTORWAY
            ]
            if len(found) >= 2:
                columns = list(zip(*found, strict=True))
                self._roads.append(
                    _Road(
                        road.road,
                        tuple(columns[0]),
                        np.array(columns[1], np.float64),
                        np.array(columns[2], np.float64),
                        tuple(str(link) for link in road.links),
                        road.start_m,
                    )
                )

    def find(self, minutes: Minutes) -> tuple[QueueTail, ...]:
        """Return the tails of the last minute, in the order of roads and of driving."""
        return tuple(tail for road in self._roads for tail in _on_road(road, minutes))


def _on_road(road: _Road, minutes: Minutes) -> list[QueueTail]:
    speed = _smooth(minutes.speed[list(road.rows)])
    share = speed / road.free_mps[:, None]
    found = []
    for first in _starts(share[:, -1]):
        tail_m = _tail_m(road, share[:, -1], first)
        end = first
        while end + 1 < len(road.rows) and share[end + 1, -1] < QUEUE_SHARE:
            end += 1
        length_m = road.at_m[min(end + 1, len(road.rows) - 1)] - tail_m
        at = int(np.searchsorted(road.start_m, tail_m, side="right")) - 1
        approach = float(speed[first - 1, -1])
        found.append(
            QueueTail(
                road=road.name,
                link=road.links[at],
                position_m=round(tail_m - road.start_m[at], 1),
                growth_mps=_growth(road, share, tail_m),
                length_m=round(float(length_m), 1),
                queue_mps=float(np.nanmean(speed[first : end + 1, -1])),
                approach_mps=approach,
                warn=bool(approach >= FAST_SHARE * road.free_mps[first - 1]),
            )
        )
    return found


def _smooth(speed: Floats) -> Floats:
    """Return means of two minutes, of one where only one is known, (stations, minutes)."""
    before = np.column_stack([np.full(len(speed), np.nan), speed[:, :-1]])
    both = (speed + before) / 2.0
    return np.where(np.isnan(both), np.where(np.isnan(speed), before, speed), both)


def _starts(share: Floats) -> list[int]:
    """Return the stations at which a queue begins: slow, and not slow at the one before."""
    slow = share < QUEUE_SHARE
    return [
        row
        for row in range(1, len(share))
        if slow[row] and not slow[row - 1] and np.isfinite(share[row - 1])
    ]


def _tail_m(road: _Road, share: Floats, first: int) -> float:
    """Return where the speed falls below the border, between two stations."""
    fast, slow = float(share[first - 1]), float(share[first])
    part = (fast - QUEUE_SHARE) / max(fast - slow, 1e-6)
    gap_m = float(road.at_m[first] - road.at_m[first - 1])
    return float(road.at_m[first - 1]) + min(max(part, 0.0), 1.0) * gap_m


def _growth(road: _Road, share: Floats, tail_m: float) -> float:
    """Follow a tail back through the last minutes and draw a line through where it was."""
    times, places = [0.0], [tail_m]
    for back in range(1, TRACK_MIN):
        column = share[:, -1 - back]
        tails = [_tail_m(road, column, first) for first in _starts(column)]
        near = [one for one in tails if abs(one - places[-1]) <= NEAR_M]
        if not near:
            break
        places.append(min(near, key=lambda one: abs(one - places[-1])))
        times.append(-60.0 * back)
    if len(times) < 3:
        return float("nan")
    return -float(np.polyfit(times, places, 1)[0])
