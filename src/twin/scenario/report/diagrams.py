"""The diagrams of the report: time-space, network diagram, curves, winners, level of service."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm

from twin.columns import Floats, Ints
from twin.scenario.report.drawing import (
    BASE,
    BETTER,
    EDITED,
    FAINT,
    NOISE,
    WORSE,
    Picture,
    clock_axis,
    figure,
    hours,
    picture,
    styled,
)
from twin.scenario.results.service import LETTERS
from twin.scenario.results.space_time import Corridor, drive_s
from twin.scenario.results.whole import Results, Side
from twin.scenario.results.winners import BINS_MIN

_SIDES = ("Base", "Edited")
_LEVELS = ("#2166ac", "#67a9cf", "#d1e5f0", "#fee0b6", "#f1a340", "#b35806")


def time_space(results: Results, corridor: Corridor) -> Picture:
    """Draw the speeds of a road over place and time, base beside edited, on one scale."""
    start_s = results.frame.start_s
    free = float(results.frame.links.free_speed_mps[corridor.rows].max()) * 3.6
    # Free traffic is one colour: the last step begins below the free speed and is open upwards.
    limits = np.arange(0.0, max(free - 1.0, 20.0), 10.0)
    colours = mpl.colormaps["RdYlBu"].resampled(len(limits)).with_extremes(bad="#f3f4f6")
    places = np.append(corridor.start_m, corridor.end_m[-1]) / 1000.0
    drawn: Any = None
    with styled():
        made, axes = figure(2.9, columns=2, sharey=True)
        for area, side, name in zip(axes[0], (results.base, results.edited), _SIDES, strict=True):
            times = side.moments_s
            speeds = side.intervals.speed_mps[:, corridor.rows].T * 3.6
            drawn = area.pcolormesh(
                hours(start_s, times),
                places,
                np.ma.masked_invalid(speeds),
                cmap=colours,
                norm=BoundaryNorm(limits, colours.N, extend="max"),
                rasterized=True,
            )
            area.set_title(name)
            clock_axis(area, start_s, times)
            area.spines[["top", "right"]].set_visible(True)
        axes[0, 0].set_ylabel("km along the road, driving upwards")
        made.colorbar(drawn, ax=axes[0, :], label="mean speed, km/h", pad=0.01, aspect=28)
        words = _drive_words(results, corridor)
        return picture(made, f"Time-space diagram of {corridor.road}. {words}", words)


def _drive_words(results: Results, corridor: Corridor) -> str:
    free = results.frame.links.free_speed_mps
    slowest = [
        drive_s(corridor, side.intervals, free).max() / 60.0
        for side in (results.base, results.edited)
    ]
    return (
        f"{corridor.road}, {corridor.end_m[-1] / 1000.0:.1f} km. Slowest drive over its whole "
        f"length: {slowest[0]:.1f} min in the base, {slowest[1]:.1f} min edited."
    )


def network_diagram(results: Results) -> Picture:
    """Draw production over accumulation of motorways and streets, base and edited."""
    parts = [diagram.part for diagram in results.base.diagrams if diagram.part != "network"]
    with styled():
        made, axes = figure(2.7, columns=len(parts))
        for area, part in zip(axes[0], parts, strict=True):
            for side, name, colour, sign in _two(results):
                found = next(one for one in side.diagrams if one.part == part)
                area.plot(
                    found.accumulation_veh,
                    found.production_vkmph / 1000.0,
                    sign,
                    color=colour,
                    ms=5.5 if side is results.base else 2.6,
                    mfc="none" if side is results.base else colour,
                    lw=0.7,
                    label=name,
                )
            area.set_title(part.capitalize())
            area.set_xlabel("accumulation, vehicles inside")
            area.grid(visible=True)
            area.set_xlim(left=0)
            area.set_ylim(bottom=0)
        axes[0, 0].set_ylabel("production, 1000 veh-km/h")
        axes[0, 0].legend(loc="lower right")
        words = (
            "A point is an interval; the line follows the run. A branch that bends down at high "
            "accumulation means that more vehicles inside drive less: queues block one another."
        )
        return picture(made, f"Network diagram (MFD). {words}", words)


def _two(results: Results) -> tuple[tuple[Side, str, str, str], ...]:
    return (
        (results.base, "base", BASE, "o-"),
        (results.edited, "edited", EDITED, "D-"),
    )


def curves(results: Results, link: int) -> Picture:
    """Draw the cumulative curves of one link: entered and left, base and edited."""
    start_s, name = results.frame.start_s, results.frame.links.ids[link]
    with styled():
        made, axes = figure(2.5, columns=2, sharey=True)
        for area, (side, title, colour, _) in zip(axes[0], _two(results), strict=True):
            when = hours(start_s, side.moments_s)
            area.fill_between(
                when, side.left[:, link], side.entered[:, link], color=colour, alpha=0.18, lw=0
            )
            area.plot(when, side.entered[:, link], color=colour, lw=1.3, label="entered")
            area.plot(when, side.left[:, link], color=colour, lw=1.3, ls="--", label="left")
            area.set_title(title.capitalize())
            area.legend(loc="upper left")
            area.grid(visible=True)
            clock_axis(area, start_s, side.moments_s)
        axes[0, 0].set_ylabel("vehicles since the start")
        words = (
            f"Link {name}: vehicles that have entered and left it. Up and down between the curves "
            "are the vehicles on the link, across is the time that they take."
        )
        return picture(made, f"Cumulative curves. {words}", words)


def inside(results: Results) -> Picture:
    """Draw vehicles on the road and waiting at their origins over time."""
    start_s, lengths = results.frame.start_s, results.frame.links.length_m
    with styled():
        made, axes = figure(2.2, columns=2)
        for side, name, colour, _ in _two(results):
            present = (side.intervals.density_vpm * lengths).sum(axis=1)
            middle = 0.5 * (side.intervals.from_s + side.intervals.until_s)
            axes[0, 0].plot(hours(start_s, middle), present, color=colour, label=name, lw=1.4)
            every = results.frame.times_s
            axes[0, 1].plot(hours(start_s, every), side.waiting, color=colour, label=name, lw=1.4)
        for area, title in zip(axes[0], ("On the road", "Waiting at their origins"), strict=True):
            area.set_title(title)
            area.grid(visible=True)
            area.set_ylim(bottom=0)
            clock_axis(area, start_s, results.frame.times_s)
        axes[0, 0].set_ylabel("vehicles")
        axes[0, 0].legend(loc="best")
        words = "Vehicles on the road, and before it: these wait because the first link is full."
        return picture(made, words, words)


def winners(results: Results) -> Picture:
    """Draw how many trips win and lose how much."""
    counts = results.winners.bins.astype(np.float64) / max(len(results.seeds), 1)
    labels = [_bin_words(low, high) for low, high in pairwise(BINS_MIN)]
    middle = len(counts) // 2
    colours = [BETTER] * middle + [NOISE] + [WORSE] * middle
    with styled():
        made, axes = figure(2.6)
        area: Axes = axes[0, 0]
        bars = area.bar(range(len(counts)), counts, color=colours, width=0.86)
        for bar, hatch in zip(bars, ["//"] * middle + [""] * (middle + 1), strict=True):
            bar.set_hatch(hatch)
            bar.set_edgecolor("white")
        area.bar_label(bars, [f"{count:,.0f}" if count >= 0.5 else "" for count in counts], size=7)
        area.set_xticks(range(len(labels)), labels, fontsize=6.8)
        area.set_xlabel("change of travel time, minutes (left: faster, right: slower)")
        area.set_ylabel("trips of a seed")
        area.grid(visible=True, axis="y")
        shares = results.winners
        words = (
            f"{shares.winners_share.mean():.1%} of the trips that arrive on both sides are faster "
            f"by more than a minute, {shares.losers_share.mean():.1%} slower."
        )
        return picture(made, f"Histogram of winners and losers. {words}", words)


def _bin_words(low: float, high: float) -> str:
    if np.isinf(low):
        return f"< {high:g}".replace("-", "−")
    if np.isinf(high):
        return f"> {low:g}"
    return f"{low:g}…\n{high:g}".replace("-", "−")


def levels(results: Results) -> Picture:
    """Draw how the levels of service share out over time: links, junctions."""
    start_s = results.frame.start_s
    with styled():
        made, axes = figure(3.5, rows=2, columns=2, sharex=True, sharey="row")
        for column, (side, name, _, _) in enumerate(_two(results)):
            weights = np.broadcast_to(results.frame.links.length_m / 1000.0, side.links.level.shape)
            _stack(axes[0, column], side, side.links.level, weights, start_s)
            ones = np.ones(side.junctions.level.shape)
            _stack(axes[1, column], side, side.junctions.level, ones, start_s)
            axes[0, column].set_title(name.capitalize())
        axes[0, 0].set_ylabel("roads, km")
        axes[1, 0].set_ylabel("junctions")
        handles, names = axes[0, 0].get_legend_handles_labels()
        made.legend(handles, names, loc="outside right center", title="Level")
        words = (
            "Kilometres of motorway and street, and number of junctions, at each level of "
            "service, by quarter of an hour."
        )
        return picture(made, words, words)


def _stack(area: Axes, side: Side, level: Ints, weights: Floats, start_s: float) -> None:
    begin = hours(start_s, side.quarters.from_s)
    width = (side.quarters.until_s - side.quarters.from_s) / 3600.0
    below = np.zeros(len(begin))
    for number, letter in enumerate(LETTERS):
        amount = np.where(level == number, weights, 0.0).sum(axis=1)
        area.bar(
            begin,
            amount,
            width,
            bottom=below,
            align="edge",
            color=_LEVELS[number],
            edgecolor="white",
            linewidth=0.4,
            label=letter,
        )
        below += amount
    clock_axis(area, start_s, np.append(side.quarters.from_s, side.quarters.until_s[-1]))
    area.tick_params(color=FAINT)
