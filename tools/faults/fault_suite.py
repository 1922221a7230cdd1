"""The fault suite: a service killed, starved and cut off loses nothing, counts nothing twice.

    python tools/faults/fault_suite.py [--engine embedded] [--events N] [--faults N] [--seed N]

A file of events is sent to a running service while a seeded plan of faults happens to it. Then
everything is compared: file, senders' record, log, database, oracle, the service's own hash.
A run that was cut (Ctrl-C, --minutes) goes on in the same --folder where it was, until its report
has been written.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tools" / "services")]

from fault_plan import WEIGHTS  # noqa: E402 - the folders must be known first
from fault_report import report, shortfalls  # noqa: E402
from fault_run import PausedError, Run, Setup  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402

SHARES: Final = {"servers": 0.5, "workers": 0.3, "embedded": 0.2}
WHOLE: Final = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; 0 when nothing was lost or doubled, 3 when it was cut."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers are stopped then, too
    print(f"seed {options.seed}, folder {options.folder}", flush=True)
    reported = options.folder / "reported"
    if options.fresh or reported.exists():
        clear(options.folder)
    outcomes = []
    until_s = time.monotonic() + options.minutes * 60
    for engine in options.engine:
        try:
            outcomes.append(_run(engine, options, until_s))
        except PausedError:
            print(f"{engine}: the time is over; the same command goes on", flush=True)
            return 3
    text = report(outcomes, options.seed)
    if options.report is not None:
        options.report.write_text(text, encoding="utf-8")
        reported.touch()
    print(text)
    wrong = [words for outcome in outcomes for words in outcome["books"]["wrong"]]
    whole = options.faults is None and set(options.engine) == set(SHARES)
    short = shortfalls(outcomes) if whole and options.events >= WHOLE else []
    print("\n".join(wrong[:20]) or "nothing lost, nothing twice")
    print("\n".join(f"too few: {words}" for words in short), end="\n" if short else "")
    return 1 if wrong or short else 0


def _run(engine: str, options: argparse.Namespace, until_s: float) -> dict[str, Any]:
    kept = options.folder / engine / "outcome.json"
    if not kept.exists():
        total = sum(SHARES[name] for name in options.engine)
        share = SHARES[engine] / total
        weights = sum(sum(WEIGHTS[name].values()) for name in options.engine)
        faults = None
        if options.faults is not None:
            faults = round(options.faults * sum(WEIGHTS[engine].values()) / weights)
        setup = Setup(
            engine=engine,
            folder=options.folder,
            scenario=ROOT / "scenarios" / options.scenario,
            events=round(options.events * share),
            faults=faults,
            seed=options.seed,
            until_s=until_s,
        )
        with _Shown(engine) as shown:
            Run(setup, shown).go().save(kept)
    outcome: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return outcome


class _Shown:
    """A bar for a person, lines for a file."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.fields[engine]:9}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} events · {task.description}"),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=self._console)
        self._task = self._bar.add_task("starting", total=1, engine=engine)

    def __enter__(self) -> _Shown:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, events: int, total: int, kind: str) -> None:
        self._bar.update(self._task, completed=events, total=total, description=kind)
        if not self._console.is_terminal:
            print(f"{self._engine} {events:,} of {total:,} events: {kind}", flush=True)


def clear(folder: Path) -> None:
    """Remove the folder of a run, and unmount the disks in it."""
    for engine in SHARES:
        for disk in ("kafka", "postgis", "sqlite"):
            place = folder / engine / disk
            if place.is_mount():
                subprocess.run(["umount", "--lazy", place], check=True)
    shutil.rmtree(folder, ignore_errors=True)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--engine", nargs="+", choices=sorted(SHARES), default=list(SHARES))
    parser.add_argument("--events", type=int, default=WHOLE, help="in all, over the engines")
    parser.add_argument("--faults", type=int, default=None, help="in all, beside those in the file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", default="city", help="folder in scenarios/")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/twin-faults"))
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop then; go on later")
    parser.add_argument("--fresh", action="store_true", help="forget an earlier run in the folder")
    parser.add_argument("--report", type=Path, help="write the report here")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
