"""What perception knows of a map, as arrays: where sensors are, and who stands near whom."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints, Rows
from twin.network.model import SingleMap

REACH_M = 2500.0  # a sensor says nothing about links further away
NEIGHBOURS = 6


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each link, the links with sensors around it, nearest first, as CSR.

    start (links + 1,) int32; link, metres, same_road   one entry a neighbour
    """

    start: Rows
    link: Rows
    metres: Floats
    same_road: Ints


@dataclass(frozen=True, slots=True)
class Layout:
    """Static columns of one map version.

    sensor_link (sensors,) int32, sensor_lanes (sensors,), sensor_free_mps (sensors,)
    link_start (links + 1,) int32, link_sensors   CSR of the sensors of a link
    lanes, free_speed_mps, capacity_vps           (links,) float64
    """

    sensor_link: Rows
    sensor_lanes: Floats
    sensor_free_mps: Floats
    link_start: Rows
    link_sensors: Rows
    lanes: Floats
    free_speed_mps: Floats
    capacity_vps: Floats
    neighbours: Neighbours


def layout_of(network: SingleMap) -> Layout:
    """Read the columns of a map that perception uses."""
    rows = network.link_rows
    sensor_link = np.array([rows[sensor.link] for sensor in network.sensors], np.int32)
    free = np.array([max(link.free_speed_mps, 0.5) for link in network.links], np.float64)
    counts = np.bincount(sensor_link, minlength=len(network.links))
    return Layout(
        sensor_link=sensor_link,
        sensor_lanes=np.array([max(sensor.lanes, 1) for sensor in network.sensors], np.float64),
        sensor_free_mps=free[sensor_link],
        link_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        link_sensors=np.argsort(sensor_link, kind="stable").astype(np.int32),
        lanes=np.array([max(link.lanes, 1) for link in network.links], np.float64),
        free_speed_mps=free,
        capacity_vps=np.array([link.capacity_vps for link in network.links], np.float64),
        neighbours=_neighbours(network, sorted(set(sensor_link.tolist()))),
    )


def _neighbours(network: SingleMap, measured: Iterable[int]) -> Neighbours:
    """Find for each link the nearest links with sensors along its road or its kind of road."""
    found: list[list[tuple[float, int]]] = [[] for _ in network.links]
    after, before = _adjacency(network)
    for source in measured:
        for steps in (after, before):
            for link, metres in _reached(network, source, steps):
                found[link].append((metres, source))
    start, links, distance, same = [0], [], [], []
    for link, near in enumerate(found):
        for metres, source in sorted(near)[:NEIGHBOURS]:
            road = network.links[link].road
            links.append(source)
            distance.append(metres)
            same.append(int(bool(road) and road == network.links[source].road))
        start.append(len(links))
    return Neighbours(
        start=np.array(start, np.int32),
        link=np.array(links, np.int32),
        metres=np.array(distance, np.float64),
        same_road=np.array(same, np.int64),
    )


def _adjacency(network: SingleMap) -> tuple[list[list[int]], list[list[int]]]:
    """Return for each link the links after it and the links before it, U-turns left out."""
    leaving: dict[str, list[int]] = {}
    for row, link in enumerate(network.links):
        leaving.setdefault(link.from_node, []).append(row)
    after: list[list[int]] = []
    before: list[list[int]] = [[] for _ in network.links]
    for row, link in enumerate(network.links):
        onward = [
            other
            for other in leaving.get(link.to_node, [])
            if network.links[other].to_node != link.from_node
        ]
        after.append(onward)
        for other in onward:
            before[other].append(row)
    return after, before


def _reached(network: SingleMap, source: int, steps: list[list[int]]) -> list[tuple[int, float]]:
    """Return the links of the same road (or, without a road, class) in reach, middle to middle."""
    origin = network.links[source]
    queue = [(0.0, source)]
    metres: dict[int, float] = {}
    while queue:
        distance, row = heapq.heappop(queue)
        if row in metres:
            continue
        metres[row] = distance
        for other in steps[row]:
            link = network.links[other]
            alike = link.road == origin.road and link.link_class == origin.link_class
            onward = distance + (network.links[row].length_m + link.length_m) / 2
            if alike and other not in metres and onward <= REACH_M:
                heapq.heappush(queue, (onward, other))
    del metres[source]
    return sorted(metres.items())
