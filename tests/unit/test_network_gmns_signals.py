"""Signal tables of GMNS become junctions where they say enough, and stay tables where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from network_maps import put
from twin.network.gmns import read_gmns, write_gmns

NODE = "node_id,x_coord,y_coord\n1,2.0,41.0\n2,2.01,41.0\n3,2.02,41.0\n4,2.01,41.01\n"
LINK = (
    "link_id,from_node_id,to_node_id,directed,length,facility_type,capacity,free_speed,lanes\n"
    "we,1,2,1,0.84,arterial,900,50,2\new,3,2,1,0.84,arterial,900,50,2\n"
    "out,2,1,1,0.84,arterial,900,50,2\non,2,3,1,0.84,arterial,900,50,2\n"
    "ns,4,2,1,1.11,arterial,900,50,2\nup,2,4,1,1.11,arterial,900,50,2\n"
)
MOVEMENT = (
    "mvmt_id,node_id,ib_link_id,ob_link_id,type\nm1,2,ew,up,right\nm2,2,we,on,thru\n"
    "m5,2,we,up,left\nm6,2,ew,out,thru\nm4,2,ns,on,left\n"
)
PLAN = "timing_plan_id,controller_id,cycle_length\nday,c,80\nnight,c,\n"
HEAD = (
    "timing_phase_id,timing_plan_id,signal_phase_num,min_green,max_green,clearance,walk_time,"
    "ped_clearance,ring,barrier,position\n"
)
DAY = "d2,day,2,8,45,5,,,1,1,1\nd5,day,5,5,15,5,,,2,1,1\nd6,day,6,8,25,5,,,2,1,2\n"
DAY += "d4,day,4,7,25,5,6,9,1,2,1\n"
NIGHT = "n2,night,2,10,30,5,,,1,1,1\nn6,night,6,8,30,6,,,2,1,2\n"
SERVED = (
    "signal_phase_mvmt_id,timing_phase_id,mvmt_id,link_id,protection\n"
    "1,d2,m2,,protected\n2,d5,m5,,protected\n3,d6,m6,,protected\n4,d6,m1,,permitted\n"
    "5,d4,m4,,protected\n6,d4,,we,protected\n7,n2,m2,,protected\n8,n6,m6,,protected\n"
)
TABLES = {
    "node": NODE,
    "link": LINK,
    "movement": MOVEMENT,
    "signal_controller": "controller_id\nc\n",
    "signal_timing_plan": PLAN,
    "signal_timing_phase": HEAD + DAY + NIGHT,
    "signal_phase_mvmt": SERVED,
    "signal_coordination": (
        "coordination_id,timing_plan_id,controller_id,coord_contr_id,coord_phase,coord_ref_to,"
        "offset\n1,day,c,c,6,begin_of_green,12\n"
    ),
}


def test_rings_and_barriers_become_groups_stages_and_intergreens(tmp_path: Path) -> None:
    network, report = read_gmns(put(tmp_path, None, **TABLES))
    (junction,) = network.junctions
    assert junction.node == "2"
    assert [(one.id, one.movements) for one in junction.groups] == [
        ("2", ("m2",)),
        ("4", ("m4",)),
        ("5", ("m5",)),
        ("6", ("m1", "m6")),
    ]
    assert [one.min_green_s for one in junction.groups] == [10.0, 15.0, 5.0, 8.0]
    assert [one.yellow_s for one in junction.groups] == [4.0] * 4
    assert [stage.groups for stage in junction.stages] == [("2", "5"), ("2", "6"), ("4",)]
    gaps = {
        (str(ending), str(starting)): gap_s for ending, starting, gap_s in junction.intergreen_s
    }
    assert gaps[("2", "4")] == gaps[("4", "2")] == gaps[("5", "6")] == 5.0
    assert gaps[("6", "5")] == 6.0
    assert ("2", "5") not in gaps
    assert ("6", "2") not in gaps
    found = report.find("plan_in_tables_only")
    assert found is not None
    assert found.ids == ("2: night",)


def test_a_plan_that_fills_its_cycle_becomes_steps(tmp_path: Path) -> None:
    network, _ = read_gmns(put(tmp_path, None, **TABLES))
    (plan,) = network.junctions[0].plans
    assert (plan.id, plan.cycle_s) == ("day", 80.0)
    assert plan.steps == (("2+5", 20.0), ("2+6", 30.0), ("4", 30.0))
    assert plan.offset_s == 72.0  # phase 6 starts 20 s into the cycle, at second 12


def test_the_tables_are_kept_and_all_survives(tmp_path: Path) -> None:
    network, _ = read_gmns(put(tmp_path / "in", None, **TABLES))
    assert len(network.tables) == 5
    write_gmns(network, tmp_path / "out")
    assert read_gmns(tmp_path / "out")[0] == network


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (HEAD + DAY + NIGHT.replace(",6,,,2,1,2", ",,,,2,1,2"), "has no clearance"),
        (HEAD + DAY + NIGHT.replace("6,,,2,1,2", "6,,,1,1,2"), "plans disagree"),
    ],
)
def test_doubtful_signals_stay_in_their_tables(change: str, why: str, tmp_path: Path) -> None:
    tables = TABLES | {"signal_timing_phase": change}
    network, report = read_gmns(put(tmp_path, None, **tables))
    assert network.junctions == ()
    found = report.find("signals_in_tables_only")
    assert found is not None
    assert (found.ids, why in found.text) == (("2",), True)


@pytest.mark.parametrize(
    "change",
    [
        {"signal_timing_plan": PLAN.replace("80", "90")},
        {"signal_timing_phase": HEAD + DAY.replace("25,5,,,2,1,2", "20,5,,,2,1,2") + NIGHT},
        {
            "signal_coordination": str(TABLES["signal_coordination"]).replace(
                "begin_of_green", "begin_of_red"
            )
        },
    ],
)
def test_a_plan_that_does_not_add_up_is_not_made(change: dict[str, str], tmp_path: Path) -> None:
    network, report = read_gmns(put(tmp_path, None, **(TABLES | change)))
    assert network.junctions[0].plans == ()
    found = report.find("plan_in_tables_only")
    assert found is not None
    assert found.ids == ("2: day", "2: night")
