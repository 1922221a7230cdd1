"""Base and edited run: nothing changes by nothing, edits do what they say, any executor agrees."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster

from twin.errors import InputError
from twin.scenario.engine import Cancelled, run_seed
from twin.scenario.outcome import Pair, SeedRun
from twin.scenario.project import Project
from twin.scenario.results.intervals import intervals_of
from twin.scenario.run import Plan, plan_of, run_plan
from twin.scenario.store import read_pair, write_frame
from what_if_town import project

_TABLES = ("trips", "full", "gridlock", "step")


def columns(run: SeedRun) -> dict[str, Any]:
    """Return every array and number of a run by name."""
    found: dict[str, Any] = {}
    for field in fields(run):
        value = getattr(run, field.name)
        if field.name in _TABLES:
            found |= {f"{field.name}.{one.name}": getattr(value, one.name) for one in fields(value)}
        else:
            found[field.name] = value
    return found


def assert_same(first: SeedRun, second: SeedRun) -> None:
    """Assert that two runs agree to the bit."""
    one, two = columns(first), columns(second)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def both(edits: str, *, seed: int = 1, more: str = "") -> tuple[SeedRun, SeedRun, Project, Plan]:
    """Run one seed of both sides in this process."""
    opened = project(edits, more=more)
    plan = plan_of(opened)
    return (
        run_seed(plan.sides["base"], seed),
        run_seed(plan.sides["edited"], seed),
        opened,
        plan,
    )


def through(plan: Plan, run: SeedRun, link: str) -> float:
    """Return how many vehicles entered a link."""
    return float(run.entered[-1, plan.frame.links.ids.index(link)])


@pytest.mark.parametrize(
    "nothing",
    [
        "[]",
        "[{edit: capacity, links: [AN, EF], factor: 1}]",
        "[{edit: demand_factor, factor: 1}]",
        "[{edit: split, from_link: WA, to_link: AN, divert_share: 0}]",
        "[{edit: close_link, links: [AN], from: 07:39:59}]",
    ],
)
def test_an_edit_that_changes_nothing_makes_no_difference(nothing: str) -> None:
    base, edited, _, _ = both(nothing)
    assert len(base.trips) > 200
    assert_same(base, edited)


def test_a_closed_link_is_not_entered_and_all_go_round_it() -> None:
    base, edited, _, plan = both("[{edit: close_link, links: [AN], from: 07:10}]")
    row = plan.frame.links.ids.index("AN")
    moment = int(np.flatnonzero(plan.frame.times_s == 600.0)[0])
    assert base.entered[-1, row] > base.entered[moment, row] + 50
    assert edited.entered[-1, row] == edited.entered[moment, row]
    assert not edited.trips.denied.any()
    assert (base.trips.vehicle == edited.trips.vehicle).all()
    assert edited.trips.distance_m.sum() > base.trips.distance_m.sum()


@pytest.mark.parametrize(
    ("edit", "trucks", "cars"),
    [
        ("{edit: close_link, links: [AN], classes: [truck]}", False, True),
        ("{edit: close_turn, from_link: WA, to_link: AN, classes: [truck]}", False, True),
        ("{edit: close_turn, from_link: WA, to_link: AN}", False, False),
        ("{edit: zone_hours, zone: OLD, authorised: {car: 1}}", False, True),
    ],
)
def test_a_closure_is_for_those_that_it_names(edit: str, trucks: bool, cars: bool) -> None:
    base, edited, _, _ = both(f"[{edit}]")
    # the way through N is 2000 m of W-F, that through S is 2800 m
    through_north = edited.trips.distance_m < 3700.0
    arrived = np.isfinite(edited.trips.arrived_s)
    assert (through_north[arrived & (edited.trips.vclass == 1)]).any() == trucks
    assert (through_north[arrived & (edited.trips.vclass == 0)]).any() == cars
    assert np.isfinite(base.trips.arrived_s).sum() > 150


def test_a_split_and_a_zone_send_a_share_round() -> None:
    fixed = "routes: {kind: fixed}"
    base, _, _, plan = both("[]", more=fixed)
    sent = both("[{edit: split, from_link: WA, to_link: AN, divert_share: 0.4}]", more=fixed)[1]
    kept = both("[{edit: zone_hours, zone: OLD, authorised: {car: 0.6, truck: 0.6}}]", more=fixed)[
        1
    ]
    whole = through(plan, base, "AN")
    assert through(plan, base, "AS") == 0
    for run in (sent, kept):
        assert through(plan, run, "AN") == pytest.approx(0.6 * whole, rel=0.15)
        assert through(plan, run, "AN") + through(plan, run, "AS") == pytest.approx(whole, abs=3)
        lost = run.entered[-1] - run.left[-1]
        assert (lost >= 0).all()


@pytest.mark.parametrize(
    "edit",
    [
        "{edit: free_speed, links: [AN], kph: 15, from: 07:10, until: 07:20}",
        "{edit: work_zone, links: [AN], speed_kph: 15, from: 07:10, until: 07:20}",
    ],
)
def test_a_speed_limit_holds_in_its_hours_only(edit: str) -> None:
    base, edited, _, plan = both(f"[{edit}]", more="routes: {kind: fixed}")
    rows = {clock: int(np.flatnonzero(plan.frame.times_s == 60.0 * clock)[0]) for clock in (10, 20)}
    an, south = (plan.frame.links.ids.index(name) for name in ("AN", "AS"))
    assert (edited.entered[: rows[10] + 1] == base.entered[: rows[10] + 1]).all()
    spent = [run.vehicle_s[rows[10] + 1 : rows[20]].sum(axis=0)[an] for run in (base, edited)]
    assert spent[1] > 0
    gone = edited.entered[:, south]
    assert gone[rows[20]] > 20  # by habit they know the speed limit
    assert gone[-1] <= gone[rows[20]] + 2
    assert edited.queue_veh[rows[10] + 1 : rows[20], an].max() <= 2  # slow is not queued


def test_a_capacity_is_raised_in_its_hours_only() -> None:
    edits = "[{edit: capacity, links: [WA, WA], factor: 2, from: 07:10, until: 07:20}]"
    busy = "calibration: [{edit: demand_trips, origin: W, destination: A, trips: 4000}]"
    base, edited, _, plan = both(edits, more=f"{busy}\nroutes: {{kind: fixed}}")
    row = plan.frame.links.ids.index("WA")
    into = [np.diff(run.entered[:, row]) for run in (base, edited)]
    assert into[0][2:].mean() == pytest.approx(54, abs=1)  # 0.9 veh/s
    assert into[1][2:10].mean() == pytest.approx(54, abs=1)
    assert into[1][11:20].mean() > 95
    assert into[1][20:].mean() == pytest.approx(54, abs=1)


def test_a_higher_free_speed_is_seen_in_results() -> None:
    base, edited, _, plan = both("[{edit: free_speed, links: [WA], kph: 90}]")
    table = plan.frame.links
    row = table.ids.index("WA")
    assert table.top_speed_mps[row] == pytest.approx(25.0)
    slow, fast = (intervals_of(plan.frame, run, 300.0).speed_mps[3, row] for run in (base, edited))
    assert slow <= 14.0 + 1e-6
    assert fast > 20.0


def test_who_may_enter_a_zone_still_may_when_more_may() -> None:
    def inside(share: float) -> set[int]:
        more = f"routes: {{kind: fixed}}\nzones: [{{zone: OLD, authorised: {{car: {share}}}}}]"
        run = both("[]", more=more)[0]
        north = (run.trips.distance_m < 3700) & np.isfinite(run.trips.arrived_s)
        return set(run.trips.vehicle[north].tolist())

    few, many = inside(0.3), inside(0.6)
    assert few
    assert len(many) > len(few)
    assert len(few - many) <= 2  # who had not arrived yet


def test_a_new_link_is_used_and_stands_at_zero_in_the_base(tmp_path: Path) -> None:
    edit = (
        "[{edit: new_link, id: AE, from_node: A, to_node: E, lanes: 2, free_speed_kph: 60, "
        "capacity_vph: 3600, from: 07:05}]"
    )
    pair = run_plan(plan_of(project(edit), seeds=(1,)), tmp_path)
    (base, edited), links = next(pair.each()), pair.frame.links
    row = links.ids.index("AE")
    assert links.in_base.tolist() == [True] * 6 + [False]
    assert base.entered.shape == edited.entered.shape
    assert base.entered[:, row].max() == 0
    early = int(np.flatnonzero(pair.frame.times_s == 300.0)[0])
    assert edited.entered[early, row] == 0
    assert edited.entered[-1, row] > 50


def test_less_green_makes_a_longer_queue() -> None:
    stages = "[{stage: 1, seconds: 15}, {stage: 2, seconds: 65}]"
    plan = f"{{edit: signal_plan, junction: JE, stages: {stages}}}"
    base, edited, _, laid = both(f"[{plan}]", more="routes: {kind: fixed}")
    row = laid.frame.links.ids.index("NE")
    assert edited.queue_veh[:, row].max() > 2 * base.queue_veh[:, row].max()
    green_s = 12.0
    per_cycle = edited.left[-1, row] / (2400 / 80)
    assert per_cycle <= green_s * 0.4 + 1.0


def test_an_incident_holds_back_and_is_gone_afterwards() -> None:
    edit = "[{edit: incident, link: EF, capacity_share: 0.0, from: 07:10, until: 07:15}]"
    base, edited, _, plan = both(edit)
    row = plan.frame.links.ids.index("EF")
    start, end = (int(np.flatnonzero(plan.frame.times_s == at)[0]) for at in (600.0, 900.0))
    assert edited.left[end, row] - edited.left[start, row] <= 1
    assert edited.left[-1, row] == pytest.approx(base.left[-1, row], abs=10)
    assert edited.trips.delay_s.sum() > base.trips.delay_s.sum() + 1000


def test_every_vehicle_is_somewhere_and_counts_agree() -> None:
    base, edited, _, plan = both("[{edit: close_lanes, link: WA, lanes: 1}]")
    for run in (base, edited):
        inside = float((run.entered[-1] - run.left[-1]).sum())
        entered = np.isfinite(run.trips.entered_s)
        arrived = np.isfinite(run.trips.arrived_s)
        assert inside == (entered & ~arrived).sum()
        assert run.waiting[-1] == (~entered).sum()
        assert (np.diff(run.entered, axis=0) >= 0).all()
    assert plan.frame.times_s[-1] == 2400.0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Run in this process, with an edit that needs doors."""
    folder = tmp_path_factory.mktemp("alone")
    return run_plan(plan_of(_doors()), folder)


