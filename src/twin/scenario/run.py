"""Runs base and edited over all seeds, in this process or on any executor.

What a worker gets is arrays; what it gives back is one `SeedRun`, which this process writes into
the folder and lets go of. No more runs are under way than `jobs`, so memory stays bounded. Workers
tell their progress, and hear of a cancel, by small files in a folder that both see; where they do
not see one (a cluster without shared disks) progress comes run by run.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from twin.columns import Floats
from twin.network.model import SingleMap
from twin.scenario.engine import Cancelled, Side, report_times, run_seed, shared_step, side_of
from twin.scenario.outcome import Frame, LinkTable, Pair, SeedRun, Singles
from twin.scenario.project import Project
from twin.scenario.store import BASE, EDITED, read_pair, run_path, write_frame, write_run
from twin.scenario.study import Study
from twin.simulate.roads import roads_of

LOOK_S: Final = 0.25  # between two looks at progress and cancel
_CANCEL: Final = "cancel"

Progress = Callable[[float], None]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """A project laid out: the frame and both sides as arrays."""

    frame: Frame
    sides: dict[str, Side]
    seeds: tuple[int, ...]

    @property
    def tasks(self) -> list[tuple[str, int]]:
        """Return every run that is to be made, both sides of a seed together."""
        return [(side, seed) for seed in self.seeds for side in (BASE, EDITED)]


def plan_of(project: Project, *, seeds: tuple[int, ...] | None = None) -> Plan:
    """Lay a project out. `seeds` in the place of the file's."""
    frame = frame_of(project)
    step_s = shared_step(project)
    sides = {
        BASE: side_of(project, project.base, frame.zones, step_s=step_s),
        EDITED: side_of(project, project.edited, frame.zones, step_s=step_s),
    }
    return Plan(frame, sides, project.scenario.seeds if seeds is None else seeds)


