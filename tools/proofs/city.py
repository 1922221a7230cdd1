"""The practice city with all faults on: the world's books, and the live picture against truth."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TWIN = str(Path(sys.executable).with_name("twin"))
ASSETS = ROOT / "docs" / "assets"
BEGIN_S = 6 * 3600 + 30 * 60  # SUMO drives alone from 06:00
LONGEST_S = 20 * 60.0  # of this machine; then the run is ended in good order
PLOTS = {
    "space-time": "Speed on the motorway over time and place: truth, live picture, difference",
    "roads": "Travel time along the long roads, truth and live picture",
    "over-time": "Mean absolute error of density and travel time, minute by minute",
    "scatter": "Truth and estimate of links with detectors, one point a link and minute",
}


def prove(data: Path) -> str:
    """Run the city from 06:30 on, to its end or as far as it comes in the time, and report."""
    del data  # the city is made by its own generator
    with tempfile.TemporaryDirectory(prefix="twin-proof-") as name:
        city, run = Path(name) / "city", Path(name) / "run"
        make = [sys.executable, str(ROOT / "scenarios" / "city" / "make.py"), "--sumo", str(city)]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        play(city, run)
        return report(run)


def play(city: Path, run: Path) -> None:
    """Let `twin world` run the city with all faults on; violations make its exit code 1."""
    command = [TWIN, "world", "--sumo", str(city), "--faults", "all", "--fast", "--score"]
    command += ["--begin", str(BEGIN_S), "--timezone", "Europe/Madrid", "--out", str(run)]
    process = subprocess.Popen(command)
    try:
        process.wait(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR2)
        process.wait()
    assert process.returncode in {0, 1}, process.returncode


def report(run: Path) -> str:
    """Write the report of a run that is over, and keep its plots."""
    books = json.loads((run / "books.json").read_text(encoding="utf-8"))
    errors = json.loads((run / "errors.json").read_text(encoding="utf-8"))
    assert books["difference"] == 0, books
    violations = (run / "violations.txt").read_text(encoding="utf-8").splitlines()
    for name in PLOTS:
        shutil.copyfile(run / f"picture-{name}.png", ASSETS / f"city-{name}.png")
    last_s = BEGIN_S + 60 * int(errors["pictures"])
    return "\n".join(
        [
            f"`twin world --sumo CITY --faults all --fast --begin {BEGIN_S} --score`: SUMO drives "
            f"alone from 06:00, the service comes in at {_clock(BEGIN_S)} knowing nothing, and the "
            f"run ends about {_clock(last_s)}, {(last_s - BEGIN_S) / 60:.0f} minutes of the street "
            f"in at most {LONGEST_S / 60:.0f} of the machine (start included; on average "
            f"{os.getloadavg()[2]:.1f} processes were ready on its {os.cpu_count()} cores). All 32 "
            "junctions are automatic. It is a morning, not a day: the city's traffic lasts from "
            "06:00 to 10:00, with a jam before the viaduct from about 07:30, a crash at 08:15 and "
            "rain from 09:00.",
            "",
            f"The world's own watch counted {len(violations)} violations at its signals"
            + (f", first: {violations[0]}." if violations else "."),
            "",
            *_books(books),
            *_faults(books),
            *_errors(errors),
            *_roads(errors),
            *(f"![{text}](../assets/city-{name}.png)\n" for name, text in PLOTS.items()),
        ]
    )


def _clock(second: float) -> str:
    return f"{int(second) // 3600:02d}:{int(second) % 3600 // 60:02d}"


def _books(books: dict[str, Any]) -> list[str]:
    lines = [
        "## The world's books beside the service's",
        "",
        "| source | topic | sent | in doubt | received | applied | duplicate | late | rejected |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in books["lines"]:
        said = line["said"]
        cells = [line["expected"]["received"], line["in_doubt"], said["received"]]
        cells += [_beside(line, name) for name in ("applied", "duplicate", "late", "rejected")]
        told = " | ".join(one if isinstance(one, str) else f"{one:,}" for one in cells)
        lines.append(f"| {line['source']} | {line['topic']} | {told} |")
    lines += [
        "",
        "*Sent* was counted on the wire by the world; the verdicts follow from the published "
        "rules, and one that differs would have the expected one in brackets. Difference: "
        f"**{books['difference']}**.",
        "",
    ]
    return lines


def _beside(line: dict[str, Any], name: str) -> str:
    said, expected = line["said"][name], line["expected"][name]
    return f"{said:,}" if said == expected else f"{said:,} ({expected:,})"


def _faults(books: dict[str, Any]) -> list[str]:
    lines = ["| what faults did | " + " | ".join(one["kind"] for one in books["devices"]) + " |"]
    lines.append("|---" * (len(books["devices"]) + 1) + "|")
    names = sorted({name for one in books["devices"] for name in one["faults"]})
    for name in names:
        cells = " | ".join(f"{one['faults'].get(name, 0):,}" for one in books["devices"])
        lines.append(f"| {name.replace('_', ' ')} | {cells} |")
    posted = " | ".join(f"{one['posted']:,}" for one in books["devices"])
    return [
        *lines,
        f"| **posted** | {posted} |",
        "",
        "made − dead − lost − missing exit + cloned + duplicated = posted.",
        "",
    ]


def _errors(errors: dict[str, Any]) -> list[str]:
    lines = [
        "## The live picture against the truth",
        "",
        f"{errors['pictures']} pictures, one a minute, each against the minute in which it was "
        "shown. "
        + ", ".join(f"{name} {100 * part:.0f} %" for name, part in errors["known"].items())
        + " of links and minutes.",
        "",
        "| | road | source | n | mean truth | MAE | RMSE | bias | 90 % interval holds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in errors["errors"]:
        if one["source"] == "neighbours" and one["road_class"] != "all":
            continue
        if one["source"] == "all" and one["road_class"] != "all":
            continue
        covered = "-" if one["coverage"] != one["coverage"] else f"{100 * one['coverage']:.0f} %"
        figures = " | ".join(f"{one[name]:.1f}" for name in ("mean", "mae", "rmse"))
        lines.append(
            f"| {one['quantity']} | {one['road_class']} | {one['source']} | {one['count']:,} | "
            f"{figures} | {one['bias']:+.1f} | {covered} |"
        )
    return [*lines, ""]


def _roads(errors: dict[str, Any]) -> list[str]:
    lines = ["| road | km | mean travel time (s) | MAE (s) | bias (s) |", "|---|---|---|---|---|"]
    for road in errors["roads"]:
        lines.append(
            f"| {road['road']} | {road['length_m'] / 1000:.1f} | {road['mean_s']:.0f} | "
            f"{road['mae_s']:.0f} | {road['bias_s']:+.0f} |"
        )
    return [*lines, ""]
