"""Shortest paths between links: to a goal at one moment, and from an origin through time."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from twin.simulate.kernels.arrays import Floats, Ints
from twin.simulate.kernels.lean import lean_inline


class Joints(NamedTuple):
    """Turns between links, backward and forward.

    into_start, into_from, into_s   CSR by link: links that turn into it, and seconds lost
    end_start, end_link             CSR by node: links that end there
    """

    into_start: Ints
    into_from: Ints
    into_s: Floats
    end_start: Ints
    end_link: Ints


@lean_inline
def _sink(cost: Floats, item: Ints, size: int) -> None:
    """Put the last of a heap where the first was taken."""
    c, i = cost[size], item[size]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and cost[child + 1] < cost[child]:
            child += 1
        if cost[child] >= c:
            break
        cost[place], item[place] = cost[child], item[child]
        place = child
    cost[place], item[place] = c, i


@lean_inline
def _rise(cost: Floats, item: Ints, size: int, c: float, i: int) -> None:
    """Add to a heap of `size`."""
    place = size
    while place > 0:
        parent = (place - 1) // 2
        if cost[parent] <= c:
            break
        cost[place], item[place] = cost[parent], item[parent]
        place = parent
    cost[place], item[place] = c, i


@njit(cache=True, nogil=True)
def _grow_back(
    node: int,
    joints: Joints,
    link_s: Floats,
    forbidden: npt.NDArray[np.bool_],
    cost: Floats,
    item: Ints,
    to_goal: Floats,
) -> None:
    """Write the time from the start of every link to a node, inf without a way."""
    to_goal[:] = math.inf
    size = 0
    for k in range(joints.end_start[node], joints.end_start[node + 1]):
        link = joints.end_link[k]
        if link_s[link] < math.inf:
            to_goal[link] = link_s[link]
            _rise(cost, item, size, link_s[link], link)
            size += 1
    while size > 0:
        here_s, link = cost[0], item[0]
        size -= 1
        _sink(cost, item, size)
        if here_s > to_goal[link]:
            continue
        for k in range(joints.into_start[link], joints.into_start[link + 1]):
            before = joints.into_from[k]
            if forbidden[link] and not forbidden[before]:
                continue
            onward_s = link_s[before] + (joints.into_s[k] + here_s)
            if onward_s < to_goal[before]:
                to_goal[before] = onward_s
                _rise(cost, item, size, onward_s, before)
                size += 1


@njit(cache=True, nogil=True)
def grow_trees(
    goals: Ints,
    joints: Joints,
    link_s: Floats,
    forbidden: npt.NDArray[np.bool_],
    wanted: npt.NDArray[np.bool_],
    to_goal: Floats,
) -> None:
    """Write the time from the start of every link to every wanted goal, inf without a way.

    goals       (goals,) int64 nodes          link_s (links,) float64 seconds, inf where closed
    wanted      (goals,) bool: rows of all others stay as they are
    forbidden   (groups, links) bool: links that a group may not enter from a permitted one
    to_goal     (groups * goals, links) float64 written
    """
    size = len(joints.into_from) + len(link_s) + 1
    cost, item = np.empty(size), np.empty(size, np.int64)
    for group in range(len(forbidden)):
        for goal in np.flatnonzero(wanted):
            row = to_goal[group * len(goals) + goal]
            _grow_back(goals[goal], joints, link_s, forbidden[group], cost, item, row)
