"""The map of the report: every link coloured by how its delay changes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twin.columns import Bools, Floats
from twin.network.model import LinkClass
from twin.scenario.compare import differences
from twin.scenario.report.drawing import FAINT, INK, NOISE, Picture, figure, picture, styled
from twin.scenario.results.whole import Results

# Better (blue) to worse (orange), told apart by those who cannot tell red from green.
_COLOURS = ("#053061", "#2166ac", "#74add1", "#f1a340", "#d95f0e", "#7f2704")
_M_PER_DEG = 111_320.0
_OFFSET_SHARE = 0.0018  # of the map's width: the two directions of a street side by side
_SMALL_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
_WIDE = {LinkClass.MOTORWAY: 2.6, LinkClass.RAMP: 1.5, LinkClass.ARTERIAL: 1.9}


@dataclass(frozen=True, slots=True)
class _Shades:
    """The limits of three steps of change, vehicle hours."""

    steps: tuple[float, float, float]

    def colour(self, change: float) -> str:
        size = abs(change)
        grade = 0 if size < self.steps[1] else 1 if size < self.steps[2] else 2
        return _COLOURS[3 + grade] if change > 0 else _COLOURS[2 - grade]

    def words(self) -> list[tuple[str, str]]:
        low, middle, high = (f"{step:g}" for step in self.steps)
        return [
            (_COLOURS[5], f"worse by {high} or more"),
            (_COLOURS[4], f"worse by {middle} to {high}"),
            (_COLOURS[3], f"worse by {low} to {middle}"),
            (_COLOURS[2], f"better by {low} to {middle}"),
            (_COLOURS[1], f"better by {middle} to {high}"),
            (_COLOURS[0], f"better by {high} or more"),
        ]


def difference_map(results: Results, touched: frozenset[str] = frozenset()) -> Picture:
    """Draw all links; links of edits (`touched`) get a dark edge, new links are dotted.

    A change within noise, or below the smallest step of the legend, is grey.
    """
    base, edited = results.by_link["delay"]
    found = differences(base, edited)
    change = found.difference
    shades = _shades(change[~found.within_noise])
    shown = ~found.within_noise & (np.abs(change) >= shades.steps[0])
    lines = _drawn(results)
    with styled():
        made, axes = figure(_height_in(lines))
        area: Axes = axes[0, 0]
        _draw(area, results, lines, change, shown, shades)
        marked = _marked(results, touched)
        _mark(area, lines, marked)
        _frame(area, lines)
        _legend(made, shades, edits=bool(marked.any()))
        worse, better = int((shown & (change > 0)).sum()), int((shown & (change < 0)).sum())
        words = (
            f"Map of all links. Delay rises on {worse} links and falls on {better}; on the other "
            f"{len(change) - worse - better} the change is small or within noise."
        )
        return picture(made, words, words)


def _shades(changes: Floats) -> _Shades:
    """Choose steps of 1, 2 and 5 so that the largest changes reach the last shade."""
    top = float(np.percentile(np.abs(changes), 97)) if len(changes) else 1.0
    row = next((row for row, step in enumerate(_SMALL_STEPS) if step >= top / 2.0), 11)
    row = min(max(row, 4), len(_SMALL_STEPS) - 1)
    return _Shades((_SMALL_STEPS[row - 4], _SMALL_STEPS[row - 2], _SMALL_STEPS[row]))


def _drawn(results: Results) -> list[Floats]:
    """Return all lines in metres east and north of their middle, shifted to their right."""
    spots = [np.asarray(line, np.float64) for line in results.frame.links.lines]
    every = np.concatenate(spots)
    middle = (every.min(axis=0) + every.max(axis=0)) / 2.0
    scale = np.array([math.cos(math.radians(float(middle[1]))), 1.0]) * _M_PER_DEG
    flat = [(line - middle) * scale for line in spots]
    width = float(np.ptp(np.concatenate(flat), axis=0).max())
    return [_beside(line, width * _OFFSET_SHARE) for line in flat]


def _beside(line: Floats, shift_m: float) -> Floats:
    along = np.gradient(line, axis=0)
    size = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    return np.asarray(line + shift_m * np.stack([along[:, 1], -along[:, 0]], axis=1) / size)


def _height_in(lines: list[Floats]) -> float:
    """Return the height at which the network fills the width that the legend leaves."""
    wide, high = np.ptp(np.concatenate(lines), axis=0)
    return float(np.clip(0.3 + 5.1 * high / max(wide, 1.0), 1.9, 6.2))


def _draw(
    area: Axes,
    results: Results,
    lines: list[Floats],
    change: Floats,
    shown: Bools,
    shades: _Shades,
) -> None:
    kinds = results.frame.links.kind
    wide = np.array([_WIDE.get(LinkClass(kind), 1.1) for kind in kinds])
    quiet, loud = np.flatnonzero(~shown), np.flatnonzero(shown)
    loud = loud[np.argsort(np.abs(change[loud]))]
    area.add_collection(
        LineCollection([lines[row] for row in quiet], colors=NOISE, linewidths=0.7 * wide[quiet])
    )
    area.add_collection(
        LineCollection(
            [lines[row] for row in loud],
            colors=[shades.colour(float(change[row])) for row in loud],
            linewidths=wide[loud] + 0.9,
            capstyle="round",
        )
    )


def _marked(results: Results, touched: frozenset[str]) -> Bools:
    links = results.frame.links
    named = np.array([name in touched for name in links.ids], np.bool_)
    return np.asarray(named | (links.in_base != links.in_edited), np.bool_)


def _mark(area: Axes, lines: list[Floats], marked: Bools) -> None:
    rows = np.flatnonzero(marked)
    if len(rows) > 60:  # an edit of the whole network needs no marks
        return
    for row in rows:
        spot = lines[row][len(lines[row]) // 2]
        area.plot(*spot, "o", ms=7.5, mfc="none", mec=INK, mew=1.1, zorder=5)


def _frame(area: Axes, lines: list[Floats]) -> None:
    every = np.concatenate(lines)
    low, high = every.min(axis=0), every.max(axis=0)
    area.set_aspect("equal")
    area.set_axis_off()
    pad = 0.02 * (high - low).max()
    area.set_xlim(low[0] - pad, high[0] + pad)
    area.set_ylim(low[1] - pad, high[1] + pad)
    length_m = 10.0 ** math.floor(math.log10(max(high[0] - low[0], 10.0) / 4.0))
    x, y = high[0] - length_m, low[1]
    area.plot([x, x + length_m], [y, y], color=FAINT, lw=2, solid_capstyle="butt")
    label = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    area.annotate(
        label, (x + length_m / 2, y), (0, 4), textcoords="offset points", ha="center", color=FAINT
    )


def _legend(made: Figure, shades: _Shades, *, edits: bool) -> None:
    handles = [Line2D([], [], color=colour, lw=3, label=words) for colour, words in shades.words()]
    handles.append(Line2D([], [], color=NOISE, lw=2, label="small or within noise"))
    if edits:
        handles.append(
            Line2D([], [], color=INK, marker="o", mfc="none", lw=0, ms=7, label="an edit is here")
        )
    made.legend(
        handles=handles,
        title="Delay, vehicle hours",
        loc="outside right upper",
        fontsize=7.5,
        title_fontsize=8,
        alignment="left",
    )
