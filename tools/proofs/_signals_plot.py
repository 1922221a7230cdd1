"""The picture of a proof: who wants to travel and has not arrived, with the service and without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from twin.columns import Floats
from twin.world.truth import Trip, read_trips

mpl.use("svg")

from matplotlib import pyplot as plt

_STEP_S = 10.0
_WITH, _ALONE = "#0072b2", "#d55e00"  # told apart by the colour-blind, too


def draw(runs: Sequence[tuple[str, float, Path, Path]], target: Path) -> None:
    """Draw one panel a run: (name, end in SUMO's seconds, its trips, trips without)."""
    mpl.rcParams["svg.hashsalt"] = "twin"
    figure, panels = plt.subplots(
        1, len(runs), figsize=(4.8 * len(runs), 3.4), squeeze=False, layout="constrained"
    )
    for panel, (name, end_s, trips, alone) in zip(panels[0], runs, strict=True):
        for path, colour, label in (
            (alone, _ALONE, "file's own program"),
            (trips, _WITH, "with the service"),
        ):
            minutes, there = not_arrived(read_trips(path, end_s=end_s), end_s=end_s)
            panel.plot(minutes, there, color=colour, label=label, linewidth=1.6)
        panel.set_title(name, fontsize=11)
        panel.set_xlabel("minutes of the run")
        panel.set_ylabel("vehicles not yet arrived")
        panel.set_ylim(bottom=0)
        panel.grid(visible=True, alpha=0.3)
        panel.legend(frameon=False)
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def not_arrived(trips: Sequence[Trip], *, end_s: float) -> tuple[Floats, Floats]:
    """Return minutes from the first wish to travel, and how many vehicles are still under way.

    Who waits to depart counts from the second in which it wanted to.
    """
    wanted_s = np.sort([trip.wanted_s for trip in trips])
    arrived_s = np.sort([trip.arrived_s for trip in trips if trip.arrived_s >= 0])
    at_s = np.arange(wanted_s[0], end_s, _STEP_S)
    there = np.searchsorted(wanted_s, at_s, side="right") - np.searchsorted(
        arrived_s, at_s, side="right"
    )
    return (at_s - wanted_s[0]) / 60.0, there.astype(np.float64)
