"""Shortest paths through time: travel times depend on when a link is entered."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from twin.simulate.kernels.arrays import Floats, Ints
from twin.simulate.kernels.trees import _rise, _sink

Mask = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def seconds_over(link: int, entry_s: float, times: Floats, interval_s: float) -> float:
    """Return the travel time of a link entered at `entry_s`: straight between interval middles.

    times   (intervals, links) float64 at the middle of each interval; constant beyond both ends
    """
    place = entry_s / interval_s - 0.5
    last = len(times) - 1
    if place <= 0.0:
        return float(times[0, link])
    if place >= last:
        return float(times[last, link])
    row = int(place)
    part = place - row
    early, late = times[row, link], times[row + 1, link]
    return float(early if part == 0.0 else early + part * (late - early))


@njit(cache=True, nogil=True)
def _spread_out(
    approach: int,
    depart_s: float,
    turn_start: Ints,
    turn_link: Ints,
    turn_s: Floats,
    forbidden: Mask,
    times: Floats,
    interval_s: float,
    at_s: Floats,
    by_turn: Ints,
    cost: Floats,
    item: Ints,
) -> None:
    """Write the earliest arrival at the end of every link, and the turn that leads there."""
    at_s[:] = math.inf
    by_turn[:] = -1
    links = len(at_s)
    size = 0
    here_s = depart_s
    while True:
        inside = approach < links and forbidden[approach]
        for t in range(turn_start[approach], turn_start[approach + 1]):
            link = turn_link[t]
            if forbidden[link] and not inside:
                continue
            entry_s = here_s + turn_s[t]
            arrival_s = entry_s + seconds_over(link, entry_s, times, interval_s)
            if arrival_s < at_s[link]:
                at_s[link] = arrival_s
                by_turn[link] = t
                _rise(cost, item, size, arrival_s, link)
                size += 1
        while size > 0 and cost[0] > at_s[item[0]]:
            size -= 1
            _sink(cost, item, size)
        if size == 0:
            return
        here_s, approach = cost[0], item[0]
        size -= 1
        _sink(cost, item, size)


@njit(cache=True, nogil=True)
def quickest(
    approach: Ints,
    depart_s: Floats,
    to_node: Ints,
    turn_start: Ints,
    turn_link: Ints,
    turn_from: Ints,
    turn_s: Floats,
    end_start: Ints,
    end_link: Ints,
    forbidden: Mask,
    times: Floats,
    interval_s: float,
    arrive_s: Floats,
    path_start: Ints,
    path: Ints,
) -> int:
    """Find the quickest path of every request; one tree serves all of one origin and time.

    approach, depart_s, to_node   (requests,), those of one approach and time in a row
    forbidden    (links,) bool: may not be entered from a permitted link
    times        (intervals, links) float64, see `seconds_over`; must not let anybody overtake
    arrive_s     (requests,) written, inf without a way; path_start (requests + 1,) written
    path         (n,) written; returns how much of it, or -1 when it is too short
    """
    links = times.shape[1]
    at_s, by_turn = np.empty(links), np.empty(links, np.int64)
    cost, item = np.empty(len(turn_link) + 1), np.empty(len(turn_link) + 1, np.int64)
    filled = 0
    for k in range(len(approach)):
        known = k > 0 and approach[k] == approach[k - 1] and depart_s[k] == depart_s[k - 1]
        if not known:
            _spread_out(
                approach[k],
                depart_s[k],
                turn_start,
                turn_link,
                turn_s,
                forbidden,
                times,
                interval_s,
                at_s,
                by_turn,
                cost,
                item,
            )
        best = -1
        arrive_s[k] = math.inf
        for e in range(end_start[to_node[k]], end_start[to_node[k] + 1]):
            if at_s[end_link[e]] < arrive_s[k]:
                arrive_s[k] = at_s[end_link[e]]
                best = end_link[e]
        path_start[k] = filled
        while 0 <= best < links:
            if filled == len(path):
                return -1
            path[filled] = best
            filled += 1
            best = turn_from[by_turn[best]]
        path[path_start[k] : filled] = path[path_start[k] : filled][::-1].copy()
    path_start[len(approach)] = filled
    return filled


@njit(cache=True, nogil=True)
def seconds_along(
    depart_s: Floats,
    path_start: Ints,
    path: Ints,
    times: Floats,
    interval_s: float,
    out: Floats,
) -> None:
    """Write the travel time of every path for its departure, (paths,), turns not counted."""
    for k in range(len(depart_s)):
        now = depart_s[k]
        for p in range(path_start[k], path_start[k + 1]):
            now += seconds_over(path[p], now, times, interval_s)
        out[k] = now - depart_s[k]
