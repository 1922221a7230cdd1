"""The practice city in SUMO: netconvert takes it, the way back loses nothing, it runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner

from real_parts import require
from scenario_city import CITY
from twin.commands.demo_city import missing_sumo
from twin.commands.maps import maps
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.network.sumo import read_sumo_net
from twin.network.sumo.write_roadside import stop_rows
from twin.world.sumo.engine import sumo_program

pytestmark = [pytest.mark.sumo, pytest.mark.timeout(600)]  # on a busy machine


@pytest.fixture(scope="module")
def city() -> SingleMap:
    return read_gmns(CITY / "network")[0]


@pytest.fixture(scope="module")
def back(tmp_path_factory: pytest.TempPathFactory) -> SingleMap:
    """Take the city through `twin map export`, netconvert and `twin map import`."""
    require(missing_sumo() or None)
    place = tmp_path_factory.mktemp("back")
    runner = CliRunner()
    source, plain, out = str(CITY / "network"), place / "plain", place / "map"
    words = ["export", source, "--format", "sumo", "--plan", "2", "--out", str(plain)]
    assert runner.invoke(maps, words).exit_code == 0
    subprocess.run(
        [sumo_program("netconvert"), "-c", "map.netccfg"],
        cwd=plain,
        check=True,
        capture_output=True,
    )
    words = ["import", str(plain / "map.net.xml"), "--additional", str(plain / "map.add.xml")]
    done = runner.invoke(maps, [*words, "--tz", "Europe/Madrid", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert {entry["code"] for entry in said["findings"]} == {"no_way_on"}, "nothing was guessed"
    return read_gmns(out)[0]


def test_links_nodes_and_lanes_come_back_field_by_field(back: SingleMap, city: SingleMap) -> None:
    assert set(back.link_rows) == set(city.link_rows)
    assert set(back.node_rows) == set(city.node_rows)
    assert back.timezone == city.timezone
    for node in city.nodes:
        assert back.nodes[back.node_rows[node.id]].point == pytest.approx(node.point, abs=2e-7)
    for link in city.links:
        same = back.links[back.link_rows[link.id]]
        exact = ("from_node", "to_node", "lanes", "link_class", "name", "road", "authority")
        assert [getattr(same, field) for field in exact] == [
            getattr(link, field) for field in exact
        ]
        assert same.free_speed_mps == pytest.approx(link.free_speed_mps, abs=0.006)
        assert same.length_m == pytest.approx(link.length_m, abs=0.006)
        assert same.capacity_vps == pytest.approx(link.capacity_vps, abs=1e-6)
        assert same.guessed == ()
        assert len(same.line) == len(link.line)
        for there, here in zip(same.line, link.line, strict=True):
            assert there == pytest.approx(here, abs=6e-5)
    widths = {(one.link, one.number): one.width_m for one in back.lanes}
    for lane in city.lanes:
        assert widths[lane.link, lane.number] == pytest.approx(lane.width_m)


def test_movements_loops_and_stops_come_back(back: SingleMap, city: SingleMap) -> None:
    assert _ways(back) == _ways(city)
    both = set(back.movement_rows) & set(city.movement_rows)
    assert len(both) == len(city.movements)
    for name in both:
        here, there = (one.movements[one.movement_rows[name]] for one in (city, back))
        assert (there.node, there.from_link, there.to_link) == (
            here.node,
            here.from_link,
            here.to_link,
        )
    assert set(back.sensor_rows) == set(city.sensor_rows)
    for sensor in city.sensors:
        same = back.sensors[back.sensor_rows[sensor.id]]
        assert (same.link, same.lanes, same.period_s) == (
            sensor.link,
            sensor.lanes,
            sensor.period_s,
        )
        assert same.position_m == pytest.approx(sensor.position_m, abs=0.006)
        assert same.point == pytest.approx(sensor.point, abs=6e-5)  # it may stand beside it
    assert [row["loc_id"] for row in stop_rows(back)] == [row["loc_id"] for row in stop_rows(city)]


def test_signals_come_back_with_plan_cycle_and_yellow(back: SingleMap, city: SingleMap) -> None:
    for junction in city.junctions:
        there = back.junctions[back.junction_rows[junction.id]]
        (plan,) = there.plans
        assert (plan.id, plan.cycle_s) == (junction.plans[1].id, junction.plans[1].cycle_s)
        assert there.node == junction.node
        assert {group.yellow_s for group in there.groups} <= {3.0}
        ruled = {move for group in junction.groups for move in group.movements}
        assert {_way(back, m) for group in there.groups for m in group.movements} == {
            _way(city, m) for m in ruled
        }


def _way(network: SingleMap, movement: str) -> tuple[str, str]:
    one = network.movements[network.movement_rows[movement]]
    return one.from_link, one.to_link


def _ways(network: SingleMap) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """Return the lanes left and entered of every way; a way in two groups counts once."""
    found: dict[tuple[str, str], tuple[int, int, int, int]] = {}
    for move in network.movements:
        assert move.from_lanes is not None
        assert move.to_lanes is not None
        key = (str(move.from_link), str(move.to_link))
        mine = (*move.from_lanes, *move.to_lanes)
        old = found.get(key, mine)
        found[key] = (
            min(old[0], mine[0]),
            max(old[1], mine[1]),
            min(old[2], mine[2]),
            max(old[3], mine[3]),
        )
    return found


def test_conflicts_of_signals_survive(city_folder: Path, city: SingleMap) -> None:
    back, _ = read_sumo_net(city_folder / "map.net.xml")
    assert set(back.junction_rows) == set(city.junction_rows)
    for junction in city.junctions:
        there = back.junctions[back.junction_rows[junction.id]]
        mine, theirs = _together(city, junction.id), _together(back, there.id)
        assert theirs == mine, junction.id


def _together(network: SingleMap, junction_id: str) -> set[frozenset[tuple[str, str]]]:
    """Return for each stage the ways that are green in it."""
    junction = network.junctions[network.junction_rows[junction_id]]
    moves = {move.id: (str(move.from_link), str(move.to_link)) for move in network.movements}
    members = {group.id: group.movements for group in junction.groups}
    stages = {
        frozenset(moves[name] for group in stage.groups for name in members[group])
        for stage in junction.stages
    }
    return {stage for stage in stages if stage}


def test_ten_minutes_run_without_teleports_or_collisions(city_folder: Path) -> None:
    out = city_folder / "statistics.xml"
    done = subprocess.run(
        [
            *(sumo_program("sumo"), "-c", str(city_folder / "city.sumocfg")),
            *("--end", str(6 * 3600 + 600), "--time-to-teleport", "300"),
            *("--statistic-output", str(out)),
        ],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    said = Xml.parse(out).getroot()
    counts = {child.tag: child.attrib for child in said}
    assert counts["teleports"]["total"] == "0"
    assert counts["safety"]["collisions"] == "0"
    assert int(counts["vehicles"]["inserted"]) > 200
