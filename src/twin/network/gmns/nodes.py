"""Nodes, and the zones whose trips start and end in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twin.ids import LinkId, NodeId, ZoneId
from twin.network.gmns.measures import read_points
from twin.network.gmns.sheets import Sheet, extra_cells, join_list, split_list
from twin.network.gmns.source import Source
from twin.network.model import Node, Zone
from twin.network.quality import Severity

TRIPS: Final = "trips"
_NODE_FIELDS: Final = frozenset(
    {"node_id", "name", "x_coord", "y_coord", "node_type", "ctrl_type", "zone_id"}
)
_ZONE_FIELDS: Final = frozenset({"zone_id", "name", "boundary"})


def read_nodes(source: Source) -> list[Node]:
    """Return the nodes of node.csv in the order of the file."""
    sheet, ids = source.keyed("node", "node_id")
    parents = source.known_or_blank(sheet, "parent_node_id", ids, set(ids))
    extras = source.extras(sheet, {*_NODE_FIELDS, "parent_node_id"})
    columns = zip(
        ids,
        read_points(sheet, source.measures),
        sheet.texts("name"),
        sheet.texts("node_type"),
        sheet.texts("ctrl_type"),
        sheet.words("zone_id"),
        parents,
        extras,
        strict=True,
    )
    return [
        Node(
            id=NodeId(identity),
            point=point,
            name=name,
            kind=kind,
            control=control,
            zone=zone,
            extra=(*extra, ("parent_node_id", parent)),
        )
        for identity, point, name, kind, control, zone, parent, extra in columns
    ]


def node_rows(nodes: tuple[Node, ...]) -> Iterator[dict[str, str]]:
    """Write nodes as rows of node.csv."""
    for node in nodes:
        yield {
            **extra_cells("node", node.id, node.extra, _NODE_FIELDS),
            "node_id": node.id,
            "name": node.name,
            "x_coord": repr(node.point[0]),
            "y_coord": repr(node.point[1]),
            "node_type": node.kind,
            "ctrl_type": node.control,
            "zone_id": node.zone,
        }


def read_zones(source: Source, nodes: list[Node]) -> list[Zone]:
    """Return the zones of zone.csv and twin_zone.csv, and one for every other zone of a node.

    Zones of a foreign file may share an id (a number that a spreadsheet has shortened): all but
    the first get `#2`, `#3` … added, which is reported.
    """
    sheet = source.sheet("zone")
    ids = _own_ids(source, sheet) if sheet.columns else []
    kinds, links = _zone_links(source)
    boundary = source.measures.shape
    zones = [
        Zone(
            id=ZoneId(identity),
            kind=kinds.get(identity, TRIPS),
            links=links.get(identity, ()),
            name=name,
            boundary_wkt=sheet.value(row, "boundary", wkt, boundary) if wkt else "",
            extra=extra,
        )
        for row, (identity, name, wkt, extra) in enumerate(
            zip(
                ids,
                sheet.texts("name"),
                sheet.words("boundary"),
                source.extras(sheet, _ZONE_FIELDS),
                strict=True,
            )
        )
    ]
    made = sorted({node.zone for node in nodes if node.zone} - set(ids))
    source.findings.add(
        "zone_made",
        "node",
        "nodes name a zone that zone.csv lacks: it is made, for trips",
        severity=Severity.INFO,
        ids=made,
    )
    return [*zones, *(Zone(id=ZoneId(name), kind=TRIPS) for name in made)]


def _own_ids(source: Source, sheet: Sheet) -> list[str]:
    times: dict[str, int] = {}
    ids: list[str] = []
    renamed: list[str] = []
    for identity in sheet.ids("zone_id"):
        times[identity] = times.get(identity, 0) + 1
        own = identity if times[identity] == 1 else f"{identity}#{times[identity]}"
        ids.append(own)
        if own != identity:
            renamed.append(own)
    source.findings.add(
        "duplicate_id",
        "zone",
        "several zones share an id: a number is added to it",
        severity=Severity.ERROR,
        ids=renamed,
    )
    return ids


def _zone_links(source: Source) -> tuple[dict[str, str], dict[str, tuple[LinkId, ...]]]:
    sheet, ids = source.keyed("twin_zone", "zone_id")
    links = (tuple(map(LinkId, split_list(text))) for text in sheet.words("links"))
    return (
        dict(zip(ids, sheet.words("kind"), strict=True)),
        dict(zip(ids, links, strict=True)),
    )


def zone_rows(zones: tuple[Zone, ...]) -> Iterator[dict[str, str]]:
    """Write zones as rows of zone.csv."""
    for zone in zones:
        yield {
            **extra_cells("zone", zone.id, zone.extra, _ZONE_FIELDS),
            "zone_id": zone.id,
            "name": zone.name,
            "boundary": zone.boundary_wkt,
        }


def twin_zone_rows(zones: tuple[Zone, ...]) -> Iterator[dict[str, str]]:
    """Write what zone.csv has no column for: kind and links."""
    for zone in zones:
        if zone.kind != TRIPS or zone.links:
            yield {"zone_id": zone.id, "kind": zone.kind, "links": join_list(zone.links)}
