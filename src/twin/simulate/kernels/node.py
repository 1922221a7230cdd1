"""The node model of Tampere, Corthout, Cattrysse and Immers (2011), priorities given.

Flows are the largest that demand, supply and the turning shares allow together; vehicles wait in
the order in which they came, so that one blocked turn holds its whole approach.

A node is first tried with all that would leave it: where no supply binds, and that is most nodes
most of the time, this is the answer. Then comes the code for its kind.
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

    Reads the rows, shares, priority and sending; writes moved, and into weight what enters the
    links after the node; receiving is scratch where a supply binds.
    """

    node_in: Rows
    turn_start: Rows
    turn_link: Rows
    turn_from: Rows
    out_link: Rows
    turn_share: Floats
    priority: Floats
    sending: Floats
    receiving: Floats
    moved: Floats
    weight: Floats


class Span(NamedTuple):
    """The part of `node_in` (first, last) and of `out_link` (begin, end) that belongs to a node."""

    first: int
    last: int
    begin: int
    end: int


@njit(inline="always")
def crossing_of(wires: Wires, limits: Limits, flow: Flow) -> Crossing:
    """Return the arrays that nodes are decided from."""
    return Crossing(
        wires.node_in,
        wires.turn_start,
        wires.turn_link,
        wires.turn_from,
        wires.out_link,
        limits.turn_share,
        wires.priority,
        flow.sending,
        flow.receiving,
        flow.moved,
        flow.weight,
    )


@njit(inline="always")
def span_of(node: int, wires: Wires) -> Span:
    """Return where a node's rows stand."""
    return Span(
        wires.node_start[node],
        wires.node_start[node + 1],
        wires.out_start[node],
        wires.out_start[node + 1],
    )


@njit(inline="always")
def _fits(span: Span, at: Crossing) -> bool:
    """Say whether all that would leave finds room. Writes what would enter the links after."""
    for o in range(span.begin, span.end):
        at.weight[at.out_link[o]] = 0.0
    for t in range(at.turn_start[span.first], at.turn_start[span.last]):
        at.weight[at.turn_link[t]] += at.sending[at.turn_from[t]] * at.turn_share[t]
    fits = True
    for o in range(span.begin, span.end):
        fits &= at.weight[at.out_link[o]] <= at.receiving[at.out_link[o]]
    return fits


@njit(inline="always")
def _enter(span: Span, at: Crossing) -> None:
    """Write what enters the links after a node that has been decided."""
    for o in range(span.begin, span.end):
        at.weight[at.out_link[o]] = 0.0
    for t in range(at.turn_start[span.first], at.turn_start[span.last]):
        at.weight[at.turn_link[t]] += at.moved[at.turn_from[t]] * at.turn_share[t]


@njit(inline="always")
def _pass_single(k: int, at: Crossing) -> None:
    """Decide a node with one approach: a plain joint or a diverge."""
    a = at.node_in[k]
    amount = at.sending[a]
    for t in range(at.turn_start[k], at.turn_start[k + 1]):
        room = max(at.receiving[at.turn_link[t]], 0.0)
        if amount * at.turn_share[t] > room:
            amount = room / at.turn_share[t]
    at.moved[a] = amount if amount > FLOOR else 0.0


@njit(inline="always")
def _pass_merge(span: Span, at: Crossing) -> None:
    """Decide a node whose approaches have one turn each, all to one link."""
    room = max(at.receiving[at.out_link[span.begin]], 0.0)
    settled = True
    level = math.inf
    while settled:
        weight = 0.0
        for k in range(span.first, span.last):
            a = at.node_in[k]
            if at.moved[a] < 0.0:
                weight += at.priority[a] * at.turn_share[at.turn_start[k]]
        level = room / weight if weight > 0.0 else math.inf
        settled = False
        for k in range(span.first, span.last):
            a = at.node_in[k]
            if at.moved[a] >= 0.0:
                continue
            share = at.turn_share[at.turn_start[k]]
            if share == 0.0 or at.sending[a] <= level * at.priority[a]:
                at.moved[a] = at.sending[a]
                room = max(room - at.moved[a] * share, 0.0)
                settled = True
    for k in range(span.first, span.last):
        a = at.node_in[k]
        if at.moved[a] < 0.0:
            amount = level * at.priority[a]
            at.moved[a] = amount if amount > FLOOR else 0.0


