"""The parts of the SUMO world: scene, signals from a net, heads, clock, pace, line, truth."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from twin.clock import datetime_from_us
from twin.control.signals.validate import validate_junctions
from twin.errors import InputError, MapError, SimulationError
from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.network.gmns import read_gmns, write_gmns
from twin.network.sumo import read_sumo_net
from twin.units import SECOND_US
from twin.world.cabinet import Cabinet
from twin.world.monitor import Monitor, rules_of_net
from twin.world.sumo.clocks import Pace, PacedClock
from twin.world.sumo.engine import Engine, run_alone
from twin.world.sumo.heads import Head, street_map
from twin.world.sumo.line import Line
from twin.world.sumo.scene import Scene, open_scene, seconds
from twin.world.sumo.warm import going_on, warm_up
from twin.world.truth import delay_of, read_link_minutes, read_trips, write_trips
from world_fake import FakeService
from world_sumo_town import make_town

START_US = 1_781_568_000 * SECOND_US


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_town(tmp_path_factory.mktemp("town"), walking=True)


@pytest.fixture(scope="module")
def scene(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return open_scene(town, tmp_path_factory.mktemp("copy"))


def test_a_scene_is_copied_and_its_source_untouched(town: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in town.iterdir()}
    made = open_scene(town, tmp_path / "copy", end_s=77.0)
    assert (made.begin_s, made.end_s) == (0.0, 77.0)
    assert {path.name: path.read_bytes() for path in town.iterdir()} == before
    assert made.config.parent == tmp_path / "copy"
    assert {path.name for path in made.folder.iterdir()} == {
        "town.sumocfg",
        "town.net.xml",
        "town.rou.xml",
    }


def test_without_an_end_the_last_departure_and_half_an_hour_count(
    town: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "town.net.xml").write_bytes((town / "town.net.xml").read_bytes())
    (folder / "a.rou.xml").write_text(
        '<routes><trip id="1" depart="90" from="nc" to="cs"/>'
        '<flow id="2" begin="0" end="0:02:00" period="9" from="nc" to="cs"/></routes>'
    )
    (folder / "a.sumocfg").write_text(
        '<configuration><net-file value="town.net.xml"/><route-files value="a.rou.xml"/>'
        "</configuration>"
    )
    assert open_scene(folder, tmp_path / "copy").end_s == 120.0 + 1800.0
    whole = (folder / "a.sumocfg").read_text()
    stated = '<time><end value="100"/></time></configuration>'
    (folder / "a.sumocfg").write_text(whole.replace("</configuration>", stated))
    # nobody departs after the end of the file; who departed before has time to arrive
    assert open_scene(folder, tmp_path / "again").end_s == 100.0 + 1800.0
    assert [seconds(text) for text in ("5.5", "1:00", "1:00:00:00", "triggered")] == [
        5.5,
        60.0,
        86400.0,
        -1.0,
    ]


def test_packed_routes_tell_their_last_departure(town: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "town.net.xml").write_bytes((town / "town.net.xml").read_bytes())
    routes = b'<routes><trip id="1" depart="90" from="nc" to="cs"/></routes>'
    (folder / "a.rou.xml.gz").write_bytes(gzip.compress(routes))
    (folder / "a.sumocfg").write_text(
        '<configuration><net-file value="town.net.xml"/><route-files value="a.rou.xml.gz"/>'
        "</configuration>"
    )
    assert open_scene(folder, tmp_path / "copy").end_s == 90.0 + 1800.0


def test_sumo_writes_where_a_relative_path_says(
    town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(town, tmp_path / "copy", end_s=20.0)
    monkeypatch.chdir(tmp_path)
    run_alone(scene, Path("run"), seed=1)
    assert read_trips(tmp_path / "run" / "tripinfo.xml", end_s=20.0)
    assert not (scene.folder / "run").exists()


def outputs(folder: Path, town: Path, summary: str) -> Path:
    """Make a scene that writes into folders of its own."""
    (folder / "in").mkdir(parents=True)
    for name in ("town.net.xml", "town.rou.xml"):
        (folder / "in" / name).write_bytes((town / name).read_bytes())
    (folder / "in" / "x.add.xml").write_text(
        '<additional><edgeData id="e" file="out/edges.xml" period="60"/></additional>'
    )
    (folder / "a.sumocfg").write_text(
        '<configuration><net-file value="in/town.net.xml"/><route-files value="in/town.rou.xml"/>'
        '<additional-files value="in/x.add.xml"/>'
        f'<summary-output value="{summary}"/><end value="20"/></configuration>'
    )
    return folder


def test_a_scene_may_write_into_folders_of_its_own(town: Path, tmp_path: Path) -> None:
    source = outputs(tmp_path / "source", town, "out/summary.xml")
    scene = open_scene(source, tmp_path / "copy")
    run_alone(scene, tmp_path / "run", seed=1)
    assert (scene.folder / "out" / "summary.xml").is_file()
    assert (scene.folder / "in" / "out" / "edges.xml").is_file()
    assert sorted(path.name for path in source.iterdir()) == ["a.sumocfg", "in"]


def test_a_sumo_that_ends_at_once_says_why(town: Path, tmp_path: Path) -> None:
    source = outputs(tmp_path / "source", town, "../../nowhere/summary.xml")
    scene = open_scene(source, tmp_path / "copy")
    with pytest.raises(SimulationError, match=r"SUMO stopped: Error: .*nowhere"):
        Engine(scene, tmp_path / "run", seed=1)


def test_a_scene_without_loops_of_its_own_can_be_warmed_up(town: Path, tmp_path: Path) -> None:
    scene = open_scene(town, tmp_path / "copy", end_s=60.0)
    later = going_on(scene, warm_up(scene, tmp_path / "warm", until_s=30.0, seed=1))
    assert later.begin_s == 30.0
    run_alone(later, tmp_path / "run", seed=1)
    departed = [one.departed_s for one in read_trips(tmp_path / "run" / "tripinfo.xml", end_s=60.0)]
    assert any(0.0 <= moment_s < 30.0 for moment_s in departed), "who drove before is still there"


def test_an_end_before_the_begin_and_a_begin_outside_are_refused(
    town: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="after the begin"):
        open_scene(town, tmp_path / "one", end_s=-1.0)
    scene = open_scene(town, tmp_path / "two", end_s=60.0)
    assert scene.begin_at(20.0) == 20.0
    for outside in (-5.0, 0.0, 60.0, 100.0):
        with pytest.raises(InputError, match="between 0 and 60 s"):
            scene.begin_at(outside)


def test_a_scene_has_one_name_wherever_it_is_called_from(
    town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(town)
    here = open_scene(Path(), tmp_path / "copy")
    assert here.network.name == here.name == town.name


@pytest.mark.parametrize("fault", ["none", "two", "lost", "outside", "broken"])
def test_a_folder_that_is_no_scene_is_refused(fault: str, town: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    text = {
        "none": "",
        "lost": '<configuration><net-file value="gone.net.xml"/></configuration>',
        "outside": '<configuration><net-file value="../x.net.xml"/></configuration>',
        "broken": "<configuration>",
    }.get(fault, "<configuration/>")
    if fault != "none":
        (folder / "a.sumocfg").write_text(text)
    if fault == "two":
        (folder / "b.sumocfg").write_text(text)
    del town
    with pytest.raises(InputError):
        open_scene(folder, tmp_path / "copy")


def test_the_signals_of_a_net_are_fit_to_be_controlled(scene: Scene, tmp_path: Path) -> None:
    network = scene.network
    assert validate_junctions(network) == ()
    (junction,) = network.junctions
    assert len(junction.stages) >= 2
    assert any(group.pedestrian for group in junction.groups)
    assert dict(junction.extra)["yielding"], "left turns against oncoming traffic give way"
    conflicts = {frozenset((a, b)) for a, b, _ in junction.intergreen_s}
    for stage in junction.stages:
        for one in stage.groups:
            assert not any(frozenset((one, other)) in conflicts for other in stage.groups)
    write_gmns(network, tmp_path / "map")
    assert read_gmns(tmp_path / "map")[0].version == network.version


def test_people_on_a_crossing_get_the_time_to_walk(scene: Scene) -> None:
    (junction,) = scene.network.junctions
    walking = {group.id for group in junction.groups if group.pedestrian}
    gaps = [s for a, b, s in junction.intergreen_s if a in walking and b not in walking]
    assert gaps
    assert min(gaps) >= 3.0


def test_loops_stand_at_the_stop_lines_and_upstream(scene: Scene) -> None:
    by_lane: dict[str, list[float]] = {}
    for loop in scene.loops:
        by_lane.setdefault(loop.lane, []).append(loop.position_m)
    assert len(by_lane) == 8
    assert all(max(places) - min(places) > 60 for places in by_lane.values())
    numbers = {dict(sensor.extra)["lane"] for sensor in scene.network.sensors}
    assert numbers == {"1", "2"}


def test_a_net_may_be_packed_and_what_is_no_net_is_refused(town: Path, tmp_path: Path) -> None:
    packed = tmp_path / "town.net.xml.gz"
    packed.write_bytes(gzip.compress((town / "town.net.xml").read_bytes()))
    plain, _ = read_sumo_net(town / "town.net.xml")
    assert read_sumo_net(packed)[0].version == plain.version
    for text in ("<net/>", "<net>", "no xml"):
        (tmp_path / "bad.net.xml").write_text(text)
        with pytest.raises(MapError):
            read_sumo_net(tmp_path / "bad.net.xml")


def test_what_the_heads_show_is_lawful_whatever_is_asked(scene: Scene) -> None:
    network = street_map(scene.network, begin_s=0.0, start_us=START_US)
    (junction,) = network.junctions
    cabinet = Cabinet(junction, timezone="UTC", now_us=START_US)
    head = Head(cabinet, scene.designs[junction.id])
    monitor = Monitor(rules_of_net(scene.net))
    states, stages = set(), [str(stage.id) for stage in junction.stages]
    for second in range(1800):
        now_us = START_US + second * SECOND_US
        cabinet.advance(now_us)
        states.add(head.state())
        monitor.watch(float(second), {str(junction.id): head.state()})
        if second < 1200 and second % 7 == 0:
            wanted = stages[(second * 7919 // 11) % len(stages)]
            cabinet.take(request(str(junction.id), wanted, now_us), now_us)
    assert [str(one) for one in monitor.violations] == []
    assert len(states) > 2 * len(stages)
    assert len({len(state) for state in states}) == 1


def request(junction: str, stage: str, now_us: int) -> DecisionEvent:
    return DecisionEvent(
        id=f"{now_us}",
        version=1,
        kind=DecisionKind.SIGNAL_STAGE,
        state=DecisionState.ISSUED,
        target=junction,
        time=datetime_from_us(now_us),
        reason="test",
        command={"stage": stage},
        lease_until=datetime_from_us(now_us + 15 * SECOND_US),
    )


def test_plans_keep_step_with_the_clock_of_sumo(scene: Scene) -> None:
    plan = scene.network.junctions[0].plans[0]
    moved = street_map(scene.network, begin_s=100.0, start_us=START_US).junctions[0].plans[0]
    zero_s = START_US // SECOND_US - 100
    for second in range(0, 300, 7):
        in_sumo = (second - plan.offset_s) % plan.cycle_s
        on_earth = (zero_s + second - moved.offset_s) % plan.cycle_s
        assert on_earth == pytest.approx(in_sumo, abs=1e-6)


def test_a_paced_clock_waits_for_the_street_and_makes_nothing_up() -> None:
    wall = [0]
    clock = PacedClock(1_000, rate=10.0, wall_ns=lambda: wall[0])
    assert clock.now_us() == 1_000
    clock.allow(1_000 + SECOND_US)
    wall[0] += 50_000_000
    assert clock.now_us() == 1_000 + 500_000
    wall[0] += 10**10
    assert clock.now_us() == 1_000 + SECOND_US
    clock.allow(1_000 + 2 * SECOND_US)
    assert clock.now_us() == 1_000 + SECOND_US, "the time that it stood is not made up"
    clock.set_rate(1.0)
    wall[0] += 250_000_000
    assert clock.now_us() == 1_000 + 1_250_000
    assert clock.wall_seconds(3.0) == 3.0


def test_the_pace_falls_when_the_service_lags_and_rises_again() -> None:
    clock = PacedClock(0, rate=8.0)
    pace = Pace(clock, wanted=8.0)
    pace.heard(9.0)
    assert clock.rate == 6.0
    pace.heard(2.0)
    assert clock.rate == 6.0
    for _ in range(9):
        pace.heard(0.1)
    assert (clock.rate, pace.lowest) == (8.0, 6.0)
    for _ in range(99):
        pace.heard(99.0)
    assert clock.rate > 0.1


def test_one_stall_is_one_lag() -> None:
    clock, wall_s = PacedClock(0, rate=60.0), [0.0]
    pace = Pace(clock, wanted=60.0, wall_s=lambda: wall_s[0])
    for _ in range(20):  # of the street's seconds pass while the machine holds its breath once
        wall_s[0] += 0.01
        pace.heard(30.0)
    assert clock.rate == 45.0
    wall_s[0] += 1.0
    pace.heard(30.0)
    assert clock.rate == pytest.approx(33.75)


async def test_over_a_cut_line_nothing_goes_and_nothing_is_heard() -> None:
    fake, down, waits = FakeService(), [True], [0]

    async def pause(_: float) -> None:
        waits[0] += 1
        down[0] = waits[0] < 5

    async with fake.client() as client:
        line = Line(client, key="k", is_cut=lambda: down[0], pause=pause)
        assert await line.send("/street/status", [b"{}"], tries=1) is None
        assert await line.commands(("J",), after=0, wait_s=0.0) is None
        assert fake.requests == 0
        answer = await line.send("/readings", [b"{}"])
    assert answer is not None
    assert answer.accepted == 1
    assert waits[0] == 5


def test_the_truth_counts_everybody_who_wanted_to_travel(tmp_path: Path) -> None:
    path = tmp_path / "tripinfo.xml"
    path.write_text(
        "<tripinfos>"
        '<tripinfo id="a" depart="10" departDelay="2" arrival="50" timeLoss="5" vType="car"/>'
        '<tripinfo id="b" depart="20" departDelay="0" arrival="-1" timeLoss="30"/>'
        '<tripinfo id="c" depart="-1" departDelay="40" arrival="-1" timeLoss="0"/>'
        '<tripinfo id="d" depart="-1" departDelay="-5" arrival="-1" timeLoss="0"/>'
        "</tripinfos>"
    )
    trips = read_trips(path, end_s=100.0)
    assert [trip.id for trip in trips] == ["a", "b", "c"], "d wants to start after the end"
    delay = delay_of(trips)
    assert (delay.vehicles, delay.total_s) == (3, 77.0)
    assert (delay.unfinished, delay.undeparted) == (1, 1)
    assert delay_of([]).mean_s == 0.0
    write_trips(trips, tmp_path / "trips.csv")
    assert (tmp_path / "trips.csv").read_text().splitlines()[1] == "a,car,8.0,10.0,50.0,5.0,2.0"
    path.write_text("<tripinfos>")
    with pytest.raises(SimulationError):
        read_trips(path, end_s=1.0)


def test_the_truth_of_the_links_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "edges.xml"
    path.write_text(
        '<meandata><interval begin="0" end="60"><edge id="a" entered="3" departed="1" '
        'speed="12.5" density="20" traveltime="8"/><edge id="z" entered="1"/></interval>'
        '<interval begin="60" end="120"/></meandata>'
    )
    minutes = read_link_minutes(path, ["a", "b"])
    assert minutes.start_s.tolist() == [0.0, 60.0]
    assert minutes.entered.tolist() == [[4.0, 0.0], [0.0, 0.0]]
    assert minutes.density_vpm[0, 0] == pytest.approx(0.02)
    assert np.isnan(minutes.speed_mps[1]).all()
    minutes.save(tmp_path / "truth.npz")
    with np.load(tmp_path / "truth.npz") as saved:
        assert saved["links"].tolist() == ["a", "b"]
    path.write_text("<meandata>")
    with pytest.raises(SimulationError):
        read_link_minutes(path, ["a"])
