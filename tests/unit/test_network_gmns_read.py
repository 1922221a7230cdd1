"""Reading GMNS: what is odd is accepted and reported, what is broken stops with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from network_maps import PLAIN, put
from twin.errors import MapError
from twin.network.gmns import read_demand, read_gmns
from twin.network.model import LinkClass, TurnKind

LINK_HEAD = (
    "link_id,from_node_id,to_node_id,directed,length,facility_type,capacity,free_speed,lanes"
)


def test_a_plain_folder_becomes_a_map_in_si(tmp_path: Path) -> None:
    network, report = read_gmns(put(tmp_path))
    first = network.links[0]
    assert (network.name, first.id, first.line) == ("plain", "a", ((2.0, 41.0), (2.01, 41.0)))
    assert first.length_m == 840.0
    assert first.free_speed_mps == pytest.approx(50 / 3.6)
    assert first.capacity_vps == pytest.approx(2 * 900 / 3600)
    assert first.link_class is LinkClass.ARTERIAL
    assert network.movements[0].kind is TurnKind.THRU
    assert report.counts["links"] == 2
    assert {entry.code for entry in report.entries} == {
        "missing_geometry",
        "filled_geometry",
        "timezone_unknown",
    }


def test_bom_crlf_quotes_and_empty_cells_are_read(tmp_path: Path) -> None:
    text = '\ufeffnode_id,name,x_coord,y_coord,z_coord\r\n1,"Main, ""old"" gate",2.0,41.0,\r\n'
    text += "2,,2.01,41.0,NaN\r\n3,,2.02,41.0,\r\n"
    network, _ = read_gmns(put(tmp_path, node=text))
    assert network.nodes[0].name == 'Main, "old" gate'
    assert network.nodes[1].extra == ()


def test_feet_and_miles_per_hour_become_metres(tmp_path: Path) -> None:
    config = PLAIN["config.csv"].replace("m,km,kph", "foot,mile,mph")
    link = f"{LINK_HEAD}\na,1,2,1,0.522,arterial,900,30,2\nb,2,3,1,0.522,arterial,900,30,2\n"
    lane = "lane_id,link_id,lane_num,width\nl,a,1,10\n"
    network, report = read_gmns(put(tmp_path, config=config, link=link, lane=lane))
    assert network.links[0].length_m == pytest.approx(0.522 * 1609.344)
    assert network.links[0].free_speed_mps == pytest.approx(30 * 0.44704)
    assert network.lanes[0].width_m == pytest.approx(3.048)
    assert report.find("length_differs") is None


def test_lengths_in_another_unit_than_stated_are_found_out(tmp_path: Path) -> None:
    link = f"{LINK_HEAD}\na,1,2,1,840,arterial,900,50,2\nb,2,3,1,839,arterial,900,50,2\n"
    network, report = read_gmns(put(tmp_path, link=link))
    assert [one.length_m for one in network.links] == [840.0, 839.0]
    found = report.find("length_unit")
    assert found is not None
    assert "meter" in found.text


def test_coordinates_of_a_projection_become_wgs84(tmp_path: Path) -> None:
    config = PLAIN["config.csv"].replace("4326", "EPSG:32631")
    node = (
        "node_id,x_coord,y_coord\n1,415916.4,4539179.5\n2,416757.1,4539170.5\n"
        "3,417597.8,4539161.7\n"
    )
    network, report = read_gmns(put(tmp_path, config=config, node=node))
    assert network.nodes[0].point == pytest.approx((2.0, 41.0), abs=2e-3)
    assert report.find("length_differs") is None


def test_the_direction_flag_turns_a_shared_geometry(tmp_path: Path) -> None:
    geometry = 'geometry_id,geometry\ng,"LINESTRING(2 41,2.005 41.001,2.01 41)"\n'
    link = (
        "link_id,from_node_id,to_node_id,directed,geometry_id,dir_flag\n"
        "a,1,2,,g,1\nback,2,1,,g,-1\nloose,2,1,,g,\nb,2,3,,,\n"
    )
    network, report = read_gmns(put(tmp_path, link=link, geometry=geometry))
    forward = network.links[0].line
    assert network.links[1].line == forward[::-1]
    assert network.links[2].line == forward[::-1]
    for code, ids in {
        "directed_empty": ("a", "back", "loose", "b"),
        "direction_guessed": ("loose",),
        "geometry_turned": ("back",),
        "missing_geometry": ("b",),
        "filled_geometry": ("b",),
        "filled_length": ("a", "back", "loose", "b"),
        "filled_lanes": ("a", "back", "loose", "b"),
        "filled_link_class": ("a", "back", "loose", "b"),
    }.items():
        found = report.find(code)
        assert found is not None, code
        assert found.ids == ids


def test_impossible_values_are_reported_and_filled_in(tmp_path: Path) -> None:
    link = (
        f"{LINK_HEAD}\nzero,1,2,1,0.84,motorway,1800,100,0\nminus,1,2,1,0.84,motorway,1800,100,-2\n"
        "many,1,2,1,0.84,motorway,1800,100,13\nslow,1,2,1,0.84,motorway,-5,0,2\n"
        "short,1,2,1,0,motorway,1800,100,2\nb,2,3,1,0.4,motorway,1800,100,12\n"
    )
    network, report = read_gmns(
        put(tmp_path, link=link, movement="mvmt_id,node_id,ib_link_id,ob_link_id\n")
    )
    for code, ids in {
        "impossible_lanes": ("zero", "minus", "many"),
        "impossible_capacity": ("slow",),
        "impossible_free_speed": ("slow",),
        "zero_length": ("short",),
        "length_differs": ("b",),
        "filled_lanes": ("zero", "minus", "many"),
    }.items():
        found = report.find(code)
        assert found is not None, code
        assert found.ids == ids
    assert [one.lanes for one in network.links] == [2, 2, 2, 2, 2, 12]
    assert network.links[4].length_m == pytest.approx(840.6, abs=1.0)


def test_unknown_types_are_classed_and_reported(tmp_path: Path) -> None:
    node = "node_id,x_coord,y_coord,zone_id\n1,2.0,41.0,1\n2,2.01,41.0,\n3,2.02,41.0,Z\n"
    link = f"{LINK_HEAD}\na,1,2,1,0.84,hot,900,50,2\nb,2,3,1,0.84,hot,900,50,2\n"
    types = "link_type,lanes\narterial,2\n"
    network, report = read_gmns(put(tmp_path, node=node, link=link, link_types=types))
    assert [one.link_class for one in network.links] == [LinkClass.CONNECTOR, LinkClass.LOCAL]
    assert network.links[0].extra == (("facility_type", "hot"),)
    assert [zone.id for zone in network.zones] == ["1", "Z"]
    for code, ids in {"unlisted_type": ("a", "b"), "zone_made": ("1", "Z")}.items():
        found = report.find(code)
        assert found is not None
        assert found.ids == ids


def test_dangling_rows_are_left_out_and_reported(tmp_path: Path) -> None:
    movement = (
        "mvmt_id,node_id,ib_link_id,ob_link_id,type\nm,2,a,b,thru\nlost,2,a,q,thru\n"
        "off,3,a,b,thru\nodd,2,a,b,other1\n"
    )
    lane = "lane_id,link_id,lane_num\nl,a,1\nnone,q,1\n"
    network, report = read_gmns(put(tmp_path, movement=movement, lane=lane))
    assert [one.id for one in network.movements] == ["m", "odd"]
    assert [one.id for one in network.lanes] == ["l"]
    dangling = {
        entry.table: entry.ids for entry in report.entries if entry.code == "dangling_reference"
    }
    assert dangling == {"movement": ("lost",), "lane": ("none",)}
    for code, ids in {"movement_off_node": ("off",), "unknown_turn": ("odd",)}.items():
        found = report.find(code)
        assert found is not None
        assert found.ids == ids


def test_references_of_kept_tables_are_checked(tmp_path: Path) -> None:
    location = "loc_id,link_id,ref_node_id,lr,x_coord,y_coord\nA,a,1,10,2.001,41.0\nB,q,9,10,,\n"
    network, report = read_gmns(put(tmp_path, location=location))
    assert network.tables[0].name == "location"
    texts = [entry for entry in report.entries if entry.table == "location"]
    assert [entry.ids for entry in texts] == [("B",), ("B",)]


def test_pockets_of_segments_become_lanes(tmp_path: Path) -> None:
    segment = "segment_id,link_id,ref_node_id,start_lr,end_lr\ns,a,2,0,60\nt,a,1,0,50\nu,q,1,0,50\n"
    lane = "segment_lane_id,segment_id,lane_num,parent_lane_id\np,s,-1,\nc,s,1,l\nq,t,3,\nr,u,3,\n"
    network, report = read_gmns(put(tmp_path, segment=segment, segment_lane=lane))
    assert [(one.id, one.number, one.span) for one in network.lanes] == [
        ("p", -1, (780.0, 840.0)),
        ("q", 3, (0.0, 50.0)),
    ]
    found = report.find("pocket_in_table_only")
    assert found is not None
    assert found.ids == ("r",)


def test_without_a_movement_table_every_way_on_is_made(tmp_path: Path) -> None:
    files = {name: text for name, text in PLAIN.items() if name != "movement.csv"}
    network, report = read_gmns(put(tmp_path, files))
    assert [(one.from_link, one.to_link) for one in network.movements] == [("a", "b")]
    assert report.find("movements_made") is not None


def test_without_a_config_the_file_is_taken_as_wgs84_and_metric(tmp_path: Path) -> None:
    files = {name: text for name, text in PLAIN.items() if name != "config.csv"}
    network, report = read_gmns(put(tmp_path / "here", files), timezone="Asia/Tokyo")
    assert (network.name, network.timezone) == ("here", "Asia/Tokyo")
    assert report.find("config_default") is not None


def test_a_row_that_stands_twice_is_reported_once_kept(tmp_path: Path) -> None:
    twice = PLAIN["node.csv"] + "3,2.02,41.0\n"
    network, report = read_gmns(put(tmp_path, node=twice))
    assert len(network.nodes) == 3
    found = report.find("duplicate_row")
    assert found is not None
    assert found.ids == ("3",)


def test_zones_that_share_an_id_get_a_number(tmp_path: Path) -> None:
    zone = "zone_id,name\n2.5E+11,north\n2.5E+11,south\n"
    network, report = read_gmns(put(tmp_path, zone=zone))
    assert [(one.id, one.name) for one in network.zones] == [
        ("2.5E+11", "north"),
        ("2.5E+11#2", "south"),
    ]
    assert report.find("duplicate_id") is not None


BROKEN = {
    "no nodes": ({"node": ""}, "node.csv line 1: the line with the column names is missing"),
    "column": ({"node": "node_id,x_coord\n1,2\n"}, "node.csv line 1: column y_coord is missing"),
    "column twice": (
        {"node": "node_id,node_id\n1,2\n"},
        "node.csv line 1: column 'node_id' stands",
    ),
    "column name": (
        {"node": "node_id,x_coord,y_coord,\x80\n1,2,41,\n"},
        "node.csv line 1: column '\\x80' is no name that can be printed",
    ),
    "only a head": ({"link": "link_id\n"}, "link.csv line 1: there is no link below"),
    "text": (
        {"link": f"{LINK_HEAD}\na,1,2,1,0.84,arterial,900,50,2\nb,2,3,1,long,arterial,900,50,2\n"},
        "link.csv line 3: length = 'long': must be a number",
    ),
    "python number": (
        {"node": "node_id,x_coord,y_coord\n1,1_0.0,41.0\n"},
        "node.csv line 2: x_coord = '1_0.0': must be a number",
    ),
    "infinite": (
        {"node": "node_id,x_coord,y_coord\n1,1e999,41.0\n"},
        "node.csv line 2: x_coord = '1e999': must be a number",
    ),
    "half a lane": (
        {"link": f"{LINK_HEAD}\na,1,2,1,0.84,arterial,900,50,1.5\n"},
        "link.csv line 2: lanes = '1.5': must be a whole number",
    ),
    "truth": (
        {"link": f"{LINK_HEAD}\na,1,2,maybe,0.84,arterial,900,50,1\n"},
        "link.csv line 2: directed = 'maybe': must be true, false, 1 or 0",
    ),
    "empty id": ({"node": "node_id,x_coord,y_coord\n,2,41\n"}, "node.csv line 2: node_id = ''"),
    "no x": ({"node": "node_id,x_coord,y_coord\n1,,41\n"}, "node.csv line 2: x_coord = ''"),
    "latitude": (
        {"node": "node_id,x_coord,y_coord\n1,2,168\n"},
        "node.csv line 2: x_coord, y_coord = '2, 168': is off the crs or earth",
    ),
    "no such node": (
        {"link": f"{LINK_HEAD}\na,1,9,1,0.84,arterial,900,50,1\n"},
        "link.csv line 2: to_node_id = '9': there is no such node in node.csv",
    ),
    "two contents": (
        {"node": PLAIN["node.csv"] + "3,2.03,41.0\n"},
        "node.csv line 5: node_id = '3': stands already on line 4, with other content",
    ),
    "cells": (
        {"node": "node_id,x_coord,y_coord\n1,2\n"},
        "node.csv line 2: 2 cells, but 3 columns",
    ),
    "open quote": (
        {"node": 'node_id,x_coord,y_coord\n1,2,41\n2,"2,41\n'},
        "node.csv line 3: not readable as CSV",
    ),
    "binary": ({"node": "node_id,x_coord\n\x00\x01\x02"}, "node.csv line 2: control character"),
    "crs": (
        {"config": PLAIN["config.csv"].replace("4326", "999999")},
        "config.csv line 2: crs = '999999'",
    ),
    "unit": (
        {"config": PLAIN["config.csv"].replace("m,km", "cubit,km")},
        "config.csv line 2: short_length = 'cubit': must be one of",
    ),
    "geometry": (
        {"geometry": "geometry_id,geometry\ng,POINT (2 41)\n"},
        "geometry.csv line 2: geometry = 'POINT (2 41)': must be a LINESTRING in WKT",
    ),
    "sensor": (
        {"twin_sensor": "sensor_id,link_id,position_m,x_coord,y_coord,period_s\nS,q,1,2,41,60\n"},
        "sensor 'S': link 'q' does not exist",
    ),
    "moment": (
        {"twin_link": "link_id,valid_from\na,2026-01-01T00:00:00\n"},
        "twin_link.csv line 2: valid_from = '2026-01-01T00:00:00': must be a moment",
    ),
    "class": (
        {"twin_link": "link_id,class\na,canal\n"},
        "twin_link.csv line 2: class = 'canal'",
    ),
    "kept": (
        {"segment": "segment_id,link_id,ref_node_id,start_lr,end_lr\ns,a,1,near,50\n"},
        "segment.csv line 2: start_lr = 'near': must be a number",
    ),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_a_broken_file_stops_with_its_place_and_rule(case: str, tmp_path: Path) -> None:
    changes, message = BROKEN[case]
    with pytest.raises(MapError) as caught:
        read_gmns(put(tmp_path, None, **changes))
    assert message in str(caught.value)


def test_a_byte_that_is_no_text_is_named_with_its_line(tmp_path: Path) -> None:
    folder = put(tmp_path)
    (folder / "node.csv").write_bytes(b"node_id,name,x_coord,y_coord\n1,Caf\xe9,2,41\n")
    with pytest.raises(MapError, match=r"node\.csv line 2: byte 0xe9 is not UTF-8"):
        read_gmns(folder)


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="there is no such folder"):
        read_gmns(tmp_path / "nowhere")
    with pytest.raises(MapError, match=r"node\.csv is missing"):
        read_gmns(tmp_path)


def test_a_file_without_a_last_line_end_is_noted(tmp_path: Path) -> None:
    _, report = read_gmns(put(tmp_path, node=PLAIN["node.csv"].rstrip("\n")))
    found = report.find("no_line_end")
    assert found is not None
    assert found.table == "node"


def test_demand_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "demand.csv").write_text("orig_taz,dest_taz,total\n1,2,3\n2,2,0.5\n")
    assert read_demand(tmp_path) == [("1", "2", 3.0), ("2", "2", 0.5)]
    (tmp_path / "demand.csv").write_text("orig_taz,dest_taz,total\n1,2,-3\n")
    with pytest.raises(MapError, match=r"demand\.csv line 2: total = '-3'"):
        read_demand(tmp_path)
    (tmp_path / "demand.csv").write_text("from,to\n1,2\n")
    with pytest.raises(MapError, match="column orig_taz is missing"):
        read_demand(tmp_path)
