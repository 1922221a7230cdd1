"""A SUMO network as a map."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Final

from pyproj import Transformer
from pyproj.exceptions import ProjError

from twin.errors import MapError
from twin.ids import LaneId, LinkId, MovementId, NodeId
from twin.network.build import build_map
from twin.network.model import (
    Junction,
    Lane,
    Link,
    LinkClass,
    Movement,
    Node,
    Point,
    SingleMap,
    TurnKind,
)
from twin.network.quality import Findings, QualityReport, Severity
from twin.network.sumo.detectors import lane_number, place_sensors
from twin.network.sumo.net import NetConnection, NetEdge, NetFile, Xy, read_net
from twin.network.sumo.programs import SignalDesign, signal_design, with_movements
from twin.network.sumo.read_roadside import Roadside, read_roadside
from twin.units import vps_from_vph

LANE_CAPACITY_VPS: Final = 0.5
_NOWHERE: Final = "+proj=aeqd +lat_0=0 +lon_0=0 +ellps=WGS84 +units=m"
_CLASSES: Final[tuple[tuple[str, LinkClass], ...]] = (
    ("motorway_link", LinkClass.RAMP),
    ("trunk_link", LinkClass.RAMP),
    ("motorway", LinkClass.MOTORWAY),
    ("trunk", LinkClass.MOTORWAY),
    ("primary", LinkClass.ARTERIAL),
    ("secondary", LinkClass.ARTERIAL),
    ("tertiary", LinkClass.COLLECTOR),
    ("residential", LinkClass.LOCAL),
    ("service", LinkClass.LOCAL),
    ("living_street", LinkClass.LOCAL),
)
_TURNS: Final = {
    "s": TurnKind.THRU,
    "l": TurnKind.LEFT,
    "r": TurnKind.RIGHT,
    "t": TurnKind.UTURN,
}

Ways = dict[MovementId, list[NetConnection]]


def is_sumo(path: Path) -> bool:
    """Say whether a name is that of a network of SUMO."""
    return path.name.endswith((".net.xml", ".net.xml.gz"))


def read_sumo_net(
    path: Path, *, additional: Iterable[Path] = (), timezone: str = "UTC", name: str = ""
) -> tuple[SingleMap, QualityReport]:
    """Read a .net.xml (or .gz) with its signals into a map; `additional` files may replace them.

    Loops and bus stops of the additional files are taken over; where there are no loops, some are
    placed before every signal. Raises MapError when the file is no network of SUMO.
    """
    files = tuple(additional)
    return map_from_net(
        read_net(path, additional=files),
        timezone=timezone,
        name=name or path.name.removesuffix(".gz").removesuffix(".net.xml"),
        additional=files,
    )


def designs_of(net: NetFile) -> dict[str, SignalDesign]:
    """Return the traffic lights of a net that can be run by stages, and that cars pass."""
    designs = {tl: signal_design(net, program) for tl, program in net.programs.items()}
    ends = {node for edge in _roads(net).values() for node in (edge.from_node, edge.to_node)}
    return {tl: one for tl, one in designs.items() if one is not None and one.junction.node in ends}


def _roads(net: NetFile) -> dict[str, NetEdge]:
    return {
        edge.id: edge for edge in net.edges.values() if edge.function == "" and edge.motor_lanes
    }


def map_from_net(
    net: NetFile, *, timezone: str, name: str, additional: Iterable[Path] = ()
) -> tuple[SingleMap, QualityReport]:
    """Turn a net that was read into a map, with the loops and stops of additional files."""
    findings = Findings()
    to_point = _projection(net)
    if net.projection == "!":
        findings.add(
            "no_projection",
            "config",
            "the net has no geographic reference: it is laid around 0 N 0 E",
            severity=Severity.WARNING,
        )
    edges = _roads(net)
    if not edges:
        message = f"{name}: no edge is for motor vehicles"
        raise MapError(message)
    links = {edge.id: _link(net, edge, to_point) for edge in edges.values()}
    designs = designs_of(net)
    beside = read_roadside(additional, links)
    movements, ways = _movements(net, edges, designs)
    network = build_map(
        name=name,
        timezone=timezone,
        nodes=_nodes(net, links.values(), to_point),
        links=links.values(),
        lanes=[lane for edge in edges.values() for lane in _lanes(edge)],
        movements=movements,
        junctions=[_junction(design, ways) for design in designs.values()],
        sensors=beside.sensors or place_sensors(net, designs, links),
        tables=beside.tables,
        meta=(("source", "SUMO"),),
    )
    _report(net, designs, findings)
    _report_roadside(beside, network, findings)
    return network, findings.report(network)


def _nodes(net: NetFile, links: Iterable[Link], to_point: Callable[[Xy], Point]) -> list[Node]:
    used = {node for link in links for node in (link.from_node, link.to_node)}
    return [
        Node(NodeId(node.id), to_point(node.xy), control=_control(node.kind))
        for node in net.junctions.values()
        if node.id in used
    ]


def _lanes(edge: NetEdge) -> list[Lane]:
    """Return the lanes for motor vehicles, leftmost first."""
    return [
        Lane(LaneId(lane.id), LinkId(edge.id), lane_number(edge, lane), lane.width_m, lane.allow)
        for lane in reversed(edge.motor_lanes)
    ]


def _report(net: NetFile, designs: dict[str, SignalDesign], findings: Findings) -> None:
    findings.add(
        "signals_not_stages",
        "junction",
        "its program has no stages, the net names no foes there, or no car passes: it keeps its "
        "own program",
        severity=Severity.WARNING,
        ids=[tl for tl in net.programs if tl not in designs],
    )
    findings.add(
        "offset_guessed",
        "junction",
        "its program counts from the begin of a run: its offset is taken as 0 s",
        severity=Severity.WARNING,
        ids=[tl for tl in designs if not net.programs[tl].offset_told],
    )
    findings.add(
        "plan_lengthened",
        "junction",
        "a step of its program is too short for its intergreen and minimum green",
        severity=Severity.WARNING,
        ids=[note for design in designs.values() for note in design.notes],
    )


def _report_roadside(beside: Roadside, network: SingleMap, findings: Findings) -> None:
    findings.add(
        "loops_placed",
        "sensor",
        "no loops were given: these stand where loops are usual before a signal",
        severity=Severity.WARNING,
        ids=[] if beside.sensors else [str(one.id) for one in network.sensors],
    )
    findings.add(
        "period_guessed",
        "sensor",
        "the loop says no period: it is taken to report every minute",
        severity=Severity.WARNING,
        ids=beside.no_period,
    )
    findings.add(
        "beside_no_link",
        "sensor",
        "the loop or stop stands on no link of the map and is left out",
        severity=Severity.WARNING,
        ids=beside.unplaced,
    )


def _projection(net: NetFile) -> Callable[[Xy], Point]:
    try:
        there = Transformer.from_crs(
            _NOWHERE if net.projection == "!" else net.projection, "EPSG:4326", always_xy=True
        )
    except ProjError as error:
        message = f"projection {net.projection!r} is not known ({error})"
        raise MapError(message) from error
    shift_x, shift_y = (0.0, 0.0) if net.projection == "!" else net.offset

    def to_point(xy: Xy) -> Point:
        lon, lat = there.transform(xy[0] - shift_x, xy[1] - shift_y)
        return float(lon), float(lat)

    return to_point


def _link(net: NetFile, edge: NetEdge, to_point: Callable[[Xy], Point]) -> Link:
    lanes = edge.motor_lanes
    ends = tuple(
        net.junctions[node].xy for node in (edge.from_node, edge.to_node) if node in net.junctions
    )
    shape = edge.shape if len(edge.shape) >= 2 else ends
    if len(set(shape)) < 2:
        shape = lanes[0].shape
    length_m = max(lane.length_m for lane in lanes)
    if not length_m > 0:
        message = f"edge {edge.id!r}: length = {length_m:g} m must be above 0"
        raise MapError(message)
    capacity_vps = _capacity_vps(edge)
    return Link(
        id=LinkId(edge.id),
        from_node=NodeId(edge.from_node),
        to_node=NodeId(edge.to_node),
        line=tuple(point for point, _ in groupby(to_point(xy) for xy in shape)),
        length_m=length_m,
        lanes=len(lanes),
        free_speed_mps=max(lane.speed_mps for lane in lanes),
        capacity_vps=LANE_CAPACITY_VPS * len(lanes) if capacity_vps is None else capacity_vps,
        link_class=_class(edge),
        name=edge.name,
        road=edge.params.get("road", edge.name if capacity_vps is None else ""),
        authority=edge.params.get("authority", ""),
        guessed=("capacity",) if capacity_vps is None else (),
    )


def _capacity_vps(edge: NetEdge) -> float | None:
    """Return the capacity that this program wrote beside the edge, if it did."""
    try:
        return vps_from_vph(float(edge.params["capacity_vph"]))
    except (KeyError, ValueError):
        return None


def _class(edge: NetEdge) -> LinkClass:
    for word, found in _CLASSES:
        if word in edge.kind:
            return found
    fast = max(lane.speed_mps for lane in edge.motor_lanes)
    if fast > 25.0:
        return LinkClass.MOTORWAY
    return LinkClass.ARTERIAL if fast > 13.0 else LinkClass.LOCAL


def _control(kind: str) -> str:
    return "signal" if kind.startswith("traffic_light") else ""


def _movements(
    net: NetFile, edges: dict[str, NetEdge], designs: dict[str, SignalDesign]
) -> tuple[list[Movement], Ways]:
    """Return one movement for each way between two edges, and for each signal group apart."""
    group_of = {
        (tl, at): name
        for tl, design in designs.items()
        for name, group in design.groups.items()
        if not name.endswith("p")
        for at in group.links
    }
    bundles: dict[tuple[str, str, str], list[NetConnection]] = defaultdict(list)
    for one in net.connections:
        if one.from_edge in edges and one.to_edge in edges:
            group = group_of.get((one.tl, one.index), "")
            bundles[one.from_edge, one.to_edge, group].append(one)
    apart: dict[tuple[str, str], int] = defaultdict(int)
    for before, after, _ in bundles:
        apart[before, after] += 1
    movements, ways = [], {}
    for (before, after, group), connections in bundles.items():
        several = apart[before, after] > 1
        told = {one.movement for one in connections}
        name = MovementId(
            min(told)
            if len(told) == 1 and "" not in told and not several
            else f"{before}>{after}" + (f"/{group}" if several else "")
        )
        ways[name] = connections
        movements.append(_movement(name, connections, edges[before], edges[after]))
    return movements, ways


def _movement(
    name: MovementId, ways: list[NetConnection], before: NetEdge, after: NetEdge
) -> Movement:
    from_lanes = sorted({_number(before, one.from_lane) for one in ways})
    to_lanes = sorted({_number(after, one.to_lane) for one in ways})
    return Movement(
        id=name,
        node=NodeId(before.to_node),
        from_link=LinkId(before.id),
        to_link=LinkId(after.id),
        kind=_TURNS.get(ways[0].turn, TurnKind.THRU),
        from_lanes=(from_lanes[0], from_lanes[-1]),
        to_lanes=(to_lanes[0], to_lanes[-1]),
        control="signal" if ways[0].tl else "",
    )


def _number(edge: NetEdge, index: int) -> int:
    lane = next((lane for lane in edge.motor_lanes if lane.index == index), edge.motor_lanes[0])
    return lane_number(edge, lane)


def _junction(design: SignalDesign, ways: Ways) -> Junction:
    of_link = {
        one.index: name
        for name, connections in ways.items()
        for one in connections
        if one.tl == design.junction.id
    }
    return with_movements(design, of_link)
