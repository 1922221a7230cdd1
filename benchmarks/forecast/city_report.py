"""docs/reports/forecast_city.md from what `city.py` scored, with its plot."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

ROOT: Final = Path(__file__).parents[2]
REPORT: Final = ROOT / "docs" / "reports" / "forecast_city.md"
PLOT: Final = ROOT / "docs" / "assets" / "reports" / "forecast-city.svg"
ASKED_MIN: Final = 10
HORIZONS_MIN: Final = (15, 30, 60)
Document = dict[str, Any]


def write_report(runs: Path, files: list[Path]) -> None:
    """Write the report and its plot from the figures that are there; name those that are not."""
    found = {path: json.loads(path.read_text(encoding="utf-8")) for path in files if path.is_file()}
    seeds = [one for one in found.values() if one["case"]["morning"]["level"] == 1.0]
    seeds = [one for one in seeds if not _is_level(one)]
    levels = [one for one in found.values() if _is_level(one)]
    missing = [path.relative_to(runs) for path in files if not path.is_file()]
    plotted = _plot([path for path in found if not _is_level(found[path])])
    lines = [*_head(list(found.values())), *_onsets(seeds), *plotted, *_levels(levels)]
    lines += _seed_errors(seeds)
    if missing:
        lines += [
            "## Not driven yet",
            "",
            "The commands above make them.",
        ]
        lines += ["", *(f"- `{path.parent}`, `{path.stem}`" for path in missing), ""]
    REPORT.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _is_level(one: Document) -> bool:
    return int(one["case"]["morning"]["seed"]) > 1000


def _head(found: list[Document]) -> list[str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    cost = 1000 * float(np.median([one["forecast_cpu_s"] for one in found]))
    return [
        "# The forecast in the practice city",
        "",
        "```",
        "python benchmarks/forecast/city_runs.py RUNS        # SUMO, one folder a morning",
        "python benchmarks/forecast/city.py RUNS             # each through the live state",
        "python benchmarks/forecast/city.py RUNS --report    # this page",
        "```",
        "",
        f"Commit {commit}, {platform.machine()} with {os.cpu_count()} cores, Python "
        f"{platform.python_version()}. One forecast of all 713 links: {cost:.0f} CPU ms (median).",
        "",
        "SUMO drives the whole city from 06:30. What its detectors count reaches the live state "
        "minute by minute; no service runs, nothing else is told (with the crash: the report of "
        "it, two minutes after it happened). A forecast is made every minute, the picture is "
        "looked at every five. What is shown 20 s after a minute is held against what SUMO itself "
        "says of the minutes that follow.",
        "",
    ]


def _onsets(seeds: list[Document]) -> list[str]:
    if not seeds:
        return []
    lines = [
        "## The jam before the viaduct",
        "",
        "The jam is there when SUMO's mean over five minutes in `A10-N-25` is below 0.6 of free "
        "speed and stays so for ten. A forecast **warns** from the first minute from which on "
        "every forecast, until the jam is there, has the link below that speed somewhere in its "
        f"hour. Asked are {ASKED_MIN} minutes in 4 of 5 seeds. `too early`: forecasts more than "
        "an hour before the jam that had it in their hour.",
        "",
        "| days known before | seed | jam is there | forecast warns, min before | too early | "
        "last value, min before |",
        "|---|---|---|---|---|---|",
    ]
    for history in (False, True):
        of = [one for one in seeds if one["case"]["history"] is history]
        for one in sorted(of, key=lambda one: one["case"]["morning"]["seed"]):
            lines.append(_onset_row(one, "four" if history else "none"))
    lines.append("")
    for history, word in ((False, "Knowing no day before"), (True, "Knowing four")):
        of = [one for one in seeds if one["case"]["history"] is history]
        came = [one["onset"] for one in of if one["onset"]["came_s"] is not None]
        if came:
            good = sum(one["forecast"]["lead_min"] >= ASKED_MIN for one in came)
            last = sum(one["last value"]["lead_min"] >= ASKED_MIN for one in came)
            lines += [
                f"{word}: {good} of {len(of)} seeds at least {ASKED_MIN} minutes before; "
                f"last value {last} of {len(of)}.",
                "",
            ]
    return lines


def _onset_row(one: Document, days: str) -> str:
    onset, seed = one["onset"], one["case"]["morning"]["seed"]
    if onset["came_s"] is None:
        return f"| {days} | {seed} | no jam | - | - | - |"
    minute = round(onset["came_s"] / 60)
    said, before = onset["forecast"], onset["forecast"]["minutes_before"]
    early = f"{said['warned_early']} of {before}" if before else "-"
    return (
        f"| {days} | {seed} | {minute // 60:02d}:{minute % 60:02d} | {said['lead_min']} | "
        f"{early} | {onset['last value']['lead_min']} |"
    )


def _levels(levels: list[Document]) -> list[str]:
    lines = [
        "## Three levels of demand",
        "",
        "The kept city, 06:30 to 08:45; faults are all of `twin world --faults all`. Mean absolute "
        "errors over links and minutes: density in veh/km, travel time in s/km. `last` is the "
        "picture of now, kept.",
        "",
    ]
    for road in ("motorway", "streets"):
        for what in ("density", "travel time"):
            lines += [f"**{what}, {road}**", "", *_table(levels, what, road), ""]
    return lines if levels else []


def _table(documents: list[Document], what: str, road: str) -> list[str]:
    columns = " | ".join(f"{ahead} min: forecast (last)" for ahead in HORIZONS_MIN)
    lines = [f"| demand | crash | faults | picture | {columns} |", "|---|---|---|---|---|---|---|"]
    order = sorted(documents, key=lambda one: json.dumps(one["case"]["morning"]))
    for one in order:
        morning = one["case"]["morning"]
        words = [
            f"{morning['level']:.2f}",
            "yes" if morning["crash"] else "no",
            "all" if one["case"]["faults"] else "none",
            f"{_error(one, 'picture', what, 0, road):.1f}",
        ]
        for ahead in HORIZONS_MIN:
            said = _error(one, "forecast", what, ahead, road)
            last = _error(one, "last value", what, ahead, road)
            words.append(f"{said:.1f} ({last:.1f})")
        lines.append(f"| {' | '.join(words)} |")
    return lines


def _seed_errors(seeds: list[Document]) -> list[str]:
    clean = [one for one in seeds if not one["case"]["history"]]
    known = [one for one in seeds if one["case"]["history"]]
    if not clean:
        return []
    lines = [
        "## The mornings of the seeds, until 08:15",
        "",
        "Means over the seeds, motorway: the jam grows during half of the time.",
        "",
        "| | days known | picture | 15 min: forecast (last) | 30 min | 60 min |",
        "|---|---|---|---|---|---|",
    ]
    for what, unit in (("density", "veh/km"), ("travel time", "s/km")):
        for of, days in ((clean, "none"), (known, "four")):
            if of:
                lines.append(_mean_row(of, what, f"{what}, {unit}", days))
    return [*lines, ""]


def _mean_row(of: list[Document], what: str, name: str, days: str) -> str:
    def mean(who: str, ahead: int) -> float:
        return float(np.mean([_error(one, who, what, ahead, "motorway") for one in of]))

    words = [
        f"{mean('forecast', ahead):.1f} ({mean('last value', ahead):.1f})" for ahead in HORIZONS_MIN
    ]
    return f"| {name} | {days} | {mean('picture', 0):.1f} | {' | '.join(words)} |"


def _error(one: Document, who: str, what: str, ahead: int, road: str) -> float:
    return next(
        float(row["mae"])
        for row in one["errors"]
        if (row["who"], row["what"], row["ahead_min"], row["road"]) == (who, what, ahead, road)
    )


def _plot(paths: list[Path]) -> list[str]:
    """Draw speed at the head of the jam: truth, and what was forecast half an hour before."""
    shown = sorted(path for path in paths if "history" not in path.name)[:5]
    if not shown:
        return []
    figure, axes = plt.subplots(
        len(shown), 1, figsize=(8, 1.7 * len(shown) + 0.6), sharex=True, squeeze=False
    )
    for axis, path in zip(axes[:, 0], shown, strict=True):
        with np.load(path.with_suffix(".npz")) as file:
            hour = (file["truth_s"] + 60.0) / 3600.0
            axis.plot(hour, 3.6 * file["truth_mps"], color="black", lw=1.2, label="SUMO")
            for step, colour in ((2, "#2f7fc1"), (5, "#d1662b")):
                at = file["minute_s"] / 3600.0 + (step + 0.5) / 12.0
                label = f"forecast {5 * step + 5} min before"
                axis.plot(at, 3.6 * file["ahead_mps"][:, step], color=colour, lw=1.2, label=label)
            low, high = (3.6 * file[name][:, 2] for name in ("ahead_low", "ahead_high"))
            axis.fill_between(
                file["minute_s"] / 3600.0 + 2.5 / 12.0, low, high, color="#2f7fc1", alpha=0.15, lw=0
            )
        axis.set_ylim(0, 125)
        axis.set_ylabel("km/h")
        axis.set_title(path.parent.name.split("-")[0], fontsize=9, loc="left")
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=8, loc="lower left", ncols=3)
    ticks = np.arange(6.75, 8.5, 0.25)
    names = [f"{int(at):02d}:{round(at % 1 * 60):02d}" for at in ticks]
    axes[-1, 0].set_xticks(ticks, names)
    axes[-1, 0].set_xlim(6.6, 8.3)
    figure.tight_layout()
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT)
    plt.close(figure)
    text = "Speed in A10-N-25: SUMO, and what was forecast for then 15 and 30 minutes before"
    return [f"![{text}](../assets/reports/{PLOT.name})", "", f"{text}; shaded: 80 % at 15.", ""]
