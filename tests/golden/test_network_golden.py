"""A tiny foreign network drawn by hand, and the map that it must become, to the version."""

from __future__ import annotations

from pathlib import Path

from network_maps import put
from twin.network.arrays import network_arrays
from twin.network.corridors import corridors
from twin.network.gmns import read_gmns, write_gmns

# A fork, in feet of a flat system:  1 ──main──▶ 2 ──main──▶ 3
#                                               └──ramp──▶ 4
FORK = {
    "config.csv": (
        "dataset_name,short_length,long_length,speed,crs,geometry_field_format,version_number\n"
        "fork,foot,mile,mph,3735,wkt,0.94\n"
    ),
    "node.csv": (
        "node_id,name,x_coord,y_coord,zone_id\n1,,1523373,1003235,1\n2,Fork,1526013,1003235,\n"
        "3,,1528653,1003235,3\n4,,1526013,1000595,4\n"
    ),
    "link.csv": (
        "link_id,from_node_id,to_node_id,directed,length,facility_type,capacity,free_speed,lanes\n"
        "in,1,2,,0.5,freeway,1800,60,3\non,2,3,,0.5,freeway,1800,60,2\n"
        "off,2,4,,0.5,off-ramp,1500,30,1\n"
    ),
    "movement.csv": (
        "mvmt_id,node_id,ib_link_id,start_ib_lane,end_ib_lane,ob_link_id,type,penalty\n"
        "1,2,in,1,2,on,thru,\n2,2,in,3,,off,right,2\n"
    ),
    "lane.csv": "lane_id,link_id,lane_num,width\na,in,1,12\nb,in,2,12\nc,in,3,12\n",
    "twin_link.csv": "link_id,road\nin,I75-E\non,I75-E\n",
    "demand.csv": "orig_taz,dest_taz,total\n1,3,900\n1,4,100\n",
}
VERSION = "06f72b4894e5d243f140d576fd6d9adc"


def test_the_fork_becomes_the_map_it_always_became(tmp_path: Path) -> None:
    network, report = read_gmns(put(tmp_path / "in", FORK), timezone="America/New_York")
    assert network.version == VERSION
    assert {entry.code for entry in report.entries} == {
        "crs",
        "directed_empty",
        "missing_geometry",
        "zone_made",
        "filled_geometry",
    }
    write_gmns(network, tmp_path / "out")
    assert read_gmns(tmp_path / "out")[0].version == VERSION


def test_the_fork_in_columns(tmp_path: Path) -> None:
    network, _ = read_gmns(put(tmp_path, FORK), timezone="America/New_York")
    arrays = network_arrays(network)
    assert arrays.length_m.tolist() == [804.672] * 3
    assert arrays.free_speed_mps.round(4).tolist() == [26.8224, 26.8224, 13.4112]
    assert (arrays.capacity_vps * 3600).round(3).tolist() == [5400.0, 3600.0, 1500.0]
    assert arrays.movement_share.round(4).tolist() == [0.7059, 0.2941]
    assert arrays.movement_penalty_s.tolist() == [0.0, 2.0]
    assert arrays.zone_node.tolist() == [0, 2, 3]
    (corridor,) = corridors(network)
    assert (corridor.links, corridor.start_m) == (("in", "on"), (0.0, 804.672))
