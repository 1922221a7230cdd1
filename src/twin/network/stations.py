"""A map from a list of detector stations: one link per station along its road.

The stations of one road are put in order by projecting them on the direction of the road. Each
station gets the stretch from half way to the station before it to half way to the station after
it. Geometry, length, lanes, speed and capacity are guessed, and marked so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from twin.errors import MapError
from twin.ids import LinkId, MovementId, NodeId, SensorId
from twin.network.build import build_map
from twin.network.geometry import distance_m, line_length_m
from twin.network.model import (
    Line,
    Link,
    LinkClass,
    Movement,
    Node,
    Point,
    Sensor,
    SingleMap,
    TurnKind,
)
from twin.network.quality import Findings, QualityReport, Severity
from twin.units import mps_from_kph, vps_from_vph

LANES: Final = 3
FREE_SPEED_MPS: Final = mps_from_kph(105.0)
LANE_CAPACITY_VPS: Final = vps_from_vph(2000.0)
END_M: Final = 400.0  # how far the first and the last link of a road reach beyond their station
_SHORTEST_M: Final = 20.0  # two stations on one spot still get a link each
_FAR_APART_M: Final = 8000.0  # so far between neighbours the line between them is doubtful
_COMPASS: Final[dict[str, Point]] = {
    "N": (0.0, 1.0),
    "S": (0.0, -1.0),
    "E": (1.0, 0.0),
    "W": (-1.0, 0.0),
}
_GUESSED: Final = ("geometry", "length", "lanes", "free_speed", "capacity")


@dataclass(frozen=True, slots=True)
class Station:
    """A detector station: its id, where it stands, and on which carriageway (`I110-N`).

    `name` becomes the name of its link; without one the link is called as its road.
    """

    id: str
    lat: float
    lon: float
    road: str
    period_s: float = 300.0
    name: str = ""


def map_from_stations(
    stations: Iterable[Station], *, name: str, timezone: str
) -> tuple[SingleMap, QualityReport]:
    """Return a map with one link and one sensor per station, and what is doubtful about it.

    A link has the id of its station; a road's last letter (N, S, E, W) gives its direction, a
    road without one runs along the longest axis of its stations. MapError when there is no station
    or two have one id.
    """
    given = list(stations)
    if not given:
        message = "a map needs at least one station"
        raise MapError(message)
    by_road: dict[str, list[Station]] = defaultdict(list)
    for station in given:
        if not (abs(station.lat) <= 90.0 and abs(station.lon) <= 180.0):
            message = f"station {station.id!r}: lat {station.lat}, lon {station.lon} is off earth"
            raise MapError(message)
        by_road[str(station.road)].append(station)
    findings = Findings()
    findings.add(
        "road_missing",
        "station",
        "no road is named; the stations without one are taken as one road",
        severity=Severity.WARNING,
        ids=[str(one.id) for one in by_road.get("", ())],
    )
    roads = [_Road(road, by_road[road], findings) for road in by_road]
    order = {str(station.id): row for row, station in enumerate(given)}
    links = sorted((link for road in roads for link in road.links), key=lambda one: order[one.id])
    sensors = sorted((one for road in roads for one in road.sensors), key=lambda one: order[one.id])
    network = build_map(
        name=name,
        timezone=timezone,
        nodes=[node for road in roads for node in road.nodes],
        links=links,
        movements=[movement for road in roads for movement in road.movements],
        sensors=sensors,
    )
    return network, findings.report(network)


class _Road:
    """The nodes, links, movements and sensors of one carriageway."""

    def __init__(self, name: str, stations: list[Station], findings: Findings) -> None:
        self.name = name
        ordered = _ordered(name, stations)
        places: list[Point] = [(float(one.lon), float(one.lat)) for one in ordered]
        cuts = _cuts(places, _direction(name, places))
        self.nodes = [
            Node(NodeId(f"{name}:{row}"), cut, kind="between_stations")
            for row, cut in enumerate(cuts)
        ]
        self.links = [
            self._link(station, row, (cuts[row], places[row], cuts[row + 1]))
            for row, station in enumerate(ordered)
        ]
        self.sensors = [
            self._sensor(station, link) for station, link in zip(ordered, self.links, strict=True)
        ]
        self.movements = [
            Movement(
                id=MovementId(f"{before.id}>{after.id}"),
                node=before.to_node,
                from_link=before.id,
                to_link=after.id,
                kind=TurnKind.THRU,
            )
            for before, after in pairwise(self.links)
        ]
        self._report(findings, ordered, places)

    def _link(self, station: Station, row: int, line: Line) -> Link:
        return Link(
            id=LinkId(str(station.id)),
            from_node=self.nodes[row].id,
            to_node=self.nodes[row + 1].id,
            line=line,
            length_m=max(line_length_m(line), _SHORTEST_M),
            lanes=LANES,
            free_speed_mps=FREE_SPEED_MPS,
            capacity_vps=LANE_CAPACITY_VPS * LANES,
            link_class=LinkClass.MOTORWAY,
            name=station.name or self.name,
            road=self.name,
            guessed=_GUESSED,
        )

    def _sensor(self, station: Station, link: Link) -> Sensor:
        return Sensor(
            id=SensorId(str(station.id)),
            link=link.id,
            position_m=min(distance_m(link.line[0], link.line[1]), link.length_m),
            point=(float(station.lon), float(station.lat)),
            period_s=station.period_s,
            kind="loop",
            lanes=LANES,
            station=str(station.id),
        )

    def _report(
        self, findings: Findings, ordered: Sequence[Station], places: Sequence[Point]
    ) -> None:
        gaps_m = [distance_m(before, after) for before, after in pairwise(places)]
        findings.add(
            "far_apart",
            "station",
            f"more than {_FAR_APART_M / 1000:.0f} km to the next station of its road",
            severity=Severity.WARNING,
            ids=[
                str(one.id)
                for one, gap_m in zip(ordered, gaps_m, strict=False)
                if gap_m > _FAR_APART_M
            ],
        )
        findings.add(
            "close_together",
            "station",
            f"less than {_SHORTEST_M:.0f} m to the next station of its road",
            severity=Severity.WARNING,
            ids=[
                str(one.id)
                for one, gap_m in zip(ordered, gaps_m, strict=False)
                if gap_m < _SHORTEST_M
            ],
        )


def _ordered(road: str, stations: list[Station]) -> list[Station]:
    """Put the stations of a road in driving order; equal places in the order of their ids."""
    places: list[Point] = [(float(one.lon), float(one.lat)) for one in stations]
    east, north = _direction(road, places)
    squeeze = math.cos(math.radians(places[0][1]))

    def along(station: Station) -> tuple[float, str]:
        return station.lon * squeeze * east + station.lat * north, str(station.id)

    return sorted(stations, key=along)


def _direction(road: str, places: Sequence[Point]) -> Point:
    """Return the unit vector (east, north) along which a road runs.

    The axis is the one along which its stations spread most; the letter at the end of its name
    says which way it is driven (an I5-N that leans to the west still goes north).
    """
    east, north = _main_axis(places)
    said = _COMPASS.get(road.rpartition("-")[2].upper())
    if said is None:
        return east, north
    along = east * said[0] + north * said[1]
    if abs(along) < math.cos(math.radians(80.0)):  # the letter says nothing about this axis
        return said
    return (east, north) if along > 0.0 else (-east, -north)


def _main_axis(places: Sequence[Point]) -> Point:
    squeeze = math.cos(math.radians(places[0][1]))
    middle_x = sum(lon for lon, _ in places) / len(places)
    middle_y = sum(lat for _, lat in places) / len(places)
    steps = [((lon - middle_x) * squeeze, lat - middle_y) for lon, lat in places]
    xx, yy = sum(x * x for x, _ in steps), sum(y * y for _, y in steps)
    xy = sum(x * y for x, y in steps)
    angle = 0.5 * math.atan2(2.0 * xy, xx - yy)
    return math.cos(angle), math.sin(angle)


def _cuts(places: Sequence[Point], direction: Point) -> list[Point]:
    """Return where the links of a road begin and end: half way between its stations."""
    middles = [
        ((before[0] + after[0]) / 2, (before[1] + after[1]) / 2)
        for before, after in pairwise(places)
    ]
    return [
        _beyond(places[0], direction, -END_M),
        *middles,
        _beyond(places[-1], direction, END_M),
    ]


def _beyond(place: Point, direction: Point, distance: float) -> Point:
    """Return the point that lies `distance` metres from a place along a direction."""
    metres_per_degree = 111_320.0
    squeeze = math.cos(math.radians(place[1]))
    return (
        place[0] + direction[0] * distance / (metres_per_degree * squeeze),
        place[1] + direction[1] * distance / metres_per_degree,
    )
