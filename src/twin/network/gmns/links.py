"""Links: from link.csv and twin_link.csv to the model, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from twin.clock import iso_from_us
from twin.ids import LinkId
from twin.network.geometry import line_length_m
from twin.network.gmns.classes import class_of
from twin.network.gmns.geometries import Shape, read_lines, read_shapes
from twin.network.gmns.link_values import read_values
from twin.network.gmns.measures import line_wkt
from twin.network.gmns.moments import read_moments
from twin.network.gmns.sheets import Sheet, extra_cells, join_list, number_text, split_list
from twin.network.gmns.source import Source
from twin.network.model import Extra, Line, Link, LinkClass, Node
from twin.network.quality import Severity
from twin.units import KM_M, kph_from_mps, vph_from_vps

_FIELDS: Final = frozenset(
    {
        "link_id",
        "name",
        "from_node_id",
        "to_node_id",
        "directed",
        "geometry_id",
        "geometry",
        "parent_link_id",
        "dir_flag",
        "length",
        "facility_type",
        "capacity",
        "free_speed",
        "lanes",
        "allowed_uses",
        "jurisdiction",
    }
)

_ALSO_EXTRA: Final = frozenset({"geometry_id", "parent_link_id", "facility_type", "directed"})


def read_links(source: Source, nodes: list[Node]) -> list[Link]:
    """Return the links of link.csv in the order of the file.

    A link that starts or ends at no node of the map is a MapError.
    """
    sheet, ids = source.keyed("link", "link_id")
    ends = _ends(sheet, nodes)
    shapes, geometry_ids = read_shapes(source, sheet, ids)
    lines, missing = read_lines(source, sheet, ids, shapes=shapes, ends=ends)
    own = _OwnLinkFields(source)
    classes = own.classes(sheet, ids, ends)
    kinds = [kind for kind, _ in classes]
    values = read_values(
        source, sheet, ids, lines=lines, drawn_m=_drawn_m(shapes, lines), classes=kinds
    )
    extras = _extras(source, sheet, ids, geometry_ids=geometry_ids, kinds=kinds)
    links = []
    for row, (identity, value, (kind, class_guessed)) in enumerate(
        zip(ids, values, classes, strict=True)
    ):
        guessed = {*value.guessed, *own.guessed.get(identity, ())}
        guessed |= {"geometry"} if row in missing else set()
        guessed |= {"link_class"} if class_guessed else set()
        links.append(
            Link(
                id=LinkId(identity),
                from_node=ends[row][0].id,
                to_node=ends[row][1].id,
                line=lines[row],
                length_m=value.length_m,
                lanes=value.lanes,
                free_speed_mps=value.free_speed_mps,
                capacity_vps=value.capacity_vps,
                link_class=kind,
                guessed=tuple(guessed),
                extra=extras[row],
            )
        )
    return [own.added(link) for link in _with_texts(sheet, links)]


def _drawn_m(shapes: list[Shape | None], lines: list[Line]) -> list[float]:
    return [
        line_length_m(line) if shape is None else shape.length_m
        for line, shape in zip(lines, shapes, strict=True)
    ]


def _extras(
    source: Source,
    sheet: Sheet,
    ids: list[str],
    *,
    geometry_ids: list[str],
    kinds: list[LinkClass],
) -> list[Extra]:
    """Return the fields of each link that the model has no field for."""
    undirected = _undirected(source, sheet, ids)
    columns = zip(
        source.extras(sheet, _FIELDS),
        geometry_ids,
        source.known_or_blank(sheet, "parent_link_id", ids, set(ids)),
        sheet.texts("facility_type"),
        kinds,
        strict=True,
    )
    return [
        (
            *extra,
            ("geometry_id", geometry_id),
            ("parent_link_id", parent),
            ("facility_type", "" if facility_type == kind.value else facility_type),
            ("directed", "false" if row in undirected else ""),
        )
        for row, (extra, geometry_id, parent, facility_type, kind) in enumerate(columns)
    ]


def _with_texts(sheet: Sheet, links: list[Link]) -> list[Link]:
    """Add the texts of a row that need no look at anything else."""
    columns = zip(
        links,
        sheet.texts("name"),
        sheet.texts("jurisdiction"),
        sheet.texts("allowed_uses"),
        strict=True,
    )
    return [
        replace(link, name=name, authority=authority, allowed_uses=uses)
        for link, name, authority, uses in columns
    ]


def _ends(sheet: Sheet, nodes: list[Node]) -> list[tuple[Node, Node]]:
    by_id: dict[str, Node] = {node.id: node for node in nodes}
    columns = []
    for column in ("from_node_id", "to_node_id"):
        words = sheet.ids(column)
        for row, word in enumerate(words):
            if word not in by_id:
                raise sheet.fault(row, column, word, "there is no such node in node.csv")
        columns.append([by_id[word] for word in words])
    return list(zip(columns[0], columns[1], strict=True))


def _undirected(source: Source, sheet: Sheet, ids: list[str]) -> set[int]:
    directed = sheet.booleans("directed")
    empty = [row for row, value in enumerate(directed) if value is None]
    text = "directed is empty: taken as true"
    source.report("directed_empty", sheet, text, empty, ids)
    both = [row for row, value in enumerate(directed) if value is False]
    text = "the link is undirected: it is kept from its from_node to its to_node"
    source.report("undirected", sheet, text, both, ids, severity=Severity.INFO)
    return set(both)


class _OwnLinkFields:
    """What twin_link.csv says beside link.csv, by link id."""

    def __init__(self, source: Source) -> None:
        self._source = source
        sheet, ids = source.keyed("twin_link", "link_id")
        self._classes = {
            identity: sheet.value(row, "class", word, LinkClass)
            for row, (identity, word) in enumerate(zip(ids, sheet.words("class"), strict=True))
            if word
        }
        self.roads = dict(zip(ids, sheet.words("road"), strict=True))
        self.guessed = {
            identity: split_list(text)
            for identity, text in zip(ids, sheet.words("guessed"), strict=True)
        }
        self.valid_from_us = dict(zip(ids, read_moments(sheet, "valid_from"), strict=True))
        self.valid_to_us = dict(zip(ids, read_moments(sheet, "valid_to"), strict=True))

    def added(self, link: Link) -> Link:
        """Return the link with its road and the time in which it exists."""
        return replace(
            link,
            road=self.roads.get(link.id, ""),
            valid_from_us=self.valid_from_us.get(link.id),
            valid_to_us=self.valid_to_us.get(link.id),
        )

    def classes(
        self, sheet: Sheet, ids: list[str], ends: list[tuple[Node, Node]]
    ) -> list[tuple[LinkClass, bool]]:
        """Return the class of each link and whether it was guessed."""
        types = sheet.texts("facility_type")
        _report_unlisted(self._source, sheet, ids, types=types)
        return [
            self._class(identity, facility_type, end)
            for identity, facility_type, end in zip(ids, types, ends, strict=True)
        ]

    def _class(
        self, identity: str, facility_type: str, ends: tuple[Node, Node]
    ) -> tuple[LinkClass, bool]:
        stated = self._classes.get(identity) or class_of(facility_type)
        if stated is not None:
            return stated, False
        at_centroid = any(node.zone == node.id for node in ends)
        return (LinkClass.CONNECTOR if at_centroid else LinkClass.LOCAL), True


def _report_unlisted(source: Source, sheet: Sheet, ids: list[str], *, types: list[str]) -> None:
    """Report facility types that the link_types table, where there is one, does not list."""
    listed = source.sheet("link_types")
    if "link_type" not in listed.places:
        return
    known = set(listed.words("link_type"))
    rows = [row for row, word in enumerate(types) if word.strip() and word.strip() not in known]
    text = "facility_type is not in link_types"
    source.report("unlisted_type", sheet, text, rows, ids)


def link_rows(links: tuple[Link, ...]) -> Iterator[tuple[dict[str, str], tuple[str, str] | None]]:
    """Write links as rows of link.csv, each with the row of geometry.csv that it is first to use.

    Links that name a geometry share it when their lines are the same, forward or backward; a line
    of its own is written into the link's row.
    """
    shared: dict[str, Line] = {}
    for link in links:
        extra = extra_cells("link", link.id, link.extra, _FIELDS - _ALSO_EXTRA)
        name = extra.get("geometry_id", "")
        first = bool(name) and name not in shared
        flag = _direction(link.line, shared.setdefault(name, link.line)) if name else 0
        row = {
            "link_id": link.id,
            "name": link.name,
            "from_node_id": link.from_node,
            "to_node_id": link.to_node,
            "directed": "true",
            "geometry": "" if flag else line_wkt(link.line),
            "dir_flag": str(flag or 1),
            "length": number_text(link.length_m / KM_M),
            "facility_type": link.link_class.value,
            "capacity": number_text(vph_from_vps(link.capacity_vps) / link.lanes),
            "free_speed": number_text(kph_from_mps(link.free_speed_mps)),
            "lanes": str(link.lanes),
            "allowed_uses": link.allowed_uses,
            "jurisdiction": link.authority,
            **extra,
        }
        yield row, ((name, line_wkt(link.line)) if first else None)


def _direction(line: Line, shared: Line) -> int:
    """Return 1 when the lines are equal, -1 when one is the other backward, 0 otherwise."""
    if line == shared:
        return 1
    return -1 if line == shared[::-1] else 0


def twin_link_rows(links: tuple[Link, ...]) -> Iterator[dict[str, str]]:
    """Write what link.csv has no column for: class (where the type says less), road, validity."""
    for link in links:
        said = class_of(dict(link.extra).get("facility_type", link.link_class.value))
        row = {
            "class": "" if said is link.link_class else link.link_class.value,
            "road": link.road,
            "guessed": join_list(link.guessed),
            "valid_from": "" if link.valid_from_us is None else iso_from_us(link.valid_from_us),
            "valid_to": "" if link.valid_to_us is None else iso_from_us(link.valid_to_us),
        }
        if any(row.values()):
            yield {"link_id": link.id, **row}
