"""A map written as plain XML of SUMO, from which netconvert makes a net.

What goes over: nodes, links as edges with their length, lanes, speeds and allowed uses, movements
as connections of lanes, signals as one program a junction with yellow and all-red from the
intergreens, loops at the sensors, bus stops. Ids stay what they are. Pedestrian crossings stay
out: greens of people on foot take their time in the programs and have no link. What SUMO has no
word for (gates, zones, features, capacities) stays in the map; class, road, authority and
capacity of a link go along as `param`s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from twin.errors import MapError
from twin.network.model import Lane, Link, LinkClass, Node, SingleMap
from twin.network.sumo import write_roadside, write_signals
from twin.network.sumo.write_signals import SignalHead
from twin.network.sumo.write_ways import Way, ways
from twin.network.sumo.write_xml import Element, document, number, params
from twin.units import vph_from_vps

CONFIG_FILE: Final = "map.netccfg"
NET_FILE: Final = "map.net.xml"
ROADSIDE_FILE: Final = "map.add.xml"
SIGNALS_FILE: Final = "signals.json"
PRIORITY: Final = {
    LinkClass.MOTORWAY: 14,
    LinkClass.RAMP: 9,
    LinkClass.ARTERIAL: 11,
    LinkClass.COLLECTOR: 7,
    LinkClass.LOCAL: 4,
    LinkClass.CONNECTOR: 2,
    LinkClass.PATH: 1,
}
TYPE: Final = {  # the words of OpenStreetMap, which other tools know too
    LinkClass.MOTORWAY: "highway.motorway",
    LinkClass.RAMP: "highway.motorway_link",
    LinkClass.ARTERIAL: "highway.primary",
    LinkClass.COLLECTOR: "highway.tertiary",
    LinkClass.LOCAL: "highway.residential",
    LinkClass.CONNECTOR: "highway.service",
    LinkClass.PATH: "highway.path",
}
_SUMO_WORDS: Final = {
    "auto": ("passenger", "private"),
    "car": ("passenger", "private"),
    "truck": ("truck", "trailer", "delivery"),
    "delivery": ("delivery",),
    "bus": ("bus", "coach"),
    "taxi": ("taxi",),
    "emergency": ("emergency", "authority"),
    "hov": ("hov",),
    "tram": ("tram",),
    "bike": ("bicycle",),
    "bicycle": ("bicycle",),
    "ped": ("pedestrian",),
    "walk": ("pedestrian",),
}
_BAD_ID: Final = re.compile(r"[\s|\\'\";,<>&:!?*]")


def write_sumo_plain(network: SingleMap, folder: Path, *, plan: int = 0) -> None:
    """Write the files of a map for netconvert: `netconvert -c FOLDER/map.netccfg` makes the net.

    `plan` is the row of the signal plan that runs at each junction (the last one where it has
    fewer). `signals.json` says which link index of a traffic light serves which movement and
    group. MapError when an id cannot be one of SUMO or a junction has no plan, or the folder
    cannot be written.
    """
    _refuse_ids(network)
    lanes_of = ways(network)
    heads = [SignalHead(network, junction, lanes_of) for junction in network.junctions]
    connections = [way for some in lanes_of.values() for way in some]
    signals = {"map_version": network.version, "junctions": write_signals.table(heads)}
    texts = {
        "map.nod.xml": document("nodes", _nodes(network)),
        "map.typ.xml": document("types", _types()),
        "map.edg.xml": document("edges", _edges(network)),
        "map.con.xml": document("connections", _connections(network, connections)),
        "map.tll.xml": document("tlLogics", _programs(heads, plan)),
        ROADSIDE_FILE: document("additional", _roadside(network)),
        SIGNALS_FILE: json.dumps(signals, indent=1, ensure_ascii=False) + "\n",
        CONFIG_FILE: document("configuration", _settings()),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{folder}: cannot be written: {error.strerror}"
        raise MapError(message) from error


def _refuse_ids(network: SingleMap) -> None:
    tables: dict[str, Iterable[str]] = {
        "node": network.node_rows,
        "link": network.link_rows,
        "sensor": network.sensor_rows,
        "junction": network.junction_rows,
    }
    for table, ids in tables.items():
        for identity in ids:
            if _BAD_ID.search(identity):
                message = f"{table} {identity!r}: its id has a character that SUMO does not take"
                raise MapError(message)


def _nodes(network: SingleMap) -> Iterator[Element]:
    lights = {junction.node: junction for junction in network.junctions}
    for node in network.nodes:
        words: dict[str, str | float] = {"id": node.id, "x": _degrees(node, 0)}
        words |= {"y": _degrees(node, 1), "type": "priority"}
        if node.id in lights:
            words |= {"type": "traffic_light", "tl": lights[node.id].id}
        if node.name:
            words["name"] = node.name
        yield Element("node", words)


def _degrees(node: Node, axis: int) -> str:
    return f"{node.point[axis]:.9f}"


def _types() -> Iterator[Element]:
    for kind, priority in PRIORITY.items():
        yield Element("type", {"id": TYPE[kind], "priority": priority})


def _edges(network: SingleMap) -> Iterator[Element]:
    ends = {(link.from_node, link.to_node) for link in network.links}
    lanes: dict[str, dict[int, Lane]] = {}
    for lane in network.lanes:
        lanes.setdefault(lane.link, {})[lane.number] = lane
    for link in network.links:
        both = (link.to_node, link.from_node) in ends
        words: dict[str, str | float] = {
            "id": link.id,
            "from": link.from_node,
            "to": link.to_node,
            "type": TYPE[link.link_class],
            "priority": PRIORITY[link.link_class],
            "numLanes": link.lanes,
            "speed": number(link.free_speed_mps),
            "length": link.length_m,
            "spreadType": "right" if both else "center",
        }
        if link.name:
            words["name"] = link.name
        if len(link.line) > 2:
            words["shape"] = " ".join(f"{lon:.9f},{lat:.9f}" for lon, lat in link.line)
        allowed = _allowed(link.allowed_uses)
        if allowed:
            words["allow"] = allowed
        yield Element("edge", words, (*_lanes(link, lanes.get(link.id, {})), *_link_params(link)))


def _lanes(link: Link, known: dict[int, Lane]) -> Iterator[Element]:
    for index in range(link.lanes):
        lane = known.get(link.lanes - index)
        words: dict[str, str | float] = {"index": index}
        if lane is not None and lane.width_m:
            words["width"] = lane.width_m
        allowed = _allowed(lane.allowed_uses) if lane is not None else ""
        if allowed:
            words["allow"] = allowed
        if len(words) > 1:
            yield Element("lane", words)


def _link_params(link: Link) -> tuple[Element, ...]:
    return params(
        road=link.road,
        authority=link.authority,
        capacity_vph=number(vph_from_vps(link.capacity_vps)),
    )


def _allowed(uses: str) -> str:
    """Turn the words of the map into SUMO's; nothing when a word is unknown or all may go."""
    words = re.split(r"[\s,;|]+", uses.strip().lower()) if uses.strip() else []
    if not words or any(word not in _SUMO_WORDS for word in words):
        return ""
    return " ".join(dict.fromkeys(one for word in words for one in _SUMO_WORDS[word]))


