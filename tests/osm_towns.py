"""Small towns of our own as OpenStreetMap files, for the tests of the import."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import osmium

LON, LAT = -3.7, 40.4  # the corner of every town
DEGREE_M = 100_000.0  # about: a step of 0.001 degrees is about 100 m


@dataclass
class Town:
    """Nodes at (east, north) in about metres from a corner, ways, and turn restrictions."""

    nodes: dict[int, tuple[float, float]] = field(default_factory=dict)
    node_tags: dict[int, dict[str, str]] = field(default_factory=dict)
    ways: dict[int, tuple[list[int], dict[str, str]]] = field(default_factory=dict)
    relations: dict[int, tuple[list[tuple[str, int, str]], dict[str, str]]] = field(
        default_factory=dict
    )

    def node(self, number: int, east_m: float, north_m: float, **tags: str) -> None:
        """Put a node; `_` in a key is a colon."""
        self.nodes[number] = (LON + east_m / DEGREE_M, LAT + north_m / DEGREE_M)
        if tags:
            self.node_tags[number] = _tags(tags)

    def way(self, number: int, nodes: list[int], highway: str = "", **tags: str) -> None:
        """Draw a way; without `highway` it is no road."""
        whole = {"highway": highway, **_tags(tags)} if highway else _tags(tags)
        self.ways[number] = (nodes, whole)

    def rule(self, number: int, kind: str, start: int, via: int, end: int, **tags: str) -> None:
        """Restrict a turn from way to way over a node."""
        members = [("way", start, "from"), ("node", via, "via"), ("way", end, "to")]
        self.relations[number] = (
            members,
            {"type": "restriction", "restriction": kind, **_tags(tags)},
        )

    def xml(self, *, order: str = "nwr") -> str:
        """Return the town as OSM XML; `order` of nodes, ways, relations."""
        parts = {"n": self._node_lines(), "w": self._way_lines(), "r": self._relation_lines()}
        body = "\n".join(line for kind in order for line in parts[kind])
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6">\n{body}\n</osm>\n'

    def write(self, path: Path, *, order: str = "nwr") -> Path:
        """Write the town as XML."""
        path.write_text(self.xml(order=order), encoding="utf-8")
        return path

    def write_pbf(self, path: Path) -> Path:
        """Write the town as PBF, through osmium's own writer."""
        source = self.write(path.with_suffix(".tmp.osm"))
        with osmium.SimpleWriter(str(path)) as writer:
            for thing in osmium.FileProcessor(str(source)):
                writer.add(thing)
        source.unlink()
        return path

    def _node_lines(self) -> list[str]:
        return [
            f'<node id="{number}" version="1" lat="{lat:.7f}" lon="{lon:.7f}">'
            + _tag_xml(self.node_tags.get(number, {}))
            + "</node>"
            for number, (lon, lat) in self.nodes.items()
        ]

    def _way_lines(self) -> list[str]:
        return [
            f'<way id="{number}" version="1">'
            + "".join(f'<nd ref="{node}"/>' for node in nodes)
            + _tag_xml(tags)
            + "</way>"
            for number, (nodes, tags) in self.ways.items()
        ]

    def _relation_lines(self) -> list[str]:
        return [
            f'<relation id="{number}" version="1">'
            + "".join(f'<member type="{t}" ref="{ref}" role="{role}"/>' for t, ref, role in members)
            + _tag_xml(tags)
            + "</relation>"
            for number, (members, tags) in self.relations.items()
        ]


def _tags(tags: dict[str, str]) -> dict[str, str]:
    return {key.replace("__", ":"): value for key, value in tags.items()}


