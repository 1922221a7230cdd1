"""A map being drawn in metres on a flat sheet, and turned into WGS84 at the end."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, field

from maker_common.lines import Spot, length_of, turn

from twin.ids import LaneId, LinkId, MovementId, NodeId
from twin.network.model import Lane, Line, Link, LinkClass, Movement, Node, Point, TurnKind
from twin.units import mps_from_kph, vps_from_vph

LAT0_DEG = 41.62
LON0_DEG = -4.31
_M_PER_DEG_LAT = 111_132.92 - 559.82 * math.cos(2 * math.radians(LAT0_DEG))
_M_PER_DEG_LON = 111_412.84 * math.cos(math.radians(LAT0_DEG)) - 93.5 * math.cos(
    3 * math.radians(LAT0_DEG)
)
_TURN = cmath.rect(1.0, math.radians(46))  # clockwise


def to_wgs84(spot: Spot) -> Point:
    """Turn metres on the sheet into longitude and latitude, seven decimals (1 cm).

    The sheet lies turned: the motorway runs to the north-east, which fills a wide screen.
    """
    east_m = spot[0] * _TURN.real + spot[1] * _TURN.imag
    north_m = spot[1] * _TURN.real - spot[0] * _TURN.imag
    lon = LON0_DEG + east_m / _M_PER_DEG_LON
    lat = LAT0_DEG + north_m / _M_PER_DEG_LAT
    return (round(lon, 7), round(lat, 7))


@dataclass(frozen=True, slots=True)
class Kind:
    """What all links of one kind have in common."""

    link_class: LinkClass
    speed_kph: float
    lane_vph: float
    authority: str


MOTORWAY = Kind(LinkClass.MOTORWAY, 110.0, 2000.0, "Dirección de Carreteras")
RAMP = Kind(LinkClass.RAMP, 60.0, 1500.0, "Dirección de Carreteras")
ARTERIAL = Kind(LinkClass.ARTERIAL, 50.0, 1800.0, "Ayuntamiento de Villaclara")
COLLECTOR = Kind(LinkClass.COLLECTOR, 40.0, 1400.0, "Ayuntamiento de Villaclara")
LOCAL = Kind(LinkClass.LOCAL, 20.0, 600.0, "Ayuntamiento de Villaclara")


@dataclass(slots=True)
class Draft:
    """Nodes and links in the order in which they were drawn."""

    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    spots: dict[str, Spot] = field(default_factory=dict)
    lines: dict[str, tuple[Spot, ...]] = field(default_factory=dict)

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
    ) -> str:
        """Draw one carriageway from the first end to the second, through the spots of `via`."""
        line = (self.spots[ends[0]], *via, self.spots[ends[1]])
        geometry: Line = tuple(to_wgs84(spot) for spot in line)
        self.lines[name] = line
        self.links[name] = Link(
            id=LinkId(name),
            from_node=NodeId(ends[0]),
            to_node=NodeId(ends[1]),
            line=geometry,
            length_m=round(length_of(line), 2),
            lanes=lanes,
            free_speed_mps=mps_from_kph(kind.speed_kph),
            capacity_vps=vps_from_vph(kind.lane_vph * lanes),
            link_class=kind.link_class,
            name=title,
            road=road,
            authority=kind.authority,
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
            )
            for link in self.links.values()
            for number in range(1, link.lanes + 1)
        )

    def movements(self) -> tuple[Movement, ...]:
        """Make every way over every node but turning back, with usual shares."""
        leaving: dict[str, list[Link]] = {}
        arriving: dict[str, list[Link]] = {}
        for link in self.links.values():
            leaving.setdefault(link.from_node, []).append(link)
            arriving.setdefault(link.to_node, []).append(link)
        found: list[Movement] = []
        for node in self.nodes:
            for came in arriving.get(node, []):
                ways = [w for w in leaving.get(node, []) if w.to_node != came.from_node]
                found += self._ways(came, ways, merging=len(arriving[node]) > 1)
        return tuple(found)

    def _ways(self, came: Link, ways: list[Link], *, merging: bool) -> list[Movement]:
        kinds = [self._turn(came, way, diverging=len(ways) > 1, merging=merging) for way in ways]
        weights = [_WEIGHT[kind] for kind in kinds]
        total = sum(weights)
        shares = [round(weight / total, 4) for weight in weights[:-1]]
        shares += [round(1.0 - sum(shares), 4)] if ways else []
        return [
            Movement(
                id=MovementId(f"{came.id}>{way.id}"),
                node=came.to_node,
                from_link=came.id,
                to_link=way.id,
                kind=kind,
                share=share,
            )
            for way, kind, share in zip(ways, kinds, shares, strict=True)
        ]

    def _turn(self, came: Link, way: Link, *, diverging: bool, merging: bool) -> TurnKind:
        ramps = {came.link_class, way.link_class}
        if LinkClass.MOTORWAY in ramps and LinkClass.RAMP in ramps:
            return TurnKind.DIVERGE if way.link_class is LinkClass.RAMP else TurnKind.MERGE
        if not diverging and not merging:
            return TurnKind.THRU
        angle = turn(self.lines[came.id], self.lines[way.id])
        if abs(angle) < math.radians(45):
            return TurnKind.THRU
        return TurnKind.LEFT if angle > 0 else TurnKind.RIGHT


_WEIGHT = {
    TurnKind.THRU: 0.70,
    TurnKind.LEFT: 0.13,
    TurnKind.RIGHT: 0.17,
    TurnKind.DIVERGE: 0.14,
    TurnKind.MERGE: 1.0,
    TurnKind.UTURN: 0.0,
}
