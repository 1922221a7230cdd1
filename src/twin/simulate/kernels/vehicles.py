"""Vehicles one by one on Newell's kinematic waves: every move at its own moment.

A vehicle leaves a link when it has come to its end, the one before it is a headway ahead, and the
link after it has room: the vehicle that many places ahead left it one wave time ago. Steps only
order the work. No travel or wave time is shorter than a step, so what happens at one node in a
step cannot reach another in the same step, and nodes can be served in any order.
"""

from __future__ import annotations

import math

from twin.simulate.kernels.arrays import Floats
from twin.simulate.kernels.choices import decide
from twin.simulate.kernels.lean import lean, lean_inline
from twin.simulate.kernels.records import (
    ARRIVED,
    ARRIVES,
    FOLLOWS_PATH,
    GIVES_UP,
    HOLDS,
    INSIDE,
    LIVE,
    NOT_ENTERED,
    REFUSED,
    TURNED_AWAY,
    UNDECIDED,
    Net,
    Trace,
    Ways,
)

BEHIND, AHEAD = 4.0, 20.0  # vehicles: how far tags may lie from a link's clock
ROUNDING_S = 1e-9
# Vehicles that an idle entry may take at once: without credit, room that the order of turns leaves
# unused is lost, and links that fill by chance pass a fifth less than their capacity.
CREDIT = 4.0


@lean_inline
def _count_tags(a: int, net: Net) -> None:
    """Move the tags of an approach by a departure; without a queue none lies behind its clock.

    A tag is the virtual time at which a vehicle has a right to a link: departures move the
    tags of their approach by 1 / priority, so those who are held share a link by priority,
    whatever else they want (start-time fair queueing; flows as in Tampere's node).
    """
    here = net.approaches[a]
    if here.queued == 0:
        for t in range(here.turn_start, here.turn_stop):
            clock = net.approaches[net.turns[t].link].clock_s
            net.turns[t].tag_s = max(net.turns[t].tag_s + here.served_s, clock)
        here.served_s = 0.0
    here.served_s += here.weight_s


@lean_inline
def _look(a: int, net: Net, ways: Ways) -> None:
    """Decide the turn of an approach's first vehicle, and say whether it had to queue."""
    here = net.approaches[a]
    here.head = decide(a, net.ring_vehicle[here.first], net, ways)
    free_s = net.ring_s[here.first] + here.free_s
    here.queued = 1 if here.out_free_s > free_s + ROUNDING_S else 0


@lean_inline
def _tag(a: int, net: Net) -> float:
    """Return the tag of an approach's first vehicle, not too far from the clock of its link."""
    here = net.approaches[a]
    if here.head < 0:
        return -math.inf
    clock: float = net.approaches[net.turns[here.head].link].clock_s
    tag = net.turns[here.head].tag_s + here.served_s
    if here.queued == 0:
        tag = max(tag, clock)
    return float(min(max(tag, clock - BEHIND * here.weight_s), clock + AHEAD * here.weight_s))


@lean_inline
def _leave(a: int, time_s: float, net: Net, ways: Ways) -> None:
    """Take the first vehicle of an approach off it."""
    here = net.approaches[a]
    place = here.first
    if a < ways.forbidden.shape[1]:
        who = net.vehicles[net.ring_vehicle[place]]
        spent_s = time_s - net.ring_s[place]
        here.spent_s += spent_s
        here.spent_count += 1
        who.distance_m += here.length_m
        who.free_s += here.plain_s
        if spent_s - here.free_s > ways.setting[1]:
            who.stops += 1
        if here.entered - here.left == here.room:
            here.room_s = max(time_s + here.wave_s, here.in_free_s)
            before = net.nodes[here.from_node]
            before.next_s = min(before.next_s, here.room_s)
    net.ring_s[place] = time_s
    here.left += 1
    here.left_sum_s += time_s
    here.out_free_s = time_s + here.out_gap_s
    place = place + 1 if place + 1 < here.stop else here.stop - here.room
    here.first = place
    here.head = UNDECIDED
    here.next_s = math.inf
    if here.left < here.entered:
        here.next_s = max(net.ring_s[place] + here.free_s, here.out_free_s)
    _count_tags(a, net)


@lean_inline
def _enter(v: int, t: int, time_s: float, net: Net, trace: Trace) -> None:
    """Put a vehicle on the link behind a turn."""
    turn = net.turns[t]
    after = net.approaches[turn.link]
    who = net.vehicles[v]
    place = after.free
    net.ring_vehicle[place] = v
    net.ring_s[place] = time_s
    if after.entered == after.left:
        after.next_s = max(time_s + after.free_s, after.out_free_s)
        ahead = net.nodes[after.to_node]
        ahead.next_s = min(ahead.next_s, after.next_s)
    after.entered += 1
    after.entered_sum_s += time_s
    credit_s = CREDIT * after.in_gap_s
    after.in_free_s = max(after.in_free_s, time_s - credit_s) + after.in_gap_s
    place = place + 1 if place + 1 < after.stop else after.stop - after.room
    after.free = place
    after.room_s = math.inf
    if after.entered - after.left < after.room:
        after.room_s = max(net.ring_s[place] + after.wave_s, after.in_free_s)
    turn.free_at_s = time_s + turn.gap_s
    if who.mode == FOLLOWS_PATH:
        who.path_at += 1
    if who.status == NOT_ENTERED:
        who.status = INSIDE
        who.entered_s = time_s
    if len(trace.link) > 0:
        row = trace.filled[0]
        trace.vehicle[row] = v
        trace.link[row] = turn.link
        trace.entered_s[row] = time_s
        trace.filled[0] = row + 1