def _tag_xml(tags: dict[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(k)} v={quoteattr(v)}/>" for k, v in tags.items())


def cross() -> Town:
    """Return a cross: ways 1 (from the west), 2 (east), 3 (south), 4 (north), meeting in node 5."""
    town = Town()
    town.node(1, 0, 200)
    town.node(2, 400, 200)
    town.node(3, 200, 0)
    town.node(4, 200, 400)
    town.node(5, 200, 200)
    town.way(1, [1, 5], "residential")
    town.way(2, [5, 2], "residential")
    town.way(3, [3, 5], "residential")
    town.way(4, [5, 4], "residential")
    return town


def market_town() -> Town:
    """Return a town with a bit of everything that the import knows."""
    town = Town()
    _motorway(town)
    _main_street(town)
    _old_town(town)
    _outskirts(town)
    return town


def _motorway(town: Town) -> None:
    for number, east in enumerate((0, 500, 900, 1300, 2000), start=1):
        town.node(number, east, 0)  # eastbound
        town.node(number + 10, east, 30)  # westbound, drawn from west to east: oneway=-1
    town.node_tags[2] = {"highway": "motorway_junction", "ref": "7", "name": "Market Town"}
    both = {"ref": "A-1;E-5", "maxspeed": "120", "name": "Northern Motorway"}
    town.way(101, [1, 2], "motorway", lanes="3", **both)
    town.way(102, [2, 3, 4], "motorway", lanes="2", **both)
    town.way(103, [4, 5], "motorway", lanes="3", **both)
    town.way(104, [11, 12, 13, 14, 15], "motorway", lanes="2", oneway="-1", **both)
    town.node(20, 700, -60)
    town.node(21, 900, -100, highway="traffic_signals")
    town.way(105, [2, 20, 21], "motorway_link", lanes="1")
    town.way(106, [21, 4], "motorway_link", maxspeed="40 mph")


def _main_street(town: Town) -> None:
    """From the ramps south to a roundabout, over it, and on to the south."""
    town.node(30, 900, -300, highway="crossing", crossing="zebra")
    town.node(31, 900, -500)
    ring = [(40, 900, -520), (41, 880, -540), (42, 900, -560), (43, 920, -540)]
    for number, east, north in ring:
        town.node(number, east, north)
    town.node(50, 900, -800, railway="level_crossing")
    town.node(51, 900, -1000)
    street = {"ref": "M-10", "name": "High Street", "lanes": "4", "maxspeed": "ES:urban"}
    town.way(201, [21, 30, 31], "primary", lanes__bus__forward="1", **street)
    town.way(202, [31, 40], "primary", bridge="yes", lanes__bus__forward="1", **street)
    town.way(203, [40, 41, 42, 43, 40], "primary", junction="roundabout", lanes="2")
    town.way(204, [51, 50, 42], "primary", **street)


def _old_town(town: Town) -> None:
    """West and east of the roundabout: narrow streets, restrictions, a bollard, an island."""
    town.node(60, 700, -540)
    town.node(61, 500, -540, highway="traffic_signals")
    town.node(62, 500, -300)
    town.node(63, 700, -300)
    town.node(64, 500, -800)
    town.node(65, 500, -700, barrier="bollard")
    town.way(301, [41, 60, 61], "residential", name="West Street")
    town.way(302, [61, 62, 63, 60], "living_street", maxspeed="walk", oneway="yes")
    town.way(303, [61, 65, 64], "residential")
    town.way(304, [60, 62], "service", service="driveway")
    town.way(305, [63, 30], "tertiary", lanes="2;3", maxspeed="none")
    town.rule(1, "no_right_turn", 305, 30, 201)  # way 201 goes on over node 30: unclear
    town.rule(2, "only_straight_on", 301, 60, 301)
    town.rule(3, "no_left_turn", 301, 61, 303)
    town.relations[4] = (
        [("way", 302, "from"), ("way", 305, "via"), ("way", 201, "to")],
        {"type": "restriction", "restriction": "no_u_turn"},
    )


def _outskirts(town: Town) -> None:
    for number, (east, north) in enumerate(
        [(3000, 0), (3100, 0), (3100, -100), (3000, -100)], start=70
    ):
        town.node(number, east, north)
    town.way(401, [70, 71, 72], "residential", lanes="0")
    town.way(402, [43, 999], "residential")  # node 999 lies outside of the extract
    town.way(403, [70, 71, 72, 73, 70], area="yes", highway="pedestrian")
    town.way(404, [72, 73], "unclassified", access="private")
    town.way(405, [70, 73], route="ferry")
    town.way(406, [70, 71, 72, 73, 70], landuse="retail", name="Market")
    town.way(407, [1, 11, 64], railway="rail", name="Northern Line")
    town.way(408, [51, 64], railway="tram")
    town.way(409, [64, 51], "construction", construction="primary", opening_date="2031-05-01")
    town.way(410, [73, 73], "residential")
