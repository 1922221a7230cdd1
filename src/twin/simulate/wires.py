"""Roads, turns and a fleet laid out as the records of the vehicle kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.errors import SimulationError
from twin.simulate.fleet import Fleet
from twin.simulate.kernels.records import (
    APPROACH,
    BY_HABIT,
    FOLLOWS_PATH,
    INSIDE,
    LIVE,
    NODE,
    TURN,
    UNDECIDED,
    VEHICLE,
    Net,
    Records,
)
from twin.simulate.kernels.trees import Joints
from twin.simulate.kernels.vehicles import rouse
from twin.simulate.roads import Roads, Turns, approach_capacity

WHOLE = 1e-9  # vehicles: less than this above a whole number is rounding


@dataclass(frozen=True, slots=True)
class Placed:
    """Vehicles that are on links at the start: rows of the fleet, links, metres from the start."""

    vehicle: Ints
    link: Ints
    at_m: Floats


def starts_of(counts: Ints) -> Ints:
    """Return CSR starts of counts, (n + 1,) int64."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def turn_order(turns: Turns, link_key: Ints) -> Ints:
    """Return the rows of turns by approach, and by the key of their link within it."""
    return np.lexsort((link_key[turns.link], turns.approach)).astype(np.int64)


def turn_records(turns: Turns, order: Ints) -> Records:
    """Return the turns without limits, in the given order."""
    made = np.zeros(len(order), TURN)
    made["link"] = turns.link[order]
    made["approach"] = turns.approach[order]
    made["penalty_s"] = turns.seconds[order]
    return made


def approach_records(
    roads: Roads, turns: Turns, fleet: Fleet, *, step_s: float, priority_vps: Floats, link_key: Ints
) -> Records:
    """Return links, rounded up to a step and to whole vehicles, and origins with their queues.

    The wave is slowed by less than a headway, so that capacity holds whatever is rounded.
    """
    links, capacity = len(roads), approach_capacity(roads, turns)
    made = np.zeros(len(capacity), APPROACH)
    free_s = np.maximum(roads.free_s, step_s)
    wave_s = np.maximum(roads.length_m / roads.wave_mps, step_s)
    storage = np.maximum(roads.jam_vpm * roads.length_m, roads.capacity_vps * (free_s + wave_s))
    room = np.maximum(np.ceil(storage - WHOLE), 1.0)
    origin_row = _origin_rows(turns, fleet)
    waiting = np.bincount(origin_row[origin_row >= 0], minlength=len(turns.origin_node))
    made["room"] = np.concatenate([room, np.maximum(waiting, 1)])
    made["first"] = made["free"] = starts_of(made["room"])[:-1]
    made["stop"] = starts_of(made["room"])[1:]
    made["free_s"][:links] = free_s
    made["plain_s"][:links] = roads.free_s
    made["wave_s"][:links] = np.maximum(room / roads.capacity_vps - free_s, wave_s)
    made["length_m"][:links] = roads.length_m
    made["in_gap_s"][:links] = 1.0 / roads.capacity_vps
    made["out_gap_s"] = 1.0 / capacity
    made["weight_s"] = 1.0 / priority_vps
    made["key"][:links] = link_key
    made["key"][links:] = -1 - turns.origin_node
    made["head"] = UNDECIDED
    made["from_node"][:links] = roads.from_node
    made["to_node"] = np.concatenate([roads.to_node, turns.origin_node])
    made["turn_start"], made["turn_stop"] = turns.start[:-1], turns.start[1:]
    made["entered"][links:] = waiting
    return made


def _origin_rows(turns: Turns, fleet: Fleet) -> Ints:
    """Return the row of every vehicle's origin. Raises SimulationError for a node that is none."""
    order = np.argsort(turns.origin_node, kind="stable")
    known = turns.origin_node[order]
    place = np.searchsorted(known, fleet.origin)
    found = place < len(known)
    found[found] = known[place[found]] == fleet.origin[found]
    if not found.all():
        message = f"node {fleet.origin[~found][0]} is no origin of the turns"
        raise SimulationError(message)
    return order[place].astype(np.int64) if len(place) else np.zeros(0, np.int64)


def vehicle_records(fleet: Fleet, goals: Ints) -> Records:
    """Return the vehicles before they depart."""
    made = np.zeros(len(fleet), VEHICLE)
    for name in ("key", "depart_s", "kind"):
        made[name] = getattr(fleet, name)
    made["entered_s"] = made["ended_s"] = np.nan
    made["path_at"], made["path_stop"] = fleet.path_start[:-1], fleet.path_start[1:]
    made["to_node"] = fleet.destination
    made["goal"] = np.searchsorted(goals, fleet.destination)
    made["mode"] = np.where(np.diff(fleet.path_start) > 0, FOLLOWS_PATH, BY_HABIT)
    return made


