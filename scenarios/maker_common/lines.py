"""Lines on a flat sheet, in metres."""

from __future__ import annotations

import itertools
import math

Spot = tuple[float, float]  # metres east and north of the sheet's origin


def length_of(line: tuple[Spot, ...]) -> float:
    """Measure a polyline on the sheet, m."""
    return sum(math.dist(a, b) for a, b in itertools.pairwise(line))


def along(line: tuple[Spot, ...], position_m: float) -> Spot:
    """Find the spot `position_m` metres from the start of a polyline (clipped to its ends)."""
    left = max(position_m, 0.0)
    for a, b in itertools.pairwise(line):
        step = math.dist(a, b)
        if left <= step:
            part = left / step
            return (a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part)
        left -= step
    return line[-1]


def turn(before: tuple[Spot, ...], after: tuple[Spot, ...]) -> float:
    """Return by how much the way turns from one line to the next, radians, left is positive."""
    angle = _heading(after[:2]) - _heading(before[-2:])
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _heading(pair: tuple[Spot, ...]) -> float:
    (x0, y0), (x1, y1) = pair
    return math.atan2(y1 - y0, x1 - x0)
