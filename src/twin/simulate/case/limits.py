"""Signals and events of a case as capacities that hold for a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twin.columns import Ints
from twin.simulate.case.dated import Caps
from twin.simulate.case.form import (
    AnyEvent,
    End,
    Green,
    LanesClosed,
    LinkCapacity,
    Metered,
    NetworkCase,
    NodeCapacity,
)
from twin.simulate.case.roads import refuse
from twin.simulate.roads import Roads, Turns


@dataclass(frozen=True, slots=True)
class Rows:
    """Where names stand in the columns."""

    approaches: dict[str, int]
    nodes: dict[str, int]
    roads: Roads
    turns: Turns

    def approach(self, name: str, field: str) -> int:
        """Return the row of a link or origin. Raises InputError."""
        if name not in self.approaches:
            refuse(field, name, "no such link or origin")
        return self.approaches[name]

    def link(self, name: str, field: str) -> int:
        """Return the row of a link. Raises InputError."""
        row = self.approach(name, field)
        if row >= len(self.roads):
            refuse(field, name, "is an origin, not a link")
        return row

    def turn(self, approach: str, link: str, field: str) -> int:
        """Return the row of a turn. Raises InputError."""
        from_row, to_row = self.approach(approach, field), self.link(link, field)
        found = np.flatnonzero((self.turns.approach == from_row) & (self.turns.link == to_row))
        if not len(found):
            refuse(field, f"{approach} to {link}", "no such turn")
        return int(found[0])

    def ending_at(self, node: int) -> list[int]:
        """Return the approaches that end at a node."""
        ends = np.concatenate([self.roads.to_node, self.turns.origin_node])
        found: list[int] = np.flatnonzero(ends == node).tolist()
        return found


@dataclass(frozen=True, slots=True)
class Sites:
    """Capacities in veh/s over time: entries (links,), exits (approaches,), turns (turns,).

    node   (gates,) of nodes with several ways in and out; gate_node (gates,) their rows
    """

    entry: Caps
    exit: Caps
    turn: Caps
    node: Caps
    gate_node: Ints

    def columns(self) -> tuple[Caps, ...]:
        """Return all that changes."""
        return self.entry, self.exit, self.turn, self.node


def limit_signals(case: NetworkCase, rows: Rows, sites: Sites) -> None:
    """Turn the reds of every signal into capacities of zero."""
    for number, signal in enumerate(case.signals):
        here = f"signals[{number}]"
        if signal.node not in rows.nodes:
            refuse(f"{here}.node", signal.node, "no link starts or ends there")
        by_place: dict[tuple[str, str | None], list[Green]] = {}
        for green in signal.greens:
            if not green.start_s < green.end_s <= signal.cycle_s:
                refuse(f"{here}.greens", green.start_s, "needs start < end <= cycle")
            approach = rows.approach(green.approach, f"{here}.greens")
            if approach not in rows.ending_at(rows.nodes[signal.node]):
                refuse(f"{here}.greens", green.approach, f"does not end at {signal.node}")
            by_place.setdefault((green.approach, green.link), []).append(green)
        for (name, link), greens in by_place.items():
            if link is None:
                caps, row = sites.exit, rows.approach(name, here)
            else:
                caps, row = sites.turn, rows.turn(name, link, here)
            cycle = math.floor(-signal.offset_s / signal.cycle_s) - 1
            while signal.offset_s + cycle * signal.cycle_s < case.horizon_s:
                start_s = signal.offset_s + cycle * signal.cycle_s
                for red in _reds(greens, signal.cycle_s):
                    caps.cap(row, start_s + red[0], start_s + red[1], 0.0)
                cycle += 1


def _reds(greens: list[Green], cycle_s: float) -> list[tuple[float, float]]:
    """Return when of the cycle no green is shown."""
    reds, since = [], 0.0
    for green in sorted(greens, key=lambda green: green.start_s):
        if green.start_s > since:
            reds.append((since, green.start_s))
        since = max(since, green.end_s)
    if since < cycle_s:
        reds.append((since, cycle_s))
    return reds


def limit_events(case: NetworkCase, rows: Rows, sites: Sites) -> None:
    """Turn every event into capacities. Raises InputError naming the event that does not fit."""
    for number, event in enumerate(case.events):
        here = f"events[{number}]"
        until_s = math.inf if event.until_s is None else event.until_s
        if until_s <= event.from_s:
            refuse(f"{here}.until_s", until_s, f"must be after {event.from_s:g}")
        for caps, row, value in _places(event, case, rows, sites, here):
            caps.cap(row, event.from_s, until_s, value)


def _places(
    event: AnyEvent, case: NetworkCase, rows: Rows, sites: Sites, here: str
) -> list[tuple[Caps, int, float]]:
    """Return which capacities an event limits, and to what."""
    match event:
        case LinkCapacity():
            row = rows.link(event.link, f"{here}.link")
            caps = sites.entry if event.at is End.ENTRY else sites.exit
            return [(caps, row, event.capacity_vph / 3600.0)]
        case LanesClosed():
            row = rows.link(event.link, f"{here}.link")
            lanes = case.links[row].lanes
            if event.closed > lanes:
                refuse(f"{here}.closed", event.closed, f"the link has {lanes} lanes")
            rest = float(rows.roads.capacity_vps[row]) * (lanes - event.closed) / lanes
            return [(sites.entry, row, rest), (sites.exit, row, rest)]
        case Metered():
            row = rows.approach(event.approach, f"{here}.approach")
            return [(sites.exit, row, event.flow_vph / 3600.0)]
        case NodeCapacity():
            return [_node_place(event, rows, sites, here)]


def _node_place(
    event: NodeCapacity, rows: Rows, sites: Sites, here: str
) -> tuple[Caps, int, float]:
    """Return the one way in or out that stands for the whole node, or its gate."""
    if event.node not in rows.nodes:
        refuse(f"{here}.node", event.node, "no link starts or ends there")
    node = rows.nodes[event.node]
    ways_in = rows.ending_at(node)
    if len(ways_in) == 1:
        return (sites.exit, ways_in[0], event.capacity_vph / 3600.0)
    ways_out = np.flatnonzero(rows.roads.from_node == node).tolist()
    if len(ways_out) == 1:
        return (sites.entry, ways_out[0], event.capacity_vph / 3600.0)
    gate = int(np.flatnonzero(sites.gate_node == node)[0])
    return (sites.node, gate, event.capacity_vph / 3600.0)


def gates(case: NetworkCase, nodes: dict[str, int]) -> Ints:
    """Return the nodes whose whole flow an event limits, (gates,) rows."""
    named = {event.node for event in case.events if isinstance(event, NodeCapacity)}
    return np.array(sorted(nodes[name] for name in named if name in nodes), np.int64)
