"""`twin evaluate reconstruct`: how far a reconstructed field is from the true one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from twin.commands.console import OUT, plain_errors, print_json
from twin.errors import Fault, InputError
from twin.evaluate.fields import read_arrays, read_field
from twin.evaluate.reconstruct import FieldErrors, field_errors


def score_estimate(
    estimate: Annotated[Path, typer.Argument(help="What `twin perceive reconstruct` wrote.")],
    *,
    field: Annotated[Path, typer.Option(help="The true field: v km/h, dx_m, dt_s.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the error of speed and of experienced travel time, on line and off line.

    Speed: root mean square over all cells from 60 s on. Travel time: mean absolute error of what a
    vehicle experiences that leaves every 15 s from 60 s on, at 1 km/h or more, and arrives before
    the field ends.
    """
    with plain_errors():
        scores = score_file(estimate, field)
    if as_json:
        print_json({name: asdict(score) for name, score in scores.items()})
        return
    table = Table("", "RMSE km/h", "travel time MAE s", "bias s", "vehicles", box=None)
    for name, score in scores.items():
        times = (f"{score.travel_mae_s:.2f}", f"{score.travel_bias_s:+.2f}")
        table.add_row(name, f"{score.rmse_kph:.2f}", *times, str(score.vehicles))
    OUT.print(table)


def score_file(estimate: Path, field: Path) -> dict[str, FieldErrors]:
    """Return the errors of `online` and `offline`. Raises InputError when one is missing."""
    truth, found = read_field(field), read_arrays(estimate)
    for name in ("online", "offline"):
        if name not in found:
            raise InputError(Fault(name, "-", f"{estimate.name} must hold online and offline"))
    grid = truth.grid
    return {
        name: field_errors(found[name], truth.speed_kph, cell_m=grid.cell_m, step_s=grid.step_s)
        for name in ("online", "offline")
    }
