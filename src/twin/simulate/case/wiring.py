"""A case turned into roads, turns and dated columns; every name is looked up once, here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats
from twin.simulate.case.dated import Caps, Stairs
from twin.simulate.case.form import Link, NetworkCase, Turn
from twin.simulate.case.limits import Rows, Sites, gates, limit_events, limit_signals
from twin.simulate.case.roads import case_roads, refuse
from twin.simulate.roads import Roads, Turns, approach_capacity


@dataclass(frozen=True, slots=True)
class Wired:
    """A case as the kernels take it.

    shares has the turns first and the exit shares of the approaches after them; priority_vps
    (approaches,), density_vpm and drop_share (links,).
    """

    case: NetworkCase
    roads: Roads
    turns: Turns
    approach_ids: tuple[str, ...]
    node_ids: tuple[str, ...]
    priority_vps: Floats
    density_vpm: Floats
    drop_share: Floats
    shares: Stairs
    demand: Stairs
    sites: Sites


def wire_case(case: NetworkCase) -> Wired:
    """Look up every name of a case. Raises InputError naming the field that does not fit."""
    node_ids = tuple(
        dict.fromkeys(name for link in case.links for name in (link.from_node, link.to_node))
    )
    nodes = {name: row for row, name in enumerate(node_ids)}
    approach_ids = tuple([link.id for link in case.links] + [origin.id for origin in case.origins])
    approaches = {name: row for row, name in enumerate(approach_ids)}
    if len(approaches) < len(approach_ids):
        twice = next(name for name in approach_ids if approach_ids.count(name) > 1)
        refuse("links", twice, "every link and origin needs an id of its own")
    for row, origin in enumerate(case.origins):
        if origin.node not in nodes:
            refuse(f"origins[{row}].node", origin.node, "no link starts or ends there")
    roads = case_roads(case.links, nodes)
    listed = _listed(case, approaches, roads, nodes)
    turns = _turns(case, listed, nodes)
    rows = Rows(approaches=approaches, nodes=nodes, roads=roads, turns=turns)
    sites = _sites(case, rows)
    return Wired(
        case=case,
        roads=roads,
        turns=turns,
        approach_ids=approach_ids,
        node_ids=node_ids,
        priority_vps=_priorities(case, roads, turns),
        density_vpm=np.array([link.density_vpkm / 1000.0 for link in case.links]),
        drop_share=_drops(case, approaches),
        shares=_shares(listed, len(approach_ids)),
        demand=_demand(case),
        sites=sites,
    )


def _listed(
    case: NetworkCase, approaches: dict[str, int], roads: Roads, nodes: dict[str, int]
) -> list[list[tuple[int, Turn]]]:
    """Return the turns of every approach; where a node has one way on, all take it."""
    listed: list[list[tuple[int, Turn]]] = [[] for _ in approaches]
    for row, turn in enumerate(case.turns):
        here = f"turns[{row}]"
        approach = approaches.get(turn.approach, -1)
        onward = approaches.get(turn.link, -1)
        if approach < 0:
            refuse(f"{here}.approach", turn.approach, "no such link or origin")
        if not 0 <= onward < len(roads):
            refuse(f"{here}.link", turn.link, "no such link")
        if roads.from_node[onward] != _node_of(case, approach, roads, nodes):
            refuse(f"{here}.link", turn.link, f"does not start where {turn.approach} ends")
        if any(known == onward for known, _ in listed[approach]):
            refuse(f"{here}.link", turn.link, f"a second turn from {turn.approach}")
        listed[approach].append((onward, turn))
    for name, approach in approaches.items():
        after = np.flatnonzero(roads.from_node == _node_of(case, approach, roads, nodes)).tolist()
        if listed[approach] or not after:
            continue
        if len(after) > 1:
            refuse("turns", name, "several links follow: say the share of each")
        only = Turn(approach=name, link=case.links[after[0]].id, share=1.0)
        listed[approach].append((after[0], only))
    return listed


def _node_of(case: NetworkCase, approach: int, roads: Roads, nodes: dict[str, int]) -> int:
    """Return the node where an approach ends."""
    if approach < len(roads):
        return int(roads.to_node[approach])
    return nodes[case.origins[approach - len(roads)].node]


def _turns(case: NetworkCase, listed: list[list[tuple[int, Turn]]], nodes: dict[str, int]) -> Turns:
    counts = np.array([len(turns) for turns in listed], np.int64)
    size = int(counts.sum())
    return Turns(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=np.repeat(np.arange(len(listed), dtype=np.int64), counts),
        link=np.array([onward for turns in listed for onward, _ in turns], np.int64),
        seconds=np.zeros(size),
        share=np.full(size, np.nan),
        movement=np.full(size, -1, np.int64),
        origin_node=np.array([nodes[origin.node] for origin in case.origins], np.int64),
    )


def _shares(listed: list[list[tuple[int, Turn]]], approaches: int) -> Stairs:
    """Return the shares over time: turns, then exits. Refuses more than 1 together."""
    flat = [turn for turns in listed for _, turn in turns]
    stairs = Stairs(np.concatenate([np.zeros(len(flat)), np.ones(approaches)]))
    first = 0
    for approach, turns in enumerate(listed):
        steps = [
            [(0.0, turn.share)]
            if isinstance(turn.share, float)
            else [(0.0, 0.0), *((step.from_s, step.share) for step in turn.share)]
            for _, turn in turns
        ]
        for moment in sorted({from_s for steps_of in steps for from_s, _ in steps_of}):
            now = [
                [share for from_s, share in sorted(steps_of) if from_s <= moment][-1]
                for steps_of in steps
            ]
            total = math.fsum(now)
            if total > 1.0 + 1e-9:
                refuse("turns", turns[0][1].approach, f"shares add up to {total:g} at {moment:g} s")
            for turn, share in enumerate(now):
                stairs.set(first + turn, moment, share)
            stairs.set(len(flat) + approach, moment, max(1.0 - total, 0.0))
        first += len(turns)
    return stairs


def _demand(case: NetworkCase) -> Stairs:
    stairs = Stairs(np.zeros(len(case.origins)))
    for row, origin in enumerate(case.origins):
        for piece in sorted(origin.demand, key=lambda piece: piece.from_s):
            stairs.set(row, piece.from_s, piece.flow_vph / 3600.0)
    return stairs


def _priorities(case: NetworkCase, roads: Roads, turns: Turns) -> Floats:
    """Return the weights: as given, else the capacity; an origin's is that of the links after."""
    weights = approach_capacity(roads, turns)
    given: list[Link | object] = [*case.links, *case.origins]
    for row, part in enumerate(given):
        priority: float | None = getattr(part, "priority", None)
        if priority is not None:
            weights[row] = priority
    return weights


