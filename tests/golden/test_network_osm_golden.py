"""A town with a bit of everything, and the map that it must become, to the version."""

from __future__ import annotations

from pathlib import Path

import pytest

from osm_towns import market_town
from twin.network.corridors import corridors
from twin.network.gmns import read_gmns, write_gmns
from twin.network.model import SingleMap
from twin.network.osm import read_osm
from twin.network.quality import QualityReport

VERSION = "f70bd5baada12759c09d095f8b08fdaa"

# id: (from, to, lanes, free speed km/h, capacity veh/h, road)
LINKS = {
    "w101-1f": ("n1", "n2", 3, 120.0, 6000, "A-1-E"),
    "w102-1f": ("n2", "n4", 2, 120.0, 4000, "A-1-E"),
    "w103-1f": ("n4", "n5", 3, 120.0, 6000, "A-1-E"),
    "w104-1b": ("n15", "n11", 2, 120.0, 4000, "A-1-W"),  # oneway=-1
    "w105-1f": ("n2", "n21", 1, 60.0, 1600, ""),
    "w106-1f": ("n21", "n4", 1, 64.4, 1600, ""),  # 40 mph
    "w201-1f": ("n21", "n30", 2, 50.0, 900, "M-10-S"),  # one of its lanes is for buses
    "w201-1b": ("n30", "n21", 2, 50.0, 1800, "M-10-N"),
    "w201-2f": ("n30", "n40", 2, 50.0, 900, "M-10-S"),  # goes on as way 202, a bridge
    "w201-2b": ("n40", "n30", 2, 50.0, 1800, "M-10-N"),
    "w203-1f": ("n40", "n41", 2, 50.0, 1800, "M-10-S"),  # the roundabout
    "w203-2f": ("n41", "n42", 2, 50.0, 1800, "M-10-S"),
    "w203-3f": ("n42", "n40", 2, 50.0, 1800, "M-10-N"),
    "w204-1f": ("n51", "n42", 2, 50.0, 1800, "M-10-N"),
    "w204-1b": ("n42", "n51", 2, 50.0, 1800, "M-10-S"),
    "w301-1f": ("n41", "n60", 1, 30.0, 600, ""),
    "w301-1b": ("n60", "n41", 1, 30.0, 600, ""),
    "w301-2f": ("n60", "n61", 1, 30.0, 600, ""),
    "w301-2b": ("n61", "n60", 1, 30.0, 600, ""),
    "w302-1f": ("n61", "n63", 1, 7.0, 400, ""),  # walking pace
    "w302-2f": ("n63", "n60", 1, 7.0, 400, ""),
    "w303-1f": ("n61", "n65", 1, 30.0, 600, ""),
    "w303-1b": ("n65", "n61", 1, 30.0, 600, ""),
    "w303-2f": ("n65", "n64", 1, 30.0, 600, ""),
    "w303-2b": ("n64", "n65", 1, 30.0, 600, ""),
    "w305-1f": ("n63", "n30", 1, 50.0, 800, ""),
    "w305-1b": ("n30", "n63", 1, 50.0, 800, ""),
    "w401-1f": ("n70", "n72", 1, 30.0, 600, ""),
    "w401-1b": ("n72", "n70", 1, 30.0, 600, ""),
}
FINDINGS = {
    "area": (),  # a square for people on foot is no road to begin with
    "barrier": ("n65",),
    "bus_lane_place": ("w201", "w202"),
    "closed_to_cars": ("w404",),
    "doubled_node": ("w410",),
    "ferry": ("w405",),
    "filled_oneway": ("w105-1f", "w106-1f"),
    "impossible_lanes": ("w401",),
    "island": ("w104-1b", "w303-2f", "w303-2b", "w401-1f", "w401-1b"),
    "minor_service": ("w304",),
    "missing_nodes": ("w402",),
    "no_place": ("w410",),
    "restriction_unclear": ("r1", "r2"),
    "restriction_via_way": ("r4",),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[SingleMap, QualityReport]:
    path = tmp_path_factory.mktemp("town") / "market-town.osm"
    return read_osm(market_town().write(path), timezone="Europe/Madrid")


def test_the_links_of_the_town(town: tuple[SingleMap, QualityReport]) -> None:
    network, _ = town
    assert {
        link.id: (
            link.from_node,
            link.to_node,
            link.lanes,
            round(link.free_speed_mps * 3.6, 1),
            round(link.capacity_vps * 3600),
            link.road,
        )
        for link in network.links
    } == LINKS


def test_the_findings_of_the_town(town: tuple[SingleMap, QualityReport]) -> None:
    _, report = town
    found = {code: report.find(code) for code in FINDINGS}
    assert {code: one.ids if one else () for code, one in found.items()} == FINDINGS
    others = {entry.code for entry in report.entries} - set(FINDINGS)
    assert others == {
        "connected_share",
        "filled_capacity",
        "filled_free_speed",
        "filled_lanes",
        "one_way_in_or_out",
    }


def test_the_turns_nodes_lanes_and_features_of_the_town(
    town: tuple[SingleMap, QualityReport],
) -> None:
    network, _ = town
    turns = set(network.movement_rows)
    assert {"w203-3f>w203-1f", "w201-2f>w203-1f", "w203-3f>w201-2b"} <= turns  # round it goes
    assert "w301-2f>w303-1f" not in turns  # no_left_turn
    assert {one.id for one in network.nodes if one.control == "signal"} == {"n21", "n61"}
    kinds = {one.id: one.kind for one in network.nodes if one.kind}
    assert kinds == {"n2": "motorway_junction", "n30": "crossing", "n65": "barrier"}
    assert network.nodes[network.node_rows["n2"]].name == "Market Town"
    assert [one.id for one in network.lanes if one.allowed_uses == "bus"] == [
        "w201-1f:2",
        "w201-2f:2",
    ]
    assert {one.id: one.layer.value for one in network.features} == {
        "land-w406": "land_use",
        "rail-w407": "railway",
        "rail-w408": "urban_rail",
        "works-w409": "works",
    }
    extra = dict(network.links[network.link_rows["w204-1f"]].extra)
    assert extra == {"highway": "primary", "level_crossings": "1"}


def test_the_corridors_of_the_town_run_over_the_roundabout(
    town: tuple[SingleMap, QualityReport],
) -> None:
    network, _ = town
    found = {corridor.road: corridor.links for corridor in corridors(network)}
    assert found["M-10-S"] == ("w201-1f", "w201-2f", "w203-1f", "w203-2f", "w204-1b")
    assert found["M-10-N"] == ("w204-1f", "w203-3f", "w201-2b", "w201-1b")
    assert found["A-1-E"] == ("w101-1f", "w102-1f", "w103-1f")


def test_the_version_of_the_town_there_and_back(
    town: tuple[SingleMap, QualityReport], tmp_path: Path
) -> None:
    network, _ = town
    assert network.version == VERSION
    write_gmns(network, tmp_path / "map")
    assert read_gmns(tmp_path / "map")[0].version == VERSION
