"""What stands on nodes of roads: signals, crossings, barriers, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from twin.ids import NodeId
from twin.network.geometry import line_length_m
from twin.network.model import Node
from twin.network.osm.chains import Chain
from twin.network.osm.extract import Extract
from twin.network.osm.roads import RESTRICTED, Tags, car_access
from twin.network.quality import Findings, Severity

NEAR_M: Final = 30.0  # a signal so near to a junction stands at one of its stop lines
AHEAD_M: Final = 50.0  # the same on a one-way road, where only the junction ahead can be meant
_BLOCKS: Final = frozenset(
    [
        "bollard",
        "block",
        "jersey_barrier",
        "log",
        "debris",
        "cycle_barrier",
        "planter",
        "wall",
        "fence",
    ]
)
_KINDS: Final = frozenset({"motorway_junction", "crossing"})


def is_signal(tags: Tags) -> bool:
    """Say whether a node has traffic lights for cars."""
    return tags.get("highway") == "traffic_signals" or (
        tags.get("highway") == "crossing"
        and (tags.get("crossing") == "traffic_signals" or tags.get("crossing:signals") == "yes")
    )


def is_blocked(tags: Tags) -> bool:
    """Say whether something on a node stops cars."""
    if "barrier" not in tags:
        return False
    access = car_access(tags)
    return access in RESTRICTED or (tags["barrier"] in _BLOCKS and not access)


@dataclass(frozen=True, slots=True)
class Signals:
    """Rows of nodes with signals; those of `apart` are far from any junction."""

    at: frozenset[int]
    apart: frozenset[int]


def place_signals(extract: Extract, chains: list[Chain]) -> Signals:
    """Bring every signal to the junction that it belongs to; far from one it stays where it is."""
    degree = Counter(row for chain in chains for row in chain.ends)
    at: set[int] = set()
    apart: set[int] = set()
    brought: set[int] = set()  # where two chains meet, one may lead to a junction close by
    lit = {row for row, tags in extract.node_tags.items() if is_signal(tags)}
    for chain in chains:
        for place, row in enumerate(chain.rows):
            if row in lit and row not in at:
                junction = row if degree[row] > 2 else _near(extract, chain, place, degree)
                if junction is None:
                    apart.add(row)
                else:
                    at.add(junction)
                    brought.add(row)
    apart -= brought
    return Signals(frozenset(at | apart), frozenset(apart))


def _near(extract: Extract, chain: Chain, place: int, degree: Counter[int]) -> int | None:
    """Return the junction at an end of a chain that a signal at one of its nodes belongs to."""
    ways = {
        chain.rows[0]: chain.rows[: place + 1],
        chain.rows[-1]: chain.rows[place:],
    }
    found = []
    for end, rows in ways.items():
        if degree[end] > 2:
            reach_m = _reach_m(chain, is_end=end == chain.rows[-1])
            line = extract.line(rows)
            far_m = line_length_m(line) if len(line) > 1 else 0.0
            if far_m <= reach_m:
                found.append((far_m, end))
    return min(found)[1] if found else None


def _reach_m(chain: Chain, *, is_end: bool) -> float:
    if chain.forward and chain.backward:
        return NEAR_M
    is_ahead = is_end == (chain.forward is not None)
    return AHEAD_M if is_ahead else 0.0


def blocked_rows(extract: Extract) -> frozenset[int]:
    """Return the nodes that no car passes."""
    return frozenset(row for row, tags in extract.node_tags.items() if is_blocked(tags))


def map_nodes(
    extract: Extract, chains: Iterable[Chain], signals: Signals, blocked: Collection[int]
) -> list[Node]:
    """Return the nodes at which chains start and end, by rising number."""
    rows = sorted({row for chain in chains for row in chain.ends})
    return [
        Node(
            id=node_id(extract, row),
            point=extract.point(row),
            name=_name(extract.node_tags.get(row, {})),
            kind="barrier" if row in blocked else _kind(extract.node_tags.get(row, {})),
            control="signal" if row in signals.at else "",
        )
        for row in rows
    ]


def node_id(extract: Extract, row: int) -> NodeId:
    """Return the id of a node in the map."""
    return NodeId(f"n{extract.node_ids[row]}")


def _name(tags: Tags) -> str:
    return tags.get("name", "").strip()


def _kind(tags: Tags) -> str:
    if tags.get("railway") in {"level_crossing", "tram_level_crossing"}:
        return "level_crossing"
    return tags["highway"] if tags.get("highway") in _KINDS else ""


def report_nodes(
    findings: Findings, extract: Extract, chains: list[Chain], blocked: Collection[int]
) -> None:
    """Report barriers on roads, and ends of roads that stand on another road without joining."""
    used = {row for chain in chains for row in chain.rows}
    findings.add(
        "barrier",
        "node",
        "something on the road stops cars here: nobody drives through",
        severity=Severity.INFO,
        ids=[node_id(extract, row) for row in sorted(used & set(blocked))],
    )
    by_place: dict[tuple[float, float], list[int]] = {}
    for row in sorted(used):
        by_place.setdefault(extract.point(row), []).append(row)
    ends = {row for chain in chains for row in chain.ends}
    findings.add(
        "same_place",
        "node",
        "nodes of roads at one place that are not joined: nobody can turn there",
        severity=Severity.WARNING,
        ids=[
            node_id(extract, row)
            for rows in by_place.values()
            if len(rows) > 1 and not ends.isdisjoint(rows)
            for row in rows
        ],
    )
