"""The node model of Tampere, Corthout, Cattrysse and Immers (2011), priorities given.

Flows are the largest that demand, supply and the turning shares allow together; vehicles wait in
the order in which they came, so that one blocked turn holds its whole approach.
"""

from __future__ import annotations

import math

from numba import njit

from twin.simulate.kernels.arrays import MERGE, SINGLE, Flow, Ints, Limits, Wires

FLOOR = 1e-12  # vehicles: less than this does not move, so no state decays into subnormal numbers


@njit(cache=True, nogil=True)
def _fits(approaches: Ints, wires: Wires, limits: Limits, flow: Flow) -> bool:
    """Say whether all that would leave finds room. Writes flow.weight of the links after."""
    for a in approaches:
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            flow.weight[wires.turn_link[t]] = 0.0
    for a in approaches:
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            flow.weight[wires.turn_link[t]] += flow.sending[a] * limits.turn_share[t]
    for a in approaches:
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            link = wires.turn_link[t]
            if flow.weight[link] > flow.receiving[link]:
                return False
    return True


@njit(cache=True, nogil=True)
def _tightest(approaches: Ints, wires: Wires, limits: Limits, flow: Flow) -> int:
    """Return the link with the least room per priority of the undecided; -1 when none is asked."""
    for a in approaches:
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            flow.weight[wires.turn_link[t]] = 0.0
    for a in approaches:
        if flow.moved[a] < 0.0:
            for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
                flow.weight[wires.turn_link[t]] += wires.priority[a] * limits.turn_share[t]
    best = math.inf
    tightest = -1
    for a in approaches:
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            link = wires.turn_link[t]
            if flow.weight[link] > 0.0:
                level = max(flow.receiving[link], 0.0) / flow.weight[link]
                if level < best:
                    best = level
                    tightest = link
    return tightest


@njit(cache=True, nogil=True)
def _uses(a: int, link: int, wires: Wires, limits: Limits) -> bool:
    """Say whether some vehicles of an approach want to enter a link."""
    for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
        if wires.turn_link[t] == link and limits.turn_share[t] > 0.0:
            return True
    return False


@njit(cache=True, nogil=True)
def _settle(a: int, amount: float, wires: Wires, limits: Limits, flow: Flow) -> None:
    """Decide the flow of one approach and take it from the room that is left."""
    flow.moved[a] = amount if amount > FLOOR else 0.0
    for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
        flow.receiving[wires.turn_link[t]] -= flow.moved[a] * limits.turn_share[t]


@njit(cache=True, nogil=True)
def _settle_by_demand(link: int, approaches: Ints, wires: Wires, limits: Limits, flow: Flow) -> int:
    """Let those pass whole whose demand fits their part of the room of `link`; return how many."""
    level = max(flow.receiving[link], 0.0) / flow.weight[link]
    count = 0
    for a in approaches:
        fits = flow.moved[a] < 0.0 and flow.sending[a] <= level * wires.priority[a]
        if fits and _uses(a, link, wires, limits):
            _settle(a, flow.sending[a], wires, limits, flow)
            count += 1
    return count


@njit(cache=True, nogil=True)
def _settle_by_supply(
    link: int, approaches: Ints, wires: Wires, limits: Limits, flow: Flow
) -> None:
    """Give every undecided approach that uses `link` its part of the room."""
    level = max(flow.receiving[link], 0.0) / flow.weight[link]
    for a in approaches:
        if flow.moved[a] < 0.0 and _uses(a, link, wires, limits):
            _settle(a, level * wires.priority[a], wires, limits, flow)


@njit(cache=True, nogil=True)
def _passes_whole(
    a: int, room: float, fits: bool, wires: Wires, limits: Limits, flow: Flow
) -> bool:
    """Say whether nothing holds an approach; what does not fit in its part of the room waits."""
    share = limits.turn_share[wires.turn_start[a]]
    return fits or share == 0.0 or flow.sending[a] <= FLOOR or flow.sending[a] <= room


@njit(cache=True, nogil=True)
def pass_merge(approaches: Ints, wires: Wires, limits: Limits, flow: Flow) -> None:
    """Decide a node whose approaches have one turn each, all to one link. As `pass_node`."""
    room = max(flow.receiving[wires.turn_link[wires.turn_start[approaches[0]]]], 0.0)
    wanted = 0.0
    weight = 0.0
    for a in approaches:
        share = limits.turn_share[wires.turn_start[a]]
        wanted += flow.sending[a] * share
        weight += wires.priority[a] * share if flow.sending[a] > FLOOR else 0.0
        flow.moved[a] = -1.0
    fits = wanted <= room or weight == 0.0
    settled = True
    while settled:
        level = room / weight if weight > 0.0 else 0.0
        weight = 0.0
        settled = False
        for a in approaches:
            if flow.moved[a] >= 0.0:
                continue
            share = limits.turn_share[wires.turn_start[a]]
            if _passes_whole(a, level * wires.priority[a], fits, wires, limits, flow):
                flow.moved[a] = flow.sending[a] if flow.sending[a] > FLOOR else 0.0
                room = max(room - flow.moved[a] * share, 0.0)
                settled = True
            else:
                weight += wires.priority[a] * share
    for a in approaches:
        if flow.moved[a] < 0.0:
            amount = level * wires.priority[a]
            flow.moved[a] = amount if amount > FLOOR else 0.0


