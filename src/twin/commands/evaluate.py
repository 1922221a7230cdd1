"""`twin evaluate pictures`: how far the live picture was from the truth of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from twin.commands.console import ERR, OUT, plain_errors
from twin.commands.evaluate_incidents import score_incidents
from twin.commands.evaluate_reconstruct import score_estimate
from twin.evaluate.picture_plots import plot_all
from twin.evaluate.pictures import Comparison, errors, known_shares, open_run, save_errors
from twin.units import KM_M

evaluate = typer.Typer(no_args_is_help=True, help="Hold what the service said against the truth.")

_ERRORS_FILE: Final = "errors.json"

evaluate.command("reconstruct")(score_estimate)
evaluate.command("incidents")(score_incidents)


@evaluate.callback()
def _root() -> None:
    """Keep `pictures` a command of its own."""


@evaluate.command("pictures")
def pictures(
    run: Annotated[Path, typer.Argument(help="What `twin world --out FOLDER` left.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for errors.json and the plots; else the run's.")
    ] = None,
) -> None:
    """Print the error of density and travel time by class of road, and plot it."""
    with plain_errors():
        score_run(run, out)


def score_run(run: Path, out: Path | None = None) -> None:
    """Print and plot the errors of one run. Raises InputError when a part of it is missing."""
    comparison = open_run(run)
    found = errors(comparison)
    table = Table("", "road", "source", "n", "truth", "MAE", "RMSE", "bias", "90 %", box=None)
    for one in found:
        if one.road_class == "all" or one.source in {"all", "measured"}:
            table.add_row(
                *(one.quantity, one.road_class, one.source, str(one.count)),
                *(f"{value:.1f}" for value in (one.mean, one.mae, one.rmse)),
                f"{one.bias:+.1f}",
                "-" if one.coverage != one.coverage else f"{100 * one.coverage:.0f} %",
            )
    OUT.print(table)
    _print_roads(comparison)
    shares = ", ".join(
        f"{name} {100 * part:.0f} %" for name, part in known_shares(comparison).items()
    )
    OUT.print(f"{len(comparison.minute_s)} pictures; links and minutes with an estimate: {shares}")
    where = out or run
    where.mkdir(parents=True, exist_ok=True)
    save_errors(comparison, found, where / _ERRORS_FILE)
    plots = plot_all(comparison, where)
    ERR.print(f"written: {', '.join(path.name for path in plots)}, {_ERRORS_FILE} in {where}")


def _print_roads(comparison: Comparison) -> None:
    for road in comparison.roads():
        off_s = road.estimate_s - road.truth_s
        OUT.print(
            f"{road.road} ({road.length_m / KM_M:.1f} km): {road.truth_s.mean():.0f} s on average, "
            f"mean absolute error {abs(off_s).mean():.0f} s, bias {off_s.mean():+.0f} s"
        )
