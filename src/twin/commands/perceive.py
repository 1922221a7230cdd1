"""`twin perceive reconstruct`: the field of speed of a road from few detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twin.commands.console import ERR, plain_errors
from twin.evaluate.fields import read_field, write_estimate
from twin.perceive.corridor.reconstruct import FIRST_GUESS_MPS, Method, reconstruct
from twin.units import kph_from_mps, mps_from_kph

perceive = typer.Typer(no_args_is_help=True, help="Estimate traffic from what detectors saw.")


@perceive.callback()
def _root() -> None:
    """Keep `reconstruct` a command of its own."""


@perceive.command("reconstruct")
def reconstruct_field(
    *,
    field: Annotated[Path, typer.Option(help=".npz with v (cells, columns) km/h, dx_m and dt_s.")],
    out: Annotated[Path, typer.Option(help="The .npz to write: online and offline, km/h.")],
    detectors: Annotated[int, typer.Option(help="How many, spread evenly, ends included.")] = 3,
    report_s: Annotated[float, typer.Option(help="Seconds between reports of a detector.")] = 30.0,
    method: Annotated[Method, typer.Option(help="How the gaps are filled.")] = Method.NOWCAST,
    first_guess_kph: Annotated[
        float, typer.Option(help="Said until the first report has arrived.")
    ] = round(kph_from_mps(FIRST_GUESS_MPS), 3),
) -> None:
    """Fill a road's field of speed from a few of its rows, on line and off line.

    Rows of the field go downstream, columns are moments `dt_s` apart. A detector stands in row
    floor(linspace(0, rows - 1, detectors) + 0.5); every `report_s` it reports the mean of its own
    row over that time. Only these rows are read.

    In `online`, column j is what was known at the moment j * dt_s: reports that end by then count,
    nothing later does. `offline` uses all reports. `online_sd` and `offline_sd` are standard
    deviations.

    Try it: twin perceive reconstruct --field field.npz --detectors 3 --report-s 30 --out est.npz,
    then: twin evaluate reconstruct est.npz --field field.npz
    """
    with plain_errors():
        read = read_field(field)
        found = reconstruct(
            mps_from_kph(read.speed_kph),
            read.grid,
            detectors=detectors,
            period_s=report_s,
            method=method,
            first_mps=mps_from_kph(first_guess_kph),
        )
        write_estimate(out, found)
        rows, columns = found.online_mps.shape
        ERR.print(f"written: online and offline, {rows} cells x {columns} moments, in {out}")
