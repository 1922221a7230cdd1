"""Name the carriageways of numbered roads for corridors: `A-1-N`, `M-30-CW`."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from twin.ids import LinkId
from twin.network.geometry import turn_deg
from twin.network.model import LinkClass, Point
from twin.network.osm.links import Drawn

_SHARP_DEG: Final = 100.0  # who turns more than this at a node is not on the same road any more
_RING_SHARE: Final = 0.3  # of the area of a circle of the same length: so much is round
_GAP_SHARE: Final = 0.2  # of its length may be missing for a ring to be closed
_RING_M: Final = 2000.0
_MOST_ON_RING: Final = 12  # links of a roundabout between two parts of one road

Vector = tuple[float, float]


def name_carriageways(drawn: Sequence[Drawn]) -> dict[LinkId, str]:
    """Return the road of each link that has a number; a link without one is not in it.

    All links of a road that are driven the same way along it share a name, which ends in the
    compass letter of the road's main direction, or in CW or CCW where the road is a ring. Ramps
    have no road; roundabouts have the road that leads over them.
    """
    by_ref: dict[str, list[Drawn]] = defaultdict(list)
    for one in drawn:
        if one.course.ref and _is_main(one):
            by_ref[one.course.ref].append(one)
    rings: dict[str, list[Drawn]] = defaultdict(list)
    for one in drawn:
        if one.course.is_roundabout:
            rings[one.link.from_node].append(one)
    roads: dict[LinkId, str] = {}
    for ref in sorted(by_ref):
        axis = _axis(by_ref[ref])
        named: dict[str, list[Drawn]] = defaultdict(list)
        for stretch in _stretches(by_ref[ref]):
            named[f"{ref}-{_direction(stretch, axis)}"] += stretch
        for road, links in named.items():
            roads.update((one.link.id, road) for one in links)
            for ring in _over_rings(links, rings):
                roads.setdefault(ring, road)
    return roads


def _is_main(one: Drawn) -> bool:
    return one.link.link_class is not LinkClass.RAMP and not one.course.is_roundabout


def _stretches(links: list[Drawn]) -> list[list[Drawn]]:
    """Group links that lead into each other without turning back."""
    starting: dict[str, list[Drawn]] = defaultdict(list)
    for one in links:
        starting[one.link.from_node].append(one)
    leader = {one.link.id: one.link.id for one in links}

    def find(name: LinkId) -> LinkId:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for one in links:
        for after in starting[one.link.to_node]:
            is_back = after.link.id == one.twin
            if not is_back and abs(turn_deg(one.link.line, after.link.line)) < _SHARP_DEG:
                leader[find(after.link.id)] = find(one.link.id)
    groups: dict[LinkId, list[Drawn]] = defaultdict(list)
    for one in links:
        groups[find(one.link.id)].append(one)
    return list(groups.values())


def _vector(one: Drawn) -> Vector:
    return _between(one.link.line[0], one.link.line[-1])


def _between(start: Point, end: Point) -> Vector:
    """Return (east, north) from one point to another, in degrees of latitude."""
    squeeze = math.cos(math.radians((start[1] + end[1]) / 2))
    return (end[0] - start[0]) * squeeze, end[1] - start[1]


def _axis(links: Iterable[Drawn]) -> Vector:
    """Return the unit vector along which a road runs, without regard to who drives which way."""
    double_x = double_y = 0.0
    for one in links:
        east, north = _vector(one)
        angle = 2.0 * math.atan2(north, east)
        weight = math.hypot(east, north)
        double_x += weight * math.cos(angle)
        double_y += weight * math.sin(angle)
    angle = math.atan2(double_y, double_x) / 2.0
    return math.cos(angle), math.sin(angle)


def _direction(stretch: list[Drawn], axis: Vector) -> str:
    round_way = _round_way(stretch)
    if round_way:
        return round_way
    steps = [_vector(one) for one in stretch]
    east, north = sum(step[0] for step in steps), sum(step[1] for step in steps)
    is_along = east * axis[0] + north * axis[1] >= 0.0
    if abs(axis[0]) >= abs(axis[1]):
        return "E" if is_along == (axis[0] > 0.0) else "W"
    return "N" if is_along == (axis[1] > 0.0) else "S"


def _round_way(stretch: list[Drawn]) -> str:
    """Return CW or CCW for a stretch that closes (almost) to a ring, else nothing."""
    if sum(one.link.length_m for one in stretch) < _RING_M:
        return ""
    origin = stretch[0].link.line[0]
    gap = [sum(parts) for parts in zip(*map(_vector, stretch), strict=True)]
    twice = around = 0.0
    for one in stretch:
        places = [_between(origin, point) for point in one.link.line]
        for (x0, y0), (x1, y1) in pairwise(places):
            twice += x0 * y1 - x1 * y0
            around += math.hypot(x1 - x0, y1 - y0)
    share = 2.0 * math.pi * abs(twice) / around**2 if around else 0.0
    if share < _RING_SHARE or math.hypot(*gap) > _GAP_SHARE * around:
        return ""
    return "CCW" if twice > 0.0 else "CW"


def _over_rings(links: list[Drawn], rings: dict[str, list[Drawn]]) -> list[LinkId]:
    """Return the links of roundabouts that lead from one link of a road to the next."""
    starts: set[str] = {one.link.from_node for one in links}
    found: list[LinkId] = []
    for one in links:
        if one.link.to_node not in starts and one.link.to_node in rings:
            found += _round(one, starts, rings)
    return found


def _round(before: Drawn, starts: set[str], rings: dict[str, list[Drawn]]) -> list[LinkId]:
    queue: deque[tuple[str, list[LinkId]]] = deque([(before.link.to_node, [])])
    while queue:
        node, way = queue.popleft()
        if way and node in starts:
            return way
        if len(way) < _MOST_ON_RING:
            queue.extend(
                (one.link.to_node, [*way, one.link.id])
                for one in rings.get(node, [])
                if one.link.id not in way
            )
    return []
