"""Times from zone to zone by time of departure (skims)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twin.columns import Floats, Ints
from twin.scenario.outcome import Frame, SeedRun
from twin.scenario.results.reliability import PERCENTILE, arrived


@dataclass(frozen=True, slots=True)
class Skims:
    """Rows of zone pair and departure slot, (n,), over all seeds of one side.

    origin, destination  rows in `Frame.zones`; slot: departs in [slot, slot + 1) * slot_s
    trips      that wanted to depart, a seed (mean); arrived: of these
    mean_s, high_s   mean and 95th percentile of the travel times; NaN where nobody arrived
    distance_m       mean of those who arrived
    """

    slot_s: float
    origin: Ints
    destination: Ints
    slot: Ints
    trips: Floats
    arrived: Floats
    mean_s: Floats
    high_s: Floats
    distance_m: Floats

    def __len__(self) -> int:
        return len(self.slot)


@dataclass(slots=True)
class SkimTable:
    """Gathers the trips of one side seed by seed."""

    slot_s: float
    _keys: list[Ints] = field(default_factory=list)
    _columns: list[Floats] = field(default_factory=list)

    def add(self, frame: Frame, run: SeedRun) -> None:
        """Take the trips of one more seed."""
        trips, zones = run.trips, len(frame.zones)
        slots = max(int(np.ceil(float(frame.times_s[-1]) / self.slot_s)), 1)
        slot = np.clip((trips.depart_s // self.slot_s).astype(np.int64), 0, slots - 1)
        self._keys.append((trips.origin * zones + trips.destination) * slots + slot)
        time_s = np.where(arrived(trips), trips.arrived_s - trips.depart_s, np.nan)
        self._columns.append(np.stack([time_s, trips.distance_m]))

    def whole(self, frame: Frame) -> Skims:
        """Return the table over all seeds taken."""
        keys = np.concatenate(self._keys)
        time_s, distance_m = np.concatenate(self._columns, axis=1)
        order = np.lexsort((time_s, keys))  # NaN comes last within its key
        keys, time_s, distance_m = keys[order], time_s[order], distance_m[order]
        unique, start, count = np.unique(keys, return_index=True, return_counts=True)
        there = np.isfinite(time_s)
        done = np.add.reduceat(there.astype(np.float64), start)
        slots = max(int(np.ceil(float(frame.times_s[-1]) / self.slot_s)), 1)
        pair, seeds = unique // slots, len(self._keys)
        sums = [
            np.add.reduceat(np.where(there, values, 0.0), start) for values in (time_s, distance_m)
        ]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_s, mean_m = (np.where(done > 0, total / done, np.nan) for total in sums)
        return Skims(
            slot_s=self.slot_s,
            origin=pair // len(frame.zones),
            destination=pair % len(frame.zones),
            slot=unique % slots,
            trips=count / seeds,
            arrived=done / seeds,
            mean_s=mean_s,
            high_s=_percentiles(time_s, start, done),
            distance_m=mean_m,
        )


def _percentiles(ordered_s: Floats, start: Ints, done: Floats) -> Floats:
    """Return the 95th percentile of each group of ascending values, between neighbours linear."""
    if len(ordered_s) == 0:
        return np.empty(0)
    place = np.maximum(done - 1.0, 0.0) * PERCENTILE / 100.0
    low = np.floor(place).astype(np.int64)
    last = len(ordered_s) - 1
    below = ordered_s[np.minimum(start + low, last)]
    above = ordered_s[np.minimum(start + np.minimum(low + 1, done.astype(np.int64) - 1), last)]
    part = place - low
    value = np.where(part > 0, below + (above - below) * part, below)
    return np.where(done > 0, value, np.nan)
