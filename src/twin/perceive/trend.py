"""Where flows are heading: a line through the last half hour of counts, steadied by all others.

The count of three minutes wanders by a tenth for no reason. A line through thirty is steady, and
says how demand grows on a day of which nothing was learned before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.perceive.kernels.record import BIN_US, BINS

LEAST_BINS = 5  # fewer points make no line
LEAST_SPAN_S = 900.0  # nor do points that stand close together
FREE_SHARE = 0.7  # of free speed: below it a count shows what the road passes, not who wants to
SUDDEN_SD = 3.5  # a count so far off the line is news: something happened, the line is over
_COUNT, _COUNT_MS, _WEIGHT, _PACE = 1, 2, 3, 4  # columns of the ring
_MINUTE_S = BIN_US / 1e6


class Trend(NamedTuple):
    """The line of every sensor, (sensors,) float64 each; NaN where no line can be drawn.

    flow_vps        where the line stands now, vehicles a second over the lanes of the sensor
    growth_vps2     by how much it rises a second
    """

    flow_vps: Floats
    growth_vps2: Floats


def flow_trend(
    ring_bin: Ints,
    ring_sums: Ints,
    now_us: int,
    *,
    free_mps: Floats,
    recent: Floats,
    spread: Floats,
) -> Trend:
    """Draw the line of every sensor through its ring of minutes, up to `now_us`.

    ring_bin, ring_sums   of `Memory`; free_mps (sensors,) free speed
    recent, spread        (sensors,) flow of the last minutes, veh/s, and its standard deviation

    Slopes are drawn towards the growth of all free sensors together, each as far as its own doubt
    (counts are Poisson) goes beyond what sensors really differ by (empirical Bayes).
    """
    ends_s = (ring_bin + 1) * _MINUTE_S - now_us / 1e6
    counted_s = ring_sums[:, :, _COUNT_MS] / 1000.0
    used = (ring_bin >= 0) & (ends_s <= 0.0) & (ends_s > -BINS * _MINUTE_S) & (counted_s > 0)
    weight = np.where(used, counted_s, 0.0)
    # A count stands for the time that it took, not for the minute in which it came.
    time_s = np.where(used, ends_s - 0.5 * counted_s, 0.0)
    vehicles = np.where(used, ring_sums[:, :, _COUNT] / 1000.0, 0.0)
    total_s = np.maximum(weight.sum(axis=1), 1e-9)
    level = vehicles.sum(axis=1) / total_s
    middle_s = (weight * time_s).sum(axis=1) / total_s
    off_s = np.where(used, time_s - middle_s[:, None], 0.0)
    moment = (weight * off_s**2).sum(axis=1)
    drawn = (used.sum(axis=1) >= LEAST_BINS) & (moment > total_s * LEAST_SPAN_S**2 / 12.0)
    slope = np.where(drawn, (off_s * vehicles).sum(axis=1) / np.maximum(moment, 1e-9), np.nan)
    doubt = np.where(drawn, np.maximum(level, 1.0 / total_s) / np.maximum(moment, 1e-9), np.nan)
    free = drawn & (_speed_mps(ring_sums, used) >= FREE_SHARE * free_mps)
    slope = _steadied(slope, doubt, level, free)
    flow = np.maximum(level - slope * middle_s, 0.0)
    sudden = drawn & (np.abs(recent - flow) > SUDDEN_SD * spread)
    return Trend(np.where(sudden, recent, flow), np.where(sudden, 0.0, slope))


def _speed_mps(ring_sums: Ints, used: Bools) -> Floats:
    """Return the space mean speed over the used minutes, (sensors,); infinite where unknown."""
    weight = np.where(used, ring_sums[:, :, _WEIGHT], 0).sum(axis=1).astype(np.float64)
    pace = np.where(used, ring_sums[:, :, _PACE], 0).sum(axis=1).astype(np.float64)
    return np.where(weight > 0, 1e9 * weight / np.maximum(pace, 1.0), np.inf)


def _steadied(slope: Floats, doubt: Floats, level: Floats, free: Bools) -> Floats:
    """Draw the slopes of sensors towards their share of the common growth.

    doubt   (sensors,) variance of each slope
    """
    if free.sum() < 2 or level[free].sum() <= 0:
        return slope
    common = level * (slope[free].sum() / level[free].sum())
    moving = free & (level > 0)
    off = (slope - common)[moving] / level[moving]
    differ = max(float(np.mean(off**2 - doubt[moving] / level[moving] ** 2)), 0.0) * level**2
    own = np.divide(differ, differ + doubt, out=np.zeros_like(level), where=differ + doubt > 0)
    return np.asarray(common + own * (slope - common), np.float64)
