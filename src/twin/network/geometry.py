"""Lengths, directions and places on lines given in WGS84 longitude and latitude."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from pyproj import Geod

from twin.network.model import Line, Point

_EARTH: Final = Geod(ellps="WGS84")


def distance_m(start: Point, end: Point) -> float:
    """Return the geodesic distance of two points in metres."""
    return float(_EARTH.inv(start[0], start[1], end[0], end[1])[2])


def line_length_m(line: Line) -> float:
    """Return the geodesic length of a line in metres."""
    if len(line) == 2:
        return distance_m(line[0], line[1])
    return float(_EARTH.line_length([point[0] for point in line], [point[1] for point in line]))


def heading_deg(start: Point, end: Point) -> float:
    """Return the direction from one point to another, degrees clockwise from north, 0..360."""
    east = (end[0] - start[0]) * math.cos(math.radians((start[1] + end[1]) / 2))
    north = end[1] - start[1]
    return math.degrees(math.atan2(east, north)) % 360.0


def turn_deg(before: Line, after: Line) -> float:
    """Return by how much the way turns from one line to the next: -180..180, right is positive."""
    change = heading_deg(*_last_step(after[::-1]))
    change = (change + 180.0) - heading_deg(*_last_step(before))
    return (change + 180.0) % 360.0 - 180.0


def _last_step(line: Line) -> tuple[Point, Point]:
    """Return the last two points of a line that differ (the last two when none do)."""
    for index in range(len(line) - 1, 0, -1):
        if line[index - 1] != line[index]:
            return line[index - 1], line[index]
    return line[-2], line[-1]


def point_at(line: Line, position_m: float, *, length_m: float) -> Point:
    """Return the point at `position_m` of a line whose stated length is `length_m`.

    The stated length may differ from the length of the geometry; the position is scaled to it.
    """
    steps = [distance_m(start, end) for start, end in pairwise(line)]
    left = sum(steps) * min(max(position_m / length_m, 0.0), 1.0)
    for (start, end), step in zip(pairwise(line), steps, strict=True):
        if left <= step and step > 0.0:
            part = left / step
            return (
                start[0] + part * (end[0] - start[0]),
                start[1] + part * (end[1] - start[1]),
            )
        left -= step
    return line[-1]


def bounds(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """Return (west, south, east, north) of some points; all zero when there are none."""
    west = south = math.inf
    east = north = -math.inf
    for lon, lat in points:
        west, east = min(west, lon), max(east, lon)
        south, north = min(south, lat), max(north, lat)
    return (west, south, east, north) if west <= east else (0.0, 0.0, 0.0, 0.0)