def run_plan(
    plan: Plan,
    folder: Path,
    *,
    executor: Executor | None = None,
    jobs: int = 1,
    on_progress: Progress | None = None,
    stop: Stop | None = None,
) -> Pair:
    """Make all runs and keep them in a folder; return them as read from there, one at a time.

    executor      any of `concurrent.futures`, or a Dask client's; None runs in this process
    jobs          how many runs are under way at once
    on_progress   is told the share that is done, 0..1
    Raises Cancelled when `stop` says so, whatever a run raises, OSError for the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_frame(folder, plan.frame, plan.seeds)
    told = on_progress or _nobody
    if executor is None:
        _here(plan, folder, told, stop)
    else:
        with TemporaryDirectory(prefix="twin-scenario-") as beside:
            _elsewhere(plan, folder, executor, jobs, Path(beside), told, stop)
    told(1.0)
    return read_pair(folder)


def _nobody(share: float) -> None:
    del share


def _here(plan: Plan, folder: Path, told: Progress, stop: Stop | None) -> None:
    tasks = plan.tasks
    for number, (name, seed) in enumerate(tasks):
        side = plan.sides[name]

        def on_time(time_s: float, number: int = number, whole_s: float = side.horizon_s) -> None:
            told((number + time_s / whole_s) / len(tasks))

        run = run_seed(side, seed, on_time=on_time, stop=stop)
        _keep(plan, folder, name, run)


def _elsewhere(
    plan: Plan,
    folder: Path,
    executor: Executor,
    jobs: int,
    beside: Path,
    told: Progress,
    stop: Stop | None,
) -> None:
    """Keep `jobs` runs under way on an executor until all are made."""
    waiting, count = deque(plan.tasks), len(plan.tasks)
    under_way: dict[Future[SeedRun], tuple[str, int]] = {}
    done = 0
    with _given_up(under_way, beside):
        while waiting or under_way:
            while waiting and len(under_way) < max(jobs, 1):
                name, seed = waiting.popleft()
                future = executor.submit(work, plan.sides[name], name, seed, str(beside))
                under_way[future] = (name, seed)
            ready, _ = wait(under_way, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            for future in ready:
                name, _ = under_way.pop(future)
                _keep(plan, folder, name, future.result())
                done += 1
            if stop is not None and stop():
                message = "the run was cancelled"
                raise Cancelled(message)
            parts = sum(heard(beside / f"{name}-{seed}") for name, seed in under_way.values())
            told(min((done + parts) / count, 1.0))


@contextmanager
def _given_up(under_way: dict[Future[SeedRun], tuple[str, int]], beside: Path) -> Iterator[None]:
    """When the block fails, take back what has not begun, and wait for what has to stop."""
    try:
        yield
    except BaseException:
        (beside / _CANCEL).touch()
        for future in under_way:
            future.cancel()
        wait(under_way)
        raise


def _keep(plan: Plan, folder: Path, name: str, run: SeedRun) -> None:
    """Write a run with a column for every link of the frame; those it does not have stay at 0."""
    missing = len(plan.frame.links) - run.entered.shape[1]
    if missing:
        run = replace(
            run,
            entered=_wider(run.entered, missing),
            left=_wider(run.left, missing),
            vehicle_s=_wider(run.vehicle_s, missing),
            queue_veh=_wider(run.queue_veh, missing),
        )
    write_run(run_path(folder, name, run.seed), run)


def _wider(column: Singles, missing: int) -> Singles:
    return np.asarray(np.pad(column, ((0, 0), (0, missing))), np.float32)


def work(side: Side, name: str, seed: int, beside: str) -> SeedRun:
    """Make one run in a worker; tell the share that is done and hear of a cancel by files."""
    folder = Path(beside)

    def on_time(time_s: float) -> None:
        tell(folder / f"{name}-{seed}", time_s / side.horizon_s)

    return run_seed(side, seed, on_time=on_time, stop=(folder / _CANCEL).exists)


def tell(path: Path, share: float) -> None:
    """Write how much is done; whole or not at all, for somebody reads it at any moment."""
    unfinished = path.with_name(f"{path.name}.part")
    with suppress(OSError):  # no folder here: progress comes run by run
        unfinished.write_text(f"{share:.4f}")
        unfinished.replace(path)


def heard(path: Path) -> float:
    """Return how much is done by what was written, 0..1; 0 before anything was."""
    try:
        share = float(path.read_text())
    except (OSError, ValueError):
        return 0.0
    return min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0


def frame_of(project: Project) -> Frame:
    """Return what all runs share: base links first, then those that edits add."""
    studies = (project.base, project.edited)
    zones = dict.fromkeys(
        name for study in studies for one in study.streams for name in (one.origin, one.destination)
    )
    return Frame(
        name=project.scenario.name,
        map_name=project.base.network.name,
        map_version=project.base.network.version,
        links=_link_table(project.base, project.edited),
        zones=tuple(zones),
        classes=tuple(one.name for one in project.classes),
        times_s=report_times(project.horizon_s, project.scenario.engine.report_s),
        start_s=project.start_s,
    )


def _link_table(base: Study, edited: Study) -> LinkTable:
    first, second = base.network, edited.network
    links = (*first.links, *second.links[len(first.links) :])
    roads = _columns(first, second)
    ends = {junction.node for junction in second.junctions}
    rows = np.arange(len(links))
    return LinkTable(
        ids=tuple(str(link.id) for link in links),
        names=tuple(link.name for link in links),
        kind=tuple(str(link.link_class) for link in links),
        road=tuple(link.road for link in links),
        from_node=tuple(str(link.from_node) for link in links),
        to_node=tuple(str(link.to_node) for link in links),
        lines=tuple(link.line for link in links),
        lanes=np.array([max(link.lanes, 1) for link in links], np.int64),
        signalled=np.array([link.to_node in ends for link in links], np.bool_),
        in_base=rows < len(first.links),
        in_edited=np.ones(len(links), np.bool_),
        top_speed_mps=_top_speeds(base, edited),
        **roads,
    )


def _columns(first: SingleMap, second: SingleMap) -> dict[str, Any]:
    """Return lengths, speeds and capacities: of the base, then of the links that edits add."""
    before, after = roads_of(first), roads_of(second)
    columns = {}
    for name in ("length_m", "free_speed_mps", "capacity_vps"):
        column = getattr(before, name)
        columns[name] = np.concatenate([column, getattr(after, name)[len(before) :]])
    storage = before.jam_vpm * before.length_m
    added = (after.jam_vpm * after.length_m)[len(before) :]
    return columns | {"storage_veh": np.concatenate([storage, added])}


def _top_speeds(base: Study, edited: Study) -> Floats:
    """Return the highest free speed of every link on either side at any time."""
    top = roads_of(edited.network).free_speed_mps
    before = roads_of(base.network).free_speed_mps
    top[: len(before)] = np.maximum(top[: len(before)], before)
    rows = edited.network.link_rows
    for rule in (*base.speeds, *edited.speeds):
        top[rows[rule.link]] = max(top[rows[rule.link]], rule.mps)
    return top
