"""A road's field of speed from few detectors: all methods, on real and on simulated traffic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import _perception_plot
import numpy as np

from twin.columns import Floats
from twin.evaluate.fields import read_field
from twin.evaluate.reconstruct import FROM_S, FieldErrors, field_errors, linear_field
from twin.perceive.corridor import kriging, nowcast, waves
from twin.perceive.corridor.reconstruct import FIRST_GUESS_MPS, Method, reconstruct
from twin.perceive.corridor.reports import Grid, detector_rows, report_field
from twin.simulate.ctm import CellTransmission
from twin.simulate.diagrams import triangular
from twin.simulate.roads import Roads, Turns

ROOT = Path(__file__).resolve().parents[2]
PLOT = "assets/reports/perception-fields.png"
WITHIN_SD = 1.645


def prove(data: Path) -> str:
    """Score the methods, see what they hang on, and draw the fields."""
    read = read_field(data / "ngsim_us101" / "ngsim_us101.npz")
    truth, grid = read.speed_kph, read.grid
    lines = [
        "US-101 southbound, 634 m, 45 minutes of stop and go (NGSIM, public data of the US "
        "Department of Transportation). Detectors report the mean of their own cell; everything "
        "else is filled in. `twin perceive reconstruct` makes the fields, `twin evaluate "
        "reconstruct` scores them: speed over all cells from 60 s on, and the travel time that a "
        "vehicle experiences which leaves every 15 s from 60 s on. Parameters are of the "
        "literature or learned from the reports as they come; the constants of the nowcast "
        "were set after a look at this field, and the second table shows what "
        "others would have given.",
        "",
        "## Three detectors, a report every 30 s",
        "",
        *_table(_methods(truth, grid, 3, 30.0)),
        "",
        _coverage(truth, grid),
        "",
        f"![Truth and reconstructions, dashed lines are detectors](../{PLOT})",
        "",
        "## What it hangs on",
        "",
        "The first rows change what is given, the others one constant of the nowcast at a time.",
        "",
        *_table(_variants(truth, grid)),
        "",
        "## Simulated traffic",
        "",
        "3 km of the cell transmission model, its exit held at two thirds of the demand for a "
        "quarter of an hour: a queue grows to the second kilometre and dissolves. Four detectors, "
        "a report a minute, speeds with 5 % of noise. Nothing of it was used to choose anything. "
        "Here the nowcast is no better than straight lines: it is linear and smears a front that "
        "stands for long between detectors a kilometre apart, where adaptive smoothing decides "
        "between free and congested. The ensemble knows a lane of another diagram only.",
        "",
        *_table(_methods(*simulated(), 4, 60.0)),
    ]
    _plot(truth, grid)
    return "\n".join(lines)


def _methods(
    truth: Floats, grid: Grid, detectors: int, period_s: float
) -> Iterator[tuple[str, FieldErrors]]:
    reports = report_field(truth / 3.6, grid, detectors=detectors, period_s=period_s)
    straight = linear_field(reports, grid, first_mps=FIRST_GUESS_MPS)
    yield "straight lines, on line", _scored(straight, truth, grid)
    for method in (Method.SMOOTHING, Method.ENSEMBLE, Method.NOWCAST):
        found = reconstruct(
            truth / 3.6, grid, detectors=detectors, period_s=period_s, method=method
        )
        yield f"{method}, on line", _scored(found.online_mps, truth, grid)
        if method is not Method.ENSEMBLE:
            yield f"{method}, off line", _scored(found.offline_mps, truth, grid)


def _variants(truth: Floats, grid: Grid) -> Iterator[tuple[str, FieldErrors]]:
    yield "as above", _online(truth, grid)
    for detectors in (2, 5):
        yield f"{detectors} detectors", _online(truth, grid, detectors=detectors)
    for period_s in (10.0, 60.0):
        yield f"a report every {period_s:g} s", _online(truth, grid, period_s=period_s)
    half = grid.columns // 2
    for name, part in (
        ("second half", truth[:, half:]),
        ("the upper 70 cells", truth[-70:]),
        ("every speed 1.5 times", 1.5 * truth),
        ("7 columns later", truth[:, 7:]),
    ):
        cut = replace(grid, cells=part.shape[0], columns=part.shape[1])
        yield name, _online(np.ascontiguousarray(part), cut)
    for module, name, values in (
        (waves, "LASTING_M", (500.0, 2000.0)),
        (waves, "SLOW_S", (300.0,)),
        (kriging, "NOISE_SHARE", (0.01, 0.04)),
        (nowcast, "MEMORY_S", (240.0,)),
    ):
        for value in values:
            with _changed(module, name, value):
                yield f"`{name}` {value:g}", _online(truth, grid)


@contextmanager
def _changed(module: object, name: str, value: float) -> Iterator[None]:
    """Change one constant for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _online(
    truth: Floats, grid: Grid, *, detectors: int = 3, period_s: float = 30.0
) -> FieldErrors:
    reports = report_field(truth / 3.6, grid, detectors=detectors, period_s=period_s)
    found = nowcast.Nowcast(reports, grid, first_mps=FIRST_GUESS_MPS).online()
    return _scored(found.speed_mps, truth, grid)


