"""A grid of one-lane streets with trips between its borders, for tests of vehicles."""

from __future__ import annotations

import numpy as np

from simulate_roads import roads, turns
from twin.columns import Ints
from twin.simulate.fleet import Fleet, fleet
from twin.simulate.roads import Roads, Turns


def grid(size: int, *, order: Ints | None = None) -> tuple[Roads, Turns]:
    """Return size x size nodes with links of 0.4 km both ways, no U-turns; links in an order."""
    ends = [
        (a * size + b, c * size + d)
        for a in range(size)
        for b in range(size)
        for c, d in ((a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1))
        if 0 <= c < size and 0 <= d < size
    ]
    ends = ends if order is None else [ends[row] for row in order.tolist()]
    road = roads(*[(a, b, 0.4, 50, 900, 150) for a, b in ends], nodes=size * size)
    pairs = [
        (row, after)
        for row, (a, b) in enumerate(ends)
        for after, (c, d) in enumerate(ends)
        if b == c and d != a
    ]
    pairs += [
        (len(ends) + node, link)
        for node in range(size * size)
        for link, (a, _) in enumerate(ends)
        if a == node
    ]
    return road, turns(len(ends), list(range(size * size)), *pairs)


def trips(size: int, count: int, *, seed: int = 1, until_s: float = 400.0) -> Fleet:
    """Return trips between random nodes at random times, of classes 0 and 1."""
    rng = np.random.default_rng(seed)
    origin = rng.integers(0, size * size, count)
    to = (origin + rng.integers(1, size * size, count)) % (size * size)
    kind = rng.integers(0, 2, count).astype(np.int8)
    return fleet(origin, to, rng.uniform(0, until_s, count), kind=kind)
