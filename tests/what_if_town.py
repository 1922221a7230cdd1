"""A small town for tests of what-ifs: two ways from W to E, signals, a zone; and its scenario."""

from __future__ import annotations

from pathlib import Path

from twin.ids import GroupId, JunctionId, LinkId, MovementId, NodeId, PlanId, StageId, ZoneId
from twin.network.build import build_map
from twin.network.gmns import write_gmns
from twin.network.model import (
    Junction,
    Link,
    LinkClass,
    Movement,
    Node,
    SignalGroup,
    SignalPlan,
    SingleMap,
    Stage,
    TurnKind,
    Zone,
)
from twin.scenario.project import Project, open_project
from twin.scenario.read import read_scenario

_PLACES = {
    "W": (-3.70, 40.40),
    "A": (-3.69, 40.40),
    "N": (-3.68, 40.41),
    "S": (-3.68, 40.39),
    "E": (-3.67, 40.40),
    "F": (-3.66, 40.40),
}
_LINKS = (
    ("WA", "W", "A", 800.0, 2, 0.9),
    ("AN", "A", "N", 1000.0, 1, 0.4),
    ("NE", "N", "E", 1000.0, 1, 0.4),
    ("AS", "A", "S", 1400.0, 1, 0.5),
    ("SE", "S", "E", 1400.0, 1, 0.5),
    ("EF", "E", "F", 600.0, 2, 0.9),
)
_TURNS = (("WA", "AN"), ("WA", "AS"), ("AN", "NE"), ("AS", "SE"), ("NE", "EF"), ("SE", "EF"))

HEAD = """
format: 1
name: town
map: {folder: net}
starts: "07:00"
ends: "07:40"
seeds: [1, 2]
classes: [{name: car}, {name: truck}]
demand:
  trips:
    - {origin: W, destination: F, trips: 250, from: "07:00", until: "07:30"}
    - {origin: W, destination: F, class: truck, trips: 40, from: "07:00", until: "07:30"}
"""


def town() -> SingleMap:
    """Make the map: W-A, A-N-E or the longer A-S-E, E-F; signals at E, zone OLD on the north."""
    return build_map(
        name="town",
        timezone="UTC",
        nodes=[Node(NodeId(name), point) for name, point in _PLACES.items()],
        links=[
            Link(
                LinkId(name),
                NodeId(start),
                NodeId(end),
                (_PLACES[start], _PLACES[end]),
                metres,
                lanes,
                14.0,
                capacity_vps,
                LinkClass.ARTERIAL,
            )
            for name, start, end, metres, lanes, capacity_vps in _LINKS
        ],
        movements=[
            Movement(
                MovementId(f"{first}>{second}"),
                NodeId(first[-1]),
                LinkId(first),
                LinkId(second),
                TurnKind.THRU,
            )
            for first, second in _TURNS
        ],
        junctions=[_signals()],
        zones=[Zone(ZoneId("OLD"), "access", (LinkId("AN"), LinkId("NE")))],
    )


def _signals() -> Junction:
    groups = tuple(
        SignalGroup(GroupId(name), (MovementId(f"{name}>EF"),), 8.0, 3.0) for name in ("NE", "SE")
    )
    return Junction(
        JunctionId("JE"),
        NodeId("E"),
        groups,
        tuple(Stage(StageId(str(k)), (group.id,)) for k, group in enumerate(groups, 1)),
        ((GroupId("NE"), GroupId("SE"), 5.0),),
        (SignalPlan(PlanId("p"), 80.0, 0.0, ((StageId("1"), 45.0), (StageId("2"), 35.0))),),
    )


def project(edits: str = "[]", head: str = HEAD, *, more: str = "") -> Project:
    """Open a scenario of the town."""
    text = f"{head}{more}\nedits: {edits}\n"
    return open_project(read_scenario(text.encode()), Path(), network=town())


def write_town(folder: Path, edits: str = "[]", head: str = HEAD, *, more: str = "") -> Path:
    """Write the map and a scenario of it; return the scenario's path."""
    write_gmns(town(), folder / "net")
    path = folder / "scenario.yaml"
    path.write_text(f"{head}{more}\nedits: {edits}\n", encoding="utf-8")
    return path
