"""What the forecast needs of a map, worked out once for a version."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats
from twin.network.model import Junction, SingleMap
from twin.simulate.roads import Roads, Turns, roads_of, summed, turns_of

LEAST_SHARE = 0.02  # a permitted turn is never thought impossible
LEAST_GREEN = 0.05


@dataclass(frozen=True, slots=True)
class ForecastNetwork:
    """Static arrays of one map version; it can be pickled.

    roads, turns   approaches are the links, then one origin for every link: what joins it from
                   outside the map or from roads that nobody counts
    source         (links,) True where no turn leads in: all of a link's traffic joins it
    usual_share    (turns,) of each approach's vehicles, sums to 1 where an approach has turns
    green_share    (links,) share of the time in which the end of a link is open
    """

    version: str
    roads: Roads
    turns: Turns
    source: Bools
    usual_share: Floats
    green_share: Floats


def forecast_network(network: SingleMap) -> ForecastNetwork:
    """Work out the static arrays of a map."""
    roads = roads_of(network)
    turns = turns_of(network, roads.from_node, origin_links=[[link] for link in range(len(roads))])
    source = np.ones(len(roads), np.bool_)
    source[turns.link[turns.approach < len(roads)]] = False
    return ForecastNetwork(
        version=network.version,
        roads=roads,
        turns=turns,
        source=source,
        usual_share=_usual_shares(roads, turns),
        green_share=_green_shares(network),
    )


def _usual_shares(roads: Roads, turns: Turns) -> Floats:
    """Return the map's shares; what it leaves open is shared out by capacity."""
    approaches = len(turns.start) - 1
    known = ~np.isnan(turns.share)
    given = summed(turns.approach, np.where(known, turns.share, 0.0), approaches)
    weight = np.where(known, 0.0, roads.capacity_vps[turns.link])
    total = summed(turns.approach, weight, approaches)
    rest = np.maximum(1.0 - given, 0.0)[turns.approach]
    opened = rest * weight / np.maximum(total[turns.approach], 1e-9)
    share = np.maximum(np.where(known, turns.share, opened), LEAST_SHARE)
    sums = summed(turns.approach, share, approaches)
    return share / sums[turns.approach]


def _green_shares(network: SingleMap) -> Floats:
    """Return the share of the cycle in which some movement of a link's end is green."""
    share = np.ones(len(network.links))
    for junction in network.junctions:
        greens = _green_s(junction)
        cycle_s = junction.plans[0].cycle_s if junction.plans else 0.0
        if cycle_s <= 0:
            continue
        longest: dict[int, float] = {}
        for movement_id, green_s in greens.items():
            movement = network.movements[network.movement_rows[movement_id]]
            link = network.link_rows[movement.from_link]
            longest[link] = max(longest.get(link, 0.0), green_s)
        for link, green_s in longest.items():
            share[link] = min(max(green_s / cycle_s, LEAST_GREEN), 1.0)
    return share


def _green_s(junction: Junction) -> dict[str, float]:
    """Return the green of every movement in the junction's first plan, seconds a cycle."""
    groups = {group.id: group for group in junction.groups}
    stages = {stage.id: stage for stage in junction.stages}
    greens: dict[str, float] = {}
    for stage_id, lasts_s in junction.plans[0].steps if junction.plans else ():
        for group_id in stages[stage_id].groups:
            group = groups[group_id]
            for movement in group.movements:
                # The yellow and the clearance before the next stage carry nobody.
                green_s = max(lasts_s - group.yellow_s, 0.0)
                greens[movement] = greens.get(movement, 0.0) + green_s
    return greens
