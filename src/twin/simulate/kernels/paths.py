"""Shortest paths over permitted turns, and trips loaded on them."""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

import numpy as np
from numba import njit

from twin.simulate.kernels.arrays import Floats, Ints


class Streets(NamedTuple):
    """Links, turns and ends.

    link_s, turn_s   seconds over a link (links,) and in a turn (turns,)
    turn_start, turn_link, turn_from   turns by approach: links first, then one for every origin
    end_start, end_link   CSR by node of the links that end there
    """

    link_s: Floats
    turn_s: Floats
    turn_start: Ints
    turn_link: Ints
    turn_from: Ints
    end_start: Ints
    end_link: Ints


class Pairs(NamedTuple):
    """Destinations by origin, CSR: node, trips, and the travel time found (inf: no path)."""

    start: Ints
    node: Ints
    trips: Floats
    seconds: Floats


class Tree(NamedTuple):
    """The quickest ways from one origin, by link.

    reached_s   time to the end of the link, inf if out of reach
    by_turn     the turn that leads there, from the origin itself for a first link
    order       links as they were settled
    load        trips that pass the link
    """

    reached_s: Floats
    by_turn: Ints
    order: Ints
    load: Floats


@njit(cache=True, nogil=True)
def _grow(streets: Streets, origin: int, tree: Tree) -> int:
    """Find the quickest way to the end of every link; return how many are in reach."""
    tree.reached_s[:] = math.inf
    done = np.zeros(len(streets.link_s), np.bool_)
    queue = [(0.0, np.int64(0)) for _ in range(0)]
    approach = np.int64(len(streets.link_s) + origin)
    here_s = 0.0
    count = 0
    while True:
        for turn in range(streets.turn_start[approach], streets.turn_start[approach + 1]):
            after = streets.turn_link[turn]
            onward_s = here_s + streets.turn_s[turn] + streets.link_s[after]
            if onward_s < tree.reached_s[after]:
                tree.reached_s[after] = onward_s
                tree.by_turn[after] = turn
                heapq.heappush(queue, (onward_s, after))
        while queue and done[queue[0][1]]:
            heapq.heappop(queue)
        if not queue:
            return count
        here_s, approach = heapq.heappop(queue)
        done[approach] = True
        tree.order[count] = approach
        count += 1


@njit(cache=True, nogil=True)
def _put_trips(streets: Streets, pairs: Pairs, origin: int, tree: Tree, ended: Floats) -> None:
    """Put an origin's trips on the links where they end. `tree.load`, `ended` written."""
    tree.load[:] = 0.0
    for pair in range(pairs.start[origin], pairs.start[origin + 1]):
        node = pairs.node[pair]
        pairs.seconds[pair] = math.inf
        last = -1
        for k in range(streets.end_start[node], streets.end_start[node + 1]):
            link = streets.end_link[k]
            if tree.reached_s[link] < pairs.seconds[pair]:
                pairs.seconds[pair] = tree.reached_s[link]
                last = link
        if last >= 0:
            tree.load[last] += pairs.trips[pair]
            ended[last] += pairs.trips[pair]


@njit(cache=True, nogil=True)
def load_trips(streets: Streets, pairs: Pairs, turned: Floats, ended: Floats) -> None:
    """Load every origin's trips on its quickest paths.

    streets, pairs   read, but `pairs.seconds` is written in full
    turned (turns,), ended (approaches,)   added to: trips through a turn, trips ending after a link
    """
    links = len(streets.link_s)
    tree = Tree(
        np.empty(links), np.empty(links, np.int64), np.empty(links, np.int64), np.empty(links)
    )
    for origin in range(len(pairs.start) - 1):
        count = _grow(streets, origin, tree)
        _put_trips(streets, pairs, origin, tree, ended)
        for k in range(count - 1, -1, -1):
            link = tree.order[k]
            turn = tree.by_turn[link]
            turned[turn] += tree.load[link]
            if streets.turn_from[turn] < links:
                tree.load[streets.turn_from[turn]] += tree.load[link]
