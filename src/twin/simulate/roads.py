"""The roads and turns of a map as the kernels see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.network.model import SingleMap
from twin.simulate.kernels.arrays import GENERAL, MERGE, SINGLE, Rows, Wires

JAM_VPM_LANE = 0.15  # vehicles per metre and lane in a jam
LEAST_CAPACITY_VPS = 0.01
LEAST_LENGTH_M = 1.0


@dataclass(frozen=True, slots=True)
class Roads:
    """Links with triangular diagrams; columns of shape (links,), float64 but the node rows.

    length_m, free_speed_mps, capacity_vps, jam_vpm are of all lanes together.
    """

    from_node: Ints
    to_node: Ints
    length_m: Floats
    free_speed_mps: Floats
    capacity_vps: Floats
    jam_vpm: Floats
    nodes: int

    def __len__(self) -> int:
        return len(self.length_m)

    @property
    def free_s(self) -> Floats:
        """Return the free travel time of every link."""
        return self.length_m / self.free_speed_mps

    @property
    def wave_mps(self) -> Floats:
        """Return the speed of backward waves on every link."""
        return self.capacity_vps / (self.jam_vpm - self.capacity_vps / self.free_speed_mps)


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of every approach: links first, then one approach for every origin.

    start        (approaches + 1,) int64, CSR
    approach, link   (turns,) int64: where a turn comes from, and the link that it leads to
    seconds      (turns,) float64: time lost in the turn
    share        (turns,) float64: usual share of the approach's vehicles, NaN where unknown
    movement     (turns,) int64: row in the map's movements, -1 without one
    origin_node  (origins,) int64
    """

    start: Ints
    approach: Ints
    link: Ints
    seconds: Floats
    share: Floats
    movement: Ints
    origin_node: Ints


def roads_of(network: SingleMap) -> Roads:
    """Read the links of a map; a diagram needs jam_vpm >= 2 capacity / free speed."""
    links = network.links
    free = np.array([max(link.free_speed_mps, 0.5) for link in links], np.float64)
    capacity = np.array([max(link.capacity_vps, LEAST_CAPACITY_VPS) for link in links], np.float64)
    lanes = np.array([max(link.lanes, 1) for link in links], np.float64)
    return Roads(
        from_node=np.array([network.node_rows[link.from_node] for link in links], np.int64),
        to_node=np.array([network.node_rows[link.to_node] for link in links], np.int64),
        length_m=np.array([max(link.length_m, LEAST_LENGTH_M) for link in links], np.float64),
        free_speed_mps=free,
        capacity_vps=capacity,
        # A wave faster than the vehicles has no meaning on a triangular diagram.
        jam_vpm=np.maximum(JAM_VPM_LANE * lanes, 2.0 * capacity / free),
        nodes=len(network.nodes),
    )


def turns_of(
    network: SingleMap, origin_node: Ints, *, origin_links: Sequence[Sequence[int]] | None = None
) -> Turns:
    """Read the permitted turns; where a node lists no movements, all but U-turns are.

    origin_links   the links that each origin leads into; all that leave its node when None
    """
    rows: list[list[tuple[int, float, float, int]]] = [[] for _ in network.links]
    listed = set()
    for row, movement in enumerate(network.movements):
        listed.add(movement.node)
        share = float("nan") if movement.share is None else movement.share
        onward = network.link_rows[movement.to_link]
        entry = (onward, max(movement.penalty_s, 0.0), share, row)
        rows[network.link_rows[movement.from_link]].append(entry)
    leaving: dict[str, list[int]] = {}
    for link_row, link in enumerate(network.links):
        leaving.setdefault(link.from_node, []).append(link_row)
    for link_row, link in enumerate(network.links):
        if link.to_node not in listed:
            rows[link_row] = [
                (onward, 0.0, float("nan"), -1)
                for onward in leaving.get(link.to_node, [])
                if network.links[onward].to_node != link.from_node
            ]
    for origin, node in enumerate(origin_node.tolist()):
        first = leaving.get(network.nodes[node].id, [])
        into = first if origin_links is None else origin_links[origin]
        rows.append([(onward, 0.0, float("nan"), -1) for onward in into])
    return _turn_columns(rows, origin_node)


def _turn_columns(rows: list[list[tuple[int, float, float, int]]], origin_node: Ints) -> Turns:
    """Turn lists by approach into columns; of a turn listed twice the first counts."""
    unique = [list({entry[0]: entry for entry in reversed(row)}.values())[::-1] for row in rows]
    flat = [entry for row in unique for entry in row]
    counts = np.array([len(row) for row in unique], np.int64)
    return Turns(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=np.repeat(np.arange(len(rows), dtype=np.int64), counts),
        link=np.array([entry[0] for entry in flat], np.int64),
        seconds=np.array([entry[1] for entry in flat], np.float64),
        share=np.array([entry[2] for entry in flat], np.float64),
        movement=np.array([entry[3] for entry in flat], np.int64),
        origin_node=origin_node.astype(np.int64),
    )


