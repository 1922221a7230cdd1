"""What stands in a SUMO network file, in SUMO's own words."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, cast
from xml.etree import ElementTree as Xml

from twin.errors import MapError

Xy = tuple[float, float]

WALKING: Final = frozenset({"crossing", "walkingarea"})
_MOTOR: Final = frozenset({"passenger", "private", "taxi", "bus", "truck", "delivery", "tram"})
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class NetLane:
    """One lane; `motor` says whether cars, buses or trucks may use it."""

    id: str
    index: int
    speed_mps: float
    length_m: float
    shape: tuple[Xy, ...]
    motor: bool
    width_m: float | None = None
    allow: str = ""


@dataclass(frozen=True, slots=True)
class NetEdge:
    """One edge with its lanes, rightmost first. `function` is empty for an ordinary road."""

    id: str
    from_node: str
    to_node: str
    function: str
    kind: str
    name: str
    shape: tuple[Xy, ...]
    lanes: tuple[NetLane, ...]
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def motor_lanes(self) -> tuple[NetLane, ...]:
        """The lanes for motor vehicles, rightmost first."""
        return tuple(lane for lane in self.lanes if lane.motor)


@dataclass(frozen=True, slots=True)
class NetJunction:
    """One node. `foes` has, for each connection over it in order, the indices of its foes."""

    id: str
    kind: str
    xy: Xy
    foes: tuple[frozenset[int], ...]
    lanes: tuple[str, ...]
    inner: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetConnection:
    """One connection; `tl` and `index` are its place in a traffic light, empty and -1 without."""

    from_edge: str
    to_edge: str
    from_lane: int
    to_lane: int
    via: str
    tl: str
    index: int
    turn: str
    movement: str = ""


@dataclass(frozen=True, slots=True)
class NetPhase:
    """One phase: seconds, the state with one letter a link index, and the least seconds if told."""

    seconds: float
    state: str
    least_s: float | None = None


@dataclass(frozen=True, slots=True)
class NetProgram:
    """One program of a traffic light. `offset_told`: no, when it counts from SUMO's begin."""

    tl: str
    program: str
    kind: str
    offset_s: float
    phases: tuple[NetPhase, ...]
    offset_told: bool = True

    @property
    def cycle_s(self) -> float:
        """The seconds of all phases together."""
        return sum(phase.seconds for phase in self.phases)


@dataclass
class NetFile:
    """Everything of one file that a map can say; `programs` has the active one of each light."""

    projection: str = "!"
    offset: Xy = (0.0, 0.0)
    edges: dict[str, NetEdge] = field(default_factory=dict)
    junctions: dict[str, NetJunction] = field(default_factory=dict)
    connections: list[NetConnection] = field(default_factory=list)
    programs: dict[str, NetProgram] = field(default_factory=dict)

    def signalled(self, tl: str) -> list[NetConnection]:
        """Return the connections that a traffic light rules, by link index."""
        return sorted((one for one in self.connections if one.tl == tl), key=lambda one: one.index)

    def knows_foes(self, tl: str) -> bool:
        """Say whether the matrices of the junctions name all links that a traffic light rules.

        A junction without right of way (`traffic_light_unregulated`) has no matrix.
        """
        return all(row < len(self.junctions[node].foes) for node, row in self._places(tl).values())

    def foe_pairs(self, tl: str) -> frozenset[tuple[int, int]]:
        """Return the pairs of link indices (both ways) whose connections are foes."""
        places = self._places(tl)
        return frozenset(
            (one, other)
            for one, (node, row) in places.items()
            for other, (there, column) in places.items()
            if one != other
            and node == there
            and (column in self._foes(node, row) or row in self._foes(node, column))
        )

    def _foes(self, node: str, row: int) -> frozenset[int]:
        foes = self.junctions[node].foes
        return foes[row] if row < len(foes) else frozenset()

    def _places(self, tl: str) -> dict[int, tuple[str, int]]:
        """Return for each link index its junction and its row in the matrix of that junction."""
        rows = _request_rows(self)
        found = {}
        for one in self.signalled(tl):
            key = (one.from_edge, one.from_lane, one.to_edge, one.to_lane)
            if key in rows:
                found[one.index] = rows[key]
        return found


Key = tuple[str, int, str, int]


