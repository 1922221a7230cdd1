"""Cut ways into pieces where roads meet or end, each piece with what it is in both directions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.network.osm.courses import Course, Courses, Troubles, courses_of
from twin.network.osm.extract import Extract, OsmWay
from twin.network.osm.roads import CLASSES, left_out
from twin.network.quality import Findings, Severity

_CLASSES: Final = frozenset(CLASSES)

Rows = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Nodes of a way that follow each other and all lie where we look."""

    way: int
    rows: Rows
    courses: Courses

    @property
    def is_ring(self) -> bool:
        """Whether it ends where it starts."""
        return self.rows[0] == self.rows[-1]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a way between two nodes; `part` counts along the way, from 1."""

    way: int
    part: int
    rows: Rows
    forward: Course | None
    backward: Course | None


def runs_of(extract: Extract, findings: Findings, *, classes: frozenset[str]) -> list[Run]:
    """Return the drivable runs of all roads, and report what is broken about them."""
    cut: list[int] = []
    placeless: list[int] = []
    doubled: list[int] = []
    single: list[int] = []
    troubles = Troubles()
    is_inside: list[bool] = extract.inside.tolist()
    is_missing: list[bool] = np.isnan(extract.lon).tolist()
    runs = []
    for way in extract.ways:
        if not _is_driven(way, classes):
            continue
        rows = extract.rows_of(way)
        is_here = any(is_inside[row] for row in rows)
        if not is_here and not all(is_missing[row] for row in rows):
            continue  # it lies outside of the box
        if any(is_missing[row] for row in rows):
            (cut if is_here else placeless).append(way.id)
        if any(row == after for row, after in pairwise(rows)):
            doubled.append(way.id)
        stretches = list(_stretches(rows, is_inside))
        if stretches:
            courses = courses_of(way.id, way.tags, troubles)
            runs += [Run(way.id, stretch, courses) for stretch in stretches]
        elif len(set(rows)) < 2:
            single.append(way.id)
    troubles.report(findings)
    _report(findings, cut=cut, placeless=placeless + single, doubled=doubled)
    return runs


def _is_driven(way: OsmWay, classes: frozenset[str]) -> bool:
    highway = way.tags.get("highway", "").removesuffix("_link")
    return highway in _CLASSES & classes and left_out(way.tags) is None


def _stretches(rows: list[int], inside: list[bool]) -> Iterator[Rows]:
    """Yield the runs of nodes that are inside; a node that stands twice in a row counts once."""
    stretch: list[int] = []
    for row in [*rows, -1]:
        if row >= 0 and inside[row]:
            if not stretch or stretch[-1] != row:
                stretch.append(row)
            continue
        if len(stretch) > 1:
            yield tuple(stretch)
        stretch = []


def _report(
    findings: Findings, *, cut: list[int], placeless: list[int], doubled: list[int]
) -> None:
    said = (
        ("missing_nodes", "some nodes are not in the file (its edge?): the road ends there", cut),
        ("no_place", "it has no two nodes with a place in the file: left out", placeless),
        ("doubled_node", "a node stands twice in a row: taken once", doubled),
    )
    for code, text, ways in said:
        severity = Severity.INFO if code == "doubled_node" else Severity.WARNING
        findings.add(code, "way", text, severity=severity, ids=[f"w{way}" for way in ways])


def cut_into_pieces(runs: list[Run], size: int, *, kept: Collection[int]) -> list[Piece]:
    """Cut runs at nodes that are used twice, at ends, and at `kept`; `size` is how many nodes are.

    No piece ends where it starts: one that would is cut in its middle.
    """
    is_cut = _shared(runs, size)
    is_cut[list(kept)] = True
    parts: dict[int, int] = defaultdict(int)
    pieces = []
    for run in runs:
        for rows in _cuts(run, is_cut):
            parts[run.way] += 1
            pieces.append(
                Piece(run.way, parts[run.way], rows, run.courses.forward, run.courses.backward)
            )
    return pieces


def _shared(runs: list[Run], size: int) -> npt.NDArray[np.bool_]:
    """Return for each node whether roads meet or end there."""
    bodies = [run.rows[:-1] if run.is_ring else run.rows for run in runs]
    ends = [row for run in runs if not run.is_ring for row in (run.rows[0], run.rows[-1])]
    uses = np.bincount([row for body in [*bodies, ends] for row in body], minlength=size)
    return uses > 1


def _cuts(run: Run, is_cut: npt.NDArray[np.bool_]) -> Iterator[Rows]:
    rows = run.rows
    if run.is_ring:
        body = rows[:-1]
        first = next((at for at, row in enumerate(body) if is_cut[row]), 0)
        rows = (*body[first:], *body[: first + 1])
    start = 0
    for at in range(1, len(rows)):
        if at == len(rows) - 1 or is_cut[rows[at]]:
            yield from _open(rows[start : at + 1])
            start = at


def _open(rows: Rows) -> Iterator[Rows]:
    if rows[0] != rows[-1]:
        yield rows
        return
    middle = len(rows) // 2
    yield rows[: middle + 1]
    yield rows[middle:]
