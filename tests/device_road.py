"""A motorway with three signs, a metered ramp of one lane, and gates with and without barriers."""

from __future__ import annotations

from twin.clock import datetime_from_us
from twin.events import Act, DecisionKind, DeviceOrder, OperatorAct
from twin.ids import GateId, LinkId, NodeId, ZoneId
from twin.network.build import build_map
from twin.network.model import Feature, Gate, Layer, Link, LinkClass, Node, SingleMap, Zone
from twin.units import SECOND_US

START_US = 1_781_596_800 * SECOND_US
REASON = "queue spills back to the viaduct"


def _link(name: str, ends: tuple[str, str], kph: float, lanes: int, road: str, at: int) -> Link:
    return Link(
        id=LinkId(name),
        from_node=NodeId(ends[0]),
        to_node=NodeId(ends[1]),
        line=((at * 0.01, 41.0), (at * 0.01 + 0.01, 41.0)),
        length_m=800.0,
        lanes=lanes,
        free_speed_mps=kph / 3.6,
        capacity_vps=lanes * 0.5,
        link_class=LinkClass.MOTORWAY if road else LinkClass.RAMP,
        road=road,
    )


def _beside(name: str, layer: Layer, link: str, at_m: float) -> Feature:
    extra = (("position_m", f"{at_m:g}"),)
    return Feature(name, layer, "POINT (0.01 41.0)", name, links=(LinkId(link),), extra=extra)


def _gate(name: str, *, inbound: bool, barrier: bool) -> Gate:
    zones = (ZoneId("OLD"),)
    return Gate(GateId(name), LinkId("Z"), 25.0, (0.0, 41.1), inbound, zones, name, barrier)


def device_road() -> SingleMap:
    """Make the map: links M0 to M4 of road A1 (110 km/h), ramp R, street Z into the zone."""
    names = [f"M{row}" for row in range(6)]
    links = [
        _link(f"M{row}", (names[row], names[row + 1]), 110.0, 3, "A1", row) for row in range(5)
    ]
    links.append(_link("R", ("Q", "M1"), 60.0, 1, "", 7))
    links.append(_link("Z", ("Q", "Y"), 30.0, 1, "", 9))
    nodes = [Node(NodeId(name), (row * 0.01, 41.0)) for row, name in enumerate((*names, "Q", "Y"))]
    return build_map(
        name="device road",
        timezone="UTC",
        nodes=nodes,
        links=links,
        gates=(
            _gate("GI", inbound=True, barrier=True),
            _gate("GO", inbound=False, barrier=True),
            _gate("GC", inbound=True, barrier=False),
        ),
        zones=(Zone(ZoneId("OLD"), "access", (LinkId("Z"),), "Old town"),),
        features=(
            _beside("S1", Layer.SIGN, "M0", 700.0),
            _beside("S2", Layer.SIGN, "M2", 100.0),
            _beside("S3", Layer.SIGN, "M3", 700.0),
            _beside("RM", Layer.RAMP_METER, "R", 790.0),
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
