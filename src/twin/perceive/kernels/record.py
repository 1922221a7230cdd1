"""Writes readings into the memory of every sensor.

Everything written here is a function of the set of readings, not of their order: the newest
reading is a maximum, a ring slot keeps the latest bin that falls into it, and every sum is a sum
of whole numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]

BIN_US = 60_000_000  # a ring bin is one minute
BINS = 30
RING_FIELDS = 7  # readings, count, count time, speed weight, pace, occupancy, occupancy time
PROFILE_FIELDS = 5  # speed readings, speed sum, speed squares, count, count time
SLOWEST_MPS = 0.1  # a slower mean speed counts as this one in a mean of paces


class Memory(NamedTuple):
    """All that is remembered of every sensor.

    newest          (sensors, 3) int64: time_us, period_ms, readings taken in
    newest_values   (sensors, 3) float64: count, speed_mps, occupancy_frac; NaN = not measured
    ring_bin        (sensors, BINS) int64: number of the minute that the slot holds
    ring_sums       (sensors, BINS, RING_FIELDS) int64
    profile_sums    (sensors, slots, PROFILE_FIELDS) int64
    length_sums     (sensors, 2) int64: see `perceive.vehicle_length`
    """

    newest: Ints
    newest_values: Floats
    ring_bin: Ints
    ring_sums: Ints
    profile_sums: Ints
    length_sums: Ints


@njit(cache=True, nogil=True)
def _fixed(value: float, scale: float) -> int:
    """Turn a value into whole units of 1/scale, rounded to the nearest."""
    return math.floor(value * scale + 0.5)


@njit(cache=True, nogil=True)
def _add_to_ring(
    sums: Ints, period_ms: int, count: float, speed_mps: float, occupancy_frac: float
) -> None:
    """Add one reading to the sums of its bin. `sums` (RING_FIELDS,) int64 written."""
    sums[0] += 1
    weight = 1000
    if not math.isnan(count):
        weight = _fixed(count, 1000.0)
        sums[1] += weight
        sums[2] += period_ms
    if not math.isnan(speed_mps):
        # A mean over vehicles in space is the harmonic one, so paces are summed, by vehicle.
        weight = max(weight, 1)
        sums[3] += weight
        sums[4] += _fixed(1e9 / max(speed_mps, SLOWEST_MPS), 1.0) * weight
    if not math.isnan(occupancy_frac):
        sums[5] += _fixed(occupancy_frac, 1e6) * period_ms
        sums[6] += period_ms


@njit(cache=True, nogil=True)
def _add_to_profile(sums: Ints, period_ms: int, count: float, speed_mps: float) -> None:
    """Add one reading to its time of day. `sums` (PROFILE_FIELDS,) int64 written."""
    if not math.isnan(speed_mps):
        speed_mmps = _fixed(speed_mps, 1000.0)
        sums[0] += 1
        sums[1] += speed_mmps
        sums[2] += speed_mmps * speed_mmps
    if not math.isnan(count):
        sums[3] += _fixed(count, 1000.0)
        sums[4] += period_ms


@njit(cache=True, nogil=True)
def _keep_newest(memory: Memory, s: int, time_us: int, period_ms: int, values: Floats) -> None:
    """Keep a reading when it is the newest of its sensor; of two at once the longer period."""
    newest = memory.newest[s]
    newest[2] += 1
    if time_us > newest[0] or (time_us == newest[0] and period_ms > newest[1]):
        newest[0] = time_us
        newest[1] = period_ms
        for k in range(3):
            # + 0.0 turns -0.0 into 0.0, and there is one NaN: equal values, equal bytes.
            memory.newest_values[s, k] = np.nan if math.isnan(values[k]) else values[k] + 0.0


@njit(cache=True, nogil=True)
def record_readings(
    sensor: Rows, time_us: Ints, period_ms: Ints, values: Floats, slot: Ints, memory: Memory
) -> None:
    """Write n readings into the memory.

    sensor, time_us, period_ms, slot   (n,) read; slot is the row of the time of day, -1 when the
        reading shall not teach what is usual
    values   (n, 4) float64 read: count, speed_mps, occupancy_frac, space mean speed;
        NaN = not measured
    memory   written
    """
    for i in range(len(sensor)):
        s = sensor[i]
        count, speed_mps, occupancy_frac = values[i, 0], values[i, 3], values[i, 2]
        _keep_newest(memory, s, time_us[i], period_ms[i], values[i])
        minute = (time_us[i] - 1) // BIN_US
        place = minute % BINS
        if minute > memory.ring_bin[s, place]:
            memory.ring_bin[s, place] = minute
            memory.ring_sums[s, place, :] = 0
        if minute == memory.ring_bin[s, place]:
            sums = memory.ring_sums[s, place]
            _add_to_ring(sums, period_ms[i], count, speed_mps, occupancy_frac)
        if slot[i] >= 0:
            _add_to_profile(memory.profile_sums[s, slot[i]], period_ms[i], count, speed_mps)
