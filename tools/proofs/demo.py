"""The demo as a person meets it: five things seen through the API, then its own summary."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from demo_story import FACTS, Story, running, watch

ROOT = Path(__file__).resolve().parents[2]
TWIN = str(Path(sys.executable).with_name("twin"))
ROAD = "A10-N"
MINUTES = 7
LIMIT_S = 300.0
"""All must be there so long after the command was given, on a checkout that is installed."""
PICTURE = ROOT / "docs" / "assets" / "proof-demo.png"
AFTER = timedelta(minutes=25)


def prove(data: Path) -> str:
    """Run `twin demo`, watch it, and say when each thing was there."""
    del data  # the city is its own
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    kept = _kept()
    story, words, code = _run()
    made = "; making it is part of the seconds" if _kept() != kept else " and has its city"
    assert code == 0, words
    assert story.complete, f"not seen: {set(FACTS) - set(story.seen)}\n{words}"
    latest_s = max(sight.wall_s for sight in story.seen.values())
    assert latest_s <= LIMIT_S or load > cores, f"{latest_s:.0f} s on a machine that was free"
    _draw(story)
    how = (
        f"The command is given on a checkout that is installed{made}. The machine has {cores} "
        f"cores, on which {load:.1f} programs wanted to run at that moment (load average); the "
        f"link was there after {story.link_s:.0f} s."
    )
    return _report(story, words, how)


def _kept() -> set[Path]:
    """Return the cities whose hour before was driven already."""
    return set((ROOT / ".demo").glob("city-*/warm/*.state.xml.gz"))


def _run() -> tuple[Story, str, int]:
    command = [TWIN, "demo", "--port", "0", "--minutes", str(MINUTES)]
    began_s = time.monotonic()
    with running(command, cwd=ROOT, stderr=subprocess.DEVNULL) as (process, link):
        story = watch(process, link, road=ROAD, began_s=began_s)
        words = process.stdout.read() if process.stdout else ""
        return story, words, process.wait(600)


def _report(story: Story, words: str, how: str) -> str:
    lines = [
        how,
        "",
        "A program that knows only the public API looks once a second:",
        "",
        "| seen | seconds after the command | in the city | what |",
        "|---|---|---|---|",
    ]
    for fact, text in FACTS.items():
        sight = story.seen[fact]
        what = " ".join(sight.what.split()).replace("|", "/")
        lines.append(f"| {text} | {sight.wall_s:.0f} | {sight.city:%H:%M} | {what} |")
    lines += [
        "",
        f"A jam is half of the free speed or less. {story.looks} looks; the newest reading on the "
        f"map was never older than {story.oldest_s:.0f} s of the city's time.",
        "",
        f"![What the forecast said of the A10 northbound, and what came](../assets/{PICTURE.name})",
        "",
        "Its own summary:",
        "",
        "```text",
        words.rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


# --- the picture: what one forecast said, and what came -------------------------------------------


def _draw(story: Story) -> None:
    """Draw the forecast that foretold the jam beside what was measured afterwards."""
    mpl.use("Agg")
    assert story.right is not None
    made = story.right.made
    index = next(
        number
        for number, one in enumerate(story.diagrams)
        if datetime.fromisoformat(one["forecast"]["start"]) == made
    )
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    zone = next(iter(story.seen.values())).city.tzinfo
    assert isinstance(zone, ZoneInfo)
    told = story.diagrams[index]["forecast"]
    cells = story.diagrams[index]["cells"]
    _panel(left, cells, told["speed_kph"], made, told["step_s"], zone)
    left.set_title(f"forecast of {made.astimezone(zone):%H:%M}")
    came = story.measured_after(made)
    shown = _panel(right, cells, came, made, 60.0, zone)
    right.set_title("what came")
    left.set_ylabel("km along the A10, northbound")
    figure.colorbar(shown, ax=[left, right], label="km/h")
    figure.savefig(PICTURE, dpi=110)


def _panel(
    axes: Axes, cells: list[Any], rows: list[Any], start: datetime, step_s: float, zone: ZoneInfo
) -> Any:
    """Draw speeds over time and place; each row is a step."""
    edges_km = [cell["start_m"] / 1000 for cell in cells] + [cells[-1]["end_m"] / 1000]
    times = [start.astimezone(zone) + timedelta(seconds=step_s * k) for k in range(len(rows) + 1)]
    minutes = [(time - times[0]).total_seconds() / 60 for time in times]
    speeds = np.array([[np.nan if v is None else v for v in row] for row in rows], float)
    shown = axes.pcolormesh(minutes, edges_km, speeds.T, cmap="RdYlBu", vmin=0, vmax=110)
    axes.set_xlim(0, AFTER.total_seconds() / 60)
    axes.set_xlabel(f"minutes after {times[0]:%H:%M}")
    return shown
