"""A very small city for the tests of ingest: two regions, three sensors, a junction, a gate."""

from __future__ import annotations

from typing import Any

import msgspec

from twin.clock import iso_from_us
from twin.ids import (
    GateId,
    GroupId,
    JunctionId,
    LinkId,
    MovementId,
    NodeId,
    PlanId,
    SensorId,
    StageId,
    ZoneId,
)
from twin.network.model import (
    Gate,
    Junction,
    Link,
    LinkClass,
    Movement,
    Node,
    Sensor,
    SignalGroup,
    SignalPlan,
    SingleMap,
    Stage,
    TurnKind,
    Zone,
)
from twin.units import SECOND_US

START_US = 1_781_596_800 * SECOND_US
"""2026-06-16T08:00:00Z"""


def small_city() -> SingleMap:
    """Three links in a row; sensors S1 (2 lanes) and S2 in region A, S3 in region B."""
    nodes = tuple(Node(NodeId(f"n{row}"), (-3.7 + 0.01 * row, 40.4)) for row in range(4))
    links = tuple(
        Link(
            id=LinkId(f"L{row}"),
            from_node=nodes[row].id,
            to_node=nodes[row + 1].id,
            line=(nodes[row].point, nodes[row + 1].point),
            length_m=850.0,
            lanes=2,
            free_speed_mps=25.0,
            capacity_vps=1.0,
            link_class=LinkClass.ARTERIAL,
            road="R1",
        )
        for row in range(3)
    )
    sensors = tuple(
        Sensor(
            id=SensorId(f"S{row + 1}"),
            link=links[row].id,
            position_m=400.0,
            point=links[row].line[0],
            period_s=60.0,
            lanes=2 if row == 0 else 1,
            region="B" if row == 2 else "A",
        )
        for row in range(3)
    )
    movement = Movement(
        MovementId("m1"), nodes[1].id, links[0].id, links[1].id, TurnKind.THRU, share=1.0
    )
    side = Movement(
        MovementId("m2"), nodes[1].id, links[0].id, links[1].id, TurnKind.RIGHT, share=0.0
    )
    groups = (
        SignalGroup(GroupId("g1"), (movement.id,), 5.0, 3.0),
        SignalGroup(GroupId("g2"), (side.id,), 5.0, 3.0),
    )
    stages = (Stage(StageId("1"), (GroupId("g1"),)), Stage(StageId("2"), (GroupId("g2"),)))
    junction = Junction(
        id=JunctionId("J1"),
        node=nodes[1].id,
        groups=groups,
        stages=stages,
        intergreen_s=((GroupId("g1"), GroupId("g2"), 5.0), (GroupId("g2"), GroupId("g1"), 5.0)),
        plans=(SignalPlan(PlanId("p1"), 60.0, 0.0, ((StageId("1"), 30.0), (StageId("2"), 30.0))),),
    )
    return SingleMap(
        name="small",
        version="0" * 31 + "1",
        timezone="Europe/Madrid",
        nodes=nodes,
        links=links,
        movements=(movement, side),
        junctions=(junction,),
        sensors=sensors,
        gates=(
            Gate(
                id=GateId("G1"),
                link=links[2].id,
                position_m=100.0,
                point=nodes[2].point,
                inbound=True,
                zones=(ZoneId("Z1"),),
            ),
        ),
        zones=(Zone(ZoneId("Z1"), "access", (links[2].id,)),),
    )


def reading(sensor: Any = "S1", *, at_s: Any = 0.0, **fields: Any) -> bytes:
    """Write one reading as JSON, `at_s` seconds after START_US; a field set to ... is left out."""
    document: dict[str, Any] = {
        "id": f"{sensor}-{at_s:g}",
        "sensor": sensor,
        "time": iso_from_us(START_US + round(at_s * SECOND_US)),
        "period_s": 60.0,
        "count": 12,
        "speed_kph": 72.0,
        "occupancy_pct": 6.5,
    }
    document.update(fields)
    return msgspec.json.encode({name: value for name, value in document.items() if value != ...})


def passage(plate: Any = "1234BCD", *, at_s: Any = 0.0, **fields: Any) -> bytes:
    """Write one passage as JSON, `at_s` seconds after START_US."""
    document: dict[str, Any] = {
        "id": f"P-{at_s:g}",
        "gate": "G1",
        "time": iso_from_us(START_US + round(at_s * SECOND_US)),
        "plate": plate,
        "confidence": 0.97,
        "direction": "in",
        "country": "ES",
    }
    document.update(fields)
    return msgspec.json.encode({name: value for name, value in document.items() if value != ...})


def incident(**fields: Any) -> bytes:
    """Write one closed link as JSON, from START_US on."""
    document = {"id": "I1", "link": "L1", "time": iso_from_us(START_US), "kind": "closure"}
    return msgspec.json.encode(document | fields)
