"""Vehicles one by one on Newell's kinematic waves: every move at its own moment.

A vehicle leaves a link when it has come to its end, the one before it is a headway ahead, and the
link after it has room: the vehicle that many places ahead left it one wave time ago. Steps only
order the work. No travel or wave time is shorter than a step, so what happens at one node in a
step cannot reach another in the same step, and nodes can be served in any order.
"""

from __future__ import annotations

import math

from numba import njit

from twin.simulate.kernels.arrays import Floats
from twin.simulate.kernels.choices import decide
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


@njit(cache=True, nogil=True)
def _room_s(link: int, net: Net) -> float:
    """Return when a link can take its next vehicle, inf while that is not known."""
    after = net.approaches[link]
    if after.entered - after.left >= after.room:
        return math.inf
    freed = net.ring_s[after.ring + after.entered % after.room] + after.wave_s
    return max(freed, after.in_free_s)


@njit(cache=True, nogil=True)
def _look(a: int, place: int, net: Net, ways: Ways) -> None:
    """Decide the turn of an approach's first vehicle, and its tags when no queue stands.

    A tag is the virtual time at which the vehicle has a right to a link: departures move the
    tags of their approach by 1 / priority, so those who are held share a link by priority,
    whatever else they want (start-time fair queueing; flows as in Tampere's node).
    """
    here = net.approaches[a]
    here.head = decide(a, net.ring_vehicle[place], net, ways)
    queued = here.out_free_s > net.ring_s[place] + here.free_s + ROUNDING_S
    if not queued:
        for t in range(here.turn_start, here.turn_stop):
            net.turns[t].tag_s = net.approaches[net.turns[t].link].clock_s


@njit(cache=True, nogil=True)
def _tag(t: int, weight_s: float, net: Net) -> float:
    """Return the tag of a turn, not too far from the clock of its link."""
    clock = net.approaches[net.turns[t].link].clock_s
    return min(max(net.turns[t].tag_s, clock - BEHIND * weight_s), clock + AHEAD * weight_s)


@njit(cache=True, nogil=True)
def _leave(a: int, place: int, time_s: float, net: Net, ways: Ways) -> None:
    """Take the first vehicle of an approach off it."""
    here = net.approaches[a]
    who = net.vehicles[net.ring_vehicle[place]]
    entry_s = net.ring_s[place]
    if a < ways.forbidden.shape[1]:
        here.spent_s += time_s - entry_s
        here.spent_count += 1
        who.distance_m += here.length_m
        who.free_s += here.plain_s
        if time_s - entry_s - here.free_s > ways.setting[1]:
            who.stops += 1
        if here.entered - here.left == here.room:
            before = net.nodes[here.from_node]
            before.next_s = min(before.next_s, time_s + here.wave_s)
    net.ring_s[place] = time_s
    here.left += 1
    here.left_sum_s += time_s
    here.out_free_s = time_s + here.out_gap_s
    here.head = UNDECIDED
    for t in range(here.turn_start, here.turn_stop):
        net.turns[t].tag_s += here.weight_s


@njit(cache=True, nogil=True)
def _enter(v: int, t: int, time_s: float, net: Net, trace: Trace) -> None:
    """Put a vehicle on the link behind a turn."""
    turn = net.turns[t]
    link = turn.link
    after = net.approaches[link]
    who = net.vehicles[v]
    place = after.ring + after.entered % after.room
    net.ring_vehicle[place] = v
    net.ring_s[place] = time_s
    if after.entered == after.left:
        ahead = net.nodes[after.to_node]
        ahead.next_s = min(ahead.next_s, time_s + after.free_s)
    after.entered += 1
    after.entered_sum_s += time_s
    after.in_free_s = time_s + after.in_gap_s
    turn.free_at_s = time_s + turn.gap_s
    if who.mode == FOLLOWS_PATH:
        who.path_at += 1
    if who.status == NOT_ENTERED:
        who.status = INSIDE
        who.entered_s = time_s
    if len(trace.link) > 0:
        row = trace.count[0]
        trace.vehicle[row] = v
        trace.link[row] = link
        trace.entered_s[row] = time_s
        trace.count[0] = row + 1


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _move(a: int, time_s: float, net: Net, ways: Ways, trace: Trace) -> None:
    """Let the first vehicle of an approach go."""
    here = net.approaches[a]
    place = here.ring + here.left % here.room
    head = here.head
    v = net.ring_vehicle[place]
    if head >= 0:
        after = net.approaches[net.turns[head].link]
        after.clock_s = max(after.clock_s, _tag(head, here.weight_s, net))
    _leave(a, place, time_s, net, ways)
    if head >= 0:
        _enter(v, head, time_s, net, trace)
    else:
        _end(v, head, time_s, net)
    net.moved[0] += 1


@njit(cache=True, nogil=True)
def _serve(node: int, stop_s: float, net: Net, ways: Ways, trace: Trace) -> bool:
    """Let vehicles over a node until `stop_s`, in the order of time; False when the trace is full.

    Writes when the node has to be looked at next.
    """
    spot = net.nodes[node]
    while True:
        best = math.inf
        later = math.inf
        best_tag = math.inf
        pick = -1
        for k in range(spot.in_start, spot.in_stop):
            a = net.node_in[k]
            here = net.approaches[a]
            if here.left == here.entered:
                continue
            place = here.ring + here.left % here.room
            ready = max(net.ring_s[place] + here.free_s, here.out_free_s)
            if ready >= stop_s:
                later = min(later, ready)
                continue
            if here.head == UNDECIDED:
                _look(a, place, net, ways)
            tag = -math.inf
            if here.head >= 0:
                ready = max(ready, net.turns[here.head].free_at_s)
                ready = max(ready, _room_s(net.turns[here.head].link, net))
                tag = _tag(here.head, here.weight_s, net)
            elif here.head == HOLDS:
                continue
            if ready < best or (ready == best and tag < best_tag):
                best = ready
                best_tag = tag
                pick = a
        if pick < 0 or best >= stop_s:
            spot.next_s = min(best, later)
            return True
        if len(trace.link) > 0 and trace.count[0] == len(trace.link):
            return False
        _move(pick, best, net, ways, trace)


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def rouse(net: Net, now_s: float, heads: int) -> None:
    """Have every node looked at again.

    heads   0: the first vehicles stay with what they chose; 1: those who choose by what they see
            think again; 2: all do
    """
    for node in range(len(net.nodes)):
        net.nodes[node].next_s = now_s
    if heads == 0:
        return
    for a in range(len(net.approaches)):
        here = net.approaches[a]
        if here.left == here.entered or here.head == UNDECIDED:
            continue
        v = net.ring_vehicle[here.ring + here.left % here.room]
        if heads == 2 or net.vehicles[v].mode == LIVE or here.head in (HOLDS, GIVES_UP):
            here.head = UNDECIDED


@njit(cache=True, nogil=True)
def measure(net: Net, now_s: float, link_s: Floats) -> None:
    """Write travel times by link as seen now: of those who left lately, of the first who waits."""
    for link in range(len(link_s)):
        here = net.approaches[link]
        seen = here.free_s
        if here.spent_count > 0:
            seen = max(seen, here.spent_s / here.spent_count)
        if here.entered > here.left:
            seen = max(seen, now_s - net.ring_s[here.ring + here.left % here.room])
        link_s[link] = seen if here.in_gap_s < math.inf else math.inf
        here.spent_s = 0.0
        here.spent_count = 0
