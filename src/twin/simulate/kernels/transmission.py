"""The link transmission model (Yperman 2005): Newell's kinematic waves on a network.

A link with a triangular diagram is known from its two ends: what can leave is what entered one
free travel time ago, what can enter is what left one wave time ago plus the storage.
"""

from __future__ import annotations

import math

from numba import njit

from twin.simulate.kernels.arrays import Floats, Flow, Limits, Wires
from twin.simulate.kernels.node import FLOOR, pass_node


@njit(cache=True, nogil=True)
def _past(history: Floats, start: int, stop: int, at: float) -> float:
    """Return a cumulative count at a past moment (in steps), straight between steps."""
    size = stop - start
    before = math.floor(at)
    share = at - before
    value: float = history[start + before % size]
    if share > 0.0:
        value += share * (history[start + (before + 1) % size] - value)
    return value


@njit(cache=True, nogil=True)
def _offer(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Compute what every approach can send and every link can receive in the next step."""
    after = flow.step[0] + 1
    links = len(flow.entered)
    for link in range(links):
        arrived = _past(
            flow.in_history,
            wires.in_ring[link],
            wires.in_ring[link + 1],
            after - wires.free_steps[link],
        )
        ready = max(arrived - flow.left[link], 0.0)
        flow.sending[link] = min(ready, limits.out_capacity[link])
        freed = _past(
            flow.out_history,
            wires.out_ring[link],
            wires.out_ring[link + 1],
            after - wires.wave_steps[link],
        )
        room = max(freed + wires.storage[link] - flow.entered[link], 0.0)
        flow.receiving[link] = min(room, limits.in_capacity[link])
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
    step = flow.step[0]
    for link in range(links):
        flow.vehicle_steps[link] += 0.5 * (flow.entered[link] - flow.left[link])
        start = wires.in_ring[link]
        flow.in_history[start + step % (wires.in_ring[link + 1] - start)] = flow.entered[link]
        start = wires.out_ring[link]
        flow.out_history[start + step % (wires.out_ring[link + 1] - start)] = flow.left[link]


@njit(cache=True, nogil=True)
def advance(wires: Wires, limits: Limits, flow: Flow, steps: int) -> None:
    """Advance the network by some steps under constant limits. Writes `flow`.

    Holds: vehicles conserved to 1e-9; 0 <= vehicles on a link <= its storage.
    Needs: free_steps and wave_steps of at least 1; the caller checks (SimulationError).
    """
    for _ in range(steps):
        _offer(wires, limits, flow)
        for node in range(len(wires.node_start) - 1):
            pass_node(
                wires.node_in[wires.node_start[node] : wires.node_start[node + 1]],
                wires,
                limits,
                flow,
            )
        _move(wires, limits, flow)
