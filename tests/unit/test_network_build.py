"""A map is built whole and sound, or every fault in it is named."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from network_maps import changed, junction, link, movement, node, parts, town
from twin.errors import MapError
from twin.ids import GroupId, LaneId, LinkId, SensorId, StageId, ZoneId
from twin.network.build import build_map
from twin.network.model import (
    Feature,
    Lane,
    Layer,
    Sensor,
    SignalPlan,
    Stage,
    Table,
    TurnKind,
    Zone,
)


def test_the_town_is_sound_and_frozen() -> None:
    network = town()
    assert len(network.version) == 32
    assert network.link_rows == {"w-x": 0, "x-e": 1, "x-n": 2, "n-x": 3}
    with pytest.raises(FrozenInstanceError):
        network.name = "other"  # type: ignore[misc]


def test_rows_keep_the_order_they_came_in() -> None:
    links = parts()["links"]
    assert [one.id for one in town(links=links[::-1]).links] == [one.id for one in links[::-1]]


def test_every_problem_is_named_up_to_ten() -> None:
    many = [
        link("w", "x", lanes=0, length_m=-1.0, link_class=one.link_class) for one in town().links
    ]
    with pytest.raises(MapError) as caught:
        build_map(name="m", timezone="UTC", nodes=[node("w"), node("x")], links=many)
    assert "link 'w-x' stands 4 times" in str(caught.value)
    assert "lanes = 0 must be 1 to 12" in str(caught.value)


def broken() -> dict[str, tuple[dict[str, Any], str]]:
    base = parts()
    one = base["junctions"][0]
    plan = SignalPlan(one.plans[0].id, 61.0, 0.0, one.plans[0].steps)
    return {
        "timezone": ({"timezone": "Mars/Base"}, "timezone 'Mars/Base'"),
        "node point": ({"nodes": changed(base["nodes"], 2, point=(2.0, 168.0))}, "node 'e': point"),
        "node zone": ({"nodes": changed(base["nodes"], 2, zone="Z9")}, "zone 'Z9' does not exist"),
        "node id": ({"nodes": changed(base["nodes"], 2, id=" e")}, "node id ' e' must be"),
        "link end": ({"links": changed(base["links"], 1, to_node="q")}, "node 'q' does not exist"),
        "one point": ({"links": changed(base["links"], 1, line=((2.0, 41.0),))}, "two points"),
        "far line": (
            {"links": changed(base["links"], 1, line=((2.0, 41.0), (999.0, 41.0)))},
            "leaves the longitudes",
        ),
        "length": ({"links": changed(base["links"], 1, length_m=float("nan"))}, "length_m = nan"),
        "speed": ({"links": changed(base["links"], 1, free_speed_mps=0.0)}, "free_speed_mps = 0.0"),
        "capacity": ({"links": changed(base["links"], 1, capacity_vps=-1.0)}, "capacity_vps = -1"),
        "lanes": ({"links": changed(base["links"], 1, lanes=13)}, "lanes = 13 must be 1 to 12"),
        "validity": (
            {"links": changed(base["links"], 1, valid_from_us=5, valid_to_us=5)},
            "valid_from must be before valid_to",
        ),
        "text": ({"links": changed(base["links"], 1, length_m="far")}, "link 'x-e': not a number"),
        "lane link": (
            {"lanes": (Lane(LaneId("l"), LinkId("q"), 1),)},
            "lane 'l': link 'q' does not exist",
        ),
        "lane width": ({"lanes": (Lane(LaneId("l"), LinkId("w-x"), 1, -3.0),)}, "width_m = -3.0"),
        "lane span": (
            {"lanes": (Lane(LaneId("l"), LinkId("w-x"), 1, span=(9.0, 3.0)),)},
            "span (9.0, 3.0)",
        ),
        "movement link": (
            {"movements": changed(base["movements"], 2, to_link="q")},
            "link 'q' does not exist",
        ),
        "movement node": (
            {"movements": changed(base["movements"], 2, node="e")},
            "link 'n-x' does not end at node 'e'",
        ),
        "share": ({"movements": changed(base["movements"], 2, share=1.5)}, "share = 1.5"),
        "shares": (
            {"movements": changed(base["movements"], 1, share=0.4)},
            "link 'w-x': the shares of its movements sum to 1.1",
        ),
        "penalty": (
            {"movements": changed(base["movements"], 2, penalty_s=float("inf"))},
            "penalty_s = inf",
        ),
        "flow": ({"movements": changed(base["movements"], 2, capacity_vps=-0.1)}, "capacity_vps"),
        "junction node": ({"junctions": changed((one,), 0, node="q")}, "node 'q' does not exist"),
        "junction elsewhere": ({"junctions": changed((one,), 0, node="e")}, "at another node"),
        "stage group": (
            {
                "junctions": changed(
                    (one,),
                    0,
                    stages=(Stage(StageId("1"), (GroupId("K9"),)), Stage(StageId("2"), ())),
                )
            },
            "group 'K9' does not exist",
        ),
        "intergreen": (
            {"junctions": changed((one,), 0, intergreen_s=(("K1", "K2", -1.0),))},
            "intergreen 'K1' to 'K2' = -1.0 s",
        ),
        "cycle": ({"junctions": changed((one,), 0, plans=(plan,))}, "steps sum to 60 s"),
        "sensor link": (
            {"sensors": (Sensor(SensorId("S"), LinkId("q"), 0.0, (2.0, 41.0), 60.0),)},
            "link 'q'",
        ),
        "sensor place": (
            {"sensors": (Sensor(SensorId("S"), LinkId("w-x"), 900.0, (2.0, 41.0), 60.0),)},
            "position_m = 900 is not on its link of 840 m",
        ),
        "sensor period": (
            {"sensors": (Sensor(SensorId("S"), LinkId("w-x"), 0.0, (2.0, 41.0), 0.0),)},
            "period_s",
        ),
        "gate zone": ({"zones": base["zones"][:1]}, "gate 'G1': zone 'old' does not exist"),
        "zone link": (
            {"zones": (*base["zones"], Zone(ZoneId("q"), "trips", (LinkId("no"),)))},
            "link 'no'",
        ),
        "zone shape": (
            {"zones": (*base["zones"], Zone(ZoneId("q"), "trips", boundary_wkt="POLY"))},
            "zone 'q': its shape is no WKT",
        ),
        "feature link": (
            {"features": (Feature("f", Layer.WORKS, "POINT (2 41)", links=(LinkId("no"),)),)},
            "feature 'f': link 'no' does not exist",
        ),
        "table": ({"tables": (Table("t", ("a",), (("1", "2"),)),)}, "table 't': a row has not"),
    }


@pytest.mark.parametrize("case", sorted(broken()))
def test_each_fault_stops_the_map_and_is_named(case: str) -> None:
    changes, message = broken()[case]
    with pytest.raises(MapError) as caught:
        town(**changes)
    assert message in str(caught.value)


def test_a_signal_group_may_stand_in_two_junctions_under_one_name() -> None:
    first = junction()
    nodes = parts()["nodes"]
    second = changed(
        (first,), 0, id="J2", node="e", groups=(), stages=(), intergreen_s=(), plans=()
    )
    network = town(nodes=nodes, junctions=(first, *second))
    assert network.junction_rows == {"J1": 0, "J2": 1}


def test_numbers_are_put_on_the_grid() -> None:
    network = town(movements=(movement("w-x", "x-e", TurnKind.THRU, share=1 / 3),), junctions=())
    assert network.movements[0].share == 0.333333333
    assert network.links[0].free_speed_mps == 13.888888889
    assert network.links[2].line[1][0] == 2.011234568
