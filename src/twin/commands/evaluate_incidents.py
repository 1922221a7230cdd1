"""`twin evaluate incidents`: what the alerts find on labelled runs, how soon, how much noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.table import Table

from twin.commands.console import ERR, OUT, plain_errors
from twin.evaluate.incidents import Result, as_document, open_runs, score

_FILE: Final = "incidents.json"


def score_incidents(
    runs: Annotated[
        Path,
        typer.Argument(
            help="Folder with network/ and run-*.npz (docs/reference/labelled-runs.md)."
        ),
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for incidents.json; else the runs'.")
    ] = None,
) -> None:
    """Print which incidents the detectors showed, after how long, and the false alerts."""
    with plain_errors():
        network, found = open_runs(runs)
        result = score(network, found)
        _print(result)
        where = out or runs
        where.mkdir(parents=True, exist_ok=True)
        body = msgspec.json.format(msgspec.json.encode(as_document(result)), indent=2)
        (where / _FILE).write_bytes(body + b"\n")
        ERR.print(f"written: {_FILE} in {where}")


def _print(result: Result) -> None:
    table = Table("run", "link", "lanes", "from minute", "seen after", box=None)
    for one in result.found:
        seen = "never" if one.after_s is None else f"{one.after_s:.0f} s"
        begin = f"{one.label.begin_s / 60.0:.0f}"
        table.add_row(one.run, one.label.link, str(one.label.lanes), begin, seen)
    OUT.print(table)
    OUT.print(
        f"{len(result.found)} incidents in {result.hours:.1f} h, "
        f"{result.detector_hours:.0f} detector hours: "
        f"{100 * result.detected_share:.0f} % seen, after {result.mean_s:.0f} s on average; "
        f"{len(result.false)} false alerts, {result.false_rate:.2f} an hour and 100 detectors"
    )