def _drops(case: NetworkCase, approaches: dict[str, int]) -> Floats:
    shares = np.ones(len(case.links))
    for row, drop in enumerate(case.capacity_drops):
        link = approaches.get(drop.link, -1)
        if not 0 <= link < len(shares):
            refuse(f"capacity_drops[{row}].link", drop.link, "no such link")
        shares[link] = drop.share
    return shares


def _sites(case: NetworkCase, rows: Rows) -> Sites:
    """Return every capacity that changes: of entries, exits and turns."""
    roads, turns = rows.roads, rows.turns
    exits = approach_capacity(roads, turns)
    gate_node = gates(case, rows.nodes)
    sites = Sites(
        entry=Caps(roads.capacity_vps.copy()),
        exit=Caps(exits),
        turn=Caps(np.minimum(exits[turns.approach], roads.capacity_vps[turns.link])),
        node=Caps(np.full(len(gate_node), np.inf)),
        gate_node=gate_node,
    )
    for row, turn in enumerate(case.turns):
        if turn.capacity_vph is not None:
            place = rows.turn(turn.approach, turn.link, f"turns[{row}]")
            sites.turn.cap(place, 0.0, math.inf, turn.capacity_vph / 3600.0)
    limit_signals(case, rows, sites)
    limit_events(case, rows, sites)
    return sites
