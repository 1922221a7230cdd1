"""Read what matters for roads out of an OpenStreetMap file, whatever the order of its objects.

The file is read twice: tags and node numbers first, then the places of the nodes. Node numbers
become rows (0, 1, ... by rising number), and all ways share one array of rows.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import osmium

from twin.errors import MapError
from twin.network.model import Line, Point
from twin.network.osm.roads import LeftOut, is_road, left_out

Tell = Callable[[str, int], None]  # what is being done, and how many are done
Box = tuple[float, float, float, float]  # west, south, east, north

_TOLD_EACH: Final = 5_000
_FOREIGN: Final = (
    RuntimeError,
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    osmium.InvalidLocationError,
)
_ANY_WAY: Final = b'<osm version="0.6"><way id="1"><nd ref="1"/></way></osm>'
_RAILS: Final = frozenset(["rail", "narrow_gauge", "subway", "light_rail", "tram", "monorail"])
_PREFIXES: Final = ("lanes", "maxspeed", "oneway", "bus", "psv", "access", "motor", "vehicle")
_KEPT: Final = frozenset(
    [
        "highway",
        "railway",
        "landuse",
        "route",
        "name",
        "ref",
        "junction",
        "area",
        "service",
        "motorroad",
        "construction",
        "opening_date",
        "source:maxspeed",
        "zone:maxspeed",
        "zone:traffic",
        "operator",
    ]
)
_NODE_KEYS: Final = ("highway", "railway", "barrier")
_NODE_KEPT: Final = frozenset(
    {*_NODE_KEYS, "crossing", "crossing:signals", "name", "ref", "direction"}
)
_ACCESS: Final = frozenset({"access", "vehicle", "motor_vehicle", "motorcar"})


@dataclass(frozen=True, slots=True)
class OsmWay:
    """One way: its tags, and where its nodes stand in the array of all rows."""

    id: int
    tags: dict[str, str]
    start: int
    end: int


@dataclass(slots=True)
class OsmRule:
    """A turn restriction as it stands in the file."""

    id: int
    tags: dict[str, str]
    from_ways: list[int] = field(default_factory=list)
    to_ways: list[int] = field(default_factory=list)
    via_nodes: list[int] = field(default_factory=list)
    via_ways: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Extract:
    """What was read.

    node_ids    (n,) int64 rising; lon, lat: (n,) float64 degrees, NaN where the file has no place
    inside      (n,) bool: has a place, and lies in the box if there is one
    rows        (sum of the ways' nodes,) int64 rows of nodes
    """

    ways: list[OsmWay]
    rows: npt.NDArray[np.int64]
    node_ids: npt.NDArray[np.int64]
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    inside: npt.NDArray[np.bool_]
    node_tags: dict[int, dict[str, str]]
    rules: list[OsmRule]
    left_out: dict[LeftOut, list[int]]
    twice: list[int]
    land_relations: list[int]

    def rows_of(self, way: OsmWay) -> list[int]:
        """Return the rows of a way's nodes, in the order of the way."""
        return [int(row) for row in self.rows[way.start : way.end]]

    def point(self, row: int) -> Point:
        """Return the longitude and latitude of a node."""
        return float(self.lon[row]), float(self.lat[row])

    def line(self, rows: Iterable[int]) -> Line:
        """Return the points of some nodes, none twice in a row."""
        points = [self.point(row) for row in rows]
        return tuple(point for at, point in enumerate(points) if at == 0 or point != points[at - 1])

    def row_of_node(self, node: int) -> int | None:
        """Return the row of a node by its number, None when no kept way uses it."""
        row = int(np.searchsorted(self.node_ids, node))
        return row if row < len(self.node_ids) and self.node_ids[row] == node else None


def read_extract(path: Path, *, box: Box | None, classes: frozenset[str], tell: Tell) -> Extract:
    """Read a file; of the roads only those whose highway value is in `classes`.

    MapError names the file and the reason when it is no OpenStreetMap file, broken or cut short.
    """
    file = osmium.io.File(str(path), _format_of(path))
    try:
        first = _FirstPass(classes, tell)
        first.read(file)
        node_ids, rows = np.unique(np.array(first.refs, np.int64), return_inverse=True)
        lon, lat = _places(file, node_ids, tell)
    except _FOREIGN as error:
        message = f"{path.name}: broken or cut short, nothing is imported: {_reason(error)}"
        raise MapError(message) from error
    inside = _inside(lon, lat, box)
    return Extract(
        ways=first.sorted_ways(),
        rows=rows,
        node_ids=node_ids,
        lon=lon,
        lat=lat,
        inside=inside,
        node_tags=_by_row(first.node_tags, node_ids),
        rules=sorted(first.rules, key=lambda rule: rule.id),
        left_out={
            reason: [way for way, place in ways if box is None or inside[rows[place]]]
            for reason, ways in first.left_out.items()
        },
        twice=first.twice,
        land_relations=first.land_relations,
    )


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _format_of(path: Path) -> str:
    """Return what a file is by its first bytes; its name may say anything."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise MapError(message) from error
    if head.startswith(b"\x1f\x8b"):
        return "osm.gz"
    if head.startswith(b"BZh"):
        return "osm.bz2"
    if b"OSMHeader" in head[:32]:
        return "pbf"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"<osm" in head:
        return "osm"
    what = "is empty" if not head else "is neither PBF nor XML of OpenStreetMap"
    message = f"{path.name}: {what}"
    raise MapError(message)


class _FirstPass:
    """Takes tags and node numbers of what is wanted; the rest is filtered before it gets here."""

    def __init__(self, classes: frozenset[str], tell: Tell) -> None:
        self.refs = array("q")
        self.node_tags: dict[int, dict[str, str]] = {}
        self.rules: list[OsmRule] = []
        self.left_out: dict[LeftOut, list[tuple[int, int]]] = {}  # ways, place of one of their refs
        self.twice: list[int] = []
        self.land_relations: list[int] = []
        self._ways: dict[int, tuple[int, OsmWay]] = {}
        self._classes = classes
        self._tell = tell

    def sorted_ways(self) -> list[OsmWay]:
        """Return the ways by rising number: nothing depends on their order in the file."""
        return [self._ways[number][1] for number in sorted(self._ways)]

    def read(self, file: osmium.io.File) -> None:
        """Read everything but places."""
        wanted = osmium.filter.KeyFilter("highway", "railway", "landuse", "route")
        wanted.enable_for(osmium.osm.WAY)
        nodes = osmium.filter.KeyFilter(*_NODE_KEYS)
        nodes.enable_for(osmium.osm.NODE)
        relations = osmium.filter.TagFilter(("type", "restriction"), ("type", "multipolygon"))
        relations.enable_for(osmium.osm.RELATION)
        everything = osmium.osm.NODE | osmium.osm.WAY | osmium.osm.RELATION
        processor = osmium.FileProcessor(file, everything)
        for one in (wanted, nodes, relations):
            processor.with_filter(one)
        for thing in processor:
            if isinstance(thing, osmium.osm.Changeset) or not thing.visible:
                continue
            if isinstance(thing, osmium.osm.Way):
                self._way(thing)
            elif isinstance(thing, osmium.osm.Node):
                self._node(thing)
            elif isinstance(thing, osmium.osm.Relation):
                self._relation(thing)

    def _way(self, way: osmium.osm.Way) -> None:
        highway = way.tags.get("highway")
        tags = _kept(way.tags)
        if not self._is_wanted(way, highway, tags):
            return
        before = self._ways.get(way.id)
        if before is not None:
            self.twice.append(way.id)
            if before[0] > way.version:
                return
        start = len(self.refs)
        self.refs.extend([node.ref for node in way.nodes])
        self._ways[way.id] = way.version, OsmWay(way.id, tags, start, len(self.refs))
        if len(self._ways) % _TOLD_EACH == 0:
            self._tell("ways read", len(self._ways))

    def _is_wanted(self, way: osmium.osm.Way, highway: str | None, tags: dict[str, str]) -> bool:
        beside = tags.get("railway") in _RAILS or "landuse" in tags or highway == "construction"
        if not is_road(highway, tags):
            return beside
        reason = left_out(tags)
        if reason is not None:
            if len(way.nodes):
                self.left_out.setdefault(reason, []).append((way.id, len(self.refs)))
                self.refs.append(way.nodes[0].ref)
            return beside
        return beside or (highway or "").removesuffix("_link") in self._classes

    def _node(self, node: osmium.osm.Node) -> None:
        tags = _text_of(node.tags, lambda key: key in _NODE_KEPT or key in _ACCESS)
        self.node_tags[node.id] = tags

    def _relation(self, relation: osmium.osm.Relation) -> None:
        tags = _text_of(relation.tags, lambda key: key.startswith(("type", "restr", "exc", "land")))
        if tags["type"] != "restriction":
            if "landuse" in tags:
                self.land_relations.append(relation.id)
            return
        rule = OsmRule(relation.id, tags)
        for member in relation.members:
            if member.role in {"from", "to"} and member.type == "w":
                (rule.from_ways if member.role == "from" else rule.to_ways).append(member.ref)
            elif member.role == "via":
                (rule.via_nodes if member.type == "n" else rule.via_ways).append(member.ref)
        self.rules.append(rule)


def _kept(tags: Any) -> dict[str, str]:
    return _text_of(tags, lambda key: key in _KEPT or key.startswith(_PREFIXES))


def _text_of(tags: Any, is_kept: Callable[[str], bool]) -> dict[str, str]:
    """Return the kept tags; a control character, which no map can carry, becomes a blank."""
    return {
        sys.intern(key): value if value.isprintable() else _printable(value)
        for key, value in tags
        if is_kept(key)
    }


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


Degrees = npt.NDArray[np.float64]


def _places(
    file: osmium.io.File, node_ids: npt.NDArray[np.int64], tell: Tell
) -> tuple[Degrees, Degrees]:
    """Return longitude and latitude of each node, NaN where the file has none."""
    lon, lat = np.full(len(node_ids), np.nan), np.full(len(node_ids), np.nan)
    negative = _negative_places(file) if len(node_ids) and node_ids[0] < 0 else {}
    table = osmium.index.create_map("flex_mem")
    with osmium.io.Reader(file, osmium.osm.NODE) as reader:
        keeper = osmium.NodeLocationsForWays(table)
        keeper.ignore_errors()
        osmium.apply(reader, keeper)
    # The table is searched by halves. The keeper puts nodes that came unsorted in order when it
    # meets a way, and this reader gave it none.
    with osmium.io.Reader(osmium.io.FileBuffer(_ANY_WAY, "osm")) as reader:
        osmium.apply(reader, keeper)
    for row, place in enumerate(_each_place(node_ids.tolist(), table, negative)):
        if place is not None and place.valid():
            lon[row], lat[row] = place.lon, place.lat
        if row % (_TOLD_EACH * 10) == 0:
            tell("places of nodes read", row)
    return lon, lat


def _each_place(
    numbers: list[int], table: osmium.index.LocationTable, negative: dict[int, osmium.osm.Location]
) -> Iterator[osmium.osm.Location | None]:
    for number in numbers:
        try:
            yield negative.get(number) if number < 0 else table.get(number)
        except KeyError:
            yield None


def _negative_places(file: osmium.io.File) -> dict[int, osmium.osm.Location]:
    """Return the places of nodes that an editor drew and nobody numbered yet."""
    nodes = osmium.FileProcessor(file, osmium.osm.NODE)
    return {
        node.id: node.location
        for node in nodes
        if isinstance(node, osmium.osm.Node) and node.id < 0
    }


def _inside(lon: Degrees, lat: Degrees, box: Box | None) -> npt.NDArray[np.bool_]:
    if box is None:
        return ~np.isnan(lon)
    west, south, east, north = box
    within: npt.NDArray[np.bool_] = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    return within


def _by_row(
    tags: dict[int, dict[str, str]], node_ids: npt.NDArray[np.int64]
) -> dict[int, dict[str, str]]:
    """Keep the tags of nodes that a kept way uses, by their row."""
    numbers = np.fromiter(sorted(tags), np.int64, len(tags))
    if not len(numbers) or not len(node_ids):
        return {}
    rows = np.minimum(np.searchsorted(node_ids, numbers), len(node_ids) - 1)
    return {
        int(row): tags[int(number)]
        for row, number in zip(rows, numbers, strict=True)
        if node_ids[row] == number
    }
