"""Signals closed-loop: real SUMO nets, Kafka and PostGIS, all junctions automatic; and kill −9.

TWIN_PROOF_KEEP=folder keeps every run there and takes up those that are done already.
TWIN_PROOF_RUNS=net-seed,… does only these; the report then names those that were left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

import _signals_kill
import _signals_plot
import broker
import postgis

from twin.world.sumo.scene import open_scene

ROOT = Path(__file__).resolve().parents[2]
TWIN = str(Path(sys.executable).with_name("twin"))
RUNS = ("ingolstadt1-42", "ingolstadt1-1", "ingolstadt1-2", "bologna_acosta-42")
RATE = 20
ENDS = {"ingolstadt1": "61200"}  # the hour that the file states
LEAST_LEASE_PCT = 95.0
_FIGURES = (
    (r"readings sent (\d+)", ",.0f"),
    (r"service counts: received (\d+)", ",.0f"),
    (r"service counts:.* applied (\d+)", ",.0f"),
    (r"service counts:.* duplicate (\d+)", ",.0f"),
    (r"service counts:.* late (\d+)", ",.0f"),
    (r"service counts:.* rejected (\d+)", ",.0f"),
    (r"the service's: (\d+) items", ".0f"),
    (r"under the service's lease: ([\d.]+) %", ".2f"),
    (r"longest without: (\d+) s", ".0f"),
    (r"violations: (\d+)", ".0f"),
)
PICTURE = "assets/reports/signals.svg"


@dataclass(frozen=True)
class Run:
    """One closed-loop run beside the same run under the file's own program."""

    scene: str
    seed: int
    said: str
    trips: Path
    trips_alone: Path
    end_s: float

    def number(self, pattern: str) -> float:
        """Find a number in what the run printed. Fails when it is not there."""
        found = re.search(pattern, self.said)
        assert found is not None, f"{self.scene}: no {pattern} in\n{self.said}"
        return float(found[1])

    def pair(self, text: str) -> tuple[float, float]:
        """Return a line of the table of delays: with the service, own program."""
        found = re.search(rf"{re.escape(text)}\s+([\d.]+)\s+([\d.]+)", self.said)
        assert found is not None, f"{self.scene}: no {text}"
        return float(found[1]), float(found[2])

    @property
    def cycles(self) -> list[tuple[str, int, int, int]]:
        """Return junction, changes accepted, cycles with one, cycles."""
        found = re.findall(r"^ *(\S+): (\d+) changes accepted, in (\d+) of (\d+)", self.said, re.M)
        return [(name, int(one), int(two), int(three)) for name, one, two, three in found]


def prove(data: Path) -> str:
    """Run both nets and the kills; return what was seen."""
    # Taken away: the service refuses settings that it does not know.
    kept = os.environ.pop("TWIN_PROOF_KEEP", "")
    chosen = _names(os.environ.pop("TWIN_PROOF_RUNS", "")) or RUNS
    with tempfile.TemporaryDirectory(prefix="twin-proof-") as name, _servers(Path(name)) as real:
        folder = Path(kept or name)
        wanted = [name for name in RUNS if name in chosen]
        runs = [_run(data / "signals", name, folder, real) for name in wanted]
        for run in runs:
            _check(run)
        kills = _signals_kill.report(
            data / "signals" / "bologna_acosta", folder / "kill", real.options("kill")
        )
    picture = ROOT / "docs" / PICTURE
    picture.parent.mkdir(parents=True, exist_ok=True)
    shown = list({run.scene: run for run in reversed(runs)}.values())[::-1]
    left_out = [name for name in RUNS if name not in wanted]
    told = [f"**Not run this time: {', '.join(left_out)}.**", ""] if left_out else []
    _signals_plot.draw(
        [(run.scene, run.end_s, run.trips, run.trips_alone) for run in shown], picture
    )
    return "\n".join([*told, *_delays(runs), *_loops(runs), *_cycles(shown), *kills])


def _names(text: str) -> tuple[str, ...]:
    """Read names by commas."""
    return tuple(name for name in text.split(",") if name)


@dataclass(frozen=True)
class Servers:
    """The broker and the database that all runs share; each has its own topics and database."""

    log: str
    database: postgis.Server

    def options(self, name: str) -> dict[str, str]:
        """Return where a run keeps its log and its tables."""
        plain = name.replace("-", "_")
        if self.database.has(plain):
            self.database.drop(plain)
        return {
            "log": self.log,
            "database": self.database.create(plain),
            "topic-prefix": f"{name.replace('_', '-')}.{os.getpid()}.",
        }


@contextmanager
def _servers(folder: Path) -> Iterator[Servers]:
    folder.chmod(0o755)  # the database server runs as its own user
    kafka, database = broker.Broker(folder / "kafka"), postgis.Server(folder / "postgis")
    try:
        kafka.start()
        database.start()
        yield Servers(kafka.url, database)
    finally:
        kafka.stop()
        database.stop()