def _doors() -> Project:
    return project("[{edit: close_turn, from_link: WA, to_link: AN, classes: [truck]}]")


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    """Give processes of our own; starting one costs seconds."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as started:
        yield started


@pytest.fixture(params=["processes", "dask"])
def executor(request: pytest.FixtureRequest, pool: Executor) -> Iterator[Executor]:
    """Give processes of our own, or those of a Dask cluster."""
    if request.param == "processes":
        yield pool
        return
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield client.get_executor()


def test_pool_and_cluster_agree_with_one_process(
    executor: Executor, alone: Pair, tmp_path: Path
) -> None:
    told: list[float] = []
    plan = plan_of(_doors())
    pair = run_plan(plan, tmp_path, executor=executor, jobs=2, on_progress=told.append)
    for one, two in zip(alone.each(), pair.each(), strict=True):
        assert_same(one[0], two[0])
        assert_same(one[1], two[1])
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_runs_are_read_as_they_were_written(alone: Pair, tmp_path: Path) -> None:
    again = run_plan(plan_of(_doors()), tmp_path)
    stored = read_pair(tmp_path)
    assert stored.frame.links.ids == again.frame.links.ids
    assert stored.seeds == (1, 2)
    assert_same(stored.base[1], alone.base[1])
    assert len(stored.edited[:]) == 2


def test_a_folder_of_another_version_is_refused_by_name(alone: Pair, tmp_path: Path) -> None:
    write_frame(tmp_path, alone.frame, alone.seeds)
    with np.load(tmp_path / "frame.npz") as file:
        columns = {name: file[name] for name in file.files if name != "links.top_speed_mps"}
    np.savez(tmp_path / "frame.npz", **columns)
    with pytest.raises(InputError, match="top_speed_mps"):
        read_pair(tmp_path)


def test_a_run_can_be_cancelled_on_its_way(tmp_path: Path) -> None:
    asked: list[float] = []

    def stop() -> bool:
        return len(asked) >= 3

    with pytest.raises(Cancelled):
        run_plan(plan_of(project()), tmp_path, on_progress=asked.append, stop=stop)
    assert 0.0 < asked[-1] < 0.3
    assert not list(tmp_path.glob("*-*.npz"))


def test_a_pool_can_be_cancelled_within_its_runs(pool: Executor, tmp_path: Path) -> None:
    plan, told = plan_of(project(head=_LONG)), list[float]()

    def stop() -> bool:
        return bool(told)

    with pytest.raises(Cancelled):
        run_plan(plan, tmp_path, executor=pool, jobs=1, on_progress=told.append, stop=stop)
    assert not list(tmp_path.glob("*-*.npz"))


_LONG = """
format: 1
name: long
map: {folder: net}
starts: "00:00"
ends: "24:00"
demand:
  trips: [{origin: W, destination: F, trips: 9000, from: "00:00", until: "23:00"}]
"""