def _request_rows(net: NetFile) -> dict[Key, tuple[str, int]]:
    """Return for each connection (lane to lane) its junction and row in the request matrix.

    SUMO numbers the requests of a junction by its incoming lanes in their order, and for each lane
    by its connections in the order of the file; crossings follow, in the order of their links.
    """
    leaving: dict[tuple[str, int], list[NetConnection]] = {}
    for one in net.connections:
        leaving.setdefault((one.from_edge, one.from_lane), []).append(one)
    lanes = {lane.id: (edge.id, lane.index) for edge in net.edges.values() for lane in edge.lanes}
    rows: dict[Key, tuple[str, int]] = {}
    for junction in net.junctions.values():
        row = 0
        for lane in junction.lanes:
            place = lanes.get(lane)
            if place is None or net.edges[place[0]].function == "internal":
                continue
            for one in leaving.get(place, []):
                target = net.edges.get(one.to_edge)
                if target is None or net.edges[place[0]].function in WALKING:
                    continue
                if target.function in WALKING:
                    continue
                rows[one.from_edge, one.from_lane, one.to_edge, one.to_lane] = (junction.id, row)
                row += 1
        for key in _crossings(net, junction, leaving):
            rows[key] = (junction.id, row)
            row += 1
    return rows


def _crossings(
    net: NetFile, junction: NetJunction, leaving: Mapping[tuple[str, int], list[NetConnection]]
) -> Iterator[Key]:
    """Yield the ways onto the crossings of a junction, in the order of its inner lanes."""
    for inner in junction.inner:
        edge = inner.rpartition("_")[0]
        if edge not in net.edges or net.edges[edge].function != "crossing":
            continue
        onto = [
            one
            for ways in leaving.values()
            for one in ways
            if one.to_edge == edge and one.index >= 0
        ]
        if onto:
            yield onto[0].from_edge, onto[0].from_lane, onto[0].to_edge, onto[0].to_lane


def read_net(path: Path, *, additional: Iterable[Path] = ()) -> NetFile:
    """Read a .net.xml or .net.xml.gz; programs in `additional` files replace the net's own.

    Raises MapError when the file cannot be read, is not well-formed or has no edges.
    """
    net = NetFile()
    try:
        for element in _elements(path):
            _take(net, element)
        for more in additional:
            for element in _elements(more):
                if element.tag == "tlLogic":
                    _take(net, element)
    except UNREADABLE as error:
        message = f"{path}: is not a network of SUMO ({type(error).__name__}: {error})"
        raise MapError(message) from error
    if not net.edges:
        message = f"{path}: has no edges"
        raise MapError(message)
    _refuse_torn(net, path)
    return net


def _refuse_torn(net: NetFile, path: Path) -> None:
    """Refuse what SUMO would refuse, too: edges that are not there, states that do not fit."""
    inner = (one for one in net.connections if one.from_edge[:1] == ":")
    unknown = {id(one) for one in inner if one.from_edge not in net.edges}  # SUMO passes them by
    net.connections = [one for one in net.connections if id(one) not in unknown]
    for one in net.connections:
        for edge in (one.from_edge, one.to_edge):
            if edge not in net.edges:
                message = f"{path}: a connection names the edge {edge!r}, which is not there"
                raise MapError(message)
        program = net.programs.get(one.tl)
        if program is not None and not 0 <= one.index < len(program.phases[0].state):
            message = f"{path}: tlLogic {one.tl!r} has no light for its link {one.index}"
            raise MapError(message)


UNREADABLE: Final = (
    *(OSError, EOFError, zlib.error, Xml.ParseError),
    *(ValueError, KeyError, IndexError),
)
"""What reading a file of SUMO raises when it is missing, cut off, or not what its name says."""
_WHOLE: Final = frozenset({"location", "edge", "junction", "connection", "tlLogic"})


def _elements(path: Path) -> Iterator[Xml.Element]:
    """Yield the elements of interest, each whole, without keeping the file in memory."""
    with opened(path) as file:
        depth = 0
        for event, element in Xml.iterparse(file, events=("start", "end")):
            depth += 1 if event == "start" else -1
            if event == "end" and depth == 1:
                if element.tag in _WHOLE:
                    yield element
                element.clear()


