"""Which way the first vehicle of an approach goes."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from twin.simulate.kernels.arrays import Floats, Ints
from twin.simulate.kernels.lean import lean_inline
from twin.simulate.kernels.records import (
    ARRIVES,
    BY_HABIT,
    FOLLOWS_PATH,
    GIVES_UP,
    HOLDS,
    LIVE,
    Net,
    Ways,
)


@lean_inline
def _mixed(x: np.uint64) -> np.uint64:
    """Spread one whole number over all its bits (splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@lean_inline
def drawn(seed: int, one: int, two: int) -> float:
    """Return a number of [0, 1) that depends on three whole numbers and on nothing else."""
    x = _mixed(np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15))
    x = _mixed(x ^ (np.uint64(one) * np.uint64(0x9E3779B97F4A7C15)))
    x = _mixed(x + np.uint64(two))
    return float(x >> np.uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True)
def draw_each(seed: int, keys: Ints, salt: int, out: Floats) -> None:
    """Draw one number for every key; out (n,) written in full."""
    for row in range(len(keys)):
        out[row] = drawn(seed, keys[row], salt)


@lean_inline
def _stands_inside(a: int, group: int, net: Net, ways: Ways) -> bool:
    """Say whether an approach lies where a group has no right to be: it may go on there.

    An origin does when all its links are forbidden.
    """
    if a < ways.forbidden.shape[1]:
        return bool(ways.forbidden[group, a])
    for t in range(net.approaches[a].turn_start, net.approaches[a].turn_stop):
        if not ways.forbidden[group, net.turns[t].link]:
            return False
    return True


@lean_inline
def _permitted(a: int, link: int, group: int, net: Net, ways: Ways) -> bool:
    """Say whether a group may go from an approach into a link."""
    return not ways.forbidden[group, link] or _stands_inside(a, group, net, ways)


@lean_inline
def _along_path(a: int, place: int, group: int, net: Net, ways: Ways) -> int:
    """Return the turn into the next link of a path; UNDECIDED (-1) when it is not open."""
    link = net.path[place]
    if net.approaches[link].in_gap_s == math.inf or not _permitted(a, link, group, net, ways):
        return -1
    for t in range(net.approaches[a].turn_start, net.approaches[a].turn_stop):
        if net.turns[t].link == link:
            return t
    return -1


@lean_inline
def _quickest(a: int, group: int, to_goal: Floats, net: Net, ways: Ways) -> int:
    """Return the permitted turn with the least time to the goal, -1 without any."""
    best = math.inf
    pick = -1
    for t in range(net.approaches[a].turn_start, net.approaches[a].turn_stop):
        link = net.turns[t].link
        cost = net.turns[t].penalty_s + to_goal[link]
        if cost < best and _permitted(a, link, group, net, ways):
            best = cost
            pick = t
    return pick


@lean_inline
def _by_logit(a: int, key: int, group: int, to_goal: Floats, net: Net, ways: Ways) -> int:
    """Draw among the open turns that lead nearer to the goal, -1 without any."""
    best = math.inf
    first, last = net.approaches[a].turn_start, net.approaches[a].turn_stop
    pick = -1
    for t in range(first, last):
        link = net.turns[t].link
        cost = net.turns[t].penalty_s + to_goal[link]
        open_now = net.approaches[link].in_gap_s < math.inf
        if cost < best and open_now and _permitted(a, link, group, net, ways):
            best = cost
            pick = t
    spread = ways.setting[0]
    if pick < 0 or spread <= 0.0 or last - first == 1:
        return pick
    total = 0.0
    for t in range(first, last):
        weight = _weight(a, t, best, spread, group, to_goal, net, ways)
        ways.weight[t - first] = weight
        total += weight
    left = total * drawn(ways.seed[0], key, net.approaches[a].key)
    for t in range(first, last):
        left -= ways.weight[t - first]
        if ways.weight[t - first] > 0.0 and left < 0.0:
            return t
    return pick


@lean_inline
def _weight(
    a: int, t: int, best: float, spread: float, group: int, to_goal: Floats, net: Net, ways: Ways
) -> float:
    """Return the logit's weight of a turn: 0 where closed, forbidden or leading away."""
    link = net.turns[t].link
    rest = to_goal[link] - ways.link_s[link]
    if not rest < best or net.approaches[link].in_gap_s == math.inf:
        return 0.0
    if not _permitted(a, link, group, net, ways):
        return 0.0
    return math.exp((best - net.turns[t].penalty_s - to_goal[link]) / spread)


@lean_inline
def decide(a: int, v: int, net: Net, ways: Ways) -> int:
    """Return the turn that vehicle `v` takes from approach `a`, or what it does instead.

    ARRIVES at its destination, which may be where it starts, or at the end of its path; HOLDS
    while all ways are closed; GIVES_UP where it has no right to any way. Who cannot follow the
    path or habit goes on by what it sees.
    """
    who = net.vehicles[v]
    group = ways.group[who.kind]
    if who.mode == FOLLOWS_PATH:
        if who.path_at == who.path_stop:
            return ARRIVES
        onward: int = _along_path(a, who.path_at, group, net, ways)
        if onward >= 0:
            return onward
        who.mode = LIVE
    if net.approaches[a].to_node == who.to_node:
        return ARRIVES
    row = group * (len(ways.habit) // len(ways.forbidden)) + who.goal
    usual: int = -1
    if who.mode == BY_HABIT:
        usual = _quickest(a, group, ways.habit[row], net, ways)
        if usual < 0:
            return GIVES_UP
        if net.approaches[net.turns[usual].link].in_gap_s < math.inf:
            return usual
        who.mode = LIVE
    turn: int = _by_logit(a, who.key, group, ways.live[row], net, ways)
    if turn < 0:
        usual = _quickest(a, group, ways.habit[row], net, ways)
        return HOLDS if usual >= 0 else GIVES_UP
    return turn
