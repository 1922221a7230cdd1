"""Which link is nearest to a point: a tree over the links of a map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from twin.network.model import Line, Point, SingleMap

_M_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class NearLink:
    """A link near a point: its row, how far it is, and where on it the nearest place lies."""

    link: int
    distance_m: float
    position_m: float


class LinkTree:
    """An index over the links of one map, in a flat local projection round its middle.

    The projection is right to a thousandth over a city; distances are for matching, not surveying.
    """

    def __init__(self, network: SingleMap) -> None:
        """Build the index."""
        points = [point for link in network.links for point in link.line]
        self._middle: Point = points[len(points) // 2] if points else (0.0, 0.0)
        self._scale = math.cos(math.radians(self._middle[1])) * _M_PER_DEGREE
        self._lines: npt.NDArray[np.object_] = np.array(
            [shapely.LineString(self._flat(link.line)) for link in network.links], dtype=object
        )
        self._length_m = [link.length_m for link in network.links]
        self._tree = shapely.STRtree(self._lines)

    def nearest(self, point: Point, *, within_m: float = 200.0) -> NearLink | None:
        """Return the nearest link, the first row among equals; None when none is so near."""
        near = self.near(point, within_m=within_m)
        return near[0] if near else None

    def near(self, point: Point, *, within_m: float) -> tuple[NearLink, ...]:
        """Return all links within a distance, nearest first, then by row."""
        place = shapely.Point(self._flat((point,))[0])
        rows = self._tree.query(place, predicate="dwithin", distance=within_m)
        found = [self._near(int(row), place) for row in rows]
        return tuple(sorted(found, key=lambda one: (one.distance_m, one.link)))

    def _near(self, row: int, place: shapely.Point) -> NearLink:
        line = self._lines[row]
        part = line.project(place, normalized=True) if line.length > 0.0 else 0.0
        return NearLink(row, float(line.distance(place)), float(part) * self._length_m[row])

    def _flat(self, line: Line) -> list[tuple[float, float]]:
        lon, lat = self._middle
        return [((x - lon) * self._scale, (y - lat) * _M_PER_DEGREE) for x, y in line]
