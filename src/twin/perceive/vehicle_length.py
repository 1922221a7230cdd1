"""The effective length of vehicles over each station's loops, learned in free traffic.

A loop is covered for the time that a vehicle's own length and the loop's take to pass. Where count,
speed and occupancy are all known and traffic is free, occupancy x speed / flow per lane is that
length. The sums are whole numbers over the set of readings: their order leaves no trace.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from twin.columns import Bools, Floats, Ints, ReadingBatch

PRIOR_M: Final = 6.5
PRIOR_VEHICLES: Final = 300.0
SHORTEST_M: Final = 4.0
LONGEST_M: Final = 12.0
PRIOR_FRAC: Final = 0.15
LEARNED_FRAC: Final = 0.05  # what is left after many vehicles: trucks come and go
FREE_SHARE: Final = 0.7  # of free speed
MOST_OCCUPANCY: Final = 0.2


class Lengths(NamedTuple):
    """Effective lengths, (sensors,) metres, and their standard deviations as shares of them."""

    length_m: Floats
    sd_frac: Floats


def empty_lengths(sensors: int) -> Ints:
    """Return sums of nothing: (sensors, 2) length of all vehicles (mm, per lane) and vehicles
    (thousandths)."""
    return np.zeros((sensors, 2), np.int64)


def learn_lengths(
    sums: Ints, batch: ReadingBatch, values: Floats, may_teach: Bools, free_mps: Floats
) -> None:
    """Add the readings of free traffic to the sums.

    values   (n, 4) count, reported speed, occupancy, space mean speed (m/s); free_mps (sensors,)
    may_teach   (n,) False for readings of detectors that are not believed
    """
    count, speed, occupancy = values[:, 0], values[:, 3], values[:, 2]
    with np.errstate(invalid="ignore"):
        free = speed >= FREE_SHARE * free_mps[batch.sensor]
        good = may_teach & free & (count > 0) & (occupancy > 0) & (occupancy <= MOST_OCCUPANCY)
    covered = occupancy[good] * speed[good] * batch.period_ms[good]  # m x ms / s = mm
    rows = batch.sensor[good]
    np.add.at(sums[:, 0], rows, np.rint(covered).astype(np.int64))
    np.add.at(sums[:, 1], rows, np.rint(count[good] * 1000.0).astype(np.int64))


def effective_lengths(sums: Ints, lanes: Floats) -> Lengths:
    """Return what was learned, drawn towards the prior by how few vehicles taught it.

    lanes   (sensors,) that a sensor covers: its occupancy is their mean
    """
    vehicles = sums[:, 1] / 1000.0
    total_m = sums[:, 0] / 1000.0 * lanes
    length = (total_m + PRIOR_VEHICLES * PRIOR_M) / (vehicles + PRIOR_VEHICLES)
    unknown = PRIOR_VEHICLES / (vehicles + PRIOR_VEHICLES)
    spread = np.sqrt(LEARNED_FRAC**2 + (PRIOR_FRAC**2 - LEARNED_FRAC**2) * unknown)
    return Lengths(np.clip(length, SHORTEST_M, LONGEST_M), spread)