def live_goals(vehicles: Records, until_s: float, goals: int) -> Bools:
    """Return the destinations of those who choose by what they see until a time, (goals,)."""
    under_way = (vehicles["status"] <= INSIDE) & (vehicles["depart_s"] < until_s)
    wanted = np.zeros(goals, np.bool_)
    wanted[vehicles["goal"][under_way & (vehicles["mode"] == LIVE)]] = True
    return wanted


def node_records(roads: Roads, turns: Turns, approaches: Records) -> tuple[Records, Ints]:
    """Return the nodes and the approaches by node, sorted by key: links first, then origins."""
    node_of = approaches["to_node"].astype(np.int64)
    is_origin = np.arange(len(approaches)) >= len(roads)
    order = np.lexsort((approaches["key"], is_origin, node_of)).astype(np.int32)
    start = starts_of(np.bincount(node_of, minlength=roads.nodes))
    made = np.zeros(roads.nodes, NODE)
    made["in_start"], made["in_stop"] = start[:-1], start[1:]
    return made, order.astype(np.int64)


def net_of(
    roads: Roads,
    turns: Turns,
    fleet: Fleet,
    *,
    approaches: Records,
    turn_rows: Records,
    goals: Ints,
    placed: Placed | None,
) -> Net:
    """Return everything at time 0: origins hold their vehicles in the order of departure."""
    nodes, node_in = node_records(roads, turns, approaches)
    places = int(approaches["room"].sum())
    net = Net(
        approaches=approaches,
        turns=turn_rows,
        nodes=nodes,
        node_in=node_in.astype(np.int32),
        vehicles=vehicle_records(fleet, goals),
        ring_vehicle=np.full(places, -1, np.int32),
        ring_s=np.full(places, -np.inf),
        path=fleet.path_link.astype(np.int32),
        moved=np.zeros(1, np.int64),
    )
    standing = np.zeros(len(fleet), np.bool_)
    if placed is not None:
        standing[placed.vehicle] = True
        _place(net, roads, placed)
    row = len(roads) + _origin_rows(turns, fleet)
    order = np.lexsort((fleet.key, fleet.depart_s, row))
    order = order[~standing[order]]
    counts = np.bincount(row[order], minlength=len(approaches))
    place = approaches["first"][row[order]] + np.arange(len(order))
    place -= starts_of(counts)[row[order]]
    net.ring_vehicle[place] = order
    net.ring_s[place] = fleet.depart_s[order]
    approaches["entered"][len(roads) :] = counts[len(roads) :]
    rouse(net, 0.0, 0)
    return net


def _place(net: Net, roads: Roads, placed: Placed) -> None:
    """Put vehicles on links, and holes between them: room comes free as the holes arrive."""
    for link in np.unique(placed.link).tolist():
        here = net.approaches[link]
        rows = np.flatnonzero(placed.link == link)
        rows = rows[np.lexsort((placed.vehicle[rows], -placed.at_m[rows]))]
        count, room = len(rows), int(here["room"])
        if count > room:
            message = f"link {link} holds {room} vehicles, not {count}"
            raise SimulationError(message)
        first = int(here["first"])
        net.ring_vehicle[first : first + count] = placed.vehicle[rows]
        net.ring_s[first : first + count] = (
            -placed.at_m[rows] / roads.length_m[link] * here["free_s"]
        )
        holes = np.arange(room - count)
        passed = (holes + 0.5) / max(room - count, 1) - 1.0
        net.ring_s[first + count : first + room] = passed * here["wave_s"]
        here["entered"] = count
        here["free"] = first + count % room
    net.vehicles["status"][placed.vehicle] = INSIDE
    net.vehicles["entered_s"][placed.vehicle] = 0.0
    on_path = net.vehicles["mode"][placed.vehicle] == FOLLOWS_PATH
    net.vehicles["path_at"][placed.vehicle] += on_path


def joints_of(roads: Roads, turns: Turns) -> Joints:
    """Return the turns between links as the path kernels see them."""
    links = len(roads)
    rows = np.flatnonzero(turns.approach < links)
    rows = rows[np.argsort(turns.link[rows], kind="stable")]
    return Joints(
        into_start=starts_of(np.bincount(turns.link[rows], minlength=links)),
        into_from=turns.approach[rows].astype(np.int64),
        into_s=turns.seconds[rows],
        end_start=starts_of(np.bincount(roads.to_node, minlength=roads.nodes)),
        end_link=np.argsort(roads.to_node, kind="stable").astype(np.int64),
    )
