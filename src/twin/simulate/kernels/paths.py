"""Shortest paths over permitted turns, and trips loaded on them."""

from __future__ import annotations

import heapq
import math

import numpy as np
from numba import njit

from twin.simulate.kernels.arrays import Floats, Ints


@njit(cache=True, nogil=True)
def _grow_tree(
    first: Ints,
    link_s: Floats,
    turn_start: Ints,
    turn_link: Ints,
    turn_s: Floats,
    reached_s: Floats,
    by_turn: Ints,
    order: Ints,
) -> int:
    """Find the quickest way to the end of every link from the links in `first`.

    reached_s (links,) written: time to the end of the link, inf if out of reach
    by_turn   (links,) written: the turn that leads there, -1 for a first link
    order     (links,) written: links as they were settled; returns how many
    """
    reached_s[:] = math.inf
    by_turn[:] = -1
    done = np.zeros(len(link_s), np.bool_)
    queue = [(0.0, np.int64(0)) for _ in range(0)]
    for link in first:
        reached_s[link] = link_s[link]
        heapq.heappush(queue, (link_s[link], link))
    count = 0
    while queue:
        here_s, link = heapq.heappop(queue)
        if done[link]:
            continue
        done[link] = True
        order[count] = link
        count += 1
        for turn in range(turn_start[link], turn_start[link + 1]):
            after = turn_link[turn]
            onward_s = here_s + turn_s[turn] + link_s[after]
            if onward_s < reached_s[after]:
                reached_s[after] = onward_s
                by_turn[after] = turn
                heapq.heappush(queue, (onward_s, after))
    return count


@njit(cache=True, nogil=True)
def load_trips(
    link_s: Floats,
    turn_start: Ints,
    turn_link: Ints,
    turn_s: Floats,
    turn_from: Ints,
    end_start: Ints,
    end_link: Ints,
    pair_start: Ints,
    pair_node: Ints,
    pair_trips: Floats,
    turn_trips: Floats,
    end_trips: Floats,
    pair_s: Floats,
) -> None:
    """Load every origin's trips on its quickest paths.

    link_s, turn_s          seconds over a link and a turn, read
    turn_start, turn_link, turn_from   turns by approach: links first, then one per origin, read
    end_start, end_link     CSR by node of the links that end there, read
    pair_start, pair_node, pair_trips  CSR by origin of destinations and trips, read
    turn_trips (turns,), end_trips (links,)   added to: trips through a turn, trips ending
    pair_s     (pairs,) written in full: travel time, inf where no path leads
    """
    links = len(link_s)
    reached_s = np.empty(links)
    by_turn = np.empty(links, np.int64)
    order = np.empty(links, np.int64)
    first_turn = np.empty(links, np.int64)
    load = np.empty(links)
    for origin in range(len(pair_start) - 1):
        begin = turn_start[links + origin]
        first = turn_link[begin : turn_start[links + origin + 1]]
        count = _grow_tree(first, link_s, turn_start, turn_link, turn_s, reached_s, by_turn, order)
        for k in range(len(first)):
            first_turn[first[k]] = begin + k
        load[:] = 0.0
        for pair in range(pair_start[origin], pair_start[origin + 1]):
            node = pair_node[pair]
            pair_s[pair] = math.inf
            last = -1
            for k in range(end_start[node], end_start[node + 1]):
                if reached_s[end_link[k]] < pair_s[pair]:
                    pair_s[pair] = reached_s[end_link[k]]
                    last = end_link[k]
            if last >= 0:
                load[last] += pair_trips[pair]
                end_trips[last] += pair_trips[pair]
        for k in range(count - 1, -1, -1):
            link = order[k]
            if load[link] == 0.0:
                continue
            turn = by_turn[link]
            if turn < 0:
                turn_trips[first_turn[link]] += load[link]
            else:
                turn_trips[turn] += load[link]
                load[turn_from[turn]] += load[link]