@lean_inline
def _end(v: int, head: int, time_s: float, net: Net) -> None:
    """End a trip: arrived, turned away on the way, or refused before it began."""
    who = net.vehicles[v]
    who.ended_s = time_s
    if head == ARRIVES:
        who.status = ARRIVED
    elif who.status == NOT_ENTERED:
        who.status = REFUSED
    else:
        who.status = TURNED_AWAY


@lean_inline
def _move(a: int, time_s: float, net: Net, ways: Ways, trace: Trace) -> None:
    """Let the first vehicle of an approach go."""
    here = net.approaches[a]
    head = here.head
    v = net.ring_vehicle[here.first]
    if head >= 0:
        after = net.approaches[net.turns[head].link]
        after.clock_s = max(after.clock_s, _tag(a, net))
    _leave(a, time_s, net, ways)
    if head >= 0:
        _enter(v, head, time_s, net, trace)
    else:
        _end(v, head, time_s, net)
    net.moved[0] += 1


@lean_inline
def _ready_s(a: int, stop_s: float, net: Net, ways: Ways) -> float:
    """Return when the first vehicle of an approach can go; inf while it cannot."""
    here = net.approaches[a]
    if here.next_s >= stop_s:
        return float(here.next_s)
    if here.head == UNDECIDED:
        _look(a, net, ways)
    if here.head >= 0:
        turn = net.turns[here.head]
        return float(max(here.next_s, turn.free_at_s, net.approaches[turn.link].room_s))
    return math.inf if here.head == HOLDS else float(here.next_s)


@lean_inline
def _serve(node: int, stop_s: float, net: Net, ways: Ways, trace: Trace) -> bool:
    """Let vehicles over a node until `stop_s`, in the order of time; False when the trace is full.

    Writes when the node has to be looked at next.
    """
    spot = net.nodes[node]
    while True:
        best = math.inf
        pick = -1
        for k in range(spot.in_start, spot.in_stop):
            a = net.node_in[k]
            ready = _ready_s(a, stop_s, net, ways)
            sooner = ready < best
            if ready == best and ready < stop_s:
                sooner = _tag(a, net) < _tag(pick, net)
            if sooner:
                best = ready
                pick = a
        spot.next_s = best
        if best >= stop_s:
            return True
        if len(trace.link) > 0 and trace.filled[0] == len(trace.link):
            return False
        _move(pick, best, net, ways, trace)


@lean
def advance(
    net: Net, ways: Ways, trace: Trace, from_s: float, until_s: float, step_s: float
) -> float:
    """Advance the network; return the time reached, before `until_s` only when the trace is full.

    Holds: vehicles are whole and none is lost; no link holds more than its room.
    Needs: no free_s or wave_s below step_s; the caller checks.
    """
    now = from_s
    while now < until_s:
        stop = min(now + step_s, until_s)
        earliest = math.inf
        for node in range(len(net.nodes)):
            if net.nodes[node].next_s < stop and not _serve(node, stop, net, ways, trace):
                return now
        for node in range(len(net.nodes)):
            earliest = min(earliest, net.nodes[node].next_s)
        now = min(max(stop, earliest), until_s)
    return now


@lean
def _remind(a: int, now_s: float, net: Net) -> None:
    """Work out again when an approach can give and take its next vehicle: not before now."""
    here = net.approaches[a]
    here.next_s = math.inf
    if here.left < here.entered:
        here.next_s = max(net.ring_s[here.first] + here.free_s, here.out_free_s, now_s)
    here.room_s = math.inf
    if here.entered - here.left < here.room:
        here.room_s = max(net.ring_s[here.free] + here.wave_s, here.in_free_s)


@lean
def rouse(net: Net, now_s: float, heads: int) -> None:
    """Have every node looked at again, after its limits or what it chooses by have changed.

    heads   0: the first vehicles stay with what they chose; 1: those who choose by what they see
            think again; 2: all do
    """
    for node in range(len(net.nodes)):
        net.nodes[node].next_s = now_s
    for a in range(len(net.approaches)):
        here = net.approaches[a]
        _remind(a, now_s, net)
        if heads == 0 or here.left == here.entered:
            continue
        v = net.ring_vehicle[here.first]
        if heads == 2 or net.vehicles[v].mode == LIVE or here.head in (HOLDS, GIVES_UP):
            here.head = UNDECIDED


@lean
def measure(net: Net, now_s: float, link_s: Floats) -> None:
    """Write travel times by link as seen now: of those who left lately, of the first who waits."""
    for link in range(len(link_s)):
        here = net.approaches[link]
        seen = here.free_s
        if here.spent_count > 0:
            seen = max(seen, here.spent_s / here.spent_count)
        if here.entered > here.left:
            seen = max(seen, now_s - net.ring_s[here.first])
        link_s[link] = seen if here.in_gap_s < math.inf else math.inf
        here.spent_s = 0.0
        here.spent_count = 0
