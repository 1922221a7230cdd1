"""The lines of links: inline, from geometry.csv, shared by two directions, or missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from twin.network.geometry import distance_m, line_length_m
from twin.network.gmns.measures import on_earth, wkt_line
from twin.network.gmns.sheets import Sheet
from twin.network.gmns.source import Source
from twin.network.model import Line, Node, Point, Table
from twin.network.quality import Severity


@dataclass(frozen=True, slots=True)
class Shape:
    """A line as its source draws it, and its length as the source would measure it.

    In a flat coordinate system that is the length on the plane: what people who made the file
    compared their link lengths with. Otherwise it is the geodesic length.
    """

    line: Line
    length_m: float


_OFF_END_M: Final = 50.0  # a line that starts this far from its node is worth a look


def read_lines(
    source: Source,
    sheet: Sheet,
    ids: list[str],
    *,
    shapes: list[Shape | None],
    ends: list[tuple[Node, Node]],
) -> tuple[list[Line], set[int]]:
    """Return the line of each link, from its first to its last node, and the rows without one.

    `dir_flag` -1 turns the shape round; 0 and empty leave the direction to the nodes. A link
    without geometry gets the straight line between its nodes.
    """
    flags = sheet.wholes("dir_flag")
    lines: list[Line] = []
    missing: list[int] = []
    guessed: list[int] = []
    for row, (shape, flag, (start, end)) in enumerate(zip(shapes, flags, ends, strict=True)):
        if shape is None:
            lines.append((start.point, end.point))
            missing.append(row)
        elif flag in (1, -1):
            lines.append(shape.line if flag == 1 else shape.line[::-1])
        else:
            lines.append(_turned(shape.line, start.point, end.point))
            guessed.append(row)
    text = "no geometry: a straight line between the nodes is drawn"
    source.report("missing_geometry", sheet, text, missing, ids)
    text = "dir_flag does not say which way the geometry runs: taken from the nodes"
    source.report("direction_guessed", sheet, text, guessed, ids, severity=Severity.INFO)
    backward = [row for row, flag in enumerate(flags) if flag == -1 and shapes[row] is not None]
    text = "dir_flag is -1: the geometry is turned round"
    source.report("geometry_turned", sheet, text, backward, ids, severity=Severity.INFO)
    _report_far_ends(source, sheet, ids, ends=ends, lines=lines)
    return lines, set(missing)


def _turned(shape: Line, start: Point, end: Point) -> Line:
    """Return the shape in the direction in which its ends are nearer to the nodes."""
    forward = distance_m(shape[0], start) + distance_m(shape[-1], end)
    backward = distance_m(shape[-1], start) + distance_m(shape[0], end)
    return shape if forward <= backward else shape[::-1]


def _report_far_ends(
    source: Source,
    sheet: Sheet,
    ids: list[str],
    *,
    ends: list[tuple[Node, Node]],
    lines: list[Line],
) -> None:
    far = [
        row
        for row, (line, (start, end)) in enumerate(zip(lines, ends, strict=True))
        if (line[0] != start.point and distance_m(line[0], start.point) > _OFF_END_M)
        or (line[-1] != end.point and distance_m(line[-1], end.point) > _OFF_END_M)
    ]
    text = f"the geometry starts or ends more than {_OFF_END_M:.0f} m from the link's node"
    source.report("geometry_off_node", sheet, text, far, ids)


def read_shapes(
    source: Source, sheet: Sheet, ids: list[str]
) -> tuple[list[Shape | None], list[str]]:
    """Return the shape of each link as its source draws it, and its reference to geometry.csv."""
    shared = geometry_table(source)
    names = source.known_or_blank(sheet, "geometry_id", ids, shared)
    inline = _parsed(source, sheet, "geometry")
    shapes = [
        line if line is not None else shared.get(name)
        for line, name in zip(inline, names, strict=True)
    ]
    return shapes, names


def geometry_table(source: Source) -> dict[str, Shape | None]:
    """Return the lines of geometry.csv by id; None for an empty one."""
    sheet, ids = source.keyed("geometry", "geometry_id")
    return dict(zip(ids, _parsed(source, sheet, "geometry"), strict=True))


def _parsed(source: Source, sheet: Sheet, column: str) -> list[Shape | None]:
    """Parse a column of lines and turn all of them into WGS84 at once."""
    words = sheet.words(column)
    rows = [row for row, word in enumerate(words) if word]
    raw: list[Sequence[Point]] = [sheet.value(row, column, words[row], wkt_line) for row in rows]
    shapes: list[Shape | None] = [None] * len(words)
    grid_m = source.measures.grid_m
    for row, flat, line in zip(rows, raw, source.measures.lines(raw), strict=True):
        if not all(map(on_earth, line)):
            raise sheet.fault(row, column, words[row][:60], "is off the crs or off the earth")
        length_m = line_length_m(line) if grid_m is None else _flat_length(flat) * grid_m
        shapes[row] = Shape(line, length_m)
    return shapes


def _flat_length(line: Sequence[Point]) -> float:
    return sum(math.dist(start, end) for start, end in pairwise(line))


def unused_geometries(source: Source, used: set[str]) -> Table | None:
    """Return the rows of geometry.csv that no link uses, as a table to keep; None when all are."""
    sheet = source.sheet("geometry")
    left = [name for name in dict.fromkeys(sheet.words("geometry_id")) if name not in used]
    if not left:
        return None
    source.findings.add(
        "unused_geometry",
        sheet.name,
        "no link uses the geometry: kept as it is",
        severity=Severity.INFO,
        ids=left,
    )
    shape = source.measures.shape
    texts = dict(zip(sheet.words("geometry_id"), sheet.words("geometry"), strict=True))
    rows = tuple((name, shape(texts[name]) if texts[name] else "") for name in left)
    return Table("geometry", ("geometry_id", "geometry"), rows)
