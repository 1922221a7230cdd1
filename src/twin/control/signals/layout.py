"""The junctions of a map as rows and arrays, for the controller."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Rows
from twin.network.model import Junction, Movement, SingleMap

LANE_SATURATION_VPS = 0.5  # 1800 vehicles an hour and lane where the map gives no capacity


@dataclass(frozen=True, slots=True)
class JunctionLayout:
    """One junction. Movements are those of its signal groups, in the map's order.

    approaches   (a,) int32 link rows that end at the signals
    from_link, to_link   (m,) int32; share_frac, saturation_vps   (m,) float64
    stage_moves  per stage the movement positions that it serves
    group_moves  per group the movement positions
    """

    junction: Junction
    approaches: Rows
    from_link: Rows
    to_link: Rows
    share_frac: Floats
    saturation_vps: Floats
    stage_moves: tuple[Rows, ...]
    group_moves: tuple[Rows, ...]
    stage_of: dict[str, int]
    min_green_s: dict[str, float]
    intergreen_s: dict[tuple[str, str], float]

    def clearing_s(self, ending: frozenset[str], starting: frozenset[str]) -> float:
        """Return the longest intergreen from the ending groups to the starting ones."""
        pairs = ((one, other) for one in ending - starting for other in starting - ending)
        return max((self.intergreen_s.get(pair, 0.0) for pair in pairs), default=0.0)

    def groups_of(self, stage: int) -> frozenset[str]:
        """Return the groups that are green in a stage."""
        return frozenset(self.junction.stages[stage].groups)

    def stage_min_s(self, stage: int) -> float:
        """Return the longest minimum green of a stage's groups."""
        return max(self.min_green_s[group] for group in self.junction.stages[stage].groups)


def turning_shares(network: SingleMap) -> dict[str, float]:
    """Return each movement's share of its link: the map's, completed evenly, summing to 1."""
    leaving: dict[str, list[Movement]] = {}
    for movement in network.movements:
        leaving.setdefault(movement.from_link, []).append(movement)
    shares: dict[str, float] = {}
    for movements in leaving.values():
        given = sum(movement.share or 0.0 for movement in movements)
        unknown = [movement for movement in movements if movement.share is None]
        rest = max(1.0 - given, 0.0) / len(unknown) if unknown else 0.0
        values = [rest if one.share is None else one.share for one in movements]
        total = sum(values)
        for movement, value in zip(movements, values, strict=True):
            shares[movement.id] = value / total if total > 0 else 1.0 / len(movements)
    return shares


def downstream_factor(network: SingleMap, shares: dict[str, float]) -> Floats:
    """Return (links,): the sum of squared shares of a link's own movements, 0 where it ends.

    The vehicles on a link that wait for a movement are count x share, and each movement behind is
    weighed with its share again; so the link's count enters with this factor.
    """
    factor = np.zeros(len(network.links))
    for movement in network.movements:
        factor[network.link_rows[movement.from_link]] += shares[movement.id] ** 2
    return factor


def saturation_vps(movement: Movement, network: SingleMap, share: float) -> float:
    """Return how many vehicles a second leave at full green by one movement.

    Its own capacity where the map gives one, else that of its lanes, else its share of the link.
    """
    if movement.capacity_vps:
        return movement.capacity_vps
    link = network.links[network.link_rows[movement.from_link]]
    lane_vps = link.capacity_vps / max(link.lanes, 1) or LANE_SATURATION_VPS
    if movement.from_lanes is not None:
        first, last = movement.from_lanes
        return lane_vps * max(abs(last - first) + 1, 1)
    return lane_vps * max(link.lanes, 1) * share


def layout_junction(
    junction: Junction, network: SingleMap, shares: dict[str, float]
) -> JunctionLayout:
    """Read one junction; its data has passed `validate`."""
    names = [move for group in junction.groups for move in group.movements]
    position = {name: at for at, name in enumerate(names)}
    moves = [network.movements[network.movement_rows[name]] for name in names]
    rows = network.link_rows
    from_link = np.array([rows[move.from_link] for move in moves], np.int32)
    of_group = {group.id: [position[move] for move in group.movements] for group in junction.groups}
    return JunctionLayout(
        junction=junction,
        approaches=np.unique(from_link),
        from_link=from_link,
        to_link=np.array([rows[move.to_link] for move in moves], np.int32),
        share_frac=np.array([shares[name] for name in names], np.float64),
        saturation_vps=np.array(
            [saturation_vps(move, network, shares[move.id]) for move in moves], np.float64
        ),
        stage_moves=tuple(
            np.array(sorted(at for group in stage.groups for at in of_group[group]), np.int32)
            for stage in junction.stages
        ),
        group_moves=tuple(np.array(of_group[group.id], np.int32) for group in junction.groups),
        stage_of={stage.id: at for at, stage in enumerate(junction.stages)},
        min_green_s={group.id: group.min_green_s for group in junction.groups},
        intergreen_s={(one, other): s for one, other, s in junction.intergreen_s},
    )