def _scored(speed_mps: Floats, truth: Floats, grid: Grid) -> FieldErrors:
    return field_errors(3.6 * speed_mps, truth, cell_m=grid.cell_m, step_s=grid.step_s)


def _table(rows: Iterable[tuple[str, FieldErrors]]) -> list[str]:
    lines = [
        "| | RMSE of speed, km/h | travel time: mean absolute error, s | bias, s |",
        "|---|---|---|---|",
    ]
    return lines + [
        f"| {name} | {one.rmse_kph:.2f} | {one.travel_mae_s:.2f} | {one.travel_bias_s:+.2f} |"
        for name, one in rows
    ]


def _coverage(truth: Floats, grid: Grid) -> str:
    found = reconstruct(truth / 3.6, grid, detectors=3, period_s=30.0)
    first = round(FROM_S / grid.step_s)
    off = np.abs(3.6 * found.online_mps - truth)[:, first:]
    sd = 3.6 * found.online_sd_mps[:, first:]
    share = float((off <= WITHIN_SD * sd).mean())
    slow = truth[:, first:] < 25.0
    in_waves = float((off <= WITHIN_SD * sd)[slow].mean())
    return (
        "The stated 90 % intervals of the nowcast on line hold the truth in "
        f"{100 * share:.0f} % of the cells, in {100 * in_waves:.0f} % of those below "
        "25 km/h; their mean half width is "
        f"{WITHIN_SD * float(sd.mean()):.1f} km/h."
    )


def simulated() -> tuple[Floats, Grid]:
    """Make a field of the cell transmission model, km/h, with noise; the seed is fixed."""
    column = np.ones(1)
    roads = Roads(
        from_node=np.zeros(1, np.int64),
        to_node=np.ones(1, np.int64),
        length_m=3000.0 * column,
        free_speed_mps=100 / 3.6 * column,
        capacity_vps=1.1 * column,
        jam_vpm=0.3 * column,
        nodes=2,
    )
    turns = Turns(
        start=np.array([0, 0, 1], np.int64),
        approach=np.ones(1, np.int64),
        link=np.zeros(1, np.int64),
        seconds=np.zeros(1),
        share=np.full(1, np.nan),
        movement=np.full(1, -1, np.int64),
        origin_node=np.zeros(1, np.int64),
    )
    run = CellTransmission(roads, turns, step_s=1.0, cell_m=50.0)
    run.share_turns(np.ones(1), np.array([1.0, 0.0]))
    columns = []
    for at in range(360):
        run.limit(out_vps=np.array([0.6 if 60 <= at < 150 else 1.1, 9.0]))
        run.demand(np.full(1, 0.9 if at < 200 else 0.5)).run(10.0)
        density = np.maximum(run.density_vpm, 1e-6)
        columns.append((triangular(roads).flow_vps(0, density) / density)[:, 0])
    noise = np.random.default_rng(1).normal(1.0, 0.05, (len(columns[0]), 360))
    field = 3.6 * np.array(columns).T * noise
    return field, Grid(len(field), 360, 50.0, 10.0)


def _plot(truth: Floats, grid: Grid) -> None:
    found = reconstruct(truth / 3.6, grid, detectors=3, period_s=30.0)
    fields = {
        "truth": truth,
        "nowcast, on line: what was known at each moment": 3.6 * found.online_mps,
        "nowcast, off line: from all reports": 3.6 * found.offline_mps,
    }
    for method in (Method.ENSEMBLE, Method.SMOOTHING):
        other = reconstruct(truth / 3.6, grid, detectors=3, period_s=30.0, method=method)
        fields[f"{method}, on line"] = 3.6 * other.online_mps
    rows = detector_rows(grid.cells, 3).tolist()
    _perception_plot.plot_fields(fields, grid, rows, ROOT / "docs" / PLOT)
