"""The cell transmission model (Daganzo 1994) for ensembles: Godunov's scheme, `[cell, member]`.

A concave diagram is the least of its tangents: the rising ones say what a cell can send, the
falling ones what it can receive. A triangular diagram has one of each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from twin.simulate.kernels.arrays import SINGLE, Floats, Flow, Ints, Limits, Wires
from twin.simulate.kernels.node import FLOOR, ONE, Bound, decide_bound, none_bound
from twin.simulate.kernels.transmission import HELD_SHARE


class Cells(NamedTuple):
    """What does not change in a run. A tangent gives vehicles a step: base + slope * vehicles.

    cell_start     (links + 1,) int64 rows of the cells of each link
    rise_start     (links + 1,) int64 CSR of rising tangents; fall_start of falling ones
    rise_slope     (rises, members) share of a cell's vehicles, at most 1; rise_base vehicles
    fall_slope     (falls, members) of 0 to -1; fall_base vehicles
    capacity       (links, members) vehicles a step
    """

    cell_start: Ints
    rise_start: Ints
    rise_base: Floats
    rise_slope: Floats
    fall_start: Ints
    fall_base: Floats
    fall_slope: Floats
    capacity: Floats


class Crowd(NamedTuple):
    """What changes every step, one column a member.

    step                (1,) int64 steps done
    vehicles            (cells, members) on each cell
    entered, left       (links, members) cumulative counts; those at the start have entered
    waiting, appeared   (origins, members)
    joining             (origins, members) vehicles a step that appear
    ended               (approaches, members) vehicles that ended their trip
    dropped             (links, members) 1 while the capacity drop holds, else 0
    onward              (cells, members) scratch: vehicles into the next cell of the link
    sending, moved      (approaches, members) scratch;  receiving, asked (links + gates, members)
                        scratch
    """

    step: Ints
    vehicles: Floats
    entered: Floats
    left: Floats
    waiting: Floats
    appeared: Floats
    joining: Floats
    ended: Floats
    dropped: Floats
    onward: Floats
    sending: Floats
    moved: Floats
    receiving: Floats
    asked: Floats


@njit(cache=True, nogil=True)
def _flow_inside(cells: Cells, crowd: Crowd) -> None:
    """Compute the flows between the cells of every link; into `onward` of the cell before."""
    vehicles, onward, capacity, cell_start = (
        crowd.vehicles,
        crowd.onward,
        cells.capacity,
        cells.cell_start,
    )
    rise_start, rise_base, rise_slope = cells.rise_start, cells.rise_base, cells.rise_slope
    fall_start, fall_base, fall_slope = cells.fall_start, cells.fall_base, cells.fall_slope
    members = vehicles.shape[1]
    for link in range(len(cell_start) - 1):
        for cell in range(cell_start[link], cell_start[link + 1] - 1):
            for m in range(members):
                onward[cell, m] = min(vehicles[cell, m], capacity[link, m])
            for line in range(rise_start[link], rise_start[link + 1]):
                for m in range(members):
                    most = rise_base[line, m] + rise_slope[line, m] * vehicles[cell, m]
                    onward[cell, m] = min(onward[cell, m], most)
            for line in range(fall_start[link], fall_start[link + 1]):
                for m in range(members):
                    most = fall_base[line, m] + fall_slope[line, m] * vehicles[cell + 1, m]
                    onward[cell, m] = min(onward[cell, m], most)
            for m in range(members):
                onward[cell, m] = onward[cell, m] if onward[cell, m] > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _offer_links(cells: Cells, limits: Limits, crowd: Crowd) -> None:
    """Compute what the last cell of every link can send, and the first receive."""
    vehicles, capacity, cell_start = crowd.vehicles, cells.capacity, cells.cell_start
    sending, receiving, dropped = crowd.sending, crowd.receiving, crowd.dropped
    members = vehicles.shape[1]
    for link in range(len(cell_start) - 1):
        first, last = cell_start[link], cell_start[link + 1] - 1
        most_out, most_in = limits.out_capacity[link], limits.in_capacity[link]
        drop_share = limits.drop_share[link]
        for m in range(members):
            share = drop_share if dropped[link, m] > 0.0 else 1.0
            sending[link, m] = min(min(vehicles[last, m], capacity[link, m]), most_out)
            receiving[link, m] = min(capacity[link, m], most_in) * share
        for line in range(cells.rise_start[link], cells.rise_start[link + 1]):
            for m in range(members):
                most = cells.rise_base[line, m] + cells.rise_slope[line, m] * vehicles[last, m]
                sending[link, m] = min(sending[link, m], most)
        for line in range(cells.fall_start[link], cells.fall_start[link + 1]):
            for m in range(members):
                most = cells.fall_base[line, m] + cells.fall_slope[line, m] * vehicles[first, m]
                receiving[link, m] = min(receiving[link, m], most)


@njit(cache=True, nogil=True)
def _offer_turns(wires: Wires, limits: Limits, crowd: Crowd) -> None:
    """Add the demand to the origins, and hold approaches by the capacities of their turns."""
    links, members = crowd.entered.shape
    sending = crowd.sending
    for gate in range(len(limits.gate_capacity)):
        crowd.receiving[links + gate, :] = limits.gate_capacity[gate]
    for origin in range(len(crowd.waiting)):
        a = links + origin
        for m in range(members):
            crowd.appeared[origin, m] += crowd.joining[origin, m]
            crowd.waiting[origin, m] += crowd.joining[origin, m]
            sending[a, m] = min(crowd.waiting[origin, m], limits.out_capacity[a])
    for t in range(len(wires.turn_from)):
        a, share, most = wires.turn_from[t], limits.turn_share[t], limits.turn_capacity[t]
        if share > 0.0:
            for m in range(members):
                sending[a, m] = min(sending[a, m], most / share)


@njit(cache=True, nogil=True)
def _pass_singles(wires: Wires, limits: Limits, crowd: Crowd) -> None:
    """Decide all nodes with one approach, for all members."""
    sending, moved, receiving = crowd.sending, crowd.moved, crowd.receiving
    members = moved.shape[1]
    for node in range(len(wires.node_kind)):
        if wires.node_kind[node] != SINGLE:
            continue
        k = wires.node_start[node]
        a = wires.node_in[k]
        for m in range(members):
            moved[a, m] = sending[a, m]
        for t in range(wires.turn_start[k], wires.turn_start[k + ONE]):
            link, share = wires.turn_link[t], limits.turn_share[t]
            if share > 0.0:
                for m in range(members):
                    moved[a, m] = min(moved[a, m], max(receiving[link, m], 0.0) / share)
        for m in range(members):
            moved[a, m] = moved[a, m] if moved[a, m] > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _ask_links(node: int, wires: Wires, limits: Limits, crowd: Crowd) -> None:
    """Write what would enter the links after a node, and let all of it pass."""
    asked, sending, moved = crowd.asked, crowd.sending, crowd.moved
    members = asked.shape[1]
    first, last = wires.node_start[node], wires.node_start[node + 1]
    for o in range(wires.out_start[node], wires.out_start[node + 1]):
        asked[wires.out_link[o], :] = 0.0
    for k in range(first, last):
        a = wires.node_in[k]
        for m in range(members):
            moved[a, m] = sending[a, m] if sending[a, m] > FLOOR else 0.0
    for t in range(wires.turn_start[first], wires.turn_start[last]):
        a, link, share = wires.turn_from[t], wires.turn_link[t], limits.turn_share[t]
        for m in range(members):
            asked[link, m] += moved[a, m] * share


@njit(cache=True, nogil=True)
def _decide_member(
    node: int, m: int, wires: Wires, limits: Limits, flow: Flow, bound: Bound, crowd: Crowd
) -> None:
    """Decide one node at which a supply binds, in one member. `flow` and `bound` are scratch."""
    first, last = wires.node_start[node], wires.node_start[node + 1]
    for k in range(first, last):
        flow.sending[wires.node_in[k]] = crowd.moved[wires.node_in[k], m]
    for o in range(wires.out_start[node], wires.out_start[node + 1]):
        flow.receiving[wires.out_link[o]] = crowd.receiving[wires.out_link[o], m]
    bound.node[0] = node
    decide_bound(wires, limits, flow, bound, 1)
    for k in range(first, last):
        crowd.moved[wires.node_in[k], m] = flow.moved[wires.node_in[k]]


@njit(cache=True, nogil=True)
def _pass_several(wires: Wires, limits: Limits, flow: Flow, bound: Bound, crowd: Crowd) -> None:
    """Decide all nodes with several approaches: whole where all fits, else member by member."""
    asked, receiving = crowd.asked, crowd.receiving
    members = asked.shape[1]
    full = np.zeros(members)
    for node in range(len(wires.node_kind)):
        if wires.node_kind[node] == SINGLE:
            continue
        _ask_links(node, wires, limits, crowd)
        full[:] = 0.0
        for o in range(wires.out_start[node], wires.out_start[node + 1]):
            link = wires.out_link[o]
            for m in range(members):
                full[m] = max(full[m], asked[link, m] - receiving[link, m])
        for m in range(members):
            if full[m] > 0.0:
                _decide_member(node, m, wires, limits, flow, bound, crowd)


@njit(cache=True, nogil=True)
def _mark_drops(cells: Cells, wires: Wires, limits: Limits, crowd: Crowd) -> None:
    """Mark the links whose entry was the bottleneck of a queue in this step, by member."""
    for link in range(len(crowd.entered)):
        if limits.drop_share[link] >= 1.0:
            continue
        for m in range(crowd.entered.shape[1]):
            inflow = 0.0
            held = False
            for t in range(len(wires.turn_link)):
                if wires.turn_link[t] != link or limits.turn_share[t] == 0.0:
                    continue
                a = wires.turn_from[t]
                inflow += crowd.moved[a, m] * limits.turn_share[t]
                waits = crowd.sending[a, m] - crowd.moved[a, m]
                held = held or waits > HELD_SHARE * crowd.sending[a, m]
            capacity = min(cells.capacity[link, m], limits.in_capacity[link])
            if crowd.dropped[link, m] > 0.0:
                capacity *= limits.drop_share[link]
            binds = inflow >= capacity * (1.0 - HELD_SHARE) and capacity > 0.0
            crowd.dropped[link, m] = 1.0 if binds and held else 0.0


@njit(cache=True, nogil=True)
def _move_inside(cells: Cells, crowd: Crowd) -> None:
    """Add what moved between the cells of every link."""
    vehicles, onward, cell_start = crowd.vehicles, crowd.onward, cells.cell_start
    members = vehicles.shape[1]
    for link in range(len(cell_start) - 1):
        for cell in range(cell_start[link], cell_start[link + 1] - 1):
            for m in range(members):
                vehicles[cell, m] -= onward[cell, m]
                vehicles[cell + 1, m] += onward[cell, m]


@njit(cache=True, nogil=True)
def _move_ends(cells: Cells, wires: Wires, limits: Limits, crowd: Crowd) -> None:
    """Add what passed the nodes to the cells at the ends of links, and to the counts."""
    links, members = crowd.entered.shape
    vehicles, moved, left, entered = crowd.vehicles, crowd.moved, crowd.left, crowd.entered
    waiting, ended, cell_start = crowd.waiting, crowd.ended, cells.cell_start
    for link in range(links):
        last = cell_start[link + 1] - 1
        for m in range(members):
            left[link, m] += moved[link, m]
            vehicles[last, m] -= moved[link, m]
    for origin in range(len(waiting)):
        for m in range(members):
            waiting[origin, m] -= moved[links + origin, m]
    for a in range(len(moved)):
        share = limits.exit_share[a]
        for m in range(members):
            ended[a, m] += moved[a, m] * share
    for t in range(len(wires.turn_from)):
        a, link, share = wires.turn_from[t], wires.turn_link[t], limits.turn_share[t]
        if link >= links:  # a gate: nobody is on it
            continue
        first = cell_start[link]
        for m in range(members):
            turned = moved[a, m] * share
            entered[link, m] += turned
            vehicles[first, m] += turned
    crowd.step[0] += 1


@njit(cache=True, nogil=True)
def advance_cells(
    cells: Cells, wires: Wires, limits: Limits, flow: Flow, crowd: Crowd, steps: int
) -> None:
    """Advance all members by some steps under constant limits. Writes `crowd`; `flow` scratch.

    Holds: vehicles conserved to 1e-9; 0 <= vehicles of a cell <= its jam; a member's numbers do
    not depend on who else is in the ensemble.
    Needs: slopes of at most one cell a step; the caller checks (UnstableStep).
    """
    drops = False
    for link in range(len(crowd.entered)):
        drops = drops or limits.drop_share[link] < 1.0
    bound = none_bound(1)
    for _ in range(steps):
        _flow_inside(cells, crowd)
        _offer_links(cells, limits, crowd)
        _offer_turns(wires, limits, crowd)
        _pass_singles(wires, limits, crowd)
        _pass_several(wires, limits, flow, bound, crowd)
        if drops:
            _mark_drops(cells, wires, limits, crowd)
        _move_inside(cells, crowd)
        _move_ends(cells, wires, limits, crowd)
