"""Small maps for the tests of the network: one with a bit of everything, one in plain files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from twin.ids import (
    GateId,
    GroupId,
    JunctionId,
    LaneId,
    LinkId,
    MovementId,
    NodeId,
    PlanId,
    SensorId,
    StageId,
    ZoneId,
)
from twin.network.build import build_map
from twin.network.model import (
    Feature,
    Gate,
    Junction,
    Lane,
    Layer,
    Link,
    LinkClass,
    Movement,
    Node,
    Sensor,
    SignalGroup,
    SignalPlan,
    SingleMap,
    Stage,
    Table,
    TurnKind,
    Zone,
)

PLACES = {"w": (2.0, 41.0), "x": (2.01, 41.0), "e": (2.02, 41.0), "n": (2.01, 41.01)}


def node(name: str, /, **fields: Any) -> Node:
    """Make one of the four nodes."""
    return Node(NodeId(name), PLACES[name], **fields)


def link(start: str, end: str, **fields: Any) -> Link:
    """Make a straight link between two of the four nodes, called `start-end`."""
    values: dict[str, Any] = {
        "length_m": 840.0,
        "lanes": 2,
        "free_speed_mps": 50 / 3.6,
        "capacity_vps": 0.5,
        "link_class": LinkClass.ARTERIAL,
    } | fields
    return Link(
        id=LinkId(f"{start}-{end}"),
        from_node=NodeId(start),
        to_node=NodeId(end),
        line=values.pop("line", (PLACES[start], PLACES[end])),
        **values,
    )


def movement(before: str, after: str, kind: TurnKind, **fields: Any) -> Movement:
    """Make a movement over the middle node from link to link."""
    return Movement(
        id=MovementId(f"{before}>{after}"),
        node=NodeId("x"),
        from_link=LinkId(before),
        to_link=LinkId(after),
        kind=kind,
        **fields,
    )


def junction() -> Junction:
    """Make the signals of the middle node."""
    main = SignalGroup(GroupId("K1"), (MovementId("w-x>x-e"),), 6.0, 3.0)
    side = SignalGroup(GroupId("K2"), (MovementId("w-x>x-n"),), 5.0, 3.0, max_red_s=90.0)
    walk = SignalGroup(GroupId("F;1"), (), 8.0, 0.0, pedestrian=True)
    return Junction(
        id=JunctionId("J1"),
        node=NodeId("x"),
        groups=(main, side, walk),
        stages=(
            Stage(StageId("1"), (GroupId("K1"), GroupId("F;1"))),
            Stage(StageId("2"), (GroupId("K2"),)),
        ),
        intergreen_s=(
            (GroupId("K1"), GroupId("K2"), 5.0),
            (GroupId("K2"), GroupId("K1"), 6.0),
            (GroupId("F;1"), GroupId("K2"), 9.5),
        ),
        plans=(
            SignalPlan(PlanId("day"), 60.0, 12.0, ((StageId("1"), 37.0), (StageId("2"), 23.0))),
        ),
        name="Main, corner of North",
        extra=(("cabinet", "7"),),
    )


def parts() -> dict[str, Any]:
    """Return the arguments of `build_map` for a map with a bit of everything."""
    way = (PLACES["x"], (2.0112345678901, 41.005), PLACES["n"])
    return {
        "name": "Little town",
        "timezone": "Europe/Madrid",
        "nodes": (
            node("w", name="West, the old gate", zone="Z1", extra=(("z_coord", "12.5"),)),
            node("x", control="signal", kind="intersection"),
            node("e"),
            node("n"),
        ),
        "links": (
            link("w", "x", road="M-E", name="Main", authority="city", guessed=("lanes",)),
            link("x", "e", road="M-E", name="Main", free_speed_mps=100 / 3.6, lanes=3),
            link(
                "x",
                "n",
                line=way,
                length_m=1130.123,
                link_class=LinkClass.LOCAL,
                valid_from_us=1_700_000_000_000_000,
                valid_to_us=1_800_000_000_000_001,
                extra=(("facility_type", "residential"), ("grade", "2"), ("colour", "red")),
            ),
            link("n", "x", line=way[::-1], length_m=1130.123, link_class=LinkClass.LOCAL),
        ),
        "lanes": (
            Lane(LaneId("l1"), LinkId("w-x"), 1, 3.25, "car"),
            Lane(LaneId("l2"), LinkId("w-x"), 2),
            Lane(LaneId("l3"), LinkId("w-x"), -1, 3.0, span=(700.0, 840.0)),
        ),
        "movements": (
            movement("w-x", "x-e", TurnKind.THRU, share=0.7, from_lanes=(1, 2), to_lanes=(1, 2)),
            movement("w-x", "x-n", TurnKind.LEFT, share=0.3, penalty_s=4.5, capacity_vps=0.2),
            movement("n-x", "x-e", TurnKind.LEFT),
            movement("n-x", "x-n", TurnKind.UTURN, extra=(("name", "turn round"),)),
        ),
        "junctions": (junction(),),
        "sensors": (
            Sensor(SensorId("S1"), LinkId("w-x"), 400.0, (2.005, 41.0), 60.0, region="a"),
            Sensor(SensorId("S2"), LinkId("x-e"), 0.0, (2.01, 41.0), 60.0, "radar", 3, region="b"),
        ),
        "gates": (
            Gate(
                GateId("G1"),
                LinkId("x-n"),
                50.0,
                (2.01, 41.0005),
                True,  # noqa: FBT003
                (ZoneId("old"),),
                "North gate",
                barrier=True,
            ),
        ),
        "zones": (
            Zone(ZoneId("Z1"), "trips"),
            Zone(
                ZoneId("old"),
                "access",
                (LinkId("x-n"), LinkId("n-x")),
                "Old town",
                "POLYGON ((2 41, 2.02 41, 2.02 41.01, 2 41))",
            ),
        ),
        "features": (
            Feature(
                "R1",
                Layer.RAILWAY,
                "LINESTRING (2 40.99, 2.02 40.99)",
                "Line 1",
                "state",
                valid_from_us=0,
                links=(LinkId("w-x"),),
            ),
        ),
        "tables": (Table("toll_plan", ("a", "b"), (("1", "x, y"), ("", 'say "no"'))),),
        "meta": (("currency", "EUR"), ("drawn_by", "hand")),
    }


def town(**changes: Any) -> SingleMap:
    """Build the map with a bit of everything, with some of its parts replaced."""
    return build_map(**(parts() | changes))


def changed(items: Any, row: int, **fields: Any) -> tuple[Any, ...]:
    """Return the items with fields of one of them changed."""
    content = list(items)
    content[row] = replace(content[row], **fields)
    return tuple(content)


PLAIN = {
    "node.csv": "node_id,x_coord,y_coord\n1,2.0,41.0\n2,2.01,41.0\n3,2.02,41.0\n",
    "link.csv": (
        "link_id,from_node_id,to_node_id,directed,length,facility_type,capacity,free_speed,lanes\n"
        "a,1,2,1,0.84,arterial,900,50,2\n"
        "b,2,3,1,0.84,arterial,900,50,2\n"
    ),
    "movement.csv": "mvmt_id,node_id,ib_link_id,ob_link_id,type\nm,2,a,b,thru\n",
    "config.csv": (
        "dataset_name,short_length,long_length,speed,crs,geometry_field_format,version_number\n"
        "plain,m,km,kph,4326,wkt,0.96\n"
    ),
}


def put(folder: Path, files: dict[str, str] | None = None, **changes: str) -> Path:
    """Write the plain folder of three nodes and two links; `link=` replaces link.csv and so on."""
    content = dict(PLAIN if files is None else files)
    content.update({f"{name}.csv": text for name, text in changes.items()})
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder
