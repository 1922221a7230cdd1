"""A motorway with three signs, a metered ramp of one lane, and gates with and without barriers."""

from __future__ import annotations

import math

from twin.clock import datetime_from_us
from twin.events import Act, DecisionKind, DeviceOrder, OperatorAct
from twin.ids import GateId, LinkId, MovementId, NodeId, ZoneId
from twin.network.build import build_map
from twin.network.model import (
    Feature,
    Gate,
    Layer,
    Link,
    LinkClass,
    Movement,
    Node,
    SingleMap,
    TurnKind,
    Zone,
)
from twin.units import SECOND_US

START_US = 1_781_596_800 * SECOND_US
REASON = "queue spills back to the viaduct"


SPOTS = {
    **{f"M{row}": (row * 0.01, 41.0) for row in range(6)},
    "Q": (0.0065, 40.9985),
    **{f"Y{row}": (row * 0.003, 41.02) for row in range(4)},
}
"""Longitude and latitude of the nodes; a hundredth of a degree is 840 m here."""


def _link(name: str, ends: tuple[str, str], kph: float, lanes: int, road: str) -> Link:
    one, other = (SPOTS[end] for end in ends)
    return Link(
        id=LinkId(name),
        from_node=NodeId(ends[0]),
        to_node=NodeId(ends[1]),
        line=(one, other),
        length_m=round(math.hypot((other[0] - one[0]) * 84_000, (other[1] - one[1]) * 111_000), 1),
        lanes=lanes,
        free_speed_mps=kph / 3.6,
        capacity_vps=lanes * 0.5,
        link_class=LinkClass.MOTORWAY if road else LinkClass.RAMP,
        road=road,
    )


def _move(
    one: str, other: str, node: str, lanes: tuple[tuple[int, int] | None, ...] = (None, None)
) -> Movement:
    return Movement(
        MovementId(f"{one}>{other}"),
        NodeId(node),
        LinkId(one),
        LinkId(other),
        TurnKind.THRU,
        from_lanes=lanes[0],
        to_lanes=lanes[1],
    )


def _beside(name: str, layer: Layer, link: str, at_m: float) -> Feature:
    extra = (("position_m", f"{at_m:g}"),)
    return Feature(name, layer, "POINT (0.01 41.0)", name, links=(LinkId(link),), extra=extra)


def _gate(name: str, link: str, *, inbound: bool, barrier: bool) -> Gate:
    zones = (ZoneId("OLD"),)
    return Gate(GateId(name), LinkId(link), 60.0, (0.0037, 41.02), inbound, zones, name, barrier)


def device_road() -> SingleMap:
    """Make the map: links M0 to M4 of road A1 (110 km/h), ramp R, streets Z0, Z1, Z2.

    The ramp leads into a fourth lane of M1. The way into the zone is Z1, the way out Z2; both have
    a barrier.
    """
    wide = (3, 4, 3, 3, 3)
    links = [
        _link(f"M{row}", (f"M{row}", f"M{row + 1}"), 110.0, lanes, "A1")
        for row, lanes in enumerate(wide)
    ]
    links.append(_link("R", ("Q", "M1"), 60.0, 1, ""))
    links += [_link(f"Z{row}", (f"Y{row}", f"Y{row + 1}"), 30.0, 1, "") for row in range(3)]
    three = ((1, 3), (1, 3))
    moves = [_move(f"M{row}", f"M{row + 1}", f"M{row + 1}", three) for row in range(4)]
    moves += [_move("R", "M1", "M1", ((1, 1), (4, 4)))]
    moves += [_move("Z0", "Z1", "Y1"), _move("Z1", "Z2", "Y2")]
    return build_map(
        name="device road",
        timezone="UTC",
        nodes=[Node(NodeId(name), spot) for name, spot in SPOTS.items()],
        links=links,
        movements=moves,
        gates=(
            _gate("GI", "Z1", inbound=True, barrier=True),
            _gate("GO", "Z2", inbound=False, barrier=True),
            _gate("GC", "Z1", inbound=True, barrier=False),
        ),
        zones=(Zone(ZoneId("OLD"), "access", (LinkId("Z1"),), "Old town"),),
        features=(
            _beside("S1", Layer.SIGN, "M0", 700.0),
            _beside("S2", Layer.SIGN, "M2", 100.0),
            _beside("S3", Layer.SIGN, "M3", 700.0),
            _beside("RM", Layer.RAMP_METER, "R", 320.0),
        ),
    )


def order(
    kind: str,
    target: str,
    command: dict[str, str],
    *,
    now_us: int = START_US,
    for_s: float = 900.0,
    reason: str = REASON,
    name: str = "",
) -> OperatorAct:
    """Make an operator's order."""
    return OperatorAct(
        id=name or f"{kind}:{target}:{sorted(command.items())}:{now_us}",
        time=datetime_from_us(now_us),
        person="ana",
        act=Act.COMMAND,
        target=target,
        seen_version=0,
        reason=reason,
        order=DeviceOrder(kind=DecisionKind(kind), command=command, for_s=for_s),
    )
