"""Plots of the live picture beside the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from twin.evaluate.pictures import Comparison, RoadTimes
from twin.units import HOUR_S, KM_M, kph_from_mps

_COLOURS: Final = {
    "motorway": "#1b4f9c",
    "ramp": "#7a5195",
    "arterial": "#d1495b",
    "collector": "#edae49",
    "local": "#66a182",
}
_MOST_POINTS: Final = 4000
_STYLE: Final[Any] = {"font.size": 9, "axes.grid": True, "grid.alpha": 0.25, "axes.axisbelow": True}
_MINUTE_S: Final = 60.0

Floats = npt.NDArray[np.float64]


def plot_all(comparison: Comparison, folder: Path, *, prefix: str = "picture") -> list[Path]:
    """Write `PREFIX-{over-time,scatter,roads,space-time}.png` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    roads = comparison.roads()
    figures = {"over-time": _over_time(comparison), "scatter": _scatter(comparison)}
    if roads:
        figures["roads"] = _road_times(comparison, roads[:4])
        figures["space-time"] = _space_time(comparison, _worst(comparison, roads))
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{prefix}-{name}.png")
        figure.savefig(paths[-1], dpi=110)
    return paths


def _figure(rows: int, columns: int, *, width: float, height: float, **options: Any) -> Any:
    """Return a figure with its axes as a 2-d array; no window, no global state."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _hours(comparison: Comparison) -> Floats:
    return comparison.minute_s / HOUR_S


def _over_time(comparison: Comparison) -> Figure:
    """Mean absolute error of density and travel time, minute by minute and class by class."""
    figure, axes = _figure(2, 1, width=9, height=6, sharex=True)
    shown = comparison.pictures
    panels = (
        (
            axes[0, 0],
            shown.density_vpm * KM_M - comparison.truth_density_vpm * KM_M,
            "density, veh/km",
        ),
        (axes[1, 0], comparison.pace - comparison.truth_pace, "travel time, s/km"),
    )
    for axis, off, label in panels:
        for name, colour in _COLOURS.items():
            chosen = comparison.classes == name
            if chosen.any():
                axis.plot(
                    _hours(comparison), _row_means(np.abs(off[:, chosen])), color=colour, label=name
                )
        axis.set_ylabel(f"mean absolute error\n{label}")
        axis.set_ylim(0, 1.2 * axis.get_ylim()[1])  # room for the legend
    axes[0, 0].legend(ncols=5, frameon=False, loc="upper left")
    axes[0, 0].set_title("The live picture against the truth of its minute")
    axes[1, 0].set_xlabel("hour of the day")
    return figure  # type: ignore[no-any-return]


def _row_means(values: Floats) -> Floats:
    """Return the mean of each row over what is known, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    means: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return means


def _scatter(comparison: Comparison) -> Figure:
    """Truth to the right, estimate upwards, for links with detectors and for those without."""
    figure, axes = _figure(1, 2, width=9, height=4.6)
    shown = comparison.pictures
    panels = (
        (comparison.truth_density_vpm * KM_M, shown.density_vpm * KM_M, "density, veh/km"),
        (
            kph_from_mps(comparison.truth_speed_mps),
            kph_from_mps(shown.speed_mps),
            "speed, km/h",
        ),
    )
    pick = np.random.default_rng(1)
    for axis, (truth, estimate, label) in zip(axes[0], panels, strict=True):
        good = np.isfinite(truth) & np.isfinite(estimate) & (shown.source == 1)
        most = float(np.quantile(np.concatenate([truth[good], estimate[good], [1.0]]), 0.998))
        for name, colour in _COLOURS.items():
            at = np.flatnonzero((good & (comparison.classes == name)).ravel())
            at = pick.choice(at, min(len(at), _MOST_POINTS), replace=False)
            points = truth.ravel()[at], estimate.ravel()[at]
            axis.scatter(*points, s=3, alpha=0.25, color=colour, label=name, linewidths=0)
        axis.plot([0, most], [0, most], color="black", linewidth=0.8)
        axis.set(
            xlim=(0, most), ylim=(0, most), xlabel=f"truth: {label}", ylabel=f"estimate: {label}"
        )
    legend = axes[0, 0].legend(frameon=False, markerscale=3, loc="upper left")
    for handle in legend.legend_handles:
        handle.set_alpha(1.0)
    figure.suptitle("Links with detectors, one point a link and minute", fontsize=10)
    return figure  # type: ignore[no-any-return]


def _road_times(comparison: Comparison, roads: list[RoadTimes]) -> Figure:
    """Travel time along the long roads."""
    figure, axes = _figure(len(roads), 1, width=9, height=1.9 * len(roads), sharex=True)
    for axis, road in zip(axes[:, 0], roads, strict=True):
        axis.plot(_hours(comparison), road.truth_s / _MINUTE_S, color="black", label="truth")
        axis.plot(
            _hours(comparison), road.estimate_s / _MINUTE_S, color="#d1495b", label="live picture"
        )
        axis.set_ylabel(f"{road.road}, {road.length_m / KM_M:.1f} km\nminutes")
        axis.set_ylim(0, 1.2 * float(max(road.truth_s.max(), road.estimate_s.max())) / _MINUTE_S)
    axes[0, 0].legend(frameon=False, ncols=2, loc="lower right")
    axes[0, 0].set_title("Travel time along the long roads")
    axes[-1, 0].set_xlabel("hour of the day")
    return figure  # type: ignore[no-any-return]


def _worst(comparison: Comparison, roads: list[RoadTimes]) -> RoadTimes:
    """Return the road where most time is lost, of the motorways if there are any."""
    fast = [road for road in roads if "motorway" in comparison.classes[list(road.links)]]
    return max(fast or roads, key=lambda road: float(road.truth_s.max() - road.truth_s.min()))


def _space_time(comparison: Comparison, road: RoadTimes) -> Figure:
    """Speed over time and place of one road: truth, estimate, and what is between them."""
    figure, axes = _figure(1, 3, width=11, height=4.2, sharey=True)
    rows = list(road.links)
    truth = kph_from_mps(comparison.truth_speed_mps[:, rows])
    estimate = kph_from_mps(comparison.pictures.speed_mps[:, rows])
    edges_km = np.array([*road.start_m, road.length_m]) / KM_M
    edges_h = np.append(_hours(comparison), _hours(comparison)[-1] + 1 / 60)
    most = float(np.nanmax(truth)) if np.isfinite(truth).any() else 1.0
    panels = (("truth", truth), ("live picture", estimate))
    for axis, (title, values) in zip(axes[0], panels, strict=False):
        image = axis.pcolormesh(edges_h, edges_km, values.T, cmap="RdYlGn", vmin=0, vmax=most)
        axis.set(title=title, xlabel="hour of the day")
    figure.colorbar(image, ax=list(axes[0, :2]), label="km/h", shrink=0.9)
    off = axes[0, 2].pcolormesh(
        edges_h, edges_km, (estimate - truth).T, cmap="RdBu", vmin=-60, vmax=60
    )
    axes[0, 2].set(title="live picture less truth", xlabel="hour of the day")
    figure.colorbar(off, ax=axes[0, 2], label="km/h", shrink=0.9)
    axes[0, 0].set_ylabel(f"{road.road}, km in driving direction")
    for axis in axes[0]:
        axis.grid(visible=False)
    return figure  # type: ignore[no-any-return]