def opened(path: Path) -> IO[bytes]:
    """Open a file of SUMO, packed with gzip or not. Raises OSError when there is none."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    opened = gzip.open(path) if packed else path.open("rb")  # noqa: SIM115 - the caller closes it
    return cast("IO[bytes]", opened)


def _take(net: NetFile, element: Xml.Element) -> None:
    attributes = element.attrib
    if element.tag == "edge":
        edge = _edge(element)
        net.edges[edge.id] = edge
    elif element.tag == "junction" and attributes.get("type") != "internal":
        junction = _junction(element)
        net.junctions[junction.id] = junction
    elif element.tag == "connection":
        net.connections.append(_connection(element))
    elif element.tag == "tlLogic":
        program = _program(element)
        if program.phases:
            net.programs[program.tl] = program
    elif element.tag == "location":
        net.projection = attributes.get("projParameter", "!")
        net.offset = _shape(attributes.get("netOffset", "0,0"))[0]


def _edge(element: Xml.Element) -> NetEdge:
    attributes = element.attrib
    lanes = tuple(_lane(lane.attrib) for lane in element.iter("lane"))
    return NetEdge(
        id=attributes["id"],
        from_node=attributes.get("from", ""),
        to_node=attributes.get("to", ""),
        function=attributes.get("function", ""),
        kind=attributes.get("type", ""),
        name=attributes.get("name", ""),
        shape=_shape(attributes.get("shape", "")),
        lanes=tuple(sorted(lanes, key=lambda lane: lane.index)),
        params=_params(element),
    )


def _params(element: Xml.Element) -> dict[str, str]:
    """Return the `param`s of an element itself, not of its lanes."""
    return {one.attrib["key"]: one.attrib.get("value", "") for one in element.findall("param")}


def _lane(attributes: Mapping[str, str]) -> NetLane:
    allow = attributes.get("allow", "")
    disallow = set(attributes.get("disallow", "").split())
    allowed = set(allow.split()) if allow else _MOTOR - disallow
    barred = allow == "" and "all" in disallow
    return NetLane(
        id=attributes["id"],
        index=int(attributes["index"]),
        speed_mps=float(attributes["speed"]),
        length_m=float(attributes["length"]),
        shape=_shape(attributes.get("shape", "")),
        motor=bool(allowed & _MOTOR or "all" in allowed) and not barred,
        width_m=float(attributes["width"]) if "width" in attributes else None,
        allow=allow,
    )


def _junction(element: Xml.Element) -> NetJunction:
    attributes = element.attrib
    foes = {
        int(request.attrib["index"]): frozenset(
            at for at, letter in enumerate(reversed(request.attrib["foes"])) if letter == "1"
        )
        for request in element.iter("request")
    }
    return NetJunction(
        id=attributes["id"],
        kind=attributes.get("type", ""),
        xy=(float(attributes["x"]), float(attributes["y"])),
        foes=tuple(foes.get(at, frozenset()) for at in range(len(foes))),
        lanes=tuple(attributes.get("incLanes", "").split()),
        inner=tuple(attributes.get("intLanes", "").split()),
    )


def _connection(element: Xml.Element) -> NetConnection:
    attributes = element.attrib
    return NetConnection(
        from_edge=attributes["from"],
        to_edge=attributes["to"],
        from_lane=int(attributes["fromLane"]),
        to_lane=int(attributes["toLane"]),
        via=attributes.get("via", ""),
        tl=attributes.get("tl", ""),
        index=int(attributes.get("linkIndex", -1)),
        turn=attributes.get("dir", "").lower(),
        movement=_params(element).get("movement", ""),
    )


def _program(element: Xml.Element) -> NetProgram:
    attributes = element.attrib
    offset = attributes.get("offset", "") or "0"
    program = NetProgram(
        tl=attributes["id"],
        program=attributes.get("programID", "0"),
        kind=attributes.get("type", "static"),
        offset_s=0.0 if offset == "begin" else float(offset),
        phases=tuple(
            NetPhase(
                seconds=float(phase.attrib["duration"]),
                state=phase.attrib["state"],
                least_s=float(phase.attrib["minDur"]) if "minDur" in phase.attrib else None,
            )
            for phase in element.iter("phase")
        ),
        offset_told=offset != "begin",
    )
    if any(phase.seconds <= 0 for phase in program.phases):
        message = f"tlLogic {program.tl!r} has a phase of no length"
        raise ValueError(message)
    if len({len(phase.state) for phase in program.phases}) > 1:
        message = f"the states of tlLogic {program.tl!r} differ in length"
        raise ValueError(message)
    return program


def _shape(text: str) -> tuple[Xy, ...]:
    points = (word.split(",") for word in text.split())
    return tuple((float(parts[0]), float(parts[1])) for parts in points)
