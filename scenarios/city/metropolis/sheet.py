"""The city being drawn in metres on a flat sheet: nodes, links, and ways over the nodes."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, field

from maker_common.lines import Spot, length_of, turn

from twin.ids import LaneId, LinkId, MovementId, NodeId
from twin.network.model import Lane, Link, LinkClass, Movement, Node, Point, TurnKind
from twin.units import mps_from_kph, vps_from_vph

LAT0_DEG = 41.18
LON0_DEG = -3.42
_M_PER_DEG_LAT = 111_132.92 - 559.82 * math.cos(2 * math.radians(LAT0_DEG))
_M_PER_DEG_LON = 111_412.84 * math.cos(math.radians(LAT0_DEG)) - 93.5 * math.cos(
    3 * math.radians(LAT0_DEG)
)
_TURN = cmath.rect(1.0, math.radians(52))  # clockwise: the motorway runs to the east-north-east
_STRAIGHT = math.radians(45)
_BACK = math.radians(150)


def to_wgs84(spot: Spot) -> Point:
    """Turn metres on the sheet into longitude and latitude, seven decimals (1 cm)."""
    east_m = spot[0] * _TURN.real + spot[1] * _TURN.imag
    north_m = spot[1] * _TURN.real - spot[0] * _TURN.imag
    return (
        round(LON0_DEG + east_m / _M_PER_DEG_LON, 7),
        round(LAT0_DEG + north_m / _M_PER_DEG_LAT, 7),
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """What all links of one kind have in common."""

    link_class: LinkClass
    speed_kph: float
    lane_vph: float
    authority: str


STATE = "Dirección General de Carreteras"
COUNCIL = "Ayuntamiento de Valdoria"
MOTORWAY = Kind(LinkClass.MOTORWAY, 110.0, 2000.0, STATE)
RAMP = Kind(LinkClass.RAMP, 60.0, 1500.0, STATE)
ARTERIAL = Kind(LinkClass.ARTERIAL, 50.0, 1800.0, COUNCIL)
ACCESS = Kind(LinkClass.ARTERIAL, 70.0, 1800.0, COUNCIL)
COLLECTOR = Kind(LinkClass.COLLECTOR, 45.0, 1400.0, COUNCIL)
LOCAL = Kind(LinkClass.LOCAL, 40.0, 900.0, COUNCIL)
LANE = Kind(LinkClass.LOCAL, 20.0, 500.0, COUNCIL)

Spans = tuple[tuple[int, int], tuple[int, int]]  # lanes left, lanes entered; 1 is the leftmost


@dataclass(slots=True)
class Sheet:
    """Nodes and links in the order in which they were drawn."""

    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    spots: dict[str, Spot] = field(default_factory=dict)
    lines: dict[str, tuple[Spot, ...]] = field(default_factory=dict)
    spans: dict[tuple[str, str], Spans] = field(default_factory=dict)

    def node(self, name: str, spot: Spot, *, title: str = "", zone: str = "") -> str:
        """Put a node on the sheet and return its id."""
        self.spots[name] = spot
        self.nodes[name] = Node(NodeId(name), to_wgs84(spot), name=title, zone=zone)
        return name

    def link(
        self,
        name: str,
        ends: tuple[str, str],
        kind: Kind,
        *,
        lanes: int = 1,
        title: str = "",
        road: str = "",
        via: tuple[Spot, ...] = (),
        uses: str = "",
    ) -> str:
        """Draw one carriageway from the first end to the second, through the spots of `via`."""
        line = (self.spots[ends[0]], *via, self.spots[ends[1]])
        self.lines[name] = line
        self.links[name] = Link(
            id=LinkId(name),
            from_node=NodeId(ends[0]),
            to_node=NodeId(ends[1]),
            line=tuple(to_wgs84(spot) for spot in line),
            length_m=round(length_of(line), 2),
            lanes=lanes,
            free_speed_mps=mps_from_kph(kind.speed_kph),
            capacity_vps=vps_from_vph(kind.lane_vph * lanes),
            link_class=kind.link_class,
            name=title,
            road=road,
            authority=kind.authority,
            allowed_uses=uses,
        )
        return name

    def street(
        self, name: str, ends: tuple[str, str], kind: Kind, *, lanes: int = 1, title: str = ""
    ) -> tuple[str, str]:
        """Draw a two-way street as two links, `name-a` and `name-b`."""
        forth = self.link(f"{name}-a", ends, kind, lanes=lanes, title=title)
        back = self.link(f"{name}-b", (ends[1], ends[0]), kind, lanes=lanes, title=title)
        return forth, back

    def lanes(self) -> tuple[Lane, ...]:
        """Make the lanes of all links, 3.5 m wide on motorways and 3.2 m in the city."""
        return tuple(
            Lane(
                id=LaneId(f"{link.id}/{number}"),
                link=link.id,
                number=number,
                width_m=3.5 if link.link_class is LinkClass.MOTORWAY else 3.2,
                allowed_uses=link.allowed_uses,
            )
            for link in self.links.values()
            for number in range(1, link.lanes + 1)
        )

    def movements(self) -> tuple[Movement, ...]:
        """Make every way over every node but turning back or from ramp to ramp."""
        leaving: dict[str, list[Link]] = {}
        for link in self.links.values():
            leaving.setdefault(link.from_node, []).append(link)
        found: list[Movement] = []
        for came in self.links.values():
            ways = [w for w in leaving.get(came.to_node, []) if self._may(came, w)]
            found += self._ways(came, ways)
        return tuple(found)

    def _may(self, came: Link, way: Link) -> bool:
        angle = turn(self.lines[came.id], self.lines[way.id])
        back = way.to_node == came.from_node or abs(angle) > _BACK
        ramps = came.link_class is LinkClass.RAMP and way.link_class is LinkClass.RAMP
        return not back and not (ramps and way.id.rsplit("-", 1)[0] != came.id.rsplit("-", 1)[0])

    def _ways(self, came: Link, ways: list[Link]) -> list[Movement]:
        kinds = [self._kind(came, way, alone=len(ways) == 1) for way in ways]
        weights = [_WEIGHT[kind] for kind in kinds]
        shares = [round(weight / sum(weights), 4) for weight in weights[:-1]]
        shares += [round(1.0 - sum(shares), 4)] if ways else []
        made = []
        for way, kind, share in zip(ways, kinds, shares, strict=True):
            leave, enter = self.spans.get((came.id, way.id)) or _spans(came, way, kind, kinds)
            made.append(
                Movement(
                    id=MovementId(f"{came.id}>{way.id}"),
                    node=came.to_node,
                    from_link=came.id,
                    to_link=way.id,
                    kind=kind,
                    from_lanes=leave,
                    to_lanes=enter,
                    share=share,
                )
            )
        return made

    def _kind(self, came: Link, way: Link, *, alone: bool) -> TurnKind:
        classes = {came.link_class, way.link_class}
        if LinkClass.MOTORWAY in classes and LinkClass.RAMP in classes:
            return TurnKind.DIVERGE if way.link_class is LinkClass.RAMP else TurnKind.MERGE
        angle = turn(self.lines[came.id], self.lines[way.id])
        if alone or abs(angle) < _STRAIGHT:
            return TurnKind.THRU
        return TurnKind.LEFT if angle > 0 else TurnKind.RIGHT


def _spans(came: Link, way: Link, kind: TurnKind, kinds: list[TurnKind]) -> Spans:
    """Give a turn its lane at the side, and what goes straight on all but a lane for the left."""
    lanes, room = came.lanes, way.lanes
    if len(kinds) == 1:
        return (1, lanes), (1, room)
    if kind is TurnKind.LEFT:
        return (1, 1), (1, 1)
    if kind is TurnKind.RIGHT:
        return (lanes, lanes), (room, room)
    first = 2 if lanes > 1 and TurnKind.LEFT in kinds else 1
    width = min(lanes - first + 1, room)
    return (lanes - width + 1, lanes), (room - width + 1, room)


_WEIGHT = {
    TurnKind.THRU: 0.66,
    TurnKind.LEFT: 0.15,
    TurnKind.RIGHT: 0.19,
    TurnKind.DIVERGE: 0.12,
    TurnKind.MERGE: 1.0,
    TurnKind.UTURN: 0.0,
}