def _connections(network: SingleMap, connections: Iterable[Way]) -> Iterator[Element]:
    led: set[str] = set()
    for way in connections:
        led.add(way.from_link)
        yield Element(
            "connection",
            {
                "from": way.from_link,
                "to": way.to_link,
                "fromLane": way.from_lane,
                "toLane": way.to_lane,
            },
            write_signals.movement_params(way),
        )
    for link in network.links:
        if link.id not in led:  # else netconvert would guess where it leads
            yield Element("connection", {"from": link.id})


def _programs(heads: list[SignalHead], plan: int) -> Iterator[Element]:
    for head in heads:
        plans = head.junction.plans
        if not plans:
            message = f"junction {head.junction.id!r} has no signal plan"
            raise MapError(message)
        yield write_signals.program(head, plans[min(plan, len(plans) - 1)])
    for head in heads:
        yield from write_signals.controlled(head)


def _roadside(network: SingleMap) -> Iterator[Element]:
    yield from write_roadside.bus_stops(network)
    yield from write_roadside.loops(network)


def _settings() -> Iterator[Element]:
    values = {
        "node-files": "map.nod.xml",
        "type-files": "map.typ.xml",
        "edge-files": "map.edg.xml",
        "connection-files": "map.con.xml",
        "tllogic-files": "map.tll.xml",
        "output-file": NET_FILE,
        "proj.utm": "true",
        "precision.geo": "9",
        "no-turnarounds": "true",
        "output.street-names": "true",
        "output.original-names": "false",
        "tls.ignore-internal-junction-jam": "true",
        "tls.rebuild": "false",
    }
    for key, value in values.items():
        yield Element(key, {"value": value})
