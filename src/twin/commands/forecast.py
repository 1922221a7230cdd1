"""`twin forecast backtest`: the forecast on a recorded series, as if it came live."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.table import Table

from twin.columns import Floats
from twin.commands.console import ERR, OUT, plain_errors, progress
from twin.errors import Fault, InputError
from twin.evaluate.backtest import (
    SHOWN,
    Backtest,
    Setting,
    Split,
    mean_errors,
    run_backtest,
    split_samples,
    truths,
)
from twin.evaluate.backtest_files import (
    Series,
    read_adjacency,
    read_links,
    read_profile,
    read_series,
    write_forecasts,
)
from twin.forecast.learned.calendar import STEP_MIN, Calendar
from twin.forecast.learned.fit import fit
from twin.forecast.learned.model_file import save_model
from twin.forecast.learned.neighbours import from_map

forecast = typer.Typer(no_args_is_help=True, help="The next hour, tested on recorded series.")

_SHARES: Final = 2


@forecast.callback()
def _root() -> None:
    """Keep `backtest` a command of its own."""


@forecast.command("backtest")
def backtest(
    *,
    data: Annotated[
        Path,
        typer.Option(
            help="series.npz: `data` (T, N), speeds every 5 minutes, missing = 0 or NaN; it may "
            "hold `start` (ISO local time of row 0) and `step_min` (5)."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="pred.npz: `pred`, `lo` and `hi` (10 % and 90 % quantiles), each "
            "(test samples, 12, N), in the order of time."
        ),
    ],
    adjacency: Annotated[
        Path | None,
        typer.Option(help="a.npy (N, N): nearness, row = from, column = to; 0 = not linked."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(help="p.npy (T, N): the usual speed; row t belongs to row t of the data."),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Shares of the samples that train and validate; the rest tests.")
    ] = "0.7,0.1",
    holiday: Annotated[
        list[str] | None,
        typer.Option(help="A day (YYYY-MM-DD) that is like a weekend; may be given again."),
    ] = None,
) -> None:
    """Forecast the test part of a series, 12 steps of 5 minutes, from the past alone.

    The T - 23 samples (12 rows in, 12 out) follow each other: the first 70 % train, the last 20 %
    test, and those between teach the blend whom to trust. Rows are played one by one, as they
    would come live; a forecast uses rows up to its sample's last one and no others.

    Example: twin forecast backtest --data series.npz --adjacency a.npy --out pred.npz
    """
    with plain_errors():
        series = read_series(data)
        shape = (series.values.shape[0], series.values.shape[1])
        near = None if adjacency is None else read_adjacency(adjacency, shape[1])
        usual = None if profile is None else read_profile(profile, shape)
        calendar = Calendar(series.start, _days(holiday or []))
        setting = Setting(near, usual, _shares(split), calendar)
        found = _run_with_bar(series, setting)
        write_forecasts(out, found.value, found.low, found.high)
        _show(series, found, split_samples(len(series.values), setting.shares))
        ERR.print(f"written: {out}", highlight=False)


@forecast.command("train")
def train(
    *,
    data: Annotated[
        Path,
        typer.Option(
            help="series.npz as of backtest, in m/s, and `links` (N): the id of each column's link."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The model: TWIN_FORECAST_MODEL names it.")],
    holiday: Annotated[
        list[str] | None,
        typer.Option(help="A day (YYYY-MM-DD) that is like a weekend; may be given again."),
    ] = None,
) -> None:
    """Fit lines and trees to a history of speeds, for the blend of the live service.

    The same history makes the same model. A short one makes a small model, or none.

    Example: twin forecast train --data series.npz --out model.npz
    """
    with plain_errors():
        series, links = read_series(data), read_links(data)
        near = from_map(None, series.values.shape[1])
        calendar = Calendar(series.start, _days(holiday or []))
        model = fit(series.values, None, calendar, near, on_stage=lambda stage: ERR.print(stage))
        save_model(out, model, links)
        parts = ("linear", "trees", "silent_trees")
        made = [name for name in parts if getattr(model, name) is not None]
        OUT.print(
            f"{len(series.values)} rows of {len(links)} links: {', '.join(made) or 'nothing'}"
        )
        ERR.print(f"written: {out}", highlight=False)


def _shares(text: str) -> tuple[float, float]:
    """Read the shares. Raises InputError naming what stood there."""
    try:
        parts = [float(part) for part in text.split(",")]
    except ValueError:
        parts = []
    if len(parts) != _SHARES or not all(np.isfinite(parts)):
        raise InputError(Fault("split", text, "must be two numbers, such as 0.7,0.1"))
    return parts[0], parts[1]


def _days(texts: list[str]) -> frozenset[date]:
    try:
        return frozenset(date.fromisoformat(text) for text in texts)
    except ValueError as error:
        raise InputError(Fault("holiday", ", ".join(texts), "must be dates: YYYY-MM-DD")) from error


def _run_with_bar(series: Series, setting: Setting) -> Backtest:
    with progress() as bar:
        task = bar.add_task("playing rows", total=len(series.values))

        def on_row(row: int, rows: int) -> None:
            bar.update(task, completed=row, total=rows, description="playing rows")

        def on_stage(stage: str) -> None:
            bar.update(task, description=f"fitting: {stage}")

        return run_backtest(series, replace(setting, on_row=on_row, on_stage=on_stage))


def _show(series: Series, found: Backtest, counts: Split) -> None:
    """Print the mean absolute errors beside those of the last value."""
    truth = truths(series.values, found.rows)
    last = np.repeat(_last_valid(series.values)[found.rows][:, None], truth.shape[1], axis=1)
    known = np.isfinite(truth)
    held = (truth >= found.low) & (truth <= found.high)
    ours, theirs = mean_errors(found.value, truth), mean_errors(last, truth)
    table = Table("minutes", "MAE", "last value", "in the 80 % interval", box=None)
    for step in SHOWN:
        inside, count = held[:, step - 1].sum(), known[:, step - 1].sum()
        share = f"{100.0 * inside / count:.1f} %" if count else "-"
        figures = (f"{ours[step - 1]:.3f}", f"{theirs[step - 1]:.3f}", share)
        table.add_row(str(step * STEP_MIN), *figures)
    OUT.print(table)
    OUT.print(
        f"samples: {counts.train} train, {counts.validate} validate, {counts.test} test; "
        f"fit {found.fit_s:.1f} CPU s, one forecast {1000 * found.step_s:.1f} CPU ms"
    )


def _last_valid(values: Floats) -> Floats:
    """Return the newest reading of every station up to every row, (rows, n)."""
    rows = np.arange(len(values))[:, None]
    newest = np.maximum.accumulate(np.where(np.isfinite(values), rows, -1), axis=0)
    taken = np.take_along_axis(values, np.maximum(newest, 0), axis=0)
    return np.where(newest >= 0, taken, np.nan)
