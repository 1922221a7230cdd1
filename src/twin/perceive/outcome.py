"""What was measured on the links over some minutes: the truth that a forecast is held against."""

from __future__ import annotations

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.perceive.kernels.record import BINS
from twin.perceive.layout import Layout

_WEIGHT, _PACE = 3, 4  # columns of the ring


def measured_speed(
    layout: Layout,
    ring_bin: Ints,
    ring_sums: Ints,
    last_minute: int,
    *,
    minutes: int,
    failed: Bools,
) -> Floats:
    """Return the space mean speed of each link over the minutes up to `last_minute`, (links,) m/s.

    ring_bin, ring_sums   of `Memory`, read; failed (sensors,): these are left out
    NaN where no sensor of the link told a speed in that time.
    """
    wanted = np.arange(last_minute - minutes, last_minute)
    slots = wanted % BINS
    there = (ring_bin[:, slots] == wanted) & ~failed[:, None]
    weight = np.where(there, ring_sums[:, slots, _WEIGHT], 0).sum(axis=1).astype(np.float64)
    pace = np.where(there, ring_sums[:, slots, _PACE], 0).sum(axis=1).astype(np.float64)
    links = len(layout.places.lanes)
    of_link = np.bincount(layout.sensor_link, weights=weight, minlength=links)
    paces = np.bincount(layout.sensor_link, weights=pace, minlength=links)
    speed = np.full(links, np.nan)
    np.divide(1e9 * of_link, paces, out=speed, where=paces > 0)
    return speed
