"""The link transmission model (Yperman 2005): Newell's kinematic waves on a network.

A link with a triangular diagram is known from its two ends: what can leave is what entered one
free travel time ago, what can enter is what left one wave time ago plus the storage.
"""

from __future__ import annotations

from numba import njit

from twin.simulate.kernels.arrays import Floats, Flow, Limits, Wires
from twin.simulate.kernels.node import FLOOR, pass_nodes

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
def _offer(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Compute what every approach can send and every link can receive in the next step."""
    links = len(flow.entered)
    for link in range(links):
        arrived = _past(
            flow.in_history,
            wires.in_ring[link],
            wires.in_ring[link + 1],
            flow.in_head[link],
            wires.free_lag[link],
        )
        ready = max(arrived - flow.left[link], 0.0)
        flow.sending[link] = min(ready, limits.out_capacity[link])
        freed = _past(
            flow.out_history,
            wires.out_ring[link],
            wires.out_ring[link + 1],
            flow.out_head[link],
            wires.wave_lag[link],
        )
        room = max(freed + wires.storage[link] - flow.entered[link], 0.0)
        capacity = limits.in_capacity[link]
        if flow.dropped[link] > 0.0:
            capacity *= limits.drop_share[link]
        flow.receiving[link] = min(room, capacity)
    for origin in range(len(flow.waiting)):
        flow.appeared[origin] += limits.demand[origin]
        flow.waiting[origin] += limits.demand[origin]
        a = links + origin
        flow.sending[a] = min(flow.waiting[origin], limits.out_capacity[a])
    for a in range(len(flow.sending)):
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            if flow.sending[a] * limits.turn_share[t] > limits.turn_capacity[t]:
                flow.sending[a] = limits.turn_capacity[t] / limits.turn_share[t]


@njit(cache=True, nogil=True)
def _move(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Add what moved to the cumulative counts and write the histories."""
    links = len(flow.entered)
    for link in range(links):
        flow.vehicle_steps[link] += 0.5 * (flow.entered[link] - flow.left[link])
    for a in range(len(flow.moved)):
        moved = flow.moved[a]
        if moved <= FLOOR:
            continue
        if a < links:
            flow.left[a] += moved
        else:
            flow.waiting[a - links] -= moved
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            flow.entered[wires.turn_link[t]] += moved * limits.turn_share[t]
        flow.ended[a] += moved * limits.exit_share[a]
    flow.step[0] += 1
    for link in range(links):
        flow.vehicle_steps[link] += 0.5 * (flow.entered[link] - flow.left[link])
        start = wires.in_ring[link]
        head = flow.in_head[link] + 1
        flow.in_head[link] = head if start + head < wires.in_ring[link + 1] else 0
        flow.in_history[start + flow.in_head[link]] = flow.entered[link]
        start = wires.out_ring[link]
        head = flow.out_head[link] + 1
        flow.out_head[link] = head if start + head < wires.out_ring[link + 1] else 0
        flow.out_history[start + flow.out_head[link]] = flow.left[link]


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
        _offer(wires, limits, flow)
        pass_nodes(wires, limits, flow)
        if drops:
            _mark_drops(wires, limits, flow)
        _move(wires, limits, flow)
