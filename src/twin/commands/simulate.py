"""`twin simulate`: a trip table over a network, or one bare case; both in numbers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from twin.commands.console import ERR, OUT, plain_errors, print_json, progress
from twin.commands.simulate_case import show_case
from twin.network.gmns import read_demand, read_gmns
from twin.network.model import SingleMap
from twin.simulate.trips import TripRun, plan_trips, run_trips
from twin.units import kph_from_mps, vph_from_vps, vpkm_from_vpm

_LINES = (
    ("trips", "trips in the table"),
    ("inside_zone", "of these inside a zone: not simulated"),
    ("not_departed", "not departed yet"),
    ("waiting", "waiting at their origin"),
    ("unroutable", "  of these without any way to their destination"),
    ("loaded", "loaded on the network"),
    ("arrived", "  of these arrived"),
    ("inside", "  of these still inside"),
)


def simulate(
    source: Annotated[
        Path, typer.Argument(help="GMNS folder of a network, or the JSON file of a bare case.")
    ],
    *,
    demand: Annotated[
        Path | None,
        typer.Option(
            "--demand", help="Trips from zone to zone; demand.csv of the folder if empty."
        ),
    ] = None,
    duration_s: Annotated[
        float, typer.Option("--duration", min=1, help="How long to simulate, s.")
    ] = 3600.0,
    step_s: Annotated[
        float,
        typer.Option("--dt", min=0.1, help="Longest step, s; shorter where short links need it."),
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the tables and the report.")
    ] = None,
) -> None:
    """Run one hour's trips over a network, or one bare case from a JSON file.

    Trips leave evenly within an hour and drive the quickest paths at free speed; none is lost.
    A case says all of itself: --demand, --duration and --dt are for networks.
    """
    if source.is_file():
        show_case(source, out, as_json=as_json)
        return
    with plain_errors():
        network, run = _run(source, _beside(source, demand), duration_s=duration_s, step_s=step_s)
    report = _report(network, run)
    if out is not None:
        with plain_errors():
            _write(out, network, run, report)
    if as_json:
        print_json(report)
        return
    _show(run, report)


def _run(
    folder: Path, demand: Path, *, duration_s: float, step_s: float
) -> tuple[SingleMap, TripRun]:
    """Read, plan and run with a progress bar."""
    with progress() as bar:
        task = bar.add_task("reading the network", total=round(duration_s))
        network, _ = read_gmns(folder)
        trips = read_demand(demand)
        bar.update(task, description="finding paths")
        plan = plan_trips(network, trips)
        bar.update(task, description="simulating")
        run = run_trips(
            plan,
            duration_s=duration_s,
            wanted_step_s=step_s,
            on_progress=lambda time_s: bar.update(task, completed=round(time_s)),
        )
    return network, run


def _beside(folder: Path, demand: Path | None) -> Path:
    """Return the demand file: as given, or of that name in the folder. Raises OSError if none."""
    if demand is None:
        return folder / "demand.csv"
    inside = folder / demand
    return inside if not demand.exists() and inside.exists() else demand


def _report(network: SingleMap, run: TripRun) -> dict[str, object]:
    """Return everything about the run as a whole."""
    count = run.count
    ids = [link.id for link in network.links]
    return {
        "map": network.name,
        "map_version": network.version,
        "links": len(network.links),
        "duration_s": run.duration_s,
        "step_s": run.step.step_s,
        "rounded_links": [
            {"link_id": ids[row], "added_s": added_s}
            for row, added_s in zip(
                run.step.rounded_links.tolist(), run.step.added_s.tolist(), strict=True
            )
        ],
        "rounded_added_s": float(run.step.added_s.sum()),
        "rounded_added_share": run.step.added_share,
        **{name: round(float(getattr(count, name)), 9) for name, _ in _LINES},
        "missing": count.missing,
        "full_links": [ids[row] for row in run.full_links.tolist()],
        "still_links": [ids[row] for row in run.still_links.tolist()],
        "gridlock_links": [ids[row] for row in run.gridlock_links.tolist()],
    }


def _show(run: TripRun, report: dict[str, object]) -> None:
    """Print the report for a person."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, words in _LINES:
        value = float(getattr(run.count, name))
        if value or name not in {"not_departed", "unroutable"}:
            table.add_row(words, f"{value:,.3f}".removesuffix(".000"))
    OUT.print(table)
    found = run.count.waiting + run.count.arrived + run.count.inside + run.count.not_departed
    OUT.print(
        f"waiting + arrived + inside{' + not departed' if run.count.not_departed else ''} = "
        f"{found:,.3f}".removesuffix(".000")
        + f" = {run.count.trips:,g} - {run.count.inside_zone:,g}",
        highlight=False,
    )
    ERR.print(
        f"step {run.step.step_s:g} s; "
        f"{len(run.step.rounded_links)} short links rounded up to a step, "
        f"{run.step.added_share:.2%} of the free travel time; "
        f"{len(run.full_links)} links full at the end, {len(run.still_links)} of them standing, "
        f"{len(run.gridlock_links)} in gridlock",
        highlight=False,
    )


def _write(out: Path, network: SingleMap, run: TripRun, report: dict[str, object]) -> None:
    """Write links.csv and report.json. Raises OSError when the folder cannot be written."""
    out.mkdir(parents=True, exist_ok=True)
    columns = ("link_id", "flow_vph", "speed_kph", "density_vpkm", "vehicles")
    with (out / "links.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row, link in enumerate(network.links):
            writer.writerow(
                [
                    link.id,
                    f"{vph_from_vps(float(run.flow_vps[row])):.3f}",
                    f"{kph_from_mps(float(run.speed_mps[row])):.3f}",
                    f"{vpkm_from_vpm(float(run.density_vpm[row])):.3f}",
                    f"{float(run.vehicles[row]):.6f}",
                ]
            )
    text = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (out / "report.json").write_bytes(text + b"\n")
    ERR.print(f"written: {out}", highlight=False)
