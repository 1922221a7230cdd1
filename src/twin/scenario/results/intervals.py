"""From report moments to intervals: what happened on every link in each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import SimulationError
from twin.scenario.outcome import Frame, SeedRun, Singles

_EMPTY_VEH_S = 0.5  # of presence in an interval: below it a link has no speed of its own


@dataclass(frozen=True, slots=True)
class LinkIntervals:
    """One run over I intervals, all but the times of shape (I, L) float32.

    from_s, until_s  (I,) float64  since the start of the scenario
    flow_vps     mean of what entered and left (Edie: distance driven over length and time)
    density_vpm  vehicle seconds over length and time, all lanes together
    speed_mps    distance over vehicle seconds, at most the top speed; NaN on an empty link
    queue_veh    longest queue at a report moment of the interval
    lost_s       vehicle seconds beyond free travel time: delay
    distance_m   vehicle metres
    """

    from_s: Floats
    until_s: Floats
    flow_vps: Singles
    density_vpm: Singles
    speed_mps: Singles
    queue_veh: Singles
    lost_s: Singles
    distance_m: Singles

    def __len__(self) -> int:
        return len(self.from_s)


def moments_of(times_s: Floats, interval_s: float) -> Ints:
    """Return the rows of the report moments at which intervals begin and end, (I + 1,).

    The last interval is shorter when the run is no whole number of intervals. Raises
    SimulationError when the moments are farther apart than an interval.
    """
    if len(times_s) < 2:
        message = "a run without a second report moment has no results"
        raise SimulationError(message)
    spacing_s = float(np.diff(times_s).max())
    if spacing_s > interval_s * (1.0 + 1e-9):
        message = f"intervals of {interval_s:g} s are shorter than the report's {spacing_s:g} s"
        raise SimulationError(message)
    wanted = np.arange(0.0, float(times_s[-1]) - 1e-6, interval_s)
    rows = np.searchsorted(times_s, wanted + 1e-6, side="right") - 1
    return np.unique(np.append(rows, len(times_s) - 1)).astype(np.int64)


def free_s_of(frame: Frame, run: SeedRun) -> Floats:
    """Return the free travel time of each link as the kernel's step has it, (L,) s."""
    free = frame.links.length_m / frame.links.free_speed_mps
    free[run.step.rounded_links] += run.step.added_s
    return np.asarray(free, np.float64)


def intervals_of(frame: Frame, run: SeedRun, interval_s: float) -> LinkIntervals:
    """Sum one run up over intervals.

    Where on a link the vehicles of an interval drove is not known: the distance is taken from the
    mean of what entered and what left, so that it is right over times longer than a link takes.
    """
    rows = moments_of(frame.times_s, interval_s)
    times = frame.times_s[rows]
    span_s = np.diff(times)[:, None]
    through = 0.5 * (np.diff(run.entered[rows], axis=0) + np.diff(run.left[rows], axis=0))
    present_s = np.add.reduceat(run.vehicle_s[1:], rows[:-1], axis=0)
    queue = np.maximum.reduceat(run.queue_veh[1:], rows[:-1], axis=0)
    free = free_s_of(frame, run)
    distance = through * frame.links.length_m
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = np.minimum(distance / present_s, frame.links.top_speed_mps)
    speed[present_s < _EMPTY_VEH_S] = np.nan
    return LinkIntervals(
        from_s=times[:-1],
        until_s=times[1:],
        flow_vps=(through / span_s).astype(np.float32),
        density_vpm=(present_s / (span_s * frame.links.length_m)).astype(np.float32),
        speed_mps=speed.astype(np.float32),
        queue_veh=np.asarray(queue, np.float32),
        lost_s=np.maximum(present_s - through * free, 0.0).astype(np.float32),
        distance_m=distance.astype(np.float32),
    )


def merged(parts: list[LinkIntervals]) -> LinkIntervals:
    """Return the mean over seeds; the speed is that of all seeds' vehicles together."""
    first = parts[0]
    density, flow = _mean(parts, "density_vpm"), _mean(parts, "flow_vps")
    speeds = np.stack([part.speed_mps for part in parts])
    weights = np.where(np.isnan(speeds), 0.0, np.stack([part.density_vpm for part in parts]))
    total = weights.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = np.where(total > 0, (np.nan_to_num(speeds) * weights).sum(axis=0) / total, np.nan)
    return LinkIntervals(
        from_s=first.from_s,
        until_s=first.until_s,
        flow_vps=flow,
        density_vpm=density,
        speed_mps=speed.astype(np.float32),
        queue_veh=_mean(parts, "queue_veh"),
        lost_s=_mean(parts, "lost_s"),
        distance_m=_mean(parts, "distance_m"),
    )


def _mean(parts: list[LinkIntervals], name: str) -> Singles:
    return np.asarray(np.mean([getattr(part, name) for part in parts], axis=0), np.float32)