@njit(inline="always")
def _tightest(span: Span, at: Crossing) -> int:
    """Return the link with the least room per priority of the undecided; -1 when none is asked.

    Writes the priority that asks for every link after the node into its weight.
    """
    for o in range(span.begin, span.end):
        at.weight[at.out_link[o]] = 0.0
    for k in range(span.first, span.last):
        a = at.node_in[k]
        if at.moved[a] < 0.0:
            for t in range(at.turn_start[k], at.turn_start[k + 1]):
                at.weight[at.turn_link[t]] += at.priority[a] * at.turn_share[t]
    best = math.inf
    tightest = -1
    for o in range(span.begin, span.end):
        link = at.out_link[o]
        weight, room = at.weight[link], max(at.receiving[link], 0.0)
        if weight > 0.0 and room < best * weight:
            best = room / weight
            tightest = link
    return tightest


@njit(inline="always")
def _uses(k: int, link: int, at: Crossing) -> bool:
    """Say whether some vehicles of an approach want to enter a link."""
    for t in range(at.turn_start[k], at.turn_start[k + 1]):
        if at.turn_link[t] == link and at.turn_share[t] > 0.0:
            return True
    return False


@njit(inline="always")
def _settle(k: int, amount: float, at: Crossing) -> None:
    """Decide the flow of one approach and take it from the room that is left."""
    moved = amount if amount > FLOOR else 0.0
    at.moved[at.node_in[k]] = moved
    for t in range(at.turn_start[k], at.turn_start[k + 1]):
        at.receiving[at.turn_link[t]] -= moved * at.turn_share[t]


@njit(inline="always")
def _settle_at(link: int, span: Span, at: Crossing) -> None:
    """Let those pass whole whose demand fits their part of the room of a link; if none, share it.

    All parts are of the room as it was before, whoever is settled first.
    """
    level = max(at.receiving[link], 0.0) / at.weight[link]
    by_demand = False
    for k in range(span.first, span.last):
        a = at.node_in[k]
        fits = at.moved[a] < 0.0 and at.sending[a] <= level * at.priority[a]
        if fits and _uses(k, link, at):
            _settle(k, at.sending[a], at)
            by_demand = True
    if by_demand:
        return
    for k in range(span.first, span.last):
        a = at.node_in[k]
        if at.moved[a] < 0.0 and _uses(k, link, at):
            _settle(k, level * at.priority[a], at)


@njit(inline="always")
def _pass_general(span: Span, at: Crossing) -> None:
    """Decide any node whose undecided approaches do not all find room."""
    for _ in range(span.last - span.first + 1):
        link = _tightest(span, at)
        if link < 0:
            break
        _settle_at(link, span, at)
    for k in range(span.first, span.last):
        a = at.node_in[k]
        if at.moved[a] < 0.0:  # only ends of trips: nothing holds them
            at.moved[a] = at.sending[a]


@njit(inline="always")
def _pass_bound(span: Span, kind: int, at: Crossing) -> None:
    """Decide a node at which a supply binds, by the code for its kind."""
    if kind == SINGLE:
        _pass_single(span.first, at)
    else:
        for k in range(span.first, span.last):
            a = at.node_in[k]
            at.moved[a] = UNDECIDED if at.sending[a] > 0.0 else 0.0
        if kind == MERGE:
            _pass_merge(span, at)
        else:
            _pass_general(span, at)
    _enter(span, at)


@njit(inline="always")
def pass_node(span: Span, kind: int, at: Crossing) -> None:
    """Decide what leaves every approach of one node in this step, and what enters after it.

    Holds: no link takes more than it receives; an approach is held back only by a full link.
    """
    if _fits(span, at):
        for k in range(span.first, span.last):
            at.moved[at.node_in[k]] = at.sending[at.node_in[k]]
    else:
        _pass_bound(span, kind, at)


@njit(cache=True, nogil=True)
def pass_nodes(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Decide what leaves every approach of all nodes in this step. As `pass_node`."""
    at = crossing_of(wires, limits, flow)
    for node in range(len(wires.node_kind)):
        pass_node(span_of(node, wires), wires.node_kind[node], at)
