"""A straight motorway with a station on every link, for tests of perception."""

from __future__ import annotations

from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap

STATIONS = 8
GAP_M = 800.0
FREE = 30.0


def motorway(kind: LinkClass = LinkClass.MOTORWAY) -> SingleMap:
    """Draw a motorway of three lanes with a station every 800 m."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(STATIONS + 1))
    return SingleMap(
        name="road",
        version="3" * 32,
        timezone="UTC",
        nodes=nodes,
        links=tuple(
            Link(
                LinkId(f"l{k}"),
                nodes[k].id,
                nodes[k + 1].id,
                (nodes[k].point, nodes[k + 1].point),
                GAP_M,
                3,
                FREE,
                1.7,
                kind,
                road="A1-N",
            )
            for k in range(STATIONS)
        ),
        sensors=tuple(
            Sensor(SensorId(f"s{k}"), LinkId(f"l{k}"), 400.0, (0.0, 0.0), 60.0, lanes=3)
            for k in range(STATIONS)
        ),
    )
