"""Time-space diagrams: the links of one carriageway in driving order, over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.scenario.outcome import LinkTable
from twin.scenario.results.intervals import LinkIntervals

_LEAST_LINKS = 4


@dataclass(frozen=True, slots=True)
class Corridor:
    """The links of a road in driving order; start_m, end_m (n,) from the road's beginning."""

    road: str
    rows: Ints
    start_m: Floats
    end_m: Floats


def corridors_of(links: LinkTable) -> tuple[Corridor, ...]:
    """Return the longest chain of each road that has four links or more, longest road first."""
    by_road: dict[str, list[int]] = {}
    for row, road in enumerate(links.road):
        if road:
            by_road.setdefault(road, []).append(row)
    found = []
    for road, rows in by_road.items():
        chain = _longest_chain(links, rows)
        if len(chain) >= _LEAST_LINKS:
            ends = np.cumsum(links.length_m[chain])
            starts = ends - links.length_m[chain]
            found.append(Corridor(road, np.array(chain, np.int64), starts, ends))
    return tuple(sorted(found, key=lambda one: (-one.end_m[-1], one.road)))


def _longest_chain(links: LinkTable, rows: list[int]) -> list[int]:
    """Follow the road from each of its beginnings and keep the longest way."""
    after: dict[str, int] = {}
    for row in rows:
        after.setdefault(links.from_node[row], row)
    reached = {links.to_node[row] for row in rows}
    firsts = [row for row in rows if links.from_node[row] not in reached] or rows[:1]
    best: list[int] = []
    for first in firsts:
        chain, seen = [first], {first}
        while (follows := after.get(links.to_node[chain[-1]])) is not None and follows not in seen:
            chain.append(follows)
            seen.add(follows)
        if links.length_m[chain].sum() > (links.length_m[best].sum() if best else 0.0):
            best = chain
    return best


def drive_s(corridor: Corridor, intervals: LinkIntervals, free_speed_mps: Floats) -> Floats:
    """Return the instantaneous travel time over the road in each interval, (I,) s.

    Every link at the speed of that interval; an empty link at free speed.
    """
    speed = intervals.speed_mps[:, corridor.rows].astype(np.float64)
    speed = np.where(np.isnan(speed), free_speed_mps[corridor.rows], np.maximum(speed, 0.5))
    return np.asarray(((corridor.end_m - corridor.start_m) / speed).sum(axis=1), np.float64)
