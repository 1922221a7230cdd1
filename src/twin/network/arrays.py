"""The map as columns for kernels: one numpy array for each quantity, rows as in the map.

All arrays are read-only. A list of members for each row is held as two arrays, the way sparse
matrices do it: `members[start[row]:start[row + 1]]` belong to `row`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.network.model import LinkClass, SingleMap, TurnKind

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

JAM_VPM_PER_LANE: Final = 0.15  # standing vehicles per metre of one lane: 6.7 m each, gap included
CLASS_CODES: Final = {kind: code for code, kind in enumerate(LinkClass)}


@dataclass(frozen=True, slots=True)
class Lists:
    """A list of row numbers for each row: `members[start[row]:start[row + 1]]`."""

    start: Ints
    members: Ints

    def of(self, row: int) -> Ints:
        """Return the members of one row."""
        return self.members[self.start[row] : self.start[row + 1]]


@dataclass(frozen=True, slots=True)
class NetworkArrays:
    """Structure of arrays of one map version. L links, M movements, N nodes, S sensors, G gates.

    `jam_vpm` and `capacity_vps` are for all lanes of a link together. `movement_share` is finished:
    shares that the map leaves open are filled in, and they sum to 1 for each link that has a
    movement. `movement_capacity_vps` is infinite where the map states none. `zone_node` is the node
    in which trips of a zone start and end, -1 where there is none.
    """

    version: str
    from_node: Ints  # (L,)
    to_node: Ints  # (L,)
    length_m: Floats  # (L,)
    lanes: Ints  # (L,)
    free_speed_mps: Floats  # (L,)
    capacity_vps: Floats  # (L,)
    jam_vpm: Floats  # (L,)
    link_class: Ints  # (L,) codes of CLASS_CODES
    movement_from: Ints  # (M,) link rows
    movement_to: Ints  # (M,) link rows
    movement_node: Ints  # (M,)
    movement_share: Floats  # (M,)
    movement_capacity_vps: Floats  # (M,)
    movement_penalty_s: Floats  # (M,)
    links_out: Lists  # by node
    links_in: Lists  # by node
    movements_at: Lists  # by node
    movements_from: Lists  # by link: the movements that leave it
    movements_to: Lists  # by link: the movements that enter it
    sensor_link: Ints  # (S,)
    sensor_position_m: Floats  # (S,)
    sensor_lanes: Ints  # (S,)
    gate_link: Ints  # (G,)
    zone_node: Ints  # (zones,)


def network_arrays(network: SingleMap) -> NetworkArrays:
    """Return the columns of a map."""
    links, movements, nodes = network.links, network.movements, network.nodes
    node_of, link_of = network.node_rows, network.link_rows
    from_node = _ints(node_of[link.from_node] for link in links)
    to_node = _ints(node_of[link.to_node] for link in links)
    lanes = _ints(link.lanes for link in links)
    movement_from = _ints(link_of[movement.from_link] for movement in movements)
    movement_to = _ints(link_of[movement.to_link] for movement in movements)
    movement_node = _ints(node_of[movement.node] for movement in movements)
    capacity_vps = _floats(link.capacity_vps for link in links)
    return NetworkArrays(
        version=network.version,
        from_node=from_node,
        to_node=to_node,
        length_m=_floats(link.length_m for link in links),
        lanes=lanes,
        free_speed_mps=_floats(link.free_speed_mps for link in links),
        capacity_vps=capacity_vps,
        jam_vpm=_frozen(lanes.astype(np.float64) * JAM_VPM_PER_LANE),
        link_class=_ints(CLASS_CODES[link.link_class] for link in links),
        movement_from=movement_from,
        movement_to=movement_to,
        movement_node=movement_node,
        movement_share=_shares(network, movement_from, weight=capacity_vps[movement_to]),
        movement_capacity_vps=_floats(
            np.inf if one.capacity_vps is None else one.capacity_vps for one in movements
        ),
        movement_penalty_s=_floats(movement.penalty_s for movement in movements),
        links_out=_lists(from_node, rows=len(nodes)),
        links_in=_lists(to_node, rows=len(nodes)),
        movements_at=_lists(movement_node, rows=len(nodes)),
        movements_from=_lists(movement_from, rows=len(links)),
        movements_to=_lists(movement_to, rows=len(links)),
        sensor_link=_ints(link_of[sensor.link] for sensor in network.sensors),
        sensor_position_m=_floats(sensor.position_m for sensor in network.sensors),
        sensor_lanes=_ints(sensor.lanes for sensor in network.sensors),
        gate_link=_ints(link_of[gate.link] for gate in network.gates),
        zone_node=_zone_nodes(network),
    )


def _frozen(values: Floats) -> Floats:
    values.flags.writeable = False
    return values


def _floats(values: Iterable[float]) -> Floats:
    return _frozen(np.array(list(values), dtype=np.float64))


def _ints(values: Iterable[int]) -> Ints:
    array = np.array(list(values), dtype=np.int64)
    array.flags.writeable = False
    return array


def _lists(row_of_member: Ints, *, rows: int) -> Lists:
    """Group members 0..n-1 by the row that each belongs to, in ascending order inside a row."""
    start = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(row_of_member, minlength=rows), out=start[1:])
    members = np.argsort(row_of_member, kind="stable").astype(np.int64)
    start.flags.writeable = False
    members.flags.writeable = False
    return Lists(start, members)


def _shares(network: SingleMap, movement_from: Ints, *, weight: Floats) -> Floats:
    """Finish the turning shares.

    What the stated shares of a link leave over goes to its movements without one, in proportion to
    the capacity of the links that they enter. A u-turn gets nothing unless it is the only way on.
    Shares that leave something over with nobody to take it are scaled up to sum to 1.
    """
    links, movements = len(network.links), network.movements
    share = np.array(
        [np.nan if movement.share is None else movement.share for movement in movements],
        dtype=np.float64,
    )
    u_turn = np.array([movement.kind is TurnKind.UTURN for movement in movements], dtype=bool)
    is_open = np.isnan(share)
    share[is_open] = 0.0
    stated = np.bincount(movement_from, weights=share, minlength=links)
    ahead = np.where(is_open & ~u_turn, weight, 0.0)
    no_way_ahead = np.bincount(movement_from, weights=ahead, minlength=links) == 0.0
    back_only = (no_way_ahead & (stated == 0.0))[movement_from]
    part = np.where(is_open & back_only, weight, ahead)
    total = np.bincount(movement_from, weights=part, minlength=links)[movement_from]
    left = np.clip(1.0 - stated, 0.0, None)[movement_from]
    share += left * np.divide(part, total, out=np.zeros_like(part), where=total > 0.0)
    whole = np.bincount(movement_from, weights=share, minlength=links)[movement_from]
    return _frozen(np.divide(share, whole, out=np.zeros_like(share), where=whole > 0.0))


def _zone_nodes(network: SingleMap) -> Ints:
    """Return the node of each zone: the one with the zone's id, else the first that names it."""
    first: dict[str, int] = {}
    for row, node in enumerate(network.nodes):
        if node.zone:
            first.setdefault(node.zone, row)
    return _ints(network.node_rows.get(zone.id, first.get(zone.id, -1)) for zone in network.zones)
