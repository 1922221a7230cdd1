"""Movements: every way on but back, less what turn restrictions forbid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from twin.ids import LinkId, MovementId
from twin.network.gmns.movements import turn_kind
from twin.network.model import Movement
from twin.network.osm.extract import Extract, OsmRule
from twin.network.osm.links import Drawn
from twin.network.osm.nodes import node_id
from twin.network.osm.roads import Tags
from twin.network.quality import Findings, Severity

_KEYS: Final = ("restriction:motorcar", "restriction:motor_vehicle", "restriction")
_NOT_CARS: Final = frozenset({"motorcar", "motor_vehicle", "motor_vehicles", "vehicle"})
_TEXTS: Final = {
    "restriction_via_way": "a turn restriction over a way, not a node, is not taken over",
    "restriction_conditional": "a turn restriction for certain times is not taken over",
    "restriction_broken": "a turn restriction without from, via or to is not taken over",
    "restriction_missing": "a turn restriction whose ways do not meet at a junction of this map"
    " has nothing to forbid",
    "restriction_unclear": "a way of the turn restriction goes on over its node: which turn is"
    " meant is not clear, it is not taken over",
    "restriction_unknown": "a turn restriction neither no_… nor only_… is not taken over",
}

Turn = tuple[LinkId, LinkId]


@dataclass
class _AtNodes:
    """The links that end and start at each node, by its id."""

    ending: dict[str, list[Drawn]] = field(default_factory=lambda: defaultdict(list))
    starting: dict[str, list[Drawn]] = field(default_factory=lambda: defaultdict(list))


def movements_of(
    extract: Extract, drawn: Iterable[Drawn], blocked: Collection[int], findings: Findings
) -> list[Movement]:
    """Return the permitted movements, in the order of the links that they come from.

    A link leads back into its own road only where nothing else leads on, and at barriers.
    """
    links = list(drawn)
    at = _AtNodes()
    for one in links:
        at.ending[one.link.to_node].append(one)
        at.starting[one.link.from_node].append(one)
    forbidden = _forbidden(extract, at, findings)
    shut = {node_id(extract, row) for row in blocked}
    movements = []
    for before in links:
        onward = at.starting[before.link.to_node]
        others = [one for one in onward if one.link.id != before.twin]
        if before.link.to_node in shut or not others:
            others = [one for one in onward if one.link.id == before.twin]
        movements += [
            Movement(
                id=MovementId(f"{before.link.id}>{after.link.id}"),
                node=before.link.to_node,
                from_link=before.link.id,
                to_link=after.link.id,
                kind=turn_kind(before.link, after.link),
            )
            for after in others
            if (before.link.id, after.link.id) not in forbidden
        ]
    return movements


def _forbidden(extract: Extract, at: _AtNodes, findings: Findings) -> set[Turn]:
    forbidden: set[Turn] = set()
    faults: dict[str, list[int]] = defaultdict(list)
    for rule in extract.rules:
        fault, turns = _turns(extract, rule, at)
        forbidden |= turns
        if fault:
            faults[fault].append(rule.id)
    for fault, rules in faults.items():
        is_small = fault == "restriction_missing"
        findings.add(
            fault,
            "relation",
            _TEXTS[fault],
            severity=Severity.INFO if is_small else Severity.WARNING,
            ids=[f"r{rule}" for rule in rules],
        )
    return forbidden


def _turns(extract: Extract, rule: OsmRule, at: _AtNodes) -> tuple[str, set[Turn]]:
    """Return the turns that a rule forbids, and why it forbids none."""
    kind = next((rule.tags[key] for key in _KEYS if key in rule.tags), "")
    if not kind:
        is_timed = any(key.endswith(":conditional") for key in rule.tags)
        return ("restriction_conditional" if is_timed else ""), set()  # or for lorries alone
    if _spares_cars(rule.tags):
        return "", set()
    if not kind.startswith(("no_", "only_")):
        return "restriction_unknown", set()
    if rule.via_ways:
        return "restriction_via_way", set()
    if len(rule.via_nodes) != 1 or not rule.from_ways or not rule.to_ways:
        return "restriction_broken", set()
    row = extract.row_of_node(rule.via_nodes[0])
    node = "" if row is None else node_id(extract, row)
    into = [one for one in at.ending.get(node, []) if one.ways[-1] in rule.from_ways]
    out = [one for one in at.starting.get(node, []) if one.ways[0] in rule.to_ways]
    if not into or not out:
        return "restriction_missing", set()
    if len(into) > len(rule.from_ways) or len(out) > len(rule.to_ways):
        return "restriction_unclear", set()
    named = {one.link.id for one in out}
    is_only = kind.startswith("only_")
    after = [one.link.id for one in at.starting[node] if (one.link.id in named) != is_only]
    return "", {(one.link.id, other) for one in into for other in after}


def _spares_cars(tags: Tags) -> bool:
    spared = {word.strip() for word in tags.get("except", "").split(";")}
    return not spared.isdisjoint(_NOT_CARS)
