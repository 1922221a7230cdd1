"""The roads of a map that are followed cell by cell: chains of links with detectors on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.network.corridors import Corridor, corridors
from twin.network.model import LinkClass, SingleMap
from twin.perceive.corridor.ensemble import Chain
from twin.simulate.roads import Roads, roads_of

FOLLOWED: Final = (LinkClass.MOTORWAY,)
LEAST_DETECTORS: Final = 2
LEAST_M: Final = 1000.0
MOST_M: Final = 60_000.0  # of all followed roads together: the live loop waits for them
LEAST_LINK_M: Final = 75.0  # a shorter link cannot be crossed by a whole step


@dataclass(frozen=True, slots=True)
class Road:
    """One road; rows are those of the map.

    link (links,), chain   its links in driving order and their diagrams
    detector_link (detectors,)   place in the chain of each link with detectors, ascending
    detector_m (detectors,)      where they stand along the road
    ramp (links - 1,)   whether anything leaves or joins between a link and the next
    """

    link: Ints
    chain: Chain
    detector_link: Ints
    detector_m: Floats
    ramp: Bools


def followed_roads(network: SingleMap) -> tuple[Road, ...]:
    """Return the motorways that have detectors enough, the longest first, up to `MOST_M`.

    A road in pieces is left out.
    """
    usual = [one for one in corridors(network) if _fits(network, one)]
    if not usual:
        return ()
    diagrams, meeting = roads_of(network), _meeting(network)
    placed = _placed(network)
    found, total_m = [], 0.0
    for corridor in sorted(usual, key=lambda one: (-one.length_m, one.road)):
        if total_m + corridor.length_m > MOST_M:
            continue
        road = _road(network, corridor, diagrams, placed)
        if road is not None:
            ends = [str(network.links[row].to_node) for row in road.link[:-1]]
            # Two of a road's own links meet at each of its nodes; a third is a ramp.
            ramp = np.array([meeting[node] > 2 for node in ends], np.bool_)
            found.append(replace(road, ramp=ramp))
            total_m += corridor.length_m
    return tuple(found)


def _meeting(network: SingleMap) -> Counter[str]:
    """Return how many links begin or end at each node."""
    return Counter(str(node) for link in network.links for node in (link.from_node, link.to_node))


def _placed(network: SingleMap) -> dict[str, list[float]]:
    """Return where the detectors of each link stand, metres from its start."""
    found: dict[str, list[float]] = {}
    for sensor in network.sensors:
        found.setdefault(str(sensor.link), []).append(sensor.position_m)
    return found


def _fits(network: SingleMap, corridor: Corridor) -> bool:
    """Tell whether a road is of a followed kind, long, in one piece, and of links long enough."""
    links = [network.links[network.link_rows[link]] for link in corridor.links]
    whole = all(a.to_node == b.from_node for a, b in pairwise(links))
    usual = all(link.link_class in FOLLOWED for link in links)
    long = corridor.length_m >= LEAST_M and min(link.length_m for link in links) >= LEAST_LINK_M
    return whole and usual and long


def _road(
    network: SingleMap, corridor: Corridor, roads: Roads, positions: dict[str, list[float]]
) -> Road | None:
    """Return a road, its ramps still unknown; None without detectors enough."""
    rows = np.array([network.link_rows[link] for link in corridor.links], np.int64)
    start_m = np.array(corridor.start_m)
    placed = {
        at: positions[str(link)] for at, link in enumerate(corridor.links) if str(link) in positions
    }
    if len(placed) < LEAST_DETECTORS:
        return None
    at = np.array(sorted(placed), np.int64)
    along = np.array([start_m[place] + np.mean(placed[place]) for place in sorted(placed)])
    chain = Chain(
        roads.length_m[rows],
        roads.free_speed_mps[rows],
        roads.capacity_vps[rows],
        roads.jam_vpm[rows],
    )
    unknown = np.zeros(len(rows) - 1, np.bool_)
    return Road(rows, chain, at, np.asarray(along, np.float64), unknown)
