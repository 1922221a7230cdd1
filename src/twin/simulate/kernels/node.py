"""The node model of Tampere, Corthout, Cattrysse and Immers (2011), priorities given.

Flows are the largest that demand, supply and the turning shares allow together; vehicles wait in
the order in which they came, so that one blocked turn holds its whole approach.

All nodes are first tried with all that would leave them: where no supply binds, and that is most
nodes most of the time, this is the answer. The others go on to the code for their kind. Each
function goes through all its nodes: handing arrays to a function for one node (numba counts
references to each) was measured to cost more than the node itself.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from twin.simulate.kernels.arrays import GENERAL, MERGE, SINGLE, Floats, Flow, Limits, Rows, Wires

FLOOR = 1e-12  # vehicles: less than this does not move, so no state decays into subnormal numbers
UNDECIDED = -1.0
ONE = np.uint64(1)  # keeps rows unsigned: no time goes into negative ones


class Bound(NamedTuple):
    """The nodes of a step at which a supply binds.

    node     (nodes,) those that do not pass whole
    level    (nodes,) of each: flow per priority at which its undecided approaches are held
    open     (nodes,) places in `node` of those of general kind with approaches still undecided
    tight    (nodes,) of each open one: the link with the least room per priority
    served   (nodes,) of each open one: 1 when some approach passed whole in this round
    """

    node: Rows
    level: Floats
    open: Rows
    tight: Rows
    served: Rows


@njit(cache=True, nogil=True)
def none_bound(nodes: int) -> Bound:
    """Return room for as many nodes."""
    return Bound(
        np.zeros(nodes, np.uint32),
        np.zeros(nodes),
        np.zeros(nodes, np.uint32),
        np.zeros(nodes, np.uint32),
        np.zeros(nodes, np.uint32),
    )


@njit(cache=True, nogil=True)
def _pass_loose(wires: Wires, limits: Limits, flow: Flow, bound: Bound) -> int:
    """Move all that would leave where no supply binds; list the other nodes, return how many."""
    node_start, node_in, out_start, out_link = (
        wires.node_start, wires.node_in, wires.out_start, wires.out_link,
    )  # fmt: skip
    turn_start, turn_link, turn_from = wires.turn_start, wires.turn_link, wires.turn_from
    turn_share, exit_share, bound_node = limits.turn_share, limits.exit_share, bound.node
    sending, receiving, moved, weight = flow.sending, flow.receiving, flow.moved, flow.weight
    entered, left, ended = flow.entered, flow.left, flow.ended
    count = 0
    for node in range(len(node_start) - 1):
        first, last = node_start[node], node_start[node + 1]
        begin, end = out_start[node], out_start[node + 1]
        for o in range(begin, end):
            weight[out_link[o]] = 0.0
        for t in range(turn_start[first], turn_start[last]):
            weight[turn_link[t]] += sending[turn_from[t]] * turn_share[t]
        fits = True
        for o in range(begin, end):
            fits &= weight[out_link[o]] <= receiving[out_link[o]]
        if fits:
            for k in range(first, last):
                a = node_in[k]
                amount = sending[a]
                moved[a] = amount
                left[a] += amount
                ended[a] += amount * exit_share[a]
            for o in range(begin, end):
                entered[out_link[o]] += weight[out_link[o]]
        else:
            bound_node[count] = node
            count += 1
    return count


@njit(cache=True, nogil=True)
def _pass_singles(wires: Wires, limits: Limits, flow: Flow, bound: Bound, count: int) -> None:
    """Decide nodes with one approach: plain joints and diverges."""
    turn_start, turn_link, turn_share = wires.turn_start, wires.turn_link, limits.turn_share
    for i in range(count):
        node = bound.node[i]
        if wires.node_kind[node] != SINGLE:
            continue
        k = wires.node_start[node]
        a = wires.node_in[k]
        amount = flow.sending[a]
        for t in range(turn_start[k], turn_start[k + ONE]):
            room = max(flow.receiving[turn_link[t]], 0.0)
            if amount * turn_share[t] > room:
                amount = room / turn_share[t]
        flow.moved[a] = amount if amount > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _open(wires: Wires, flow: Flow, bound: Bound, count: int) -> int:
    """Mark what is undecided at nodes of several approaches; return how many are general."""
    still = 0
    for i in range(count):
        node = bound.node[i]
        bound.level[i] = math.inf
        if wires.node_kind[node] == SINGLE:
            continue
        for k in range(wires.node_start[node], wires.node_start[node + ONE]):
            a = wires.node_in[k]
            flow.moved[a] = UNDECIDED if flow.sending[a] > 0.0 else 0.0
        if wires.node_kind[node] == GENERAL:
            bound.open[still] = i
            still += 1
    return still


@njit(cache=True, nogil=True)
def _pass_merges(wires: Wires, limits: Limits, flow: Flow, bound: Bound, count: int) -> None:
    """Decide nodes whose approaches have one turn each, all to one link. Writes levels."""
    node_in, turn_start, turn_share = wires.node_in, wires.turn_start, limits.turn_share
    sending, moved, priority = flow.sending, flow.moved, wires.priority
    for i in range(count):
        node = bound.node[i]
        if wires.node_kind[node] != MERGE:
            continue
        first, last = wires.node_start[node], wires.node_start[node + ONE]
        room = max(flow.receiving[wires.out_link[wires.out_start[node]]], 0.0)
        level = math.inf
        settled = 1
        while settled > 0:
            weight = 0.0
            for k in range(first, last):
                a = node_in[k]
                weight += priority[a] * turn_share[turn_start[k]] if moved[a] < 0.0 else 0.0
            level = room / weight if weight > 0.0 else math.inf
            settled = 0
            for k in range(first, last):
                a = node_in[k]
                share = turn_share[turn_start[k]]
                if moved[a] < 0.0 and sending[a] * share <= level * priority[a] * share:
                    moved[a] = sending[a]
                    room = max(room - sending[a] * share, 0.0)
                    settled += 1
        bound.level[i] = level


@njit(cache=True, nogil=True)
def _find_tightest(wires: Wires, limits: Limits, flow: Flow, bound: Bound, still: int) -> int:
    """Find the link with the least room per priority of the undecided, node by node.

    Keeps the nodes that have one in `open`, with its level; returns how many.
    """
    node_in, turn_start, turn_link = wires.node_in, wires.turn_start, wires.turn_link
    out_link, turn_share, priority = wires.out_link, limits.turn_share, wires.priority
    moved, weight, receiving = flow.moved, flow.weight, flow.receiving
    kept = 0
    for j in range(still):
        i = bound.open[j]
        node = bound.node[i]
        begin, end = wires.out_start[node], wires.out_start[node + ONE]
        for o in range(begin, end):
            weight[out_link[o]] = 0.0
        for k in range(wires.node_start[node], wires.node_start[node + ONE]):
            asking = priority[node_in[k]] if moved[node_in[k]] < 0.0 else 0.0
            for t in range(turn_start[k], turn_start[k + ONE]):
                weight[turn_link[t]] += asking * turn_share[t]
        best = math.inf
        for o in range(begin, end):
            asked, room = weight[out_link[o]], max(receiving[out_link[o]], 0.0)
            if asked > 0.0 and room < best * asked:
                best = room / asked
                bound.tight[kept] = out_link[o]
        bound.level[i] = best
        if best < math.inf:
            bound.open[kept] = i
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _settle_by_demand(wires: Wires, limits: Limits, flow: Flow, bound: Bound, still: int) -> None:
    """Let those pass whole whose demand fits their part of the room of the tightest link.

    All parts are of the room as it was before, whoever is settled first.
    """
    node_in, turn_start, turn_link = wires.node_in, wires.turn_start, wires.turn_link
    turn_share, priority, receiving = limits.turn_share, wires.priority, flow.receiving
    for j in range(still):
        node, tight = bound.node[bound.open[j]], bound.tight[j]
        level = bound.level[bound.open[j]]
        bound.served[j] = 0
        for k in range(wires.node_start[node], wires.node_start[node + ONE]):
            a = node_in[k]
            amount = flow.sending[a]
            if flow.moved[a] >= 0.0 or amount > level * priority[a]:
                continue
            wants = 0.0
            for t in range(turn_start[k], turn_start[k + ONE]):
                wants += turn_share[t] if turn_link[t] == tight else 0.0
            if wants > 0.0:
                flow.moved[a] = amount
                bound.served[j] = 1
                for t in range(turn_start[k], turn_start[k + ONE]):
                    receiving[turn_link[t]] -= amount * turn_share[t]


@njit(cache=True, nogil=True)
def _settle_by_supply(wires: Wires, limits: Limits, flow: Flow, bound: Bound, still: int) -> None:
    """Where nobody passed whole, give all who use the tightest link their part of its room."""
    node_in, turn_start, turn_link = wires.node_in, wires.turn_start, wires.turn_link
    turn_share, priority, receiving = limits.turn_share, wires.priority, flow.receiving
    for j in range(still):
        node, tight = bound.node[bound.open[j]], bound.tight[j]
        level = bound.level[bound.open[j]]
        if bound.served[j] > 0:
            continue
        for k in range(wires.node_start[node], wires.node_start[node + ONE]):
            a = node_in[k]
            wants = 0.0
            for t in range(turn_start[k], turn_start[k + ONE]):
                wants += turn_share[t] if turn_link[t] == tight else 0.0
            if flow.moved[a] < 0.0 and wants > 0.0:
                amount = level * priority[a]
                flow.moved[a] = amount if amount > FLOOR else 0.0
                for t in range(turn_start[k], turn_start[k + ONE]):
                    receiving[turn_link[t]] -= amount * turn_share[t]


@njit(cache=True, nogil=True)
def decide_bound(wires: Wires, limits: Limits, flow: Flow, bound: Bound, count: int) -> None:
    """Decide the first `count` nodes of `bound`, at which a supply binds. Writes flow.moved."""
    _pass_singles(wires, limits, flow, bound, count)
    still = _open(wires, flow, bound, count)
    _pass_merges(wires, limits, flow, bound, count)
    still = _find_tightest(wires, limits, flow, bound, still)
    while still > 0:
        _settle_by_demand(wires, limits, flow, bound, still)
        _settle_by_supply(wires, limits, flow, bound, still)
        still = _find_tightest(wires, limits, flow, bound, still)
    for i in range(count):
        node = bound.node[i]
        for k in range(wires.node_start[node], wires.node_start[node + ONE]):
            a = wires.node_in[k]
            if flow.moved[a] < 0.0:  # held by its merge, or by nothing: an end of trips
                amount = min(flow.sending[a], bound.level[i] * wires.priority[a])
                flow.moved[a] = amount if amount > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _move_bound(wires: Wires, limits: Limits, flow: Flow, bound: Bound, count: int) -> None:
    """Add what moves at the decided nodes to the counts."""
    moved, weight, turn_start = flow.moved, flow.weight, wires.turn_start
    for i in range(count):
        node = bound.node[i]
        first, last = wires.node_start[node], wires.node_start[node + ONE]
        begin, end = wires.out_start[node], wires.out_start[node + ONE]
        for o in range(begin, end):
            weight[wires.out_link[o]] = 0.0
        for t in range(turn_start[first], turn_start[last]):
            weight[wires.turn_link[t]] += moved[wires.turn_from[t]] * limits.turn_share[t]
        for k in range(first, last):
            a = wires.node_in[k]
            flow.left[a] += moved[a]
            flow.ended[a] += moved[a] * limits.exit_share[a]
        for o in range(begin, end):
            flow.entered[wires.out_link[o]] += weight[wires.out_link[o]]


@njit(cache=True, nogil=True)
def pass_nodes(wires: Wires, limits: Limits, flow: Flow, bound: Bound) -> int:
    """Decide what leaves every approach in this step, and add it to the counts.

    Reads flow.sending, which is 0 or above FLOOR, and flow.receiving; writes moved, and into weight
    what enters each link; `bound` is scratch. Returns at how many nodes a supply bound.
    Holds: no link takes more than it receives; an approach is held back only by a full link.
    """
    count = _pass_loose(wires, limits, flow, bound)
    if count > 0:
        decide_bound(wires, limits, flow, bound, count)
        _move_bound(wires, limits, flow, bound, count)
    return count
