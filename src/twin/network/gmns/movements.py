"""Movements: from movement.csv and twin_movement.csv to the model, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from twin.ids import MovementId, NodeId, derived_id
from twin.network.geometry import turn_deg
from twin.network.gmns.sheets import Sheet, extra_cells, number_text
from twin.network.gmns.source import Source
from twin.network.model import Link, LinkClass, Movement, TurnKind
from twin.network.quality import Severity
from twin.units import vph_from_vps, vps_from_vph

_FIELDS: Final = frozenset(
    {
        "mvmt_id",
        "node_id",
        "ib_link_id",
        "start_ib_lane",
        "end_ib_lane",
        "ob_link_id",
        "start_ob_lane",
        "end_ob_lane",
        "type",
        "penalty",
        "capacity",
        "ctrl_type",
    }
)
_THRU_DEG: Final = 40.0
_BACK_DEG: Final = 160.0

Lanes = tuple[int, int] | None


def turn_kind(before: Link, after: Link) -> TurnKind:
    """Return which way a movement turns, from the geometry of its links."""
    if before.from_node == after.to_node:
        return TurnKind.UTURN
    angle = turn_deg(before.line, after.line)
    if abs(angle) <= _THRU_DEG:
        return TurnKind.THRU
    if abs(angle) >= _BACK_DEG:
        return TurnKind.UTURN
    return TurnKind.RIGHT if angle > 0 else TurnKind.LEFT


def read_movements(source: Source, links: Mapping[str, Link]) -> list[Movement]:
    """Return the movements of movement.csv, or all that are possible when there is no such file.

    A movement of a link that does not exist, or of links that do not meet at its node, is left out
    and reported.
    """
    if not source.sheet("movement").columns:
        return _every_way_on(source, links.values())
    sheet, ids = source.known_only(
        *source.keyed("movement", "mvmt_id"), {"ib_link_id": links, "ob_link_id": links}
    )
    kinds, shares = _own_fields(source)
    columns = zip(
        ids,
        sheet.ids("node_id"),
        (links[word] for word in sheet.words("ib_link_id")),
        (links[word] for word in sheet.words("ob_link_id")),
        _lane_pairs(sheet, "start_ib_lane", "end_ib_lane"),
        _lane_pairs(sheet, "start_ob_lane", "end_ob_lane"),
        sheet.texts("type"),
        strict=True,
    )
    movements = []
    for identity, node, before, after, from_lanes, to_lanes, text in columns:
        kind = kinds.get(identity) or _kind(text) or turn_kind(before, after)
        movements.append(
            Movement(
                id=MovementId(identity),
                node=NodeId(node),
                from_link=before.id,
                to_link=after.id,
                kind=kind,
                from_lanes=from_lanes,
                to_lanes=to_lanes,
                share=shares.get(identity),
                extra=(("type", "" if text == kind.value else text),),
            )
        )
    whole = _with_costs(source, sheet, movements)
    return _at_their_nodes(source, _without_doubts(source, sheet, ids, whole), links)


def _with_costs(source: Source, sheet: Sheet, movements: list[Movement]) -> list[Movement]:
    """Add penalty, capacity, control and the fields that the model has no field for."""
    columns = zip(
        movements,
        sheet.numbers("penalty"),
        sheet.numbers("capacity"),
        sheet.texts("ctrl_type"),
        source.extras(sheet, _FIELDS),
        strict=True,
    )
    return [
        replace(
            movement,
            penalty_s=penalty or 0.0,
            capacity_vps=None if capacity is None else vps_from_vph(capacity),
            control=control,
            extra=(*movement.extra, *extra),
        )
        for movement, penalty, capacity, control, extra in columns
    ]


def _kind(text: str) -> TurnKind | None:
    try:
        return TurnKind(text.strip().lower())
    except ValueError:
        return None


def _lane_pairs(sheet: Sheet, first: str, last: str) -> list[Lanes]:
    pairs: list[Lanes] = []
    for start, end in zip(sheet.wholes(first), sheet.wholes(last), strict=True):
        known = [lane for lane in (start, end) if lane is not None]
        pairs.append((known[0], known[-1]) if known else None)
    return pairs


def _without_doubts(
    source: Source, sheet: Sheet, ids: list[str], movements: list[Movement]
) -> list[Movement]:
    """Report what is odd about movements, and take away capacities that cannot be."""
    texts = sheet.texts("type")
    unknown = [row for row, text in enumerate(texts) if _kind(text) is None]
    text = "type is not a turn of GMNS: taken from the geometry"
    source.report("unknown_turn", sheet, text, unknown, ids)
    wrong = [
        row
        for row, movement in enumerate(movements)
        if any(0 in lanes for lanes in (movement.from_lanes, movement.to_lanes) if lanes)
    ]
    text = "a lane number is 0: lanes count from 1, pockets on the left from -1"
    source.report("impossible_lane_number", sheet, text, wrong, ids)
    negative = [row for row, one in enumerate(movements) if (one.capacity_vps or 0.0) < 0.0]
    text = "capacity is negative: it is left out"
    source.report("impossible_capacity", sheet, text, negative, ids)
    return [
        replace(one, capacity_vps=None) if row in negative else one
        for row, one in enumerate(movements)
    ]


def _at_their_nodes(
    source: Source, movements: list[Movement], links: Mapping[str, Link]
) -> list[Movement]:
    kept: list[Movement] = []
    lost: list[str] = []
    for movement in movements:
        ends = links[movement.from_link].to_node, links[movement.to_link].from_node
        if ends == (movement.node, movement.node):
            kept.append(movement)
        else:
            lost.append(movement.id)
    source.findings.add(
        "movement_off_node",
        "movement",
        "its links do not meet at its node: the row is left out",
        severity=Severity.ERROR,
        ids=lost,
    )
    return kept


def _own_fields(source: Source) -> tuple[dict[str, TurnKind], dict[str, float]]:
    sheet, ids = source.keyed("twin_movement", "mvmt_id")
    kinds = {
        identity: sheet.value(row, "kind", word, TurnKind)
        for row, (identity, word) in enumerate(zip(ids, sheet.words("kind"), strict=True))
        if word
    }
    shares = {
        identity: share
        for identity, share in zip(ids, sheet.numbers("share"), strict=True)
        if share is not None
    }
    return kinds, shares


def every_movement(links: Sequence[Link]) -> list[Movement]:
    """Return a movement for every way from one link to the next, paths for walking left out."""
    leaving: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        if link.link_class is not LinkClass.PATH:
            leaving[link.from_node].append(link)
    return [
        Movement(
            id=MovementId(derived_id(before.id, after.id)),
            node=before.to_node,
            from_link=before.id,
            to_link=after.id,
            kind=turn_kind(before, after),
        )
        for before in links
        if before.link_class is not LinkClass.PATH
        for after in leaving[before.to_node]
    ]


def _every_way_on(source: Source, links: Iterable[Link]) -> list[Movement]:
    movements = every_movement(list(links))
    source.findings.add(
        "movements_made",
        "movement",
        f"there is no movement.csv: all {len(movements)} possible movements are made",
        severity=Severity.WARNING,
    )
    return movements


def movement_rows(movements: tuple[Movement, ...]) -> Iterator[dict[str, str]]:
    """Write movements as rows of movement.csv."""
    for movement in movements:
        capacity = movement.capacity_vps
        yield {
            "mvmt_id": movement.id,
            "node_id": movement.node,
            "ib_link_id": movement.from_link,
            "ob_link_id": movement.to_link,
            **_lane_cells("ib", movement.from_lanes),
            **_lane_cells("ob", movement.to_lanes),
            "type": movement.kind.value,
            "penalty": number_text(movement.penalty_s) if movement.penalty_s else "",
            "capacity": "" if capacity is None else number_text(vph_from_vps(capacity)),
            "ctrl_type": movement.control,
            **extra_cells("movement", movement.id, movement.extra, _FIELDS - {"type"}),
        }


def _lane_cells(side: str, lanes: Lanes) -> dict[str, str]:
    if lanes is None:
        return {}
    return {f"start_{side}_lane": str(lanes[0]), f"end_{side}_lane": str(lanes[1])}


def twin_movement_rows(movements: tuple[Movement, ...]) -> Iterator[dict[str, str]]:
    """Write what movement.csv has no column for: the share, and a turn that its type hides."""
    for movement in movements:
        said = _kind(dict(movement.extra).get("type", movement.kind.value))
        kind = "" if said is movement.kind else movement.kind.value
        share = "" if movement.share is None else number_text(movement.share)
        if kind or share:
            yield {"mvmt_id": movement.id, "kind": kind, "share": share}
