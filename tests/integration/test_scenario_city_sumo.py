"""The practice city in SUMO: netconvert takes it, the way back loses nothing, it runs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from conftest import require
from scenario_city import CITY, generator
from twin.errors import InputError
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.network.sumo import read_sumo_net
from twin.world.sumo.engine import sumo_program

pytestmark = pytest.mark.sumo


def missing() -> str | None:
    """Say why SUMO cannot be run here, None when it can."""
    try:
        there = Path(sumo_program("sumo")).is_file()
    except InputError as error:
        return str(error)
    return None if there else "SUMO is not installed (extra sumo)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require(missing())
    place = tmp_path_factory.mktemp("city")
    make = generator()
    make.make_sumo(place, make.SEED)
    return place


@pytest.fixture(scope="module")
def city() -> SingleMap:
    return read_gmns(CITY / "network")[0]


def test_the_way_through_sumo_and_back_loses_nothing(folder: Path, city: SingleMap) -> None:
    back, quality = read_sumo_net(folder / "map.net.xml")
    assert set(back.link_rows) == set(city.link_rows)
    assert set(back.node_rows) == set(city.node_rows)
    for link in city.links:
        same = back.links[back.link_rows[link.id]]
        assert (same.from_node, same.to_node) == (link.from_node, link.to_node)
        assert same.lanes == link.lanes
        assert same.free_speed_mps == pytest.approx(link.free_speed_mps, abs=0.01)
        assert same.length_m == pytest.approx(link.length_m, abs=0.02)
        assert same.link_class is link.link_class
    assert _ways(back) == _ways(city)
    guessed = {entry.code for entry in quality.entries}
    assert "filled_capacity" in guessed


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


def test_conflicts_of_signals_survive(folder: Path, city: SingleMap) -> None:
    back, _ = read_sumo_net(folder / "map.net.xml")
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


def test_ten_minutes_run_without_teleports_or_collisions(folder: Path) -> None:
    out = folder / "statistics.xml"
    done = subprocess.run(
        [
            *(sumo_program("sumo"), "-c", str(folder / "city.sumocfg")),
            *("--end", str(6 * 3600 + 600), "--time-to-teleport", "300"),
            *("--statistic-output", str(out)),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    said = Xml.parse(out).getroot()
    counts = {child.tag: child.attrib for child in said}
    assert counts["teleports"]["total"] == "0"
    assert counts["safety"]["collisions"] == "0"
    assert int(counts["vehicles"]["inserted"]) > 200
