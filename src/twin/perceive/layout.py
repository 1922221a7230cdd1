"""What perception knows of a map, as arrays: where sensors are, and who stands near whom."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Rows
from twin.network.model import SingleMap
from twin.perceive.kernels.links import Places
from twin.perceive.mean_speed import space_share

REACH_M = 2500.0  # a sensor says nothing about links further away
NEIGHBOURS = 6


@dataclass(frozen=True, slots=True)
class Layout:
    """Static columns of one map version.

    sensor_link (sensors,) int32, sensor_free_mps (sensors,) free speed of the sensor's link
    space_share (sensors,) space mean speed over what the sensor reports as its mean speed
    places   the same map as the kernels see it
    """

    sensor_link: Rows
    sensor_free_mps: Floats
    space_share: Floats
    places: Places


def layout_of(network: SingleMap) -> Layout:
    """Read the columns of a map that perception uses."""
    rows = network.link_rows
    sensor_link = np.array([rows[sensor.link] for sensor in network.sensors], np.int32)
    free = np.array([max(link.free_speed_mps, 0.5) for link in network.links], np.float64)
    counts = np.bincount(sensor_link, minlength=len(network.links))
    near = _neighbours(network, sorted(set(sensor_link.tolist())))
    places = Places(
        link_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        link_sensors=np.argsort(sensor_link, kind="stable").astype(np.int32),
        sensor_lanes=np.array([max(sensor.lanes, 1) for sensor in network.sensors], np.float64),
        lanes=np.array([max(link.lanes, 1) for link in network.links], np.float64),
        free_speed_mps=free,
        capacity_vps=np.array([link.capacity_vps for link in network.links], np.float64),
        near_start=np.cumsum([0, *(len(row) for row in near)]).astype(np.int32),
        near_link=np.array([source for row in near for _, source, _ in row], np.int32),
        near_m=np.array([metres for row in near for metres, _, _ in row], np.float64),
        near_same_road=np.array([same for row in near for _, _, same in row], np.int64),
    )
    return Layout(
        sensor_link=sensor_link,
        sensor_free_mps=free[sensor_link],
        space_share=np.array([space_share(sensor) for sensor in network.sensors], np.float64),
        places=places,
    )


def _neighbours(network: SingleMap, measured: Iterable[int]) -> list[list[tuple[float, int, int]]]:
    """Return for each link those with sensors near it, nearest first: (metres, row, same road).

    Near is along its road, or, where roads have no names, along its kind of road.
    """
    found: list[list[tuple[float, int, int]]] = [[] for _ in network.links]
    after, before = _adjacency(network)
    for source in measured:
        named = int(bool(network.links[source].road))
        for steps in (after, before):
            for link, metres in _reached(network, source, steps):
                found[link].append((metres, source, named))
    return [sorted(row)[:NEIGHBOURS] for row in found]


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
