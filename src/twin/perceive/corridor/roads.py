"""The roads of a map that are followed cell by cell: chains of links with detectors on them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.network.corridors import Corridor, corridors
from twin.network.model import LinkClass, SingleMap
from twin.perceive.corridor.ensemble import Chain
from twin.simulate.roads import roads_of

FOLLOWED: Final = (LinkClass.MOTORWAY,)
LEAST_DETECTORS: Final = 2
LEAST_M: Final = 1000.0
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
    """Return the motorways that have detectors enough; a road in pieces is left out."""
    found = []
    for corridor in corridors(network):
        road = _road(network, corridor)
        if road is not None:
            found.append(road)
    return tuple(found)


def _road(network: SingleMap, corridor: Corridor) -> Road | None:
    rows = np.array([network.link_rows[link] for link in corridor.links], np.int64)
    links = [network.links[row] for row in rows]
    whole = all(a.to_node == b.from_node for a, b in pairwise(links))
    usual = all(link.link_class in FOLLOWED for link in links)
    long = corridor.length_m >= LEAST_M and min(link.length_m for link in links) >= LEAST_LINK_M
    if not (whole and usual and long):
        return None
    roads = roads_of(network)
    start_m = np.array(corridor.start_m)
    place_of = {link: at for at, link in enumerate(corridor.links)}
    placed: dict[int, list[float]] = {}
    for sensor in network.sensors:
        if sensor.link in place_of:
            placed.setdefault(place_of[sensor.link], []).append(sensor.position_m)
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
    return Road(rows, chain, at, np.asarray(along, np.float64), _ramps(network, rows))


def _ramps(network: SingleMap, rows: Ints) -> Bools:
    """Return where other links meet the road, (links - 1,)."""
    own = set(rows.tolist())
    met = {
        node
        for row, link in enumerate(network.links)
        if row not in own
        for node in (link.from_node, link.to_node)
    }
    return np.array([network.links[row].to_node in met for row in rows[:-1]], np.bool_)
