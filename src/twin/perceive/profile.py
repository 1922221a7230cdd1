"""The usual day: sums by kind of day and time of day, learned from every reading.

Sums are whole numbers, so that the order of readings leaves no trace in them.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np

from twin.clock import datetime_from_us
from twin.columns import Floats, Ints
from twin.perceive.kernels.record import PROFILE_FIELDS
from twin.perceive.layout import Layout

SLOT_US = 15 * 60 * 1_000_000
SLOTS_A_DAY = 96
DAY_TYPES = 2  # workday, weekend
SLOTS = DAY_TYPES * SLOTS_A_DAY
DAY_US = SLOT_US * SLOTS_A_DAY
MIN_READINGS = 3  # fewer say nothing about a usual day
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


class LocalTime:
    """Turns moments into slots of the local day. Remembers offsets by quarter of an hour."""

    def __init__(self, timezone: str) -> None:
        """Take an IANA name; an unknown one is a `zoneinfo.ZoneInfoNotFoundError`."""
        self._zone = ZoneInfo(timezone)
        self._offset_us: dict[int, int] = {}

    def slots(self, time_us: Ints) -> Ints:
        """Return the slot, 0 <= slot < SLOTS, that each moment falls into, same shape, int64."""
        quarters, which = np.unique(time_us // SLOT_US, return_inverse=True)
        slot_of_quarter = np.array([self._slot(int(quarter)) for quarter in quarters], np.int64)
        return slot_of_quarter[which].reshape(time_us.shape)

    def _slot(self, quarter: int) -> int:
        """Return the slot of one quarter of an hour since 1970 UTC (offsets change on quarters)."""
        slot = self._offset_us.get(quarter)
        if slot is None:
            moment = datetime_from_us(quarter * SLOT_US)
            offset = moment.astimezone(self._zone).utcoffset() or timedelta(0)
            local_us = quarter * SLOT_US + offset // timedelta(microseconds=1)
            weekday = (local_us // DAY_US + EPOCH_WEEKDAY) % 7
            slot = (SLOTS_A_DAY if weekday >= 5 else 0) + local_us % DAY_US // SLOT_US
            if len(self._offset_us) > 100_000:
                self._offset_us.clear()
            self._offset_us[quarter] = slot
        return slot


def empty_profile(sensors: int) -> Ints:
    """Return sums (sensors, SLOTS, PROFILE_FIELDS) that have learned nothing."""
    return np.zeros((sensors, SLOTS, PROFILE_FIELDS), np.int64)


def sensor_profile(sums: Ints, slots: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Return speed, its variance, flow, its variance: each (slots, sensors), NaN = not learned."""
    part = sums[:, slots, :].transpose(1, 0, 2).astype(np.float64)
    speeds = np.where(part[..., 0] >= MIN_READINGS, part[..., 0], np.nan)
    speed = part[..., 1] / speeds / 1000.0
    variance = np.maximum(part[..., 2] / speeds / 1e6 - speed**2, 0.0) + (0.05 * speed) ** 2
    seconds = np.where(part[..., 4] > 0, part[..., 4] / 1000.0, np.nan)
    flow = part[..., 3] / 1000.0 / seconds
    return speed, variance, flow, (0.2 * flow) ** 2 + flow / seconds


def link_profile(layout: Layout, sums: Ints, slots: Ints) -> Floats:
    """Return (slots, links, 4): speed, its variance, flow, its variance; NaN = not learned."""
    out = np.full((len(slots), len(layout.places.lanes), 4), np.nan)
    if not len(layout.sensor_link):
        return out
    columns = sensor_profile(sums, slots)
    for row in range(len(slots)):
        for k in (0, 1):
            out[row, :, k] = _mean_a_lane(layout, columns[k][row], by_lane=False)
        # Flow a covered lane, times the lanes of the link, as for the newest readings.
        out[row, :, 2] = _mean_a_lane(layout, columns[2][row], by_lane=True) * layout.places.lanes
        out[row, :, 3] = _mean_a_lane(layout, columns[3][row], by_lane=True) * layout.places.lanes
    return out


def _mean_a_lane(layout: Layout, value: Floats, *, by_lane: bool) -> Floats:
    """Return the mean over the sensors of each link, (links,): by weight, or of a sum by lane."""
    known = ~np.isnan(value)
    weight = known * layout.places.sensor_lanes
    summed = np.where(known, value, 0.0) * (known if by_lane else weight)
    links = len(layout.places.lanes)
    total = np.bincount(layout.sensor_link, weights=weight, minlength=links)
    sums = np.bincount(layout.sensor_link, weights=summed, minlength=links)
    return np.where(total > 0, sums / np.maximum(total, 1.0), np.nan)
