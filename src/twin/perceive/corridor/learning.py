"""What a road teaches while it is watched: who wants to drive, what it lets through, who turns.

Demand shows where traffic is free, capacity where a queue discharges; a count in a queue says
nothing about who would like to come. All of it is recursive: one report in, a little more known.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twin.columns import Bools, Floats

FREE_SHARE: Final = 0.7  # of free speed, above which traffic is free
QUEUE_SHARE: Final = 0.5  # of free speed, below which a queue discharges
DEMAND_DRIFT_FRAC2_PS: Final = 4e-6  # relative variance by which demand wanders in a second
PRIOR_S: Final = 600.0  # of discharge that the map's capacity is worth
MEMORY_S: Final = 7200.0  # of discharge that is remembered
LEAST_CAPACITY, MOST_CAPACITY = 0.3, 1.3  # of the map's capacity, between which it is learned


class FlowLevels:
    """Demand and capacity at detectors, (detectors,) each; vehicles a second."""

    def __init__(self, free_speed_mps: Floats, capacity_vps: Floats) -> None:
        """Start with the map's capacity and no demand."""
        self._free = free_speed_mps
        self._map_vps = capacity_vps
        self.demand_vps = np.full_like(capacity_vps, np.nan)
        self.demand_var = np.full_like(capacity_vps, np.nan)
        self.capacity_vps = capacity_vps.copy()
        self._seen_s = np.full_like(capacity_vps, PRIOR_S)

    def report(self, flow_vps: Floats, speed_mps: Floats, period_s: float) -> None:
        """Learn from one interval; NaN where nothing was measured."""
        known = np.isfinite(flow_vps) & np.isfinite(speed_mps)
        self._learn_demand(known & (speed_mps >= FREE_SHARE * self._free), flow_vps, period_s)
        self._learn_capacity(known & (speed_mps < QUEUE_SHARE * self._free), flow_vps, period_s)

    def _learn_demand(self, free: Bools, flow_vps: Floats, period_s: float) -> None:
        """Take counts of free traffic in: a level that wanders, seen through Poisson noise."""
        noise = np.maximum(flow_vps, 1.0 / period_s) / period_s
        first = free & np.isnan(self.demand_vps)
        self.demand_vps[first], self.demand_var[first] = flow_vps[first], noise[first]
        self.demand_var += DEMAND_DRIFT_FRAC2_PS * period_s * self.demand_vps**2
        later = free & ~first
        gain = self.demand_var[later] / (self.demand_var[later] + noise[later])
        self.demand_vps[later] += gain * (flow_vps[later] - self.demand_vps[later])
        self.demand_var[later] *= 1.0 - gain

    def _learn_capacity(self, queued: Bools, flow_vps: Floats, period_s: float) -> None:
        """Take the discharge of queues in: a mean that the map's capacity begins."""
        seen = self._seen_s[queued]
        gain = period_s / (np.minimum(seen, MEMORY_S) + period_s)
        mean = self.capacity_vps[queued] + gain * (flow_vps[queued] - self.capacity_vps[queued])
        bound = self._map_vps[queued]
        self.capacity_vps[queued] = np.clip(mean, LEAST_CAPACITY * bound, MOST_CAPACITY * bound)
        self._seen_s[queued] = seen + period_s


class TurningShares:
    """Shares of vehicles from each approach of a node into each exit, from counts alone.

    Every exit's count is what the approaches send there: one Kalman filter an exit, and after
    each step every approach's shares are put back to at least nothing and 1 together.
    """

    def __init__(
        self, prior: Floats, *, doubt_frac: float = 0.15, drift_frac: float = 0.005
    ) -> None:
        """Start from `prior` (approaches, exits), 1 together by approach.

        doubt_frac   standard deviation of a share of the prior;  drift_frac   by which it wanders
                     between two reports
        """
        self.share = np.array(prior, np.float64)
        approaches, exits = self.share.shape
        self._cov = np.tile(doubt_frac**2 * np.eye(approaches), (exits, 1, 1))
        self._drift = drift_frac**2 * np.eye(approaches)

    def report(self, entered: Floats, left: Floats) -> Floats:
        """Learn from vehicles counted in (approaches,) and out (exits,); NaN: exit not counted.

        Returns the shares. Without all approaches nothing is learned.
        """
        if not np.isfinite(entered).all() or entered.sum() <= 0:
            return self.share
        self._cov += self._drift
        for leg in np.flatnonzero(np.isfinite(left)):
            said = self._cov[leg] @ entered
            # Counts are Poisson, and those who are on the way are counted in only.
            noise = max(float(left[leg]), 1.0) + 0.05 * float(entered.sum())
            gain = said / (float(entered @ said) + noise)
            self.share[:, leg] += gain * (float(left[leg]) - float(entered @ self.share[:, leg]))
            self._cov[leg] -= np.outer(gain, said)
        self.share = on_simplex(self.share)
        return self.share


def on_simplex(rows: Floats) -> Floats:
    """Return the nearest rows that are nowhere below nothing and 1 together (Held et al. 1974)."""
    ordered = -np.sort(-rows, axis=1)
    over = (np.cumsum(ordered, axis=1) - 1.0) / np.arange(1, rows.shape[1] + 1)
    kept = (ordered > over).sum(axis=1) - 1
    return np.asarray(np.maximum(rows - over[np.arange(len(rows)), kept][:, None], 0.0), np.float64)
