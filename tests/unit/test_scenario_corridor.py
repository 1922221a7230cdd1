"""The corridor scenario: its generator makes what is kept, and the day looks like a day."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from twin.control.access.rules import load_rules
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.world.recording import open_recording
from world_fake import CORRIDOR

DAY = CORRIDOR / "day"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corridor_make", CORRIDOR / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.fixture(scope="module")
def network() -> SingleMap:
    return read_gmns(CORRIDOR / "network")[0]


@pytest.fixture(scope="module")
def readings() -> dict[str, Any]:
    with np.load(DAY / "readings.npz") as file:
        return {name: file[name] for name in file.files}


def rows(name: str) -> list[dict[str, str]]:
    with (DAY / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def speeds(readings: dict[str, Any], road: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return (1440, sensors of the road) km/h in the order of travel, NaN where none."""
    columns = [at for at, name in enumerate(readings["sensor_id"]) if str(name).startswith(road)]
    values = readings["speed_kph10"][:, columns] / 10.0
    return np.where(values < 0, np.nan, values)


def test_the_kept_map_is_the_drawn_one(make: ModuleType, network: SingleMap) -> None:
    assert make.city.whole_map(make.city.draw()).version == network.version


def test_the_map_has_what_was_promised(network: SingleMap) -> None:
    assert 150 <= len(network.links) <= 300
    assert 80 <= len(network.sensors) <= 110
    for road in ("A1-N", "A1-S"):
        own = [link for link in network.links if link.road == road]
        assert sum(link.length_m for link in own) == pytest.approx(12_000, rel=0.01)
        assert all(300 <= link.length_m <= 750 for link in own)
    for junction in network.junctions:
        assert 2 <= len(junction.stages) <= 3
        assert len(junction.plans) == 2
        assert sum(group.pedestrian for group in junction.groups) == 1
    assert [junction.id for junction in network.junctions] == ["J1", "J2", "J3", "J4"]
    assert Counter(gate.inbound for gate in network.gates) == {True: 2, False: 2}
    assert sum(gate.barrier for gate in network.gates) == 1
    assert len({str(feature.layer) for feature in network.features}) == 5
    old = next(zone for zone in network.zones if zone.id == "OLD")
    assert 12 <= len(old.links) <= 25


def test_every_movement_at_a_signal_has_one_group(network: SingleMap) -> None:
    for junction in network.junctions:
        grouped = Counter(move for group in junction.groups for move in group.movements)
        at_node = {move.id for move in network.movements if move.node == junction.node}
        assert set(grouped) == at_node
        assert set(grouped.values()) == {1}


def test_the_recording_fits_the_map_and_the_rules(network: SingleMap) -> None:
    recording = open_recording(CORRIDOR)
    recording.check(network)
    rules = load_rules(CORRIDOR / "access_rules.json")
    assert {row["profile"] for row in rows("authorisations.csv")} == set(rules.profiles)
    assert recording.start_us < recording.demo_start_us < recording.end_us


def test_people_come_and_go_the_same_for_the_same_seed(make: ModuleType, tmp_path: Path) -> None:
    for name, seed in (("a", make.SEED), ("b", make.SEED), ("c", make.SEED + 1)):
        (tmp_path / name).mkdir()
        make.make_passages(tmp_path / name, seed)
    for name in ("passages.csv", "authorisations.csv"):
        first, second, other = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert first == second == (DAY / name).read_bytes()
        assert first != other


def test_the_kept_readings_are_those_of_the_generator(
    make: ModuleType, network: SingleMap, readings: dict[str, Any], tmp_path: Path
) -> None:
    make.make_readings(tmp_path, network, make.SEED)
    with np.load(tmp_path / "readings.npz") as made:
        for name in ("sensor_id", "start", "step_s"):
            assert np.array_equal(made[name], readings[name])
        for name in ("count", "speed_kph10", "occupancy_pct10"):
            # Another machine may round a value at a tie to the other side.
            assert np.mean(made[name] == readings[name]) > 0.999


