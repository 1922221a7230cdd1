"""The link transmission model (Yperman 2005): Newell's kinematic waves on a network.

A link with a triangular diagram is known from its two ends: what can leave is what entered one
free travel time ago, what can enter is what left one wave time ago plus the storage.

A step goes through the links once and through the nodes once: memory is what it costs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from twin.simulate.kernels.arrays import Floats, Flow, Ints, Limits, Links, Ring, Rows, Wires
from twin.simulate.kernels.node import FLOOR, Bound, pass_nodes

HELD_SHARE = 1e-9  # of what would leave: less than this held back is rounding, not a queue


class Slots(NamedTuple):
    """Where three moments stand in the rings of each group: (groups,) each.

    now    this moment;  past, before   the steps around one travel time before the next step
    """

    now: Rows
    past: Rows
    before: Rows


@njit(cache=True, nogil=True)
def _no_slots(ring: Ring) -> Slots:
    groups = len(ring.size)
    return Slots(
        np.zeros(groups, np.uint32), np.zeros(groups, np.uint32), np.zeros(groups, np.uint32)
    )


@njit(cache=True, nogil=True)
def _find_slots(ring: Ring, step: int, slots: Slots) -> None:
    """Write where now and the past are; a ring holds the steps of its time and now."""
    for group in range(len(ring.size)):
        size, stride = ring.size[group], ring.stride[group]
        slots.now[group] = step % size * stride
        slots.past[group] = (step + 2) % size * stride
        slots.before[group] = (step + 3) % size * stride


@njit(cache=True, nogil=True)
def _offer_links(
    links: Links, limits: Limits, flow: Flow, free_slots: Slots, wave_slots: Slots
) -> None:
    """Write the counts into the rings, and what every link can send and receive."""
    free, wave, storage = links.free, links.wave, links.storage
    entered, left, sending, receiving = flow.entered, flow.left, flow.sending, flow.receiving
    vehicle_steps, out_capacity, in_capacity = (
        flow.vehicle_steps,
        limits.out_capacity,
        limits.in_capacity,
    )
    in_history, in_place, in_group, free_lag = flow.in_history, free.place, free.group, free.lag
    out_history, out_place, out_group, wave_lag = flow.out_history, wave.place, wave.group, wave.lag
    in_now, in_past, in_before = free_slots.now, free_slots.past, free_slots.before
    out_now, out_past, out_before = wave_slots.now, wave_slots.past, wave_slots.before
    for link in range(len(storage)):
        came, gone = entered[link], left[link]
        vehicle_steps[link] += came - gone
        place, group = in_place[link], in_group[link]
        in_history[place + in_now[group]] = came
        arrived = in_history[place + in_past[group]]
        earlier = in_history[place + in_before[group]]
        arrived += free_lag[link] * (earlier - arrived)
        ready = min(arrived - gone, out_capacity[link])
        sending[link] = ready if ready > FLOOR else 0.0
        place, group = out_place[link], out_group[link]
        out_history[place + out_now[group]] = gone
        freed = out_history[place + out_past[group]]
        earlier = out_history[place + out_before[group]]
        freed += wave_lag[link] * (earlier - freed)
        receiving[link] = min(max(freed + storage[link] - came, 0.0), in_capacity[link])


@njit(cache=True, nogil=True)
def _lower_drops(limits: Limits, flow: Flow) -> None:
    """Lower what links with a capacity drop receive."""
    for link in range(len(flow.dropped)):
        if flow.dropped[link] > 0.0:
            most = limits.in_capacity[link] * limits.drop_share[link]
            flow.receiving[link] = min(flow.receiving[link], most)


@njit(cache=True, nogil=True)
def _offer_origins(limits: Limits, flow: Flow) -> None:
    """Add the demand to the origins, and open the gates."""
    links = len(flow.dropped)
    for gate in range(len(limits.gate_capacity)):
        flow.receiving[links + gate] = limits.gate_capacity[gate]
    for origin in range(len(flow.appeared)):
        a = links + origin
        flow.appeared[origin] += limits.demand[origin]
        ready = min(flow.appeared[origin] - flow.left[a], limits.out_capacity[a])
        flow.sending[a] = ready if ready > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _hold_turns(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Hold approaches by the capacities of their turns."""
    sending, turn_from = flow.sending, wires.turn_from
    turn_share, turn_capacity = limits.turn_share, limits.turn_capacity
    for t in range(len(turn_from)):
        a = turn_from[t]
        if sending[a] * turn_share[t] > turn_capacity[t]:
            sending[a] = turn_capacity[t] / turn_share[t]


@njit(cache=True, nogil=True)
def _mark_drops(wires: Wires, limits: Limits, flow: Flow) -> None:
    """Mark the links whose entry was the bottleneck of a queue in this step.

    Not marked: a link that is held by its own queue, for its entry is then no active bottleneck.
    """
    flow.receiving[:] = 0.0
    for t in range(len(wires.turn_link)):
        a = wires.turn_from[t]
        held = flow.sending[a] - flow.moved[a] > HELD_SHARE * flow.sending[a]
        if held and limits.turn_share[t] > 0.0:
            flow.receiving[wires.turn_link[t]] = 1.0
    for link in range(len(flow.dropped)):
        capacity = limits.in_capacity[link]
        if flow.dropped[link] > 0.0:
            capacity *= limits.drop_share[link]
        binds = flow.weight[link] >= capacity * (1.0 - HELD_SHARE) and capacity > 0.0
        active = binds and flow.receiving[link] > 0.0 and limits.drop_share[link] < 1.0
        flow.dropped[link] = 1.0 if active else 0.0


@njit(cache=True, nogil=True)
def advance(
    links: Links,
    wires: Wires,
    limits: Limits,
    flow: Flow,
    bound: Bound,
    steps: int,
    turns_capped: bool,
) -> None:
    """Advance the network by some steps under constant limits. Writes `flow`; `bound` scratch.

    turns_capped   whether any turn has a capacity; without one they are not looked at
    Holds: vehicles conserved to 1e-9; 0 <= vehicles on a link <= its storage.
    Needs: travel times of at least a step; the caller checks (SimulationError).
    """
    drops = False
    for link in range(len(flow.dropped)):
        drops = drops or limits.drop_share[link] < 1.0
    free_slots, wave_slots = _no_slots(links.free), _no_slots(links.wave)
    for _ in range(steps):
        _find_slots(links.free, flow.step[0], free_slots)
        _find_slots(links.wave, flow.step[0], wave_slots)
        _offer_links(links, limits, flow, free_slots, wave_slots)
        if drops:
            _lower_drops(limits, flow)
        _offer_origins(limits, flow)
        if turns_capped:
            _hold_turns(wires, limits, flow)
        pass_nodes(wires, limits, flow, bound)
        if drops:
            _mark_drops(wires, limits, flow)
        flow.step[0] += 1


@njit(cache=True, nogil=True)
def advance_counting(
    links: Links,
    wires: Wires,
    limits: Limits,
    flow: Flow,
    bound: Bound,
    every: int,
    turns_capped: bool,
    rows: Ints,
    entered: Floats,
    left: Floats,
) -> None:
    """Advance as `advance`, and write the counts of some links after every so many steps.

    rows            (counted,) links
    entered, left   (intervals, counted) written in full
    """
    for interval in range(len(entered)):
        advance(links, wires, limits, flow, bound, every, turns_capped)
        for place in range(len(rows)):
            entered[interval, place] = flow.entered[rows[place]]
            left[interval, place] = flow.left[rows[place]]
