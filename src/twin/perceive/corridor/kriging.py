"""Kriging along characteristics: the best linear estimate of a point from means over intervals.

One piece of a road at a time: its cells, and the detectors on both sides. The mean of the field
is unknown and estimated with it (ordinary kriging), so that nothing pulls to a usual speed.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from twin.columns import Bools, Floats
from twin.perceive.corridor.waves import NOISE_SHARE, Hypotheses, covariance

NODE_S: Final = 6.0  # a mean over an interval is taken as the mean of points so far apart
MOST_NODES: Final = 16
MOST_REPORTS: Final = 64  # of all detectors around a piece together
LEAST_BLOCKS: Final = 4
KEPT: Final = 128  # answers that are kept: a moment between reports is asked for again and again
_CHUNK: Final = 64  # points that are worked on at once, for memory's sake


class System(NamedTuple):
    """What a set of reports that are there makes of their values.

    there (reports,) which they are; inverse (hypotheses, reports, reports);
    mean_weight (hypotheses, reports) of the unknown mean; mean_var (hypotheses,) its variance as a
    share of the field's
    """

    there: Bools
    inverse: Floats
    mean_weight: Floats
    mean_var: Floats


class Answer(NamedTuple):
    """How points follow from reports: weight (hypotheses, points, reports) of the values that are
    there, var_share (hypotheses, points).
    """

    weight: Floats
    var_share: Floats


class Said(NamedTuple):
    """Mean and variance (as a share of the field's) under each hypothesis, (hypotheses, points)."""

    mean: Floats
    var_share: Floats


class Piece:
    """One piece of a road with the detectors that speak about it."""

    def __init__(
        self,
        hypotheses: Hypotheses,
        *,
        cell_m: Floats,
        station_m: Floats,
        blocks: int,
        block_s: float,
    ) -> None:
        """Prepare the covariances of all reports.

        cell_m (cells,), station_m (stations,)   where cells and detectors are
        blocks, block_s    how many reports of a detector there are, newest first, and their length
        """
        self._used = min(blocks, max(MOST_REPORTS // len(station_m), LEAST_BLOCKS))
        blocks = self._used
        self._hypotheses = hypotheses
        self._cell_m = cell_m
        nodes = min(max(math.ceil(block_s / NODE_S), 3), MOST_NODES)
        self._node_s = -(np.arange(nodes) + 0.5) / nodes * block_s
        # Newest first, and within one moment by station.
        self._report_m = np.tile(station_m, blocks)
        self._report_end_s = -np.repeat(np.arange(blocks) * block_s, len(station_m))
        self._together = self._between_reports()
        self._system = System(np.zeros(0, np.bool_), *(np.zeros(0),) * 3)
        self._answers: dict[tuple[bytes, float], Answer] = {}
        self._next = self._to_next(station_m, block_s)

    def at(self, values: Floats, ahead_s: float) -> Said:
        """Return what is said about the cells so long after the newest report's end.

        values   (blocks, stations), newest first, NaN where nothing was measured
        Needs: `speaks(values)`.
        """
        return self._say(values, round(ahead_s, 6))

    def next_reports(self, values: Floats, stations: slice) -> Said:
        """Return what is said about the next report of these stations, its own noise included."""
        said = self._say(values, math.inf)
        return Said(said.mean[:, stations], said.var_share[:, stations])

    def speaks(self, values: Floats) -> bool:
        """Tell whether any report is there that could be used."""
        return bool(np.isfinite(values[: self._used]).any())

    def _say(self, values: Floats, ahead_s: float) -> Said:
        """Return what is said about the cells, or (infinitely far ahead) the next reports."""
        used = values[: self._used].ravel()
        there = np.isfinite(used)
        key = there.tobytes(), ahead_s
        if key not in self._answers:
            if len(self._answers) >= KEPT:
                self._answers.clear()
            self._answers[key] = self._answer(there, ahead_s)
        answer = self._answers[key]
        return Said(np.matmul(answer.weight, used[there]), answer.var_share)

    def _answer(self, there: Bools, ahead_s: float) -> Answer:
        if not np.array_equal(self._system.there, there):
            self._system = self._solve(there)
        if math.isinf(ahead_s):
            own = self._together[:, 0, 0]
            return _weigh(self._system, self._next[:, :, there], own)
        one = np.ones(len(self._hypotheses.belief))
        parts = []
        for first in range(0, len(self._cell_m), _CHUNK):
            cross = self._to_points(self._cell_m[first : first + _CHUNK], np.array([ahead_s]))
            parts.append(_weigh(self._system, cross[:, :, there], one))
        return Answer(
            np.concatenate([part.weight for part in parts], axis=1),
            np.concatenate([part.var_share for part in parts], axis=1),
        )

    def _solve(self, there: Bools) -> System:
        at = np.flatnonzero(there)
        inverse = np.asarray(np.linalg.inv(self._together[:, at[:, None], at]), np.float64)
        by_report: Floats = inverse.sum(axis=1)
        var: Floats = 1.0 / by_report.sum(axis=1)
        return System(there, inverse, by_report * var[:, None], var)

    def _between_reports(self) -> Floats:
        """Return the covariance of every two reports, (hypotheses, reports, reports)."""
        count = len(self._report_m)
        found = np.empty((len(self._hypotheses.belief), count, count))
        for row in range(count):
            at_s = self._report_end_s[row] + self._node_s
            place_m = np.full_like(at_s, self._report_m[row])
            found[:, row] = self._to_nodes(place_m, at_s).mean(axis=1)
        found += NOISE_SHARE * np.eye(count)
        return found

    def _to_next(self, station_m: Floats, block_s: float) -> Floats:
        """Return the covariance of each station's next report with those that are there."""
        at_s = block_s + self._node_s
        return np.stack(
            [self._to_points(np.full_like(at_s, x), at_s).mean(axis=1) for x in station_m], axis=1
        )

    def _to_points(self, place_m: Floats, at_s: Floats) -> Floats:
        """Return the covariance of points with every report, (hypotheses, points, reports)."""
        return self._to_nodes(place_m, np.broadcast_to(at_s, place_m.shape))

    def _to_nodes(self, place_m: Floats, at_s: Floats) -> Floats:
        away_m = place_m[:, None, None] - self._report_m[None, :, None]
        node_s = self._report_end_s[:, None] + self._node_s
        later_s = at_s[:, None, None] - node_s[None]
        found = covariance(self._hypotheses, away_m, later_s).mean(axis=3)
        return np.asarray(found, np.float64)


def _weigh(system: System, cross: Floats, own: Floats) -> Answer:
    """Return how points with these covariances follow, (hypotheses, points, reports) given."""
    gain = np.matmul(cross, system.inverse)
    rest = 1.0 - gain.sum(axis=2)
    weight = gain + rest[:, :, None] * system.mean_weight[:, None]
    var = own[:, None] - (gain * cross).sum(axis=2) + rest**2 * system.mean_var[:, None]
    return Answer(weight, np.maximum(var, 1e-6))
