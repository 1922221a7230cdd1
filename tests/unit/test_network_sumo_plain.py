"""Maps as plain XML of SUMO: lanes led to lanes, signals that keep their intergreens."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from network_maps import changed, parts, town
from scenario_city import CITY
from twin.errors import MapError
from twin.ids import SensorId
from twin.network.gmns import read_gmns
from twin.network.model import Junction, Link, LinkClass, SingleMap, TurnKind
from twin.network.sumo.plain import write_sumo_plain
from twin.network.sumo.write_signals import SignalHead
from twin.network.sumo.write_ways import ways
from twin.network.sumo.write_xml import Element, document, number


@pytest.fixture(scope="module")
def city() -> SingleMap:
    return read_gmns(CITY / "network")[0]


def attributes(path: Path, tag: str) -> list[dict[str, str]]:
    return [dict(element.attrib) for element in Xml.parse(path).getroot().iter(tag)]


def test_everything_that_both_know_is_written(city: SingleMap, tmp_path: Path) -> None:
    write_sumo_plain(city, tmp_path, plan=1)
    edges = {edge["id"]: edge for edge in attributes(tmp_path / "map.edg.xml", "edge")}
    assert set(edges) == set(city.link_rows)
    for link in city.links:
        edge = edges[link.id]
        assert int(edge["numLanes"]) == link.lanes
        assert float(edge["speed"]) == pytest.approx(link.free_speed_mps, abs=1e-6)
        assert float(edge["length"]) == pytest.approx(link.length_m, abs=1e-6)
    ways_written = {
        (one["from"], one["to"])
        for one in attributes(tmp_path / "map.con.xml", "connection")
        if "to" in one
    }
    assert ways_written == {(move.from_link, move.to_link) for move in city.movements}
    programs = attributes(tmp_path / "map.tll.xml", "tlLogic")
    assert {one["programID"] for one in programs} == {f"{one.id}-peak" for one in city.junctions}
    loops = attributes(tmp_path / "map.add.xml", "inductionLoop")
    assert len(loops) == sum(sensor.lanes for sensor in city.sensors)


def test_the_side_file_leads_from_link_index_to_movement(city: SingleMap, tmp_path: Path) -> None:
    write_sumo_plain(city, tmp_path)
    side = json.loads((tmp_path / "signals.json").read_text(encoding="utf-8"))
    assert side["map_version"] == city.version
    ruled = attributes(tmp_path / "map.tll.xml", "connection")
    for junction in side["junctions"]:
        mine = {int(one["linkIndex"]): one for one in ruled if one["tl"] == junction["junction"]}
        assert [link["index"] for link in junction["links"]] == sorted(mine)
        for link in junction["links"]:
            assert mine[link["index"]]["from"] == link["from_link"]
            assert mine[link["index"]]["toLane"] == str(link["to_lane"])
        for state in junction["stages"].values():
            assert len(state) == len(mine)


def greens_by_second(head: SignalHead, junction: Junction, plan: int) -> list[set[str]]:
    """Return the groups of vehicles that are green in each half second of two cycles."""
    seconds: list[set[str]] = []
    for phase in head.phases(junction.plans[plan]) * 2:
        green = {link.group for link in head.links if phase.state[link.index] in "Gg"}
        assert phase.duration_s > 0
        seconds += [green] * round(phase.duration_s * 2)
    return seconds


def test_programs_keep_cycles_and_intergreens(city: SingleMap) -> None:
    lanes = ways(city)
    for junction in city.junctions:
        head = SignalHead(city, junction, lanes)
        between = {(str(a), str(b)): gap_s for a, b, gap_s in junction.intergreen_s}
        for row, plan in enumerate(junction.plans):
            seconds = greens_by_second(head, junction, row)
            assert len(seconds) == 4 * plan.cycle_s
            ended: dict[str, int] = {}
            for at, (before, now) in enumerate(pairwise(seconds), 1):
                ended |= dict.fromkeys(before - now, at)
                for group in now - before:
                    for other, moment in ended.items():
                        gap_s = between.get((other, group))
                        assert gap_s is None or (at - moment) / 2 >= gap_s
                assert not any((a, b) in between for a in now for b in now)


def test_every_green_ends_in_yellow(city: SingleMap) -> None:
    lanes = ways(city)
    for junction in city.junctions:
        head = SignalHead(city, junction, lanes)
        phases = head.phases(junction.plans[0])
        for before, after in pairwise([*phases, phases[0]]):
            for was, now in zip(before.state, after.state, strict=True):
                assert not (was in "Gg" and now == "r")


def test_a_left_turn_yields_while_others_come_against_it(city: SingleMap) -> None:
    lanes = ways(city)
    yielding: Counter[str] = Counter()
    turns: Counter[TurnKind] = Counter()
    for junction in city.junctions:
        head = SignalHead(city, junction, lanes)
        kinds = {move.id: move.kind for move in city.movements}
        for stage in head.stage_states().values():
            for link in head.links:
                if stage[link.index] == "g":
                    turns[kinds[link.way.movement]] += 1
                    yielding[junction.id] += kinds[link.way.movement] is TurnKind.LEFT
    assert set(turns) == {TurnKind.LEFT, TurnKind.RIGHT}
    assert turns[TurnKind.RIGHT] < turns[TurnKind.LEFT] / 3  # into lanes entered straight on
    assert yielding["J01"] == 2  # the side streets; lefts off the avenue have a stage
    assert yielding["J08"] > 2  # all on foot together, lefts off the avenue yield


def test_an_extra_lane_opens_left_in_the_city_and_right_on_motorways(city: SingleMap) -> None:
    rows = city.link_rows
    found = set()
    for movement, some in ways(city).items():
        move = city.movements[city.movement_rows[movement]]
        before, after = (city.links[rows[link]] for link in (move.from_link, move.to_link))
        if move.from_lanes == (1, 2) and move.to_lanes == (1, 3):
            fan = [way for way in some if way.from_lane == (1 if _city(after) else 0)]
            assert len(fan) == 2
            found.add(_city(after))
            assert before.lanes == 2
    assert found == {True, False}


def _city(link: Link) -> bool:
    return link.link_class is not LinkClass.MOTORWAY


def test_lanes_that_the_map_does_not_say_are_guessed_inside_the_links() -> None:
    network = town()
    for movement, some in ways(network).items():
        move = network.movements[network.movement_rows[movement]]
        assert some
        for way in some:
            for link, lane in ((move.from_link, way.from_lane), (move.to_link, way.to_lane)):
                assert 0 <= lane < network.links[network.link_rows[link]].lanes


def test_an_id_that_sumo_does_not_take_is_named(tmp_path: Path) -> None:
    network = town(sensors=changed(parts()["sensors"], 0, id=SensorId("a b")))
    with pytest.raises(MapError, match="sensor 'a b'"):
        write_sumo_plain(network, tmp_path)


def test_a_junction_without_a_plan_is_named(tmp_path: Path) -> None:
    network = town(junctions=changed(parts()["junctions"], 0, plans=()))
    with pytest.raises(MapError, match="'J1' has no signal plan"):
        write_sumo_plain(network, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(city: SingleMap, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(MapError, match="cannot be written"):
        write_sumo_plain(city, tmp_path / "file")


def test_text_is_escaped_and_numbers_are_short() -> None:
    text = document("x", [Element("y", {"name": 'a<"&', "at": 0.1 + 0.2})])
    assert Xml.fromstring(text)[0].attrib == {"name": 'a<"&', "at": "0.3"}
    assert [number(value) for value in (-0.0, 5.0, 1e-9, 12.5)] == ["0", "5", "0", "12.5"]
