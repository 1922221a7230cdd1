"""Reading OpenStreetMap files: shapes of roads, turns, signals, boxes, and broken files."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner

from osm_towns import LAT, LON, Town, cross, market_town
from twin.commands.maps import maps
from twin.errors import MapError
from twin.network.model import LinkClass, SingleMap, TurnKind
from twin.network.osm import is_osm, read_osm
from twin.network.quality import QualityReport


def _read(town: Town, folder: Path) -> tuple[SingleMap, QualityReport]:
    return read_osm(town.write(folder / "town.osm"), timezone="Europe/Madrid")


def _ids(report: QualityReport, code: str) -> tuple[str, ...]:
    finding = report.find(code)
    return () if finding is None else finding.ids


def _turns(network: SingleMap) -> set[str]:
    return {movement.id for movement in network.movements}


def test_a_cross_has_every_turn_and_turns_back_only_at_its_ends(tmp_path: Path) -> None:
    network, report = _read(cross(), tmp_path)
    assert len(network.links) == 8
    inner = [movement for movement in network.movements if movement.node == "n5"]
    assert len(inner) == 12
    assert {one.kind for one in inner} == {TurnKind.THRU, TurnKind.LEFT, TurnKind.RIGHT}
    back = [movement for movement in network.movements if movement.kind is TurnKind.UTURN]
    assert {one.node for one in back} == {"n1", "n2", "n3", "n4"}
    share = report.find("connected_share")
    assert share is not None
    assert share.text.startswith("100.0%")


def test_the_order_and_the_format_of_a_file_change_nothing(tmp_path: Path) -> None:
    town = market_town()
    names = ("a", "b", "c", "d", "e")
    for name in names:
        (tmp_path / name).mkdir()
    paths = [
        town.write(tmp_path / "a" / "town.osm"),
        town.write(tmp_path / "b" / "town.osm", order="rwn"),
        town.write_pbf(tmp_path / "c" / "town.osm.pbf"),
        tmp_path / "d" / "town.osm.gz",
        tmp_path / "e" / "town.osm.bz2",
    ]
    text = town.xml().encode()
    paths[3].write_bytes(gzip.compress(text))
    paths[4].write_bytes(bz2.compress(text))
    assert len({read_osm(path)[0].version for path in paths}) == 1


def test_nodes_that_an_editor_has_not_numbered_yet(tmp_path: Path) -> None:
    town = cross()
    town.node(-7, 600, 200)
    town.way(-1, [2, -7], "residential", name="New")
    network, _ = _read(town, tmp_path)
    assert {"n-7", "n2"} <= set(network.node_rows)
    assert "w-1-1f" in network.link_rows


def test_equal_ways_in_a_row_are_one_link_that_keeps_its_shape(tmp_path: Path) -> None:
    town = Town()
    for number, (east, north) in enumerate([(0, 0), (100, 50), (200, 0), (300, 50)], start=1):
        town.node(number, east, north)
    town.way(7, [3, 4], "residential", name="Long")
    town.way(5, [3, 2, 1], "residential", name="Long")  # drawn against the other
    network, _ = _read(town, tmp_path)
    assert set(network.link_rows) == {"w5-1f", "w5-1b"}
    forward = network.links[network.link_rows["w5-1f"]]
    assert (forward.from_node, forward.to_node) == ("n4", "n1")
    assert len(forward.line) == 4
    assert dict(forward.extra)["osm_ways"] == "5;7"


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Short"},
        {"name": "Long", "maxspeed": "30"},
        {"name": "Long", "lanes": "4"},
        {"name": "Long", "oneway": "yes"},
    ],
)
def test_ways_that_differ_stay_apart(tmp_path: Path, other: dict[str, str]) -> None:
    town = Town()
    for number in (1, 2, 3):
        town.node(number, number * 100, 0)
    town.way(1, [1, 2], "residential", name="Long")
    town.way(2, [2, 3], "residential", **other)
    network, _ = _read(town, tmp_path)
    assert "n2" in network.node_rows


def test_no_link_ends_where_it_starts(tmp_path: Path) -> None:
    town = cross()
    for number, (east, north) in enumerate([(500, 250), (550, 200), (500, 150)], start=6):
        town.node(number, east, north)
    town.way(5, [2, 6, 7], "residential")
    town.way(6, [7, 8, 2], "residential")  # a loop of two ways, on one node
    for number, (east, north) in enumerate([(0, 900), (50, 950), (100, 900)], start=20):
        town.node(number, east, north)
    town.way(7, [20, 21, 22, 20], "residential")  # a ring alone
    town.node(30, 200, 500)
    town.node(31, 250, 500)
    town.way(8, [4, 30, 31, 4], "residential")  # a loop of one way
    network, report = _read(town, tmp_path)
    assert all(link.from_node != link.to_node for link in network.links)
    assert {dict(link.extra)["highway"] for link in network.links} == {"residential"}
    assert set(_ids(report, "island")) == {"w7-1f", "w7-1b", "w7-2f", "w7-2b"}


def test_a_way_that_crosses_itself_is_cut_there(tmp_path: Path) -> None:
    town = Town()
    for number, (east, north) in enumerate([(0, 0), (100, 0), (200, 0), (200, 100)], start=1):
        town.node(number, east, north)
    town.way(1, [1, 2, 3, 4, 2], "residential")
    network, _ = _read(town, tmp_path)
    assert "n2" in network.node_rows
    assert len(network.links) == 6


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("no_left_turn", {"w1-1f>w4-1f"}),
        ("only_left_turn", {"w1-1f>w2-1f", "w1-1f>w3-1b"}),
    ],
)
def test_turn_restrictions(tmp_path: Path, kind: str, gone: set[str]) -> None:
    town = cross()
    before = _turns(_read(town, tmp_path)[0])
    town.rule(1, kind, 1, 5, 4)
    assert before - _turns(_read(town, tmp_path)[0]) == gone


def test_restrictions_that_are_not_for_cars_or_cannot_be_taken_over(tmp_path: Path) -> None:
    town = cross()
    free = _turns(_read(town, tmp_path)[0])
    town.rule(1, "no_left_turn", 1, 5, 4, **{"except": "motorcar;bicycle"})
    town.rule(2, "no_left_turn", 1, 5, 99)
    town.rule(3, "give_way", 1, 5, 4)
    town.relations[4] = (
        [("way", 1, "from"), ("node", 5, "via"), ("way", 4, "to")],
        {"type": "restriction", "restriction:hgv": "no_left_turn"},
    )
    town.relations[5] = (
        [("way", 1, "from"), ("node", 5, "via"), ("way", 4, "to")],
        {"type": "restriction", "restriction:conditional": "no_left_turn @ (07:00-09:00)"},
    )
    town.relations[6] = ([("way", 1, "from")], {"type": "restriction", "restriction": "no_u_turn"})
    network, report = _read(town, tmp_path)
    assert _turns(network) == free
    assert _ids(report, "restriction_missing") == ("r2",)
    assert _ids(report, "restriction_unknown") == ("r3",)
    assert _ids(report, "restriction_conditional") == ("r5",)
    assert _ids(report, "restriction_broken") == ("r6",)


def test_signals_come_to_their_junction_and_stay_where_there_is_none(tmp_path: Path) -> None:
    town = cross()
    town.node(10, 180, 200, highway="traffic_signals")  # a stop line 20 m west of the junction
    town.node(11, 200, 80, highway="crossing", crossing="traffic_signals")  # 120 m south of it
    town.node(12, 200, 300, highway="crossing")
    town.ways[1] = ([1, 10, 5], town.ways[1][1])
    town.ways[3] = ([3, 11, 5], town.ways[3][1])
    town.ways[4] = ([5, 12, 4], town.ways[4][1])
    network, _ = _read(town, tmp_path)
    controls = {str(node.id): (node.control, node.kind) for node in network.nodes}
    assert controls["n5"] == ("signal", "")
    assert controls["n11"] == ("signal", "crossing")
    assert "n10" not in controls
    assert "n12" not in controls
    assert not network.junctions
    assert dict(network.links[network.link_rows["w4-1f"]].extra)["crossings"] == "1"


def test_on_a_oneway_the_signal_belongs_to_the_junction_ahead(tmp_path: Path) -> None:
    town = cross()
    town.node(6, 220, 400)
    town.node(7, 400, 400)
    town.node(10, 190, 215, highway="traffic_signals")  # 15 m behind node 5, driven away from it
    town.node(11, 200, 450)
    town.ways[4] = ([5, 10, 4], {"highway": "residential", "oneway": "yes"})
    town.way(5, [4, 7], "residential")
    town.way(6, [4, 11], "residential")
    network, _ = _read(town, tmp_path)
    controls = {str(node.id): node.control for node in network.nodes}
    assert controls["n5"] == ""
    assert controls["n10"] == "signal"


def test_a_bollard_lets_nobody_through(tmp_path: Path) -> None:
    town = cross()
    town.node_tags[5] = {"barrier": "bollard"}
    network, report = _read(town, tmp_path)
    through = [one for one in network.movements if one.node == "n5"]
    assert {one.kind for one in through} == {TurnKind.UTURN}
    assert _ids(report, "barrier") == ("n5",)
    town.node_tags[5] = {"barrier": "gate"}
    assert len([one for one in _read(town, tmp_path)[0].movements if one.node == "n5"]) == 12


def test_nodes_at_one_place_that_are_not_joined_are_reported(tmp_path: Path) -> None:
    town = cross()
    town.node(9, 400, 200)  # where node 2 is
    town.node(8, 600, 200)
    town.way(9, [9, 8], "residential")
    _, report = _read(town, tmp_path)
    assert _ids(report, "same_place") == ("n2", "n9")
    assert _ids(report, "island") == ("w9-1f", "w9-1b")


def test_two_nodes_of_a_road_at_one_place_still_are_a_road(tmp_path: Path) -> None:
    town = cross()
    town.node(9, 400, 200)
    town.way(9, [2, 9], "service")
    network, report = _read(town, tmp_path)
    assert network.links[network.link_rows["w9-1f"]].length_m == 1.0
    assert _ids(report, "no_extent") == ("w9-1f", "w9-1b")


def test_a_box_cuts_roads_and_land(tmp_path: Path) -> None:
    town = market_town()
    path = town.write(tmp_path / "town.osm")
    box = (LON + 0.004, LAT - 0.0085, LON + 0.0095, LAT - 0.0025)
    part, report = read_osm(path, box=box)
    assert {"n30", "n61"} <= set(part.node_rows)
    assert "n50" in part.node_rows  # the last node of way 204 in the box: the road ends there
    assert not {"n21", "n51"} & set(part.node_rows)
    assert all(
        box[0] <= lon <= box[2] and box[1] <= lat <= box[3]
        for link in part.links
        for lon, lat in link.line
    )
    assert "land-w406" not in {feature.id for feature in part.features}
    assert _ids(report, "missing_nodes") == ("w402",)  # others are only not in the box
    assert _ids(report, "minor_service") == ("w304",)
    assert {entry.code for entry in report.entries}.isdisjoint(
        {"closed_to_cars", "ferry", "no_place", "impossible_lanes"}  # all outside
    )
    with pytest.raises(MapError, match="no road for cars in it and in the box"):
        read_osm(path, box=(0.0, 0.0, 1.0, 1.0))
    with pytest.raises(MapError, match="west < east"):
        read_osm(path, box=(1.0, 0.0, 0.0, 1.0))


def test_only_the_wanted_classes(tmp_path: Path) -> None:
    path = market_town().write(tmp_path / "town.osm")
    network, _ = read_osm(path, classes=["motorway"])
    assert {link.link_class for link in network.links} == {LinkClass.MOTORWAY, LinkClass.RAMP}
    with pytest.raises(MapError, match="footway; known are motorway"):
        read_osm(path, classes=["footway"])


def test_a_way_that_stands_twice_counts_in_its_highest_version(tmp_path: Path) -> None:
    text = cross().xml()
    again = (
        '<way id="1" version="4"><nd ref="1"/><nd ref="5"/>'
        '<tag k="highway" v="residential"/><tag k="name" v="Later"/></way>'
    )
    path = tmp_path / "town.osm"
    path.write_text(text.replace("</osm>", again + "</osm>"), encoding="utf-8")
    network, report = read_osm(path)
    assert network.links[network.link_rows["w1-1f"]].name == "Later"
    assert _ids(report, "stands_twice") == ("w1",)


def test_control_characters_in_names_do_not_stop_an_import(tmp_path: Path) -> None:
    town = cross()
    town.way(1, [1, 5], "residential", name="Two\x0alines\u200b")
    network, _ = _read(town, tmp_path)
    assert network.links[network.link_rows["w1-1f"]].name == "Two lines"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("town.osm", b"", "is empty"),
        ("town.osm.pbf", b"<!DOCTYPE html><html>404</html>", "neither PBF nor XML"),
        ("town.osm", b"<osm version='0.6'><node id='x'/></osm>", "broken or cut short"),
        ("town.osm", cross().xml().encode()[:400], "broken or cut short"),
        ("town.osm", b"\x1f\x8b\x08\x00nonsense", "broken or cut short"),
        ("town.osm", b"<osm version='0.6'></osm>", "no road for cars"),
        ("town.osm", b"<osm version='0.6'><node id='1' lat='95' lon='0'/></osm>", "."),
    ],
)
def test_a_broken_file_is_named_with_its_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MapError, match=reason) as caught:
        read_osm(path)
    assert str(caught.value).startswith(name)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "away.osm", tmp_path):
        with pytest.raises(MapError, match="cannot be read"):
            read_osm(path)


def test_what_looks_like_an_extract() -> None:
    assert [is_osm(Path(name)) for name in ("a.osm.pbf", "a.OSM", "a.osm.xml", "a.csv", "a")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_the_command_imports_and_its_result_passes_the_check(tmp_path: Path) -> None:
    town = market_town().write_pbf(tmp_path / "town.osm.pbf")
    out = tmp_path / "map"
    tz = ["--tz", "Europe/Madrid"]
    first = CliRunner().invoke(maps, ["import", str(town), "--out", str(out), "--json", *tz])
    assert first.exit_code == 0
    again = CliRunner().invoke(maps, ["check", str(out), "--json"])
    version = read_osm(town, timezone="Europe/Madrid")[0].version
    assert version in first.stdout
    assert version in again.stdout


def test_the_command_takes_a_box_in_the_west_and_a_file_of_any_name(tmp_path: Path) -> None:
    town = market_town().write(tmp_path / "town.download")
    box = f"{LON + 0.004},{LAT - 0.0085},{LON + 0.0095},{LAT - 0.0025}"
    options = ["--osm", "--bbox", box, "--classes", "primary,residential"]
    result = CliRunner().invoke(
        maps, ["import", str(town), "--out", str(tmp_path / "map"), *options]
    )
    assert result.exit_code == 0
    links = (tmp_path / "map" / "link.csv").read_text(encoding="utf-8")
    assert "w201-1f" in links
    assert "w101-1f" not in links  # not of these classes, and outside
    assert "w305-1f" not in links  # inside, but a tertiary


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--bbox", "1,2,3"], "four numbers"),
        (["--classes", "motorways"], "motorways; known are"),
        (["--stations", "--osm"], "two kinds"),
    ],
)
def test_the_command_refuses_in_one_line_and_writes_nothing(
    tmp_path: Path, options: list[str], reason: str
) -> None:
    town = cross().write(tmp_path / "town.osm")
    result = CliRunner().invoke(
        maps, ["import", str(town), "--out", str(tmp_path / "map"), *options]
    )
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not (tmp_path / "map").exists()
