"""The forecast on a week of real speeds: all methods on the same samples, and what harms them.

TWIN_PROOF_SHORT=1 leaves out the shuffled and shifted weeks.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import _forecast_plot
import numpy as np

from twin.columns import Bools, Floats
from twin.evaluate.backtest import (
    SHOWN,
    Backtest,
    Setting,
    learn,
    mean_errors,
    play,
    run_backtest,
    split_samples,
    truths,
)
from twin.evaluate.backtest_files import Series
from twin.forecast.learned.engine import Engine
from twin.forecast.learned.trees import options_text

ROOT = Path(__file__).resolve().parents[2]
WORST = "assets/reports/forecast-worst.svg"
STEPS_PLOT = "assets/reports/forecast-steps.svg"
DAY = 288
CONGESTED = 0.6
METHODS = ("last value", "profile", "damped profile", "linear", "LightGBM trees alone")
AT = [step - 1 for step in SHOWN]
REORDERED = (5, 2, 0, 6, 3, 1, 4)
DEATHS = (1, 2, 3, 4, 5)  # seeds


@dataclass(frozen=True)
class Week:
    """The week, its profile of other weeks, nearness and names."""

    values: Floats
    profile: Floats
    adjacency: Floats
    start: datetime
    names: list[str]


@dataclass(frozen=True)
class Run:
    """A learned engine at the door of the test, its test, and what came true."""

    engine: Engine
    setting: Setting
    found: Backtest
    truth: Floats
    congested: Bools
    limit: Floats

    def errors(self, pred: Floats, chosen: Bools | None = None) -> list[float]:
        """Return the errors at 15, 30 and 60 minutes over the samples and stations chosen."""
        truth = self.truth if chosen is None else np.where(chosen[:, None], self.truth, np.nan)
        return [float(mean_errors(pred, truth)[step]) for step in AT]

    def onset(self, pred: Floats) -> float:
        """Return the error at 60 minutes where traffic is free now and congested then."""
        begins = ~self.congested & (self.truth[:, -1] < self.limit)
        return float(np.abs(pred[:, -1] - self.truth[:, -1])[begins].mean())


def prove(data: Path) -> str:
    """Play the week with and without its profile; return what was seen."""
    week = _week(data / "metr_la_week1" / "metr_la_week1.npz")
    lines = [
        "METR-LA, 207 stations, one week in steps of 5 minutes: 1993 samples, of which the first "
        "1395 train, 199 validate and the last 399 test (33 hours). Errors are mean absolute "
        "errors in mph at 15/30/60 minutes, pooled over the test part. All methods see the same "
        "samples, and only their past. Parameters were chosen on the validation part and on weeks "
        "made of the same days in another order. One of those, the week that begins two days "
        "later, trains on days of this test part, and the test part itself was looked at while "
        "the methods were built: the figures are a little kinder than those of an unseen week.",
        "",
        f"Trees: `{options_text()}`.",
    ]
    runs = {}
    for name, profile in (("With the 16-week profile", week.profile), ("Own days only", None)):
        runs[name] = _run(Series(week.values, week.start), Setting(week.adjacency, profile))
        lines += ["", f"## {name}", "", *_methods(runs[name])]
        print("\n".join(lines[-14:]), flush=True)
    first = runs["With the 16-week profile"]
    lines += ["", "## Stations that die", "", *_silent(week, first)]
    _plots(week, first)
    print("\n".join(lines[-4:]), flush=True)
    lines += ["", "## Short histories", "", *_histories(week)]
    if not os.environ.pop("TWIN_PROOF_SHORT", ""):
        lines += ["", "## Weeks that begin elsewhere, and days in another order", "", *_weeks(week)]
    lines += ["", "## Pictures", "", f"![Errors by step](../{STEPS_PLOT})", ""]
    lines += ["The six stations with the worst six hours, 30 minutes before:", ""]
    lines += [f"![The worst hours](../{WORST})"]
    return "\n".join(lines)


def _week(path: Path) -> Week:
    with np.load(path) as held:
        return Week(
            values=held["data"].astype(np.float64),
            profile=held["profile_other_weeks"].astype(np.float64),
            adjacency=held["adj"].astype(np.float64),
            start=datetime.fromisoformat(str(held["start"].reshape(-1)[0])),
            names=[str(one) for one in held["sensor_id"]],
        )


def _run(series: Series, setting: Setting) -> Run:
    engine, fit_s = learn(series, setting)
    found = play(copy.deepcopy(engine), series.values, setting, keep_experts=True)
    found.fit_s = fit_s
    split = split_samples(len(series.values))
    limit = CONGESTED * np.quantile(series.values[: split.train + 12], 0.85, axis=0)
    congested = series.values[found.rows] < limit
    return Run(engine, setting, found, truths(series.values, found.rows), congested, limit)


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _three(values: list[float], digits: int = 2) -> str:
    return "/".join(f"{value:.{digits}f}" for value in values)


def _methods(run: Run) -> list[str]:
    """All methods on the same samples, by regime, and the intervals."""
    experts = np.array(run.found.experts)
    shown = {name: experts[..., place] for place, name in enumerate(METHODS)}
    shown["**the blend**"] = run.found.value
    lines = [_row("method", "all", "free now", "congested now", "onset, 60 min")]
    lines += [_row("---", "---", "---", "---", "---")]
    for name, pred in shown.items():
        parts = (None, ~run.congested, run.congested)
        figures = [_three(run.errors(pred, part)) for part in parts]
        lines.append(_row(name, *figures, f"{run.onset(pred):.1f}"))
    found = run.found
    inside = (run.truth >= found.low) & (run.truth <= found.high)
    width = found.high - found.low
    lines += ["", _row("80 % interval", "held", "mean width, mph"), _row("---", "---", "---")]
    for name, part in (("all", run.congested | True), ("congested now", run.congested)):
        held = [float(inside[:, step][part].mean()) for step in AT]
        wide = [float(width[:, step][part].mean()) for step in AT]
        lines.append(_row(name, _three(held, 3), _three(wide, 1)))
    cost = f"Both fits together: {found.fit_s:.1f} CPU s. "
    return [*lines, "", cost + f"One row taken in and forecast: {1000 * found.step_s:.1f} CPU ms."]


def _silent(week: Week, run: Run) -> list[str]:
    """A seeded share of the stations says nothing throughout the test; means over the seeds."""
    lines = [_row("silent", "dead stations, 15 min", "by seed", "live stations, 15 min")]
    lines += [_row("---", "---", "---", "---")]
    stations = week.values.shape[1]
    before = np.abs(run.found.value - run.truth)[:, 2]
    for share in (0.1, 0.3):
        worse: list[tuple[float, float]] = []
        for seed in DEATHS:
            dead = np.zeros(stations, np.bool_)
            order = np.random.default_rng(seed).permutation(stations)
            dead[order[: round(share * stations)]] = True
            values = week.values.copy()
            values[run.found.rows[0] :, dead] = np.nan
            played = play(copy.deepcopy(run.engine), values, run.setting)
            after = np.abs(played.value - run.truth)[:, 2]
            off = [100 * (after[:, part].mean() / before[:, part].mean() - 1)
                   for part in (dead, ~dead)]  # fmt: skip
            worse.append((float(off[0]), float(off[1])))
        mean = np.mean(worse, axis=0)
        each = ", ".join(f"{one:+.1f}" for one, _ in worse)
        lines.append(_row(f"{100 * share:.0f} %", f"{mean[0]:+.1f} %", each, f"{mean[1]:+.1f} %"))
    return lines


def _against_last(values: Floats, start: datetime | None, setting: Setting) -> tuple[str, str]:
    """Return the errors against those of the last value at 15/30/60, and the worst of all steps."""
    found = run_backtest(Series(values, start), setting)
    truth = truths(values, found.rows)
    last = np.repeat(values[found.rows][:, None], truth.shape[1], axis=1)
    off = 100 * (mean_errors(found.value, truth) / mean_errors(last, truth) - 1)
    return "/".join(f"{off[step]:+.1f}" for step in AT), f"{off.max():+.1f}"


def _histories(week: Week) -> list[str]:
    """Cuts of the week from minutes to two days, at several hours, without the profile."""
    cuts = [(30, (72, 186)), (36, (60, 180, 216)), (72, (12, 156)), (144, (0, 72, 108))]
    cuts += [(288, (72,)), (576, (0, 432))]
    lines = [_row("rows in all", "begin", "% against last value", "worst of 12 steps")]
    lines += [_row("---", "---", "---", "---")]
    for rows, begins in cuts:
        for begin in begins:
            start = week.start + timedelta(minutes=5 * begin)
            part = week.values[begin : begin + rows]
            told = _against_last(part, start, Setting(week.adjacency))
            lines.append(_row(rows, f"{start:%a %H:%M}", *told))
    for name, values in _made_up().items():
        lines.append(_row(len(values), name, *_against_last(values, None, Setting())))
    return lines


def _made_up() -> dict[str, Floats]:
    draw = np.random.default_rng(2)
    steps = draw.normal(size=(600, 20))
    return {
        "random walks": np.abs(50.0 + np.cumsum(steps, axis=0)) + 0.1,
        "white noise": 50.0 + steps,
    }


def _weeks(week: Week) -> list[str]:
    """Other test days: the week rolled by days, begun at noon, and its days in another order."""
    lines = [_row("week", "last value", "the blend", "onset, 60 min")]
    lines += [_row("---", "---", "---", "---")]
    rolled = {
        f"begins {days} days later": (np.roll(np.arange(len(week.values)), -DAY * days), days)
        for days in (2, 5)
    }
    mixed = np.concatenate([np.arange(DAY) + DAY * day for day in REORDERED])
    cases = {**rolled, "days in another order": (mixed, None), "begun at noon": (_noon(week), None)}
    for name, (order, days) in cases.items():
        start = None if days is None else week.start + timedelta(days=days)
        setting = Setting(week.adjacency, None if days is None else week.profile[order])
        run = _run(Series(week.values[order], start), setting)
        last = np.array(run.found.experts)[..., 0]
        figures = (_three(run.errors(last)), _three(run.errors(run.found.value)))
        lines.append(_row(name, *figures, f"{run.onset(run.found.value):.1f}"))
    return [*lines, "", "The last two are without a profile and without a date."]


def _noon(week: Week) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(DAY // 2, len(week.values))


def _plots(week: Week, run: Run) -> None:
    found, experts = run.found, np.array(run.found.experts)
    docs = ROOT / "docs"
    _forecast_plot.draw_worst(
        week.values,
        found.rows,
        found.value,
        found.low,
        found.high,
        week.profile,
        week.names,
        docs / WORST,
    )
    curves = {name: mean_errors(experts[..., k], run.truth) for k, name in enumerate(METHODS)}
    curves["the blend"] = mean_errors(found.value, run.truth)
    _forecast_plot.draw_steps(curves, docs / STEPS_PLOT)
