"""`twin scenario`: ask what if, and see how sure the answer is."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from twin.commands.console import ERR, OUT, plain_errors, print_json
from twin.errors import Fault, InputError
from twin.scenario.compare import Differences
from twin.scenario.edits.shown import told
from twin.scenario.engine import Cancelled
from twin.scenario.project import Project, opened
from twin.scenario.results import read_factors
from twin.scenario.results.measures import Kind
from twin.scenario.store import REPORT, SUMMARY
from twin.scenario.whole import How, compare_folders, report_again, run_scenario
from twin.scenario.words import clock_of

scenario = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ask what if: close a road, change a signal, add demand, and compare with the base.\n\n"
    "A scenario is a YAML or JSON file: a map, a demand, hours, seeds and a list of edits "
    "(docs: reference/scenario). Base and edited run with the same random numbers; a difference "
    "that could be chance is called 'within noise'.\n\n"
    "    twin scenario check FILE            is the file right, and what does it do?\n\n"
    "    twin scenario run FILE --out DIR    run it; DIR/report.html is the answer\n\n"
    "    twin scenario compare DIR1 DIR2     two variants against each other\n\n"
    "Exit codes: 0 done, 2 something in the file or a folder is wrong (one line says what), "
    "130 stopped by Ctrl-C.",
)

INTERRUPTED = 130  # as shells say it: 128 + SIGINT

File = Annotated[Path, typer.Argument(help="Scenario file, YAML or JSON.", metavar="FILE")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@scenario.command()
def check(file: File, *, as_json: Json = False) -> None:
    """Read a file and everything it names; say what would be run. Runs nothing."""
    with plain_errors():
        project = opened(file.read_bytes(), file.parent)
        found = _told(project)
    if as_json:
        print_json(found)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in ("name", "map", "hours", "trips", "classes", "seeds"):
        table.add_row(name, str(found[name]))
    OUT.print(table)
    for number, text in enumerate(found["edits"], 1):
        OUT.print(f"  {number}. {text}", highlight=False, soft_wrap=True, markup=False)
    OUT.print("right: nothing was run", highlight=False)


@scenario.command()
def run(
    file: File,
    out: Annotated[Path, typer.Option("--out", help="Folder for runs, results and report.")],
    *,
    seeds: Annotated[
        int, typer.Option("--seeds", min=0, help="So many seeds, 1 to N; 0: those of the file.")
    ] = 0,
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="Processes; 0: one a core. 1: in this process.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Run base and edited over all seeds; write results and report into a folder."""
    with plain_errors():
        content = file.read_bytes()
        project = opened(content, file.parent)
        count = seeds or len(project.scenario.seeds)
        workers = min(jobs or (os.cpu_count() or 1), 2 * count)
        with _pool(workers) as executor, _bar() as bar, _interrupted() as stop:
            task = bar.add_task(project.scenario.name, total=1.0)
            how = How(tuple(range(1, seeds + 1)), executor, workers)
            try:
                summary = run_scenario(
                    project,
                    content,
                    out,
                    how,
                    on_progress=lambda share: bar.update(task, completed=share),
                    stop=stop,
                )
            except Cancelled as error:
                ERR.print(f"stopped: {out} holds the runs that were done", soft_wrap=True)
                raise typer.Exit(INTERRUPTED) from error
    _show(summary, out, as_json=as_json)


@scenario.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of `twin scenario run`.", metavar="DIR")],
    *,
    factors: Annotated[
        Path | None,
        typer.Option("--emission-factors", help="Table of factors with their sources (CSV)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make results and report again from the runs of a folder."""
    with plain_errors():
        if not folder.is_dir():
            raise InputError(Fault("DIR", str(folder), "is a folder of `twin scenario run`"))
        table = None if factors is None else read_factors(factors)
        summary = report_again(folder, factors=table)
    _show(summary, folder, as_json=as_json)


@scenario.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of one scenario.", metavar="DIR1")],
    second: Annotated[Path, typer.Argument(help="Folder of the other.", metavar="DIR2")],
    *,
    as_json: Json = False,
) -> None:
    """Compare the edited sides of two scenarios on one map, over the seeds they share."""
    with plain_errors():
        kinds, found, seeds = compare_folders(first, second)
    rows = _rows(kinds, found)
    if as_json:
        print_json({"seeds": list(seeds), "measures": rows})
        return
    _table(rows, str(first), str(second))


def _told(project: Project) -> dict[str, Any]:
    network = project.edited.network
    trips = sum(one.trips for one in project.base.streams)
    return {
        "name": project.scenario.name,
        "map": f"{project.base.network.name}, version {project.base.network.version}",
        "hours": f"{clock_of(project.start_s)} to {clock_of(project.end_s)}",
        "trips": f"{trips:,.0f} on average, and {project.inside_zone:,.0f} inside a zone",
        "classes": ", ".join(one.name for one in project.classes),
        "seeds": ", ".join(map(str, project.scenario.seeds)),
        "edits": [told(done.edit, network) for done in project.done],
    }


def _show(summary: dict[str, Any], out: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    _table(summary["measures"], "base", "edited")
    for warning in summary["warnings"]:
        ERR.print(warning, highlight=False, soft_wrap=True)
    ERR.print(f"written: {out / REPORT} and {out / SUMMARY}", highlight=False, soft_wrap=True)


def _table(rows: list[dict[str, Any]], first: str, second: str) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("", first, second, "difference", "95 % interval", ""):
        table.add_column(name, justify="left" if not name else "right", overflow="fold")
    for row in rows:
        interval = f"{_text(row['low'])} … {_text(row['high'])}" if row["low"] is not None else "–"
        cells = [f"{row['name']}, {row['unit']}"]
        cells += [_text(row[key]) for key in ("base", "edited", "difference")]
        table.add_row(*cells, interval, row["verdict"])
    OUT.print(table)


def _rows(kinds: list[Kind], found: Differences) -> list[dict[str, Any]]:
    names = ("base", "edited", "difference", "low", "high")
    rows = []
    for row, kind in enumerate(kinds):
        values = {name: float(getattr(found, name)[row]) for name in names}
        shown = {name: value if value == value else None for name, value in values.items()}
        rows.append(
            {"key": kind.key, "name": kind.words, "unit": kind.unit}
            | shown
            | {"verdict": str(found.verdict(row))}
        )
    return rows


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


@contextmanager
def _pool(workers: int) -> Iterator[Executor | None]:
    """Give a pool of processes; None for one worker: it runs here."""
    if workers <= 1:
        yield None
        return
    # spawned, not forked: a fork would copy locks that other threads hold
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_deaf) as executor:
        yield executor


def _deaf() -> None:
    """Leave Ctrl-C to the process that started this one: it tells the runs to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C ask the runs to stop; the second ends the program as ever."""
    asked, before = Event(), signal.getsignal(signal.SIGINT)

    def hear(number: int, frame: object) -> None:
        del number, frame
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hear)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=ERR,
    )