@njit(cache=True, nogil=True)
def pass_node(approaches: Ints, wires: Wires, limits: Limits, flow: Flow) -> None:
    """Decide what leaves every approach of one node in this step.

    approaches   rows of the approaches that end at the node, read
    Reads flow.sending and flow.receiving; writes flow.moved; flow.receiving, flow.weight scratch.
    Holds: no link takes more than it receives; an approach is held back only by a full link.
    """
    if _fits(approaches, wires, limits, flow):
        for a in approaches:
            flow.moved[a] = flow.sending[a] if flow.sending[a] > FLOOR else 0.0
        return
    for a in approaches:
        flow.moved[a] = -1.0 if flow.sending[a] > FLOOR else 0.0
    for _ in range(len(approaches) + 1):
        link = _tightest(approaches, wires, limits, flow)
        if link < 0:
            break
        if _settle_by_demand(link, approaches, wires, limits, flow) == 0:
            _settle_by_supply(link, approaches, wires, limits, flow)
    for a in approaches:
        if flow.moved[a] < 0.0:  # only ends of trips: nothing holds them
            flow.moved[a] = flow.sending[a]


@njit(cache=True, nogil=True)
def pass_any(node: int, wires: Wires, limits: Limits, flow: Flow) -> None:
    """Decide one node of several approaches by the code made for its kind."""
    first = wires.node_start[node]
    last = wires.node_start[node + 1]
    if wires.node_kind[node] == MERGE:
        pass_merge(wires.node_in[first:last], wires, limits, flow)
    else:
        pass_node(wires.node_in[first:last], wires, limits, flow)


@njit(cache=True, nogil=True)
def _pass_singles(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Decide all nodes with one approach: plain joints and diverges. As `pass_node`.

    In one loop on purpose: handing three tuples of arrays to a function costs more than the
    node itself, and most nodes of a network are of this kind.
    """
    node_start, node_in, kinds = wires.node_start, wires.node_in, wires.node_kind
    turn_start, turn_link, turn_share = wires.turn_start, wires.turn_link, limits.turn_share
    sending, receiving, moved = flow.sending, flow.receiving, flow.moved
    for node in range(len(kinds)):
        if kinds[node] != SINGLE:
            continue
        a = node_in[node_start[node]]
        amount = sending[a]
        for t in range(turn_start[a], turn_start[a + 1]):
            room = max(receiving[turn_link[t]], 0.0)
            if amount * turn_share[t] > room:
                amount = room / turn_share[t]
        moved[a] = amount if amount > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _pass_loose(wires: Wires, limits: Limits, flow: Flow) -> bool:
    """Let all pass at merges and crossings where no supply binds; say whether one binds.

    Marks an approach that has still to be decided by -1.
    """
    node_start, node_in, kinds = wires.node_start, wires.node_in, wires.node_kind
    turn_start, turn_link, turn_share = wires.turn_start, wires.turn_link, limits.turn_share
    sending, receiving, moved, wanted = flow.sending, flow.receiving, flow.moved, flow.weight
    binds = False
    for node in range(len(kinds)):
        if kinds[node] == SINGLE:
            continue
        first, last = node_start[node], node_start[node + 1]
        for k in range(first, last):
            for t in range(turn_start[node_in[k]], turn_start[node_in[k] + 1]):
                wanted[turn_link[t]] = 0.0
        fits = True
        for k in range(first, last):
            a = node_in[k]
            for t in range(turn_start[a], turn_start[a + 1]):
                wanted[turn_link[t]] += sending[a] * turn_share[t]
                fits = fits and wanted[turn_link[t]] <= receiving[turn_link[t]]
        for k in range(first, last):
            a = node_in[k]
            passes = sending[a] if sending[a] > FLOOR else 0.0
            moved[a] = passes if fits else -1.0
        binds = binds or not fits
    return binds


@njit(cache=True, nogil=True)
def pass_nodes(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Decide what leaves every approach of all nodes in this step. As `pass_node`."""
    _pass_singles(wires, limits, flow)
    if not _pass_loose(wires, limits, flow):
        return
    for node in range(len(wires.node_kind)):
        if wires.node_kind[node] == SINGLE or wires.node_start[node] == wires.node_start[node + 1]:
            continue
        if flow.moved[wires.node_in[wires.node_start[node]]] < 0.0:
            pass_any(node, wires, limits, flow)
