"""Plots of the report on the forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from twin.columns import Floats, Ints

STYLE: Any = {"font.size": 9, "axes.grid": True, "grid.alpha": 0.25, "svg.fonttype": "path"}
HOUR_ROWS = 12


def draw_worst(
    values: Floats,
    rows: Ints,
    pred: Floats,
    low: Floats,
    high: Floats,
    usual: Floats,
    names: list[str],
    path: Path,
) -> None:
    """Draw the six stations and spans of six hours with the largest errors 30 minutes ahead."""
    step = 6
    target = rows + step
    error = np.nan_to_num(np.abs(pred[:, step - 1] - values[target]))
    span = 6 * HOUR_ROWS
    sums = np.apply_along_axis(lambda one: np.convolve(one, np.ones(span), "valid"), 0, error)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 7.5), layout="constrained")
        axes = figure.subplots(3, 2, sharey=True).ravel()
        for axis in axes:
            begin, station = np.unravel_index(int(np.argmax(sums)), sums.shape)
            sums[:, station] = -1.0
            part = slice(int(begin), int(begin) + span)
            hour = target[part] / HOUR_ROWS % 24
            hour = np.where(hour < hour[0], hour + 24, hour)
            axis.fill_between(
                hour,
                low[part, step - 1, station],
                high[part, step - 1, station],
                color="#d1495b",
                alpha=0.18,
                linewidth=0,
                label="80 % interval",
            )
            axis.plot(hour, usual[target[part], station], color="0.6", lw=1, label="profile")
            axis.plot(hour, values[target[part], station], color="black", lw=1.3, label="measured")
            axis.plot(
                hour,
                pred[part, step - 1, station],
                color="#d1495b",
                lw=1.3,
                label="forecast, 30 min before",
            )
            axis.set_title(f"station {names[station]}")
        axes[0].legend(frameon=False, fontsize=8)
        for axis in axes[-2:]:
            axis.set_xlabel("hour of the day")
        for axis in axes[::2]:
            axis.set_ylabel("speed, mph")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})


def draw_steps(curves: dict[str, Floats], path: Path) -> None:
    """Draw the mean absolute error over the twelve steps of every method."""
    colours = ["0.5", "0.75", "#66a182", "#edae49", "#1b4f9c", "#d1495b"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.5, 3.6), layout="constrained")
        axis = figure.subplots()
        for (name, errors), colour in zip(curves.items(), colours, strict=True):
            axis.plot(5 * np.arange(1, 13), errors, color=colour, label=name, marker=".")
        axis.set(xlabel="minutes ahead", ylabel="mean absolute error, mph", ylim=(0, None))
        axis.set_xticks(range(0, 61, 10))
        axis.legend(frameon=False, ncols=2)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
