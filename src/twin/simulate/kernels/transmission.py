"""The link transmission model (Yperman 2005): Newell's kinematic waves on a network.

A link with a triangular diagram is known from its two ends: what can leave is what entered one
free travel time ago, what can enter is what left one wave time ago plus the storage.
"""

from __future__ import annotations

from numba import njit

from twin.simulate.kernels.arrays import Floats, Flow, Limits, Wires
from twin.simulate.kernels.node import pass_nodes

HELD_SHARE = 1e-9  # of what would leave: less than this held back is rounding, not a queue


@njit(cache=True, nogil=True)
def _past(history: Floats, start: int, stop: int, head: int, lag: float) -> float:
    """Return a count one travel time before the next step, straight between steps.

    A ring holds the steps of that time and now, so the moment lies after the next two places.
    """
    size = stop - start
    place = head + 2
    if place >= size:
        place -= size
    value: float = history[start + place]
    if lag > 0.0:
        place += 1
        if place >= size:
            place -= size
        value += lag * (history[start + place] - value)
    return value


@njit(cache=True, nogil=True)
def _offer_links(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Compute what every link can send and receive in the next step."""
    entered, left, sending, receiving = flow.entered, flow.left, flow.sending, flow.receiving
    in_history, in_ring, in_head, free_lag = (
        flow.in_history,
        wires.in_ring,
        flow.in_head,
        wires.free_lag,
    )
    out_history, out_ring, out_head, wave_lag = (
        flow.out_history,
        wires.out_ring,
        flow.out_head,
        wires.wave_lag,
    )
    storage, dropped, drop_share = wires.storage, flow.dropped, limits.drop_share
    out_capacity, in_capacity = limits.out_capacity, limits.in_capacity
    for link in range(len(entered)):
        arrived = _past(in_history, in_ring[link], in_ring[link + 1], in_head[link], free_lag[link])
        sending[link] = min(max(arrived - left[link], 0.0), out_capacity[link])
        freed = _past(
            out_history, out_ring[link], out_ring[link + 1], out_head[link], wave_lag[link]
        )
        room = max(freed + storage[link] - entered[link], 0.0)
        capacity = in_capacity[link]
        if dropped[link] > 0.0:
            capacity *= drop_share[link]
        receiving[link] = min(room, capacity)


@njit(cache=True, nogil=True)
def _offer_turns(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Add the demand to the origins, and hold approaches by the capacities of their turns."""
    links = len(flow.entered)
    for origin in range(len(flow.waiting)):
        flow.appeared[origin] += limits.demand[origin]
        flow.waiting[origin] += limits.demand[origin]
        a = links + origin
        flow.sending[a] = min(flow.waiting[origin], limits.out_capacity[a])
    sending, turn_from = flow.sending, wires.turn_from
    turn_share, turn_capacity = limits.turn_share, limits.turn_capacity
    for t in range(len(turn_from)):
        a = turn_from[t]
        if sending[a] * turn_share[t] > turn_capacity[t]:
            sending[a] = turn_capacity[t] / turn_share[t]


@njit(cache=True, nogil=True)
def _move(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Add what moved to the cumulative counts."""
    entered, left, vehicle_steps = flow.entered, flow.left, flow.vehicle_steps
    moved, ended, exit_share = flow.moved, flow.ended, limits.exit_share
    turn_from, turn_link, turn_share = wires.turn_from, wires.turn_link, limits.turn_share
    links = len(entered)
    for link in range(links):
        vehicle_steps[link] += 0.5 * (entered[link] - left[link])
        left[link] += moved[link]
    for origin in range(len(flow.waiting)):
        flow.waiting[origin] -= moved[links + origin]
    for t in range(len(turn_from)):
        entered[turn_link[t]] += moved[turn_from[t]] * turn_share[t]
    for a in range(len(moved)):
        ended[a] += moved[a] * exit_share[a]
    flow.step[0] += 1


@njit(cache=True, nogil=True)
def _remember(wires: Wires, flow: Flow) -> None:
    """Write the counts into the histories."""
    entered, left, vehicle_steps = flow.entered, flow.left, flow.vehicle_steps
    in_history, in_ring, in_head = flow.in_history, wires.in_ring, flow.in_head
    out_history, out_ring, out_head = flow.out_history, wires.out_ring, flow.out_head
    for link in range(len(entered)):
        vehicle_steps[link] += 0.5 * (entered[link] - left[link])
        start, head = in_ring[link], in_head[link] + 1
        head = head if start + head < in_ring[link + 1] else 0
        in_head[link] = head
        in_history[start + head] = entered[link]
        start, head = out_ring[link], out_head[link] + 1
        head = head if start + head < out_ring[link + 1] else 0
        out_head[link] = head
        out_history[start + head] = left[link]


@njit(cache=True, nogil=True)
def _mark_drops(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Mark the links whose entry was the bottleneck of a queue in this step.

    Not marked: a link that is held by its own queue, for its entry is then no active bottleneck.
    """
    for link in range(len(flow.entered)):
        flow.weight[link] = 0.0
        flow.receiving[link] = 0.0
    for a in range(len(flow.moved)):
        held = flow.sending[a] - flow.moved[a] > HELD_SHARE * flow.sending[a]
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            link = wires.turn_link[t]
            flow.weight[link] += flow.moved[a] * limits.turn_share[t]
            if held and limits.turn_share[t] > 0.0:
                flow.receiving[link] = 1.0
    for link in range(len(flow.entered)):
        capacity = limits.in_capacity[link]
        if flow.dropped[link] > 0.0:
            capacity *= limits.drop_share[link]
        binds = flow.weight[link] >= capacity * (1.0 - HELD_SHARE) and capacity > 0.0
        active = binds and flow.receiving[link] > 0.0 and limits.drop_share[link] < 1.0
        flow.dropped[link] = 1.0 if active else 0.0


@njit(cache=True, nogil=True)
def advance(wires: Wires, limits: Limits, flow: Flow, steps: int) -> None:
    """Advance the network by some steps under constant limits. Writes `flow`.

    Holds: vehicles conserved to 1e-9; 0 <= vehicles on a link <= its storage.
    Needs: free_steps and wave_steps of at least 1; the caller checks (SimulationError).
    """
    drops = False
    for link in range(len(flow.entered)):
        drops = drops or limits.drop_share[link] < 1.0
    for _ in range(steps):
        _offer_links(wires, limits, flow)
        _offer_turns(wires, limits, flow)
        pass_nodes(wires, limits, flow)
        if drops:
            _mark_drops(wires, limits, flow)
        _move(wires, limits, flow)
        _remember(wires, flow)
