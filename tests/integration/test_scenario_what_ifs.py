"""The finished what-ifs of the practice city, each over some minutes of its own demand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from scenario_city import CITY
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.scenario.engine import run_seed
from twin.scenario.outcome import SeedRun
from twin.scenario.project import Project, open_project
from twin.scenario.read import read_scenario
from twin.scenario.run import plan_of

WHAT_IFS = CITY.parent / "what_ifs"
FILES = sorted(path.stem for path in WHAT_IFS.glob("*.yaml"))
WINDOWS = {"old_town_hours": ("08:00", "08:15"), "fair": ("07:30", "07:45")}
WINDOW = ("07:15", "07:30")


@cache
def city() -> SingleMap:
    return read_gmns(CITY / "network")[0]


@cache
def project(name: str) -> Project:
    content = (WHAT_IFS / f"{name}.yaml").read_bytes()
    starts, ends = WINDOWS.get(name, WINDOW)
    short = msgspec.structs.replace(read_scenario(content), starts=starts, ends=ends)
    return open_project(short, WHAT_IFS, network=city())


@cache
def runs(name: str) -> tuple[SeedRun, SeedRun]:
    plan = plan_of(project(name), seeds=(1,))
    return run_seed(plan.sides["base"], 1), run_seed(plan.sides["edited"], 1)


def row(name: str, link: str) -> int:
    return project(name).edited.network.link_rows[link]


def test_there_are_eight_or_more_and_each_says_what_to_learn() -> None:
    assert len(FILES) >= 8
    for name in FILES:
        scenario = read_scenario((WHAT_IFS / f"{name}.yaml").read_bytes())
        assert len(scenario.description) > 40, name
        assert len(scenario.learn) > 200, name
        assert len(scenario.seeds) >= 5
        assert scenario.edits
        assert scenario.calibration


@pytest.mark.parametrize("name", FILES)
def test_it_runs_and_loses_nobody(name: str) -> None:
    for run in runs(name):
        inside = float((run.entered[-1] - run.left[-1]).sum())
        trips = run.trips
        entered = np.isfinite(trips.entered_s)
        on_the_way = int((entered & ~np.isfinite(trips.arrived_s) & ~trips.denied).sum())
        assert inside == pytest.approx(on_the_way, abs=0.5)
        assert len(trips) > 500
    base, edited = runs(name)
    both = np.intersect1d(base.trips.vehicle, edited.trips.vehicle)
    assert len(both) > 0.7 * len(base.trips)  # the same people, whatever the edit


def test_the_crash_lets_a_sixth_pass() -> None:
    base, edited = runs("motorway_incident")
    crash = row("motorway_incident", "A10-N-18")
    assert edited.left[-1, crash] < 0.8 * base.left[-1, crash]
    passed = np.diff(edited.left[:, crash])
    assert passed.max() <= 0.17 * 6000.0 / 60.0 + 1.0


def test_nobody_drives_on_the_closed_avenue() -> None:
    base, edited = runs("closed_avenue")
    closed = [row("closed_avenue", link) for link in ("AV-E-09", "AV-O-20")]
    assert (base.entered[-1, closed] > 0).all()
    assert (edited.entered[-1, closed] == 0).all()
    assert not edited.trips.denied.any()


def test_the_meter_holds_the_ramp() -> None:
    base, edited = runs("ramp_metering")
    ramp = row("ramp_metering", "R5-N-on-2")
    metered = np.diff(edited.left[:, ramp])
    assert metered.max() <= 480.0 / 60.0 + 1.0
    assert edited.left[-1, ramp] < base.left[-1, ramp]


def test_goods_stay_out_of_the_old_town() -> None:
    base, edited = runs("old_town_hours")
    assert not base.trips.denied.any()
    denied = edited.trips.denied
    assert denied.any()
    names = np.array([one.name for one in project("old_town_hours").classes])
    assert set(names[edited.trips.vclass[denied]]) <= {"goods", "trader", "stranger"}


def test_the_new_road_can_be_driven_and_nobody_takes_it_while_the_viaduct_is_free() -> None:
    base, edited = runs("new_link")
    there = project("new_link").edited.network
    name = "NUEVA-N"
    onto = {move.from_link for move in there.movements if move.to_link == name}
    assert {"ACC51-b", "X5-puente-a", "R5-N-off-2"} <= onto
    assert not [move for move in there.movements if move.node == "X6F"]  # no list: all may turn
    assert base.entered.shape[1] == edited.entered.shape[1] - 2
    assert edited.entered[-1, row("new_link", name)] == 0.0


def test_the_fair_adds_trips_and_leaves_the_others() -> None:
    base, edited = runs("fair")
    assert set(base.trips.vehicle) <= set(edited.trips.vehicle)
    added = len(edited.trips) - len(base.trips)
    assert added == pytest.approx(500, abs=120)  # 3000 in an hour and a half


def test_rain_slows_everybody_down() -> None:
    base, edited = runs("rain")
    spent = [run.vehicle_s.sum(dtype=np.float64) for run in (base, edited)]
    assert spent[1] > 1.05 * spent[0]


def test_drivers_avoid_the_works() -> None:
    base, edited = runs("work_zone")
    street = [row("work_zone", link) for link in ("C12E-a", "C12E-b")]
    assert edited.entered[-1, street].sum() < base.entered[-1, street].sum()


def test_who_leaves_early_is_not_in_the_peak() -> None:
    base, edited = runs("staggered_hours")
    assert len(edited.trips) == pytest.approx(0.8 * len(base.trips), rel=0.05)


def test_the_new_plan_runs_at_its_junction_alone() -> None:
    base, edited = runs("signal_plan")
    (plan,) = project("signal_plan").edited.plans
    assert plan.junction == "J01"
    ways = row("signal_plan", "AV-E-02"), row("signal_plan", "C01C-in2")
    assert any(not np.array_equal(base.left[:, way], edited.left[:, way]) for way in ways)


def test_every_what_if_is_told_in_the_tutorial() -> None:
    page = Path(__file__).parents[2] / "docs" / "tutorial" / "planner.md"
    text = page.read_text(encoding="utf-8")
    assert all(f"{name}.yaml" in text for name in FILES)