def _run(sources: Path, name: str, folder: Path, real: Servers) -> Run:
    scene, seed = name.rsplit("-", 1)
    source = sources / scene
    out = folder / name
    told = out / "said.txt"
    if not told.exists():
        out.mkdir(parents=True, exist_ok=True)
        command = [TWIN, "world", "--sumo", str(source), "--rate", str(RATE), "--baseline"]
        command += ["--seed", seed, "--out", str(out)]
        if source.name in ENDS:
            command += ["--end", ENDS[source.name]]
        for option, value in real.options(name).items():
            command += [f"--{option}", value]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
        )
        assert done.returncode == 0, f"{name}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        told.write_text(done.stdout, encoding="utf-8")
        print(f"-- {name}\n{done.stdout}", flush=True)
    with tempfile.TemporaryDirectory() as copy:
        end_s = open_scene(source, Path(copy) / "scene").end_s
    said = told.read_text(encoding="utf-8")
    alone = out / "baseline" / "tripinfo.xml"
    return Run(scene, int(seed), said, out / "tripinfo.xml", alone, end_s)


def _check(run: Run) -> None:
    """Fail where a run does not show what the report says of all of them."""
    name = f"{run.scene} {run.seed}"
    assert "accounts agree: yes" in run.said, name
    assert "gridlock: no" in run.said, name
    assert run.number(r"violations: (\d+)") == 0, name
    assert run.number(r"service's: (\d+) items") == 0, name
    assert run.number(r"lease: ([\d.]+) %") >= LEAST_LEASE_PCT, name
    for junction, _, hit, cycles in run.cycles:
        assert hit == cycles > 0, f"{name}: {junction} {hit} of {cycles}"
    for trips in (run.trips, run.trips_alone):
        assert _removed(trips) == 0, f"{name}: vehicles were taken out"
    if run.scene == "ingolstadt1":
        with_service, alone = run.pair("delay a vehicle (s)")
        assert with_service < alone, name


def _removed(trips: Path) -> int:
    """Count the vehicles that SUMO took out on the way; `end` are those there at the run's end."""
    found = (one.get("vaporized", "") for one in Xml.parse(trips).getroot().iter("tripinfo"))
    return sum(why not in {"", "end"} for why in found)


def _delays(runs: list[Run]) -> list[str]:
    lines = [
        "Third-party nets, real servers: readings over HTTP to Kafka, verdicts and pictures in "
        "PostGIS, stage requests back to the controllers in SUMO. All junctions automatic, rate "
        f"{RATE}, ingolstadt1 until the end that its file states (`--end {ENDS['ingolstadt1']}`); "
        "SUMO's own watch of the lights shares nothing with the service's safety rules.",
        "",
        "## Delay",
        "",
        "(time lost on the way + waiting to depart) over all that wanted to travel, unfinished and "
        "never departed included; the same seed under the file's own program beside it.",
        "",
        "| net | seed | vehicles | with the service | own program | difference | "
        "on the way / never departed at the end, with | own |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        with_s, own_s = run.pair("delay a vehicle (s)")
        on_way, never = run.pair("on the way at the end"), run.pair("never departed")
        vehicles = run.pair("vehicles that wanted to travel")[0]
        lines.append(
            f"| {run.scene} | {run.seed} | {vehicles:,.0f} | {with_s:.1f} s | {own_s:.1f} s | "
            f"{100 * (with_s / own_s - 1):+.0f} % | {on_way[0]:.0f} / {never[0]:.0f} | "
            f"{on_way[1]:.0f} / {never[1]:.0f} |"
        )
    text = "Vehicles that want to travel and have not arrived, over time (first seed)"
    return [*lines, "", f"![{text}](../{PICTURE})", "", f"{text}.", ""]


def _loops(runs: list[Run]) -> list[str]:
    lines = [
        "## The loop",
        "",
        "| net | seed | readings sent | received | applied | duplicate | late | rejected | "
        "difference of the books | junction-seconds under lease (%) | longest without (s) | "
        "violations | gridlock | taken out |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        cells = [f"{run.number(pattern):{form}}" for pattern, form in _FIGURES]
        lines.append(f"| {run.scene} | {run.seed} | " + " | ".join(cells) + " | no | 0 |")
    return [*lines, ""]


def _cycles(runs: list[Run]) -> list[str]:
    lines = [
        "## Changes in every cycle",
        "",
        "Whole cycles of the file's own program, where they would lie if it ran, from when the "
        "service first held the junction to the end; a change counts when the controller shows "
        "another stage under the service's lease.",
        "",
        "| net | junction | changes accepted | cycles with one | of |",
        "|---|---|---|---|---|",
    ]
    for run in runs:
        lines += [
            f"| {run.scene} | {name} | {changes} | {hit} | {cycles} |"
            for name, changes, hit, cycles in run.cycles
        ]
    return [*lines, ""]
