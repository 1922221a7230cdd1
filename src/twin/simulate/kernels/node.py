"""The node model of Tampere, Corthout, Cattrysse and Immers (2011), priorities given.

Flows are the largest that demand, supply and the turning shares allow together; vehicles wait in
the order in which they came, so that one blocked turn holds its whole approach.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from twin.simulate.kernels.arrays import MERGE, SINGLE, Floats, Flow, Limits, Rows, Wires

FLOOR = 1e-12  # vehicles: less than this does not move, so no state decays into subnormal numbers
UNDECIDED = -1.0


class Crossing(NamedTuple):
    """What a node is decided from: few arrays, for handing over many costs more than a node.

    Reads node_in, the turns, priority and sending; writes moved; receiving and weight are scratch.
    """

    node_in: Rows
    turn_start: Rows
    turn_link: Rows
    turn_share: Floats
    priority: Floats
    sending: Floats
    receiving: Floats
    moved: Floats
    weight: Floats


@njit(cache=True, nogil=True)
def crossing_of(wires: Wires, limits: Limits, flow: Flow) -> Crossing:
    """Return the arrays that nodes are decided from."""
    return Crossing(
        wires.node_in,
        wires.turn_start,
        wires.turn_link,
        limits.turn_share,
        wires.priority,
        flow.sending,
        flow.receiving,
        flow.moved,
        flow.weight,
    )


@njit(cache=True, nogil=True)
def _pass_single(a: int, at: Crossing) -> None:
    """Decide a node with one approach: a plain joint, a diverge, an end."""
    amount = at.sending[a]
    if amount <= FLOOR:
        at.moved[a] = 0.0
        return
    for t in range(at.turn_start[a], at.turn_start[a + 1]):
        room = max(at.receiving[at.turn_link[t]], 0.0)
        if amount * at.turn_share[t] > room:
            amount = room / at.turn_share[t]
    at.moved[a] = amount if amount > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _pass_loose(first: int, last: int, at: Crossing) -> bool:
    """Let all pass if no supply binds; else mark those that want to move as undecided."""
    for k in range(first, last):
        a = at.node_in[k]
        if at.sending[a] > FLOOR:
            for t in range(at.turn_start[a], at.turn_start[a + 1]):
                at.weight[at.turn_link[t]] = 0.0
    fits = True
    for k in range(first, last):
        a = at.node_in[k]
        amount = at.sending[a]
        if amount > FLOOR:
            at.moved[a] = amount
            for t in range(at.turn_start[a], at.turn_start[a + 1]):
                link = at.turn_link[t]
                wanted = at.weight[link] + amount * at.turn_share[t]
                at.weight[link] = wanted
                fits = fits and wanted <= at.receiving[link]
        else:
            at.moved[a] = 0.0
    if not fits:
        for k in range(first, last):
            a = at.node_in[k]
            if at.moved[a] > 0.0:
                at.moved[a] = UNDECIDED
    return fits


@njit(cache=True, nogil=True)
def _pass_merge(first: int, last: int, at: Crossing) -> None:
    """Decide a node whose approaches have one turn each, all to one link."""
    room = max(at.receiving[at.turn_link[at.turn_start[at.node_in[first]]]], 0.0)
    settled = True
    level = math.inf
    while settled:
        weight = 0.0
        for k in range(first, last):
            a = at.node_in[k]
            if at.moved[a] < 0.0:
                weight += at.priority[a] * at.turn_share[at.turn_start[a]]
        level = room / weight if weight > 0.0 else math.inf
        settled = False
        for k in range(first, last):
            a = at.node_in[k]
            if at.moved[a] >= 0.0:
                continue
            share = at.turn_share[at.turn_start[a]]
            if share == 0.0 or at.sending[a] <= level * at.priority[a]:
                at.moved[a] = at.sending[a]
                room = max(room - at.moved[a] * share, 0.0)
                settled = True
    for k in range(first, last):
        a = at.node_in[k]
        if at.moved[a] < 0.0:
            amount = level * at.priority[a]
            at.moved[a] = amount if amount > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _tightest(first: int, last: int, at: Crossing) -> int:
    """Return the link with the least room per priority of the undecided; -1 when none is asked.

    Writes its weight, and that of every link that an undecided approach leads to.
    """
    for k in range(first, last):
        a = at.node_in[k]
        if at.moved[a] < 0.0:
            for t in range(at.turn_start[a], at.turn_start[a + 1]):
                at.weight[at.turn_link[t]] = 0.0
    for k in range(first, last):
        a = at.node_in[k]
        if at.moved[a] < 0.0:
            for t in range(at.turn_start[a], at.turn_start[a + 1]):
                at.weight[at.turn_link[t]] += at.priority[a] * at.turn_share[t]
    best = math.inf
    tightest = -1
    for k in range(first, last):
        a = at.node_in[k]
        if at.moved[a] < 0.0:
            for t in range(at.turn_start[a], at.turn_start[a + 1]):
                link = at.turn_link[t]
                weight, room = at.weight[link], max(at.receiving[link], 0.0)
                if weight > 0.0 and room < best * weight:
                    best = room / weight
                    tightest = link
    return tightest


@njit(cache=True, nogil=True)
def _uses(a: int, link: int, at: Crossing) -> bool:
    """Say whether some vehicles of an approach want to enter a link."""
    for t in range(at.turn_start[a], at.turn_start[a + 1]):
        if at.turn_link[t] == link and at.turn_share[t] > 0.0:
            return True
    return False


@njit(cache=True, nogil=True)
def _settle(a: int, amount: float, at: Crossing) -> None:
    """Decide the flow of one approach and take it from the room that is left."""
    at.moved[a] = amount if amount > FLOOR else 0.0
    for t in range(at.turn_start[a], at.turn_start[a + 1]):
        at.receiving[at.turn_link[t]] -= at.moved[a] * at.turn_share[t]


@njit(cache=True, nogil=True)
def _settle_at(link: int, first: int, last: int, at: Crossing) -> None:
    """Let those pass whole whose demand fits their part of the room of a link; if none, share it.

    All parts are of the room as it was before, whoever is settled first.
    """
    level = max(at.receiving[link], 0.0) / at.weight[link]
    by_demand = False
    for k in range(first, last):
        a = at.node_in[k]
        fits = at.moved[a] < 0.0 and at.sending[a] <= level * at.priority[a]
        if fits and _uses(a, link, at):
            _settle(a, at.sending[a], at)
            by_demand = True
    if by_demand:
        return
    for k in range(first, last):
        a = at.node_in[k]
        if at.moved[a] < 0.0 and _uses(a, link, at):
            _settle(a, level * at.priority[a], at)


@njit(cache=True, nogil=True)
def _pass_general(first: int, last: int, at: Crossing) -> None:
    """Decide any node whose undecided approaches do not all find room."""
    for _ in range(last - first + 1):
        link = _tightest(first, last, at)
        if link < 0:
            break
        _settle_at(link, first, last, at)
    for k in range(first, last):
        a = at.node_in[k]
        if at.moved[a] < 0.0:  # only ends of trips: nothing holds them
            at.moved[a] = at.sending[a]


@njit(cache=True, nogil=True)
def pass_node(first: int, last: int, kind: int, at: Crossing) -> None:
    """Decide what leaves every approach of one node in this step, by the code for its kind.

    first, last   the node's part of `node_in`
    Holds: no link takes more than it receives; an approach is held back only by a full link.
    """
    if kind == SINGLE:
        _pass_single(at.node_in[first], at)
    elif not _pass_loose(first, last, at):
        if kind == MERGE:
            _pass_merge(first, last, at)
        else:
            _pass_general(first, last, at)


@njit(cache=True, nogil=True)
def pass_nodes(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Decide what leaves every approach of all nodes in this step. As `pass_node`."""
    at = crossing_of(wires, limits, flow)
    for node in range(len(wires.node_kind)):
        pass_node(wires.node_start[node], wires.node_start[node + 1], wires.node_kind[node], at)
