"""The road networks on which the backbone is measured: a grid of any size, or a given folder."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from twin.ids import LinkId, NodeId, SensorId
from twin.network.build import build_map
from twin.network.geometry import line_length_m
from twin.network.gmns import read_gmns
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap

STEP_DEG: Final = 0.0035  # some 390 m
LIMA_LINKS: Final = 6095
_LON, _LAT = -77.1, -12.1


def grid_city(links: int, sensors: int, *, period_s: float = 60.0, regions: int = 1) -> SingleMap:
    """Return streets in a square grid, both ways, cut to `links`; sensors spread evenly.

    Every street is one road a direction; `regions` cuts the city into bands of equal height.
    """
    side = 2
    while 4 * side * (side - 1) < links:
        side += 1
    nodes = [
        Node(NodeId(f"n{row}-{column}"), (_LON + column * STEP_DEG, _LAT + row * STEP_DEG))
        for row in range(side)
        for column in range(side)
    ]
    found: list[Link] = []
    for row in range(side):
        for column in range(side):
            for down, right in ((0, 1), (1, 0)):
                if row + down < side and column + right < side:
                    here, there = (
                        nodes[row * side + column],
                        nodes[(row + down) * side + column + right],
                    )
                    street = f"R{row}" if right else f"C{column}"
                    found.append(_link(here, there, f"{street}-{'E' if right else 'N'}"))
                    found.append(_link(there, here, f"{street}-{'W' if right else 'S'}"))
    del found[links:]
    return with_sensors(
        build_map(name=f"grid of {links} links", timezone="America/Lima", nodes=nodes, links=found),
        sensors,
        period_s=period_s,
        regions=regions,
    )


def lima_city(folder: Path | None, sensors: int, *, period_s: float = 60.0) -> SingleMap:
    """Return the network of Lima from its GMNS folder, or a grid of as many links without one."""
    if folder is None:
        return grid_city(LIMA_LINKS, sensors, period_s=period_s)
    return with_sensors(read_gmns(folder)[0], sensors, period_s=period_s)


def with_sensors(
    network: SingleMap, sensors: int, *, period_s: float, regions: int = 1
) -> SingleMap:
    """Return the map with `sensors` detectors in the middle of links, spread over all of them.

    Raises ValueError when there are fewer links than sensors.
    """
    if sensors > len(network.links):
        message = f"{sensors} sensors on {len(network.links)} links"
        raise ValueError(message)
    rows = np.linspace(0, len(network.links) - 1, sensors).round().astype(int)
    latitudes = [link.line[0][1] for link in network.links]
    bounds = np.quantile(latitudes, np.linspace(0, 1, regions + 1)[1:-1])
    placed = []
    for number, row in enumerate(rows.tolist()):
        link = network.links[row]
        region = int(np.searchsorted(bounds, latitudes[row])) if regions > 1 else 0
        placed.append(
            Sensor(
                SensorId(f"S{number:05d}"),
                link.id,
                link.length_m / 2,
                _middle(link),
                period_s,
                lanes=link.lanes,
                region=f"r{region:02d}" if regions > 1 else "",
            )
        )
    return build_map(
        name=network.name,
        timezone=network.timezone,
        nodes=network.nodes,
        links=[replace(link, valid_from_us=None, valid_to_us=None) for link in network.links],
        lanes=network.lanes,
        movements=network.movements,
        junctions=network.junctions,
        sensors=placed,
        zones=network.zones,
    )


def _link(here: Node, there: Node, road: str) -> Link:
    line = (here.point, there.point)
    return Link(
        LinkId(f"{here.id}>{there.id}"),
        here.id,
        there.id,
        line,
        line_length_m(line),
        2,
        50 / 3.6,
        3200 / 3600,
        LinkClass.ARTERIAL,
        road=road,
    )


def _middle(link: Link) -> tuple[float, float]:
    a, b = link.line[0], link.line[-1]
    if math.dist(a, b) == 0:
        return a
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
