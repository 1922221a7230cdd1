"""The cell transmission model (Daganzo 1994) for ensembles: Godunov's scheme, `[cell, member]`.

A concave diagram is the least of its tangents: the rising ones say what a cell can send, the
falling ones what it can receive. A triangular diagram has one of each.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from twin.simulate.kernels.arrays import SINGLE, Floats, Flow, Ints, Limits, Wires
from twin.simulate.kernels.node import FLOOR, pass_any
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
    sending, moved      (approaches, members) scratch;  receiving (links, members) scratch
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


@njit(cache=True, nogil=True)
def _send(cells: Cells, link: int, vehicles: Floats, out: Floats) -> None:
    """Write what a cell can send, (members,): no tangent of its diagram allows more."""
    for m in range(len(out)):
        out[m] = min(vehicles[m], cells.capacity[link, m])
    for line in range(cells.rise_start[link], cells.rise_start[link + 1]):
        for m in range(len(out)):
            out[m] = min(out[m], cells.rise_base[line, m] + cells.rise_slope[line, m] * vehicles[m])


@njit(cache=True, nogil=True)
def _hold(cells: Cells, link: int, vehicles: Floats, out: Floats) -> None:
    """Lower `out` to what a cell can receive, (members,), and to zero below the floor."""
    for m in range(len(out)):
        out[m] = min(out[m], cells.capacity[link, m])
    for line in range(cells.fall_start[link], cells.fall_start[link + 1]):
        for m in range(len(out)):
            out[m] = min(out[m], cells.fall_base[line, m] + cells.fall_slope[line, m] * vehicles[m])
    for m in range(len(out)):
        out[m] = out[m] if out[m] > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _offer(cells: Cells, wires: Wires, limits: Limits, crowd: Crowd) -> None:
    """Compute the flows inside links, and what their ends can send and receive."""
    links = len(crowd.entered)
    members = crowd.entered.shape[1]
    for link in range(links):
        first = cells.cell_start[link]
        last = cells.cell_start[link + 1] - 1
        for cell in range(first, last):
            _send(cells, link, crowd.vehicles[cell], crowd.onward[cell])
            _hold(cells, link, crowd.vehicles[cell + 1], crowd.onward[cell])
        _send(cells, link, crowd.vehicles[last], crowd.sending[link])
        for m in range(members):
            crowd.sending[link, m] = min(crowd.sending[link, m], limits.out_capacity[link])
            dropped = crowd.dropped[link, m] > 0.0
            share = limits.drop_share[link] if dropped else 1.0
            most = min(cells.capacity[link, m], limits.in_capacity[link])
            crowd.receiving[link, m] = most * share
        _hold(cells, link, crowd.vehicles[first], crowd.receiving[link])
    for origin in range(len(crowd.waiting)):
        a = links + origin
        for m in range(members):
            crowd.appeared[origin, m] += crowd.joining[origin, m]
            crowd.waiting[origin, m] += crowd.joining[origin, m]
            crowd.sending[a, m] = min(crowd.waiting[origin, m], limits.out_capacity[a])
    for a in range(len(crowd.sending)):
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            for m in range(members):
                if crowd.sending[a, m] * limits.turn_share[t] > limits.turn_capacity[t]:
                    crowd.sending[a, m] = limits.turn_capacity[t] / limits.turn_share[t]


@njit(cache=True, nogil=True)
def _pass_single(a: int, wires: Wires, limits: Limits, crowd: Crowd) -> None:
    """Decide a node with one approach for all members."""
    moved = crowd.moved[a]
    moved[:] = crowd.sending[a]
    for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
        share = limits.turn_share[t]
        if share > 0.0:
            room = crowd.receiving[wires.turn_link[t]]
            for m in range(len(moved)):
                moved[m] = min(moved[m], room[m] / share)
    for m in range(len(moved)):
        moved[m] = moved[m] if moved[m] > FLOOR else 0.0


@njit(cache=True, nogil=True)
def _pass_members(node: int, wires: Wires, limits: Limits, flow: Flow, crowd: Crowd) -> None:
    """Decide any node member by member. `flow` is scratch."""
    approaches = wires.node_in[wires.node_start[node] : wires.node_start[node + 1]]
    for m in range(crowd.moved.shape[1]):
        for a in approaches:
            flow.sending[a] = crowd.sending[a, m]
            for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
                link = wires.turn_link[t]
                flow.receiving[link] = crowd.receiving[link, m]
        pass_any(node, wires, limits, flow)
        for a in approaches:
            crowd.moved[a, m] = flow.moved[a]


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
def _move(cells: Cells, wires: Wires, limits: Limits, crowd: Crowd) -> None:
    """Add what moved to the cells and counts."""
    links = len(crowd.entered)
    members = crowd.entered.shape[1]
    for link in range(links):
        for cell in range(cells.cell_start[link], cells.cell_start[link + 1] - 1):
            for m in range(members):
                crowd.vehicles[cell, m] -= crowd.onward[cell, m]
                crowd.vehicles[cell + 1, m] += crowd.onward[cell, m]
    for a in range(len(crowd.moved)):
        last = cells.cell_start[a + 1] - 1 if a < links else 0
        for m in range(members):
            moved = crowd.moved[a, m]
            if a < links:
                crowd.left[a, m] += moved
                crowd.vehicles[last, m] -= moved
            else:
                crowd.waiting[a - links, m] -= moved
            crowd.ended[a, m] += moved * limits.exit_share[a]
        for t in range(wires.turn_start[a], wires.turn_start[a + 1]):
            link = wires.turn_link[t]
            first = cells.cell_start[link]
            for m in range(members):
                turned = crowd.moved[a, m] * limits.turn_share[t]
                crowd.entered[link, m] += turned
                crowd.vehicles[first, m] += turned
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
    for _ in range(steps):
        _offer(cells, wires, limits, crowd)
        for node in range(len(wires.node_start) - 1):
            if wires.node_start[node] == wires.node_start[node + 1]:
                continue
            if wires.node_kind[node] == SINGLE:
                _pass_single(wires.node_in[wires.node_start[node]], wires, limits, crowd)
            else:
                _pass_members(node, wires, limits, flow, crowd)
        if drops:
            _mark_drops(cells, wires, limits, crowd)
        _move(cells, wires, limits, crowd)
