"""A scenario from its file to its folder: runs, results, summary, report."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from twin.errors import Fault, InputError
from twin.network.model import SingleMap
from twin.scenario.compare import Differences, differences
from twin.scenario.outcome import Pair
from twin.scenario.project import Project
from twin.scenario.report import write_report
from twin.scenario.results.emissions import Factors
from twin.scenario.results.export import Format, write_results
from twin.scenario.results.intervals import intervals_of
from twin.scenario.results.measures import KINDS, Kind, Measure, paired, run_values
from twin.scenario.results.whole import INTERVAL_S, Results, results_of
from twin.scenario.run import plan_of, run_plan
from twin.scenario.store import FILE, REPORT, RESULTS, RUNS, SUMMARY, read_pair
from twin.scenario.told import Told, read_told, summary_of, told_of, write_told

_RUN_SHARE: Final = 0.9  # of the whole work, for the progress


@dataclass(frozen=True, slots=True)
class How:
    """How a scenario is run. seeds: in the place of the file's when there are some."""

    seeds: tuple[int, ...] = ()
    executor: Executor | None = None
    jobs: int = 1
    formats: tuple[Format, ...] = tuple(Format)


def run_scenario(
    project: Project,
    content: bytes,
    out: Path,
    how: How,
    *,
    on_progress: Callable[[float], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Run a scenario and write everything into `out`; return its summary.

    Raises Cancelled, SimulationError, OSError.
    """
    said = on_progress or _nobody
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_bytes(content)
    plan = plan_of(project, seeds=how.seeds or None)
    told = told_of(project, plan)
    write_told(out, told)
    pair = run_plan(
        plan,
        out / RUNS,
        executor=how.executor,
        jobs=how.jobs,
        on_progress=lambda share: said(_RUN_SHARE * share),
        stop=stop,
    )
    edited = project.edited.network
    new_map = edited if edited.version != project.base.network.version else None
    summary = write_outcome(out, pair, told, formats=how.formats, edited_map=new_map)
    said(1.0)
    return summary


def write_outcome(
    out: Path,
    pair: Pair,
    told: Told,
    *,
    formats: tuple[Format, ...] = tuple(Format),
    edited_map: SingleMap | None = None,
    factors: Factors | None = None,
) -> dict[str, Any]:
    """Make results, summary and report of finished runs; return the summary. Raises OSError.

    factors   of emissions; the example that comes with the program when None
    """
    results = _results(pair, factors)
    if formats:
        write_results(results, out / RESULTS, formats=formats, edited_map=edited_map)
    summary = summary_of(results, told)
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    (out / SUMMARY).write_bytes(text + b"\n")
    write_report(results, told.about, out / REPORT, touched=frozenset(told.touched))
    return summary


def report_again(out: Path, *, factors: Factors | None = None) -> dict[str, Any]:
    """Make results and report again from the runs of a folder. Raises InputError, OSError."""
    return write_outcome(out, read_pair(out / RUNS), read_told(out), factors=factors)


def _results(pair: Pair, factors: Factors | None) -> Results:
    longest = float(max(pair.frame.times_s[1:] - pair.frame.times_s[:-1]))
    return results_of(pair, factors=factors, interval_s=max(INTERVAL_S, longest))


def compare_folders(first: Path, second: Path) -> tuple[list[Kind], Differences, tuple[int, ...]]:
    """Compare the edited sides of two scenarios of one map, seed by seed they both have.

    Raises InputError when they do not belong together.
    """
    before, after = read_pair(first / RUNS), read_pair(second / RUNS)
    _check_together(before, after)
    seeds = tuple(seed for seed in before.seeds if seed in after.seeds)
    values: list[list[dict[str, float]]] = []
    for pair in (before, after):
        rows = [pair.seeds.index(seed) for seed in seeds]
        interval_s = max(INTERVAL_S, float(max(pair.frame.times_s[1:] - pair.frame.times_s[:-1])))
        values.append([])
        for row in rows:
            run = pair.edited[row]
            values[-1].append(
                run_values(pair.frame, run, intervals_of(pair.frame, run, interval_s))
            )
    measures: tuple[Measure, ...] = paired(KINDS, values[0], values[1])
    found = differences(
        np.stack([one.base for one in measures], axis=1),
        np.stack([one.edited for one in measures], axis=1),
    )
    return [measure.kind for measure in measures], found, seeds


def _check_together(first: Pair, second: Pair) -> None:
    if first.frame.map_version != second.frame.map_version:
        rule = f"stands on the map of the first, {first.frame.map_version}"
        raise InputError(Fault("B", second.frame.map_version, rule))
    ends = [(pair.frame.start_s, float(pair.frame.times_s[-1])) for pair in (first, second)]
    if ends[0] != ends[1]:
        raise InputError(Fault("B", second.frame.name, "covers the same hours as the first"))
    if not set(first.seeds) & set(second.seeds):
        raise InputError(Fault("B", str(second.seeds), f"shares a seed with {first.seeds}"))


def _nobody(share: float) -> None:
    del share