def test_the_kept_words_are_those_of_the_generator(make: ModuleType, tmp_path: Path) -> None:
    make.make_scenario(tmp_path)
    make.make_incidents(tmp_path)
    assert (tmp_path / "scenario.json").read_bytes() == (CORRIDOR / "scenario.json").read_bytes()
    kept = (CORRIDOR / "access_rules.json").read_bytes()
    assert (tmp_path / "access_rules.json").read_bytes() == kept
    assert (tmp_path / "incidents.json").read_bytes() == (DAY / "incidents.json").read_bytes()


def test_files_are_small() -> None:
    kept = [*DAY.iterdir(), *(CORRIDOR / "network").iterdir()]
    assert max(path.stat().st_size for path in kept) < 1_000_000


def test_the_night_is_free_and_the_morning_jams(readings: dict[str, Any]) -> None:
    north = speeds(readings, "A1-N")
    assert 105 < np.nanmedian(north[180:300]) < 120
    jam = north[480:540, 19:25]  # km 8.5 to 10.5, 08:00 to 09:00
    assert 15 < np.nanmedian(jam) < 35
    assert np.nanmedian(north[480:540, :9]) > 95  # upstream of the queue
    assert np.nanmedian(north[480:540, 26:]) > 90  # downstream of its head
    assert np.nanmin(north[620:660]) > 80  # gone by 10:20


def test_the_queue_grows_at_the_speed_of_a_wave(readings: dict[str, Any]) -> None:
    south = speeds(readings, "A1-S")
    names = [str(name) for name in readings["sensor_id"] if str(name).startswith("A1-S")]
    at_km = np.array([float(name[-5:]) for name in names])
    first_slow = {
        km: minute
        for column, km in enumerate(at_km)
        if 4.5 < km < 7.3
        for minute in [int(np.argmax(south[480:540, column] < 40))]
        if minute
    }
    assert len(first_slow) >= 3
    places, minutes = np.array(list(first_slow)), np.array(list(first_slow.values()))
    wave_kph = 60.0 * np.polyfit(minutes, places, 1)[0]
    assert -20 < wave_kph < -3  # the tail moves upstream, no faster than jams dissolve


def test_losses_a_dead_and_a_stuck_detector(make: ModuleType, readings: dict[str, Any]) -> None:
    names = [str(name) for name in readings["sensor_id"]]
    dead, stuck = (
        names.index(make.measure.DEAD_SENSOR),
        names.index(make.measure.STUCK_SENSOR),
    )
    count = readings["count"]
    assert (count[make.measure.DEAD_FROM_MIN :, dead] == -1).all()
    assert (count[: make.measure.DEAD_FROM_MIN, dead] >= 0).mean() > 0.9
    start, end = make.measure.STUCK_MIN
    there = readings["speed_kph10"][start:end, stuck]
    assert len(set(there[there >= 0].tolist())) == 1
    others = np.delete(count, dead, axis=1)
    assert 0.015 < (others == -1).mean() < 0.025


def test_passages_pair_and_some_are_misread() -> None:
    passages = rows("passages.csv")
    assert 1500 <= len(passages) <= 2500
    known = {row["plate"] for row in rows("authorisations.csv")}
    read = [row for row in passages if row["plate"]]
    assert 0.85 < np.mean([row["plate"] in known for row in read]) < 0.97
    ways = Counter((row["gate"], row["direction"]) for row in passages)
    assert set(ways) == {("G1", "in"), ("G3", "in"), ("G2", "out"), ("G4", "out")}
    entered = sum(count for (_, way), count in ways.items() if way == "in")
    assert abs(2 * entered - len(passages)) < 0.06 * len(passages)
    confident = [float(row["confidence"]) for row in read]
    assert 0.9 < np.mean(np.array(confident) >= 0.9) < 1.0
    assert [row["time"] for row in passages] == sorted(row["time"] for row in passages)


def test_the_crash_is_on_the_map(network: SingleMap) -> None:
    (crash,) = json.loads((DAY / "incidents.json").read_text(encoding="utf-8"))
    link = network.links[network.link_rows[crash["link"]]]
    assert crash["position_m"] < link.length_m
    assert crash["lanes_closed"] < link.lanes
