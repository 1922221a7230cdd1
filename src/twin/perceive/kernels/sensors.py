"""From the memory of every sensor to what it says now."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from twin.perceive.kernels.record import BIN_US, BINS, Floats, Ints, Memory

WINDOW_S = 180.0  # counts of single minutes are too noisy: three of them are one estimate
VEHICLES_UNKNOWN = 10.0  # a speed without a count is taken as the mean of so many vehicles
VEHICLE_SPREAD_FRAC = 0.12  # of the speeds of single vehicles around their mean
FLOOR_SPREAD_FRAC = 0.02  # no mean speed is surer than this
DRIFT_FRAC2_PER_MIN = 0.0004  # variance per minute of age, of free speed squared, before learning

# Columns of `said`.
FLOW = 0  # vehicles per second over the lanes that the sensor covers
FLOW_VAR = 1
SPEED = 2  # m/s
SPEED_VAR = 3
OCCUPANCY = 4  # fraction of time
AGE = 5  # s
DRIFT = 6  # (m/s)^2 by which a speed wanders per minute
LENGTH = 7  # m, effective length of a vehicle over this loop (`perceive.vehicle_length`)
LENGTH_FRAC = 8  # its standard deviation as a share of it
SAID_FIELDS = 9


@njit(cache=True, nogil=True)
def _window_sums(bins: Ints, sums: Ints, last: int, width: int, out: Ints) -> None:
    """Add up the bins (last - width, last]. `out` (RING_FIELDS,) int64 written in full."""
    out[:] = 0
    for minute in range(last - width + 1, last + 1):
        place = minute % BINS
        if minute >= 0 and bins[place] == minute:
            out += sums[place]


@njit(cache=True, nogil=True)
def _speed_of(sums: Ints) -> float:
    """Return the space mean speed of a bin or window, m/s; NaN without one."""
    if sums[3] == 0:
        return math.nan
    return 1e9 * float(sums[3]) / float(sums[4])


@njit(cache=True, nogil=True)
def _drift(bins: Ints, sums: Ints, last: int) -> float:
    """Return how much the speed wanders, (m/s)^2 per minute, from the ring; NaN if too little."""
    squares = 0.0
    minutes = 0.0
    pairs = 0
    before = math.nan
    before_minute = 0
    for minute in range(max(last - BINS + 1, 0), last + 1):
        place = minute % BINS
        if bins[place] != minute or sums[place, 3] == 0:
            continue
        speed = _speed_of(sums[place])
        if not math.isnan(before):
            squares += (speed - before) ** 2
            minutes += minute - before_minute
            pairs += 1
        before = speed
        before_minute = minute
    if pairs < 3:
        return math.nan
    return 0.5 * squares / minutes  # half: the rest is the noise of two readings


@njit(cache=True, nogil=True)
def _freshness(age_s: float, period_s: float) -> int:
    """Return the code of `Freshness` for an age."""
    if age_s <= 1.5 * period_s:
        return 1
    return 2 if age_s <= 5.0 * period_s else 3


@njit(cache=True, nogil=True)
def _fill(said: Floats, window: Ints, newest_speed: float, free_speed_mps: float) -> None:
    """Write flow, speed, occupancy and their variances. `said` (SAID_FIELDS,) written."""
    vehicles = VEHICLES_UNKNOWN
    if window[2] > 0:
        vehicles = window[1] / 1000.0
        period_s = window[2] / 1000.0
        said[FLOW] = vehicles / period_s
        said[FLOW_VAR] = max(vehicles, 1.0) / period_s**2
    # One reading is repeated to the bit; several are averaged by pace.
    speed = newest_speed if window[0] == 1 else _speed_of(window)
    if not math.isnan(speed):
        said[SPEED] = speed
        spread = (VEHICLE_SPREAD_FRAC**2) / max(vehicles, 1.0) + FLOOR_SPREAD_FRAC**2
        said[SPEED_VAR] = spread * speed**2 + said[DRIFT] * said[AGE] / 60.0
    elif window[2] > 0 and window[1] == 0 and window[5] == 0:
        # Nobody passed and nobody stood there: whoever comes drives freely.
        said[SPEED] = free_speed_mps
        said[SPEED_VAR] = (0.15 * free_speed_mps) ** 2
    if window[6] > 0:
        said[OCCUPANCY] = window[5] / (1e6 * window[6])


@njit(cache=True, nogil=True)
def read_sensors(
    now_us: int,
    memory: Memory,
    free_speed_mps: Floats,
    space_share: Floats,
    said: Floats,
    freshness: Ints,
) -> None:
    """Say for every sensor what its last minutes tell.

    memory           read; free_speed_mps (sensors,) of the sensor's link, read
    space_share      (sensors,) read: space mean over what the sensor calls its mean speed
    said             (sensors, SAID_FIELDS) float64 written in full but for the lengths, NaN
                     where nothing is known
    freshness        (sensors,) int64 written in full, codes of `Freshness`
    """
    window = np.zeros(memory.ring_sums.shape[2], np.int64)
    for s in range(len(memory.newest)):
        said[s, :LENGTH] = math.nan
        freshness[s] = 0
        time_us, period_s = memory.newest[s, 0], memory.newest[s, 1] / 1000.0
        if time_us < 0:
            continue
        age_s = max((now_us - time_us) / 1e6, 0.0)
        freshness[s] = _freshness(age_s, period_s)
        last = (time_us - 1) // BIN_US
        drift = _drift(memory.ring_bin[s], memory.ring_sums[s], last)
        if math.isnan(drift):
            drift = DRIFT_FRAC2_PER_MIN * free_speed_mps[s] ** 2
        said[s, AGE] = age_s
        said[s, DRIFT] = drift
        width = min(max(math.ceil(max(period_s, WINDOW_S) * 1e6 / BIN_US), 1), BINS)
        _window_sums(memory.ring_bin[s], memory.ring_sums[s], last, width, window)
        newest_mps = memory.newest_values[s, 1] * space_share[s]
        _fill(said[s], window, newest_mps, free_speed_mps[s])
