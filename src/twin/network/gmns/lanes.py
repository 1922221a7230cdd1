"""Lanes: whole lanes from lane.csv, pockets from the segment tables and twin_lane.csv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from twin.ids import LaneId, LinkId
from twin.network.gmns.sheets import Sheet, extra_cells, number_text
from twin.network.gmns.source import Source
from twin.network.model import Lane, Link, SingleMap
from twin.network.problems import MOST_LANES
from twin.network.quality import Severity

_FIELDS: Final = frozenset({"lane_id", "link_id", "lane_num", "allowed_uses", "width"})
_POCKET_FIELDS: Final = frozenset({*_FIELDS, "start_m", "end_m", "width_m"})


def read_lanes(source: Source, links: Mapping[str, Link]) -> list[Lane]:
    """Return all lanes; a lane of a link that does not exist is left out and reported."""
    sheet, ids = source.known_only(*source.keyed("lane", "lane_id"), {"link_id": links})
    short_m = source.measures.short_m
    widths = [None if value is None else value * short_m for value in sheet.numbers("width")]
    _report_widths(source, sheet, ids, widths=widths)
    lanes = [
        Lane(
            id=LaneId(identity),
            link=LinkId(link),
            number=lane_number,
            width_m=None if width_m is None else max(width_m, 0.0),
            allowed_uses=uses,
            extra=extra,
        )
        for identity, link, lane_number, width_m, uses, extra in zip(
            ids,
            sheet.ids("link_id") if ids else [],
            _lane_numbers(source, sheet, ids),
            widths,
            sheet.texts("allowed_uses"),
            source.extras(sheet, _FIELDS),
            strict=True,
        )
    ]
    taken = {lane.id for lane in lanes}
    return [*lanes, *_own_pockets(source), *_segment_pockets(source, links, taken=taken)]


def _lane_numbers(source: Source, sheet: Sheet, ids: list[str]) -> list[int]:
    numbers = _required(sheet, ids, "lane_num")
    wrong = [row for row, value in enumerate(numbers) if not 1 <= abs(value) <= MOST_LANES]
    text = f"lane_num cannot be: it is 1 to {MOST_LANES}, or negative for pockets on the left"
    source.report("impossible_lane_number", sheet, text, wrong, ids)
    return numbers


def _required(sheet: Sheet, ids: list[str], column: str) -> list[int]:
    if ids:
        sheet.ids(column)
    return [value for value in sheet.wholes(column) if value is not None]


def _report_widths(
    source: Source, sheet: Sheet, ids: list[str], *, widths: list[float | None]
) -> None:
    wrong = [row for row, value in enumerate(widths) if value is not None and value < 0.0]
    source.report("impossible_width", sheet, "width is negative: taken as 0", wrong, ids)


def _own_pockets(source: Source) -> list[Lane]:
    sheet, ids = source.keyed("twin_lane", "lane_id")
    columns = zip(
        ids,
        sheet.ids("link_id") if ids else [],
        _required(sheet, ids, "lane_num"),
        sheet.numbers("width_m"),
        sheet.texts("allowed_uses"),
        sheet.numbers("start_m"),
        sheet.numbers("end_m"),
        source.extras(sheet, _POCKET_FIELDS),
        strict=True,
    )
    return [
        Lane(
            LaneId(identity), LinkId(link), number, width_m, uses, (start or 0.0, end or 0.0), extra
        )
        for identity, link, number, width_m, uses, start, end, extra in columns
    ]


def _segment_pockets(
    source: Source, links: Mapping[str, Link], *, taken: set[LaneId]
) -> Iterator[Lane]:
    """Yield the lanes that a segment adds to its link; the tables themselves are kept whole too."""
    spans = _segment_spans(source, links)
    sheet = source.sheet("segment_lane")
    if not sheet.rows:
        return
    ids = sheet.ids("segment_lane_id")
    sheet.need("segment_id", "lane_num")
    skipped = []
    numbers, segments = sheet.wholes("lane_num"), sheet.words("segment_id")
    parents, uses = sheet.words("parent_lane_id"), sheet.texts("allowed_uses")
    widths = sheet.numbers("width")
    for row, (identity, lane_number) in enumerate(zip(ids, numbers, strict=True)):
        place = spans.get(segments[row])
        if parents[row]:
            continue  # a changed lane, not an added one
        if place is None or lane_number is None or identity in taken:
            skipped.append(row)
            continue
        width = widths[row]
        width_m = None if width is None else max(width, 0.0) * source.measures.short_m
        taken.add(LaneId(identity))
        yield Lane(LaneId(identity), place[0], lane_number, width_m, uses[row], place[1])
    text = "an added lane cannot be placed (its segment or its id): it stays in the table only"
    source.report("pocket_in_table_only", sheet, text, skipped, ids)


def _segment_spans(
    source: Source, links: Mapping[str, Link]
) -> dict[str, tuple[LinkId, tuple[float, float]]]:
    """Return link and (start, end) from the link's own start, in metres, of each sound segment."""
    sheet = source.sheet("segment")
    if not sheet.rows:
        return {}
    ids = sheet.ids("segment_id")
    sheet.need("link_id", "ref_node_id", "start_lr", "end_lr")
    short_m = source.measures.short_m
    spans: dict[str, tuple[LinkId, tuple[float, float]]] = {}
    wrong = []
    columns = zip(
        sheet.words("link_id"),
        sheet.words("ref_node_id"),
        sheet.numbers("start_lr"),
        sheet.numbers("end_lr"),
        strict=True,
    )
    for row, (link_id, node, start, end) in enumerate(columns):
        link = links.get(link_id)
        if link is None or start is None or end is None or not 0.0 <= start < end:
            wrong.append(row)
            continue
        first, last = start * short_m, end * short_m
        if node == link.to_node:
            first, last = link.length_m - last, link.length_m - first
        first, last = max(first, 0.0), min(last, link.length_m)
        if first < last:
            spans[ids[row]] = (link.id, (first, last))
        else:
            wrong.append(row)
    text = "the segment does not lie on its link"
    source.report("segment_off_link", sheet, text, wrong, ids, severity=Severity.WARNING)
    return spans


def _in_table(network: SingleMap) -> set[str]:
    table = next((table for table in network.tables if table.name == "segment_lane"), None)
    if table is None or "segment_lane_id" not in table.columns:
        return set()
    place = table.columns.index("segment_lane_id")
    return {row[place] for row in table.rows}


def lane_rows(network: SingleMap) -> Iterator[dict[str, str]]:
    """Write the lanes that run along a whole link as rows of lane.csv."""
    for lane in network.lanes:
        if lane.span is None:
            yield {
                **extra_cells("lane", lane.id, lane.extra, _POCKET_FIELDS),
                "lane_id": lane.id,
                "link_id": lane.link,
                "lane_num": str(lane.number),
                "allowed_uses": lane.allowed_uses,
                "width": "" if lane.width_m is None else number_text(lane.width_m),
            }


def pocket_rows(network: SingleMap) -> Iterator[dict[str, str]]:
    """Write the pockets that no kept segment_lane table has as rows of twin_lane.csv."""
    in_table = _in_table(network)
    for lane in network.lanes:
        if lane.span is not None and lane.id not in in_table:
            yield {
                **extra_cells("lane", lane.id, lane.extra, _POCKET_FIELDS),
                "lane_id": lane.id,
                "link_id": lane.link,
                "lane_num": str(lane.number),
                "allowed_uses": lane.allowed_uses,
                "width_m": "" if lane.width_m is None else number_text(lane.width_m),
                "start_m": number_text(lane.span[0]),
                "end_m": number_text(lane.span[1]),
            }