def approach_capacity(roads: Roads, turns: Turns) -> Floats:
    """Return the capacity of every approach, (approaches,); an origin's is of the links after."""
    size = len(turns.start) - 1
    after = np.bincount(turns.approach, roads.capacity_vps[turns.link], minlength=size)
    capacity = np.concatenate([roads.capacity_vps, after[len(roads) :]])
    return np.asarray(np.maximum(capacity, 1e-6), np.float64)


def gated_approaches(roads: Roads, turns: Turns, gate_node: Ints) -> Ints:
    """Return the approaches of nodes with a gate, in their order."""
    ends = np.concatenate([roads.to_node, turns.origin_node])
    return np.flatnonzero(np.isin(ends, gate_node)).astype(np.int64)


def gated(turns: Turns, roads: Roads, gate_node: Ints) -> tuple[Turns, Ints]:
    """Return the turns and those into gates, sorted by approach, and where each came from.

    gate_node   (gates,) node rows. The second value has rows of `turns`, then of the gates' turns
    in the order of approaches.
    """
    if not len(gate_node):
        return turns, np.arange(len(turns.link), dtype=np.int64)
    ends = np.concatenate([roads.to_node, turns.origin_node])
    gate_of = np.full(roads.nodes, -1, np.int64)
    gate_of[gate_node] = np.arange(len(gate_node)) + len(roads)
    passing = gated_approaches(roads, turns, gate_node)
    approach = np.concatenate([turns.approach, passing])
    order = np.argsort(approach, kind="stable").astype(np.int64)
    counts = np.bincount(approach, minlength=len(ends))
    return Turns(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=approach[order],
        link=np.concatenate([turns.link, gate_of[ends[passing]]])[order],
        seconds=turns.seconds,
        share=turns.share,
        movement=turns.movement,
        origin_node=turns.origin_node,
    ), order


def joints(roads: Roads, turns: Turns) -> tuple[Ints, Ints]:
    """Return the approaches that meet: CSR starts (joints + 1,) and rows, in order of nodes.

    Approaches of a node that share no link after it do not meet: the two directions of a road that
    passes a node without a U-turn are two joints.
    """
    node_of = np.concatenate([roads.to_node, turns.origin_node])
    first = np.arange(len(node_of), dtype=np.int64)  # of the approaches that it meets
    while len(turns.link):
        by_link = np.full(int(turns.link.max()) + 1, len(node_of), np.int64)
        np.minimum.at(by_link, turns.link, first[turns.approach])
        met = first.copy()
        np.minimum.at(met, turns.approach, by_link[turns.link])
        if (met == first).all():
            break
        first = met
    rows = np.lexsort((first, node_of)).astype(np.int64)
    begins = np.flatnonzero(np.diff(first[rows], prepend=-1))
    return np.append(begins, len(rows)).astype(np.int64), rows


def node_kinds(wires: Wires) -> Rows:
    """Say which code decides each node, (nodes,): one approach, plain merge, or any other."""
    ways = np.diff(wires.node_start)
    most_turns = np.zeros(len(ways), np.int64)
    node = np.repeat(np.arange(len(ways)), ways)
    np.maximum.at(most_turns, node, np.diff(wires.turn_start))
    turns = wires.turn_start[wires.node_start[1:]] - wires.turn_start[wires.node_start[:-1]]
    kinds = np.full(len(ways), GENERAL, np.uint32)
    kinds[(np.diff(wires.out_start) == 1) & (most_turns == 1) & (turns == ways)] = MERGE
    kinds[ways == 1] = SINGLE
    return kinds


def wires_of(
    roads: Roads, turns: Turns, priority_vps: Floats, gate_node: Ints
) -> tuple[Wires, Ints]:
    """Return nodes and turns as the kernels take them, and the row of each turn, see `gated`."""
    turns, rows = gated(turns, roads, gate_node)
    node_start, node_in = joints(roads, turns)
    counts = np.diff(turns.start)[node_in]
    turn_start = np.concatenate([[0], np.cumsum(counts)])
    within = np.arange(len(turns.link)) - np.repeat(turn_start[:-1], counts)
    order = np.repeat(turns.start[:-1][node_in], counts) + within
    joint = np.repeat(np.repeat(np.arange(len(node_start) - 1), np.diff(node_start)), counts)
    many = len(roads) + len(gate_node) + 1
    out = np.unique(joint * many + turns.link[order])  # each link is after one joint only
    out_joint = out // many
    wires = Wires(
        priority=np.ascontiguousarray(priority_vps, np.float64),
        node_start=node_start.astype(np.uint32),
        node_in=node_in.astype(np.uint32),
        node_kind=np.zeros(0, np.uint32),
        turn_start=turn_start.astype(np.uint32),
        turn_link=turns.link[order].astype(np.uint32),
        turn_from=turns.approach[order].astype(np.uint32),
        out_start=np.searchsorted(out_joint, np.arange(len(node_start))).astype(np.uint32),
        out_link=(out % many).astype(np.uint32),
    )
    return wires._replace(node_kind=node_kinds(wires)), rows[order]


def summed(rows: Ints, values: Floats, count: int) -> Floats:
    """Add up values by row, (count,)."""
    return np.asarray(np.bincount(rows, weights=values, minlength=count), np.float64)
