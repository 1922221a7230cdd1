"""Watches every detector: writes what its readings give away, and judges it.

What is written is a function of the set of readings: times are maxima and minima, a slot of a
ring keeps its latest block, and sums are sums of whole numbers. Runs are measured in event time,
between the ends of readings; a gap in the reports does not count as a run.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from twin.perceive.kernels.record import BIN_US, BINS, Floats, Ints, Rows

Smalls = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

BLOCK_US = 900_000_000  # blocks of a quarter of an hour
BLOCKS = 104  # a day and a bit
BLOCK_FIELDS = 5
HALF_US = 30_000_000  # counts of half a minute, for reports that are shorter than it
HALVES = 64
NEVER = -1
FULL = 1_000_000  # of an occupancy in millionths

# Columns of `times`.
HIT = 0  # end of the newest reading in which something passed
COUNTED_FROM = 1  # begin of the first reading that could show something passing, NEVER none
COUNTED = 2  # end of the newest such reading
OPEN = 3  # end of the newest reading that was occupied for less than all of its time
OCCUPIED_FROM = 4  # begin of the first reading with an occupancy, NEVER none
OCCUPIED = 5  # end of the newest one
OCCUPIED_MS = 6  # its period
VALUE = 7  # its occupancy in millionths
OTHER = 8  # end of the newest reading with another occupancy than VALUE
CHATTER = 9  # end of the newest reading or half minute with too many vehicles
TIMES = 10

# Columns of `blocks`.
COVERED_MS = 0
VEHICLES = 1  # thousandths
VEHICLES_MS = 2
READINGS = 3
IMPOSSIBLE = 4

# Columns of `limits`; NaN switches a check off.
L_NO_HITS_S = 0
L_CHATTER = 1  # vehicles a lane in 30 s
L_CHATTER_CLEAN_S = 2
L_LOCKED_S = 3
L_NO_CHANGE_S = 4
L_SPIKES = 5  # spikes within half an hour
L_IMPOSSIBLE = 6  # impossible readings within the last two blocks and this one
L_IMBALANCE = 7  # share of the greater flow
LIMITS = 8

# Bits of a verdict, gravest last to be shown first.
NO_HITS_BIT = 1
CHATTER_BIT = 2
LOCKED_BIT = 4
NO_CHANGE_BIT = 8
SPIKES_BIT = 16
IMPOSSIBLE_BIT = 32
IMBALANCE_BIT = 64

SPIKE_FRAC = 0.35  # of occupancy, above the minute before and the minute after
SPIKE_CALM_FRAC = 0.15  # occupancy of the minutes around it: a jam's waves are no spikes
SHORTEST_VEHICLE_M = 1.5
LONGEST_VEHICLE_M = 40.0
LEAST_VEHICLES = 5.0  # fewer make no length
ROUNDING_FRAC = 0.005  # of an occupancy that is told in percent


class Watch(NamedTuple):
    """What is remembered of every detector to judge it.

    times        (sensors, TIMES) int64
    block        (sensors, BLOCKS) int64: number of the quarter of an hour in the slot, NEVER none
    blocks       (sensors, BLOCKS, BLOCK_FIELDS) int32
    half         (sensors, HALVES) int64: number of the half minute in the slot
    halves       (sensors, HALVES) int32: vehicles in it, thousandths
    """

    times: Ints
    block: Ints
    blocks: Smalls
    half: Ints
    halves: Smalls


@njit(cache=True, nogil=True)
def impossible(count: float, speed_mps: float, occupancy: float, period_s: float) -> bool:
    """Say whether a reading of one lane contradicts itself: no vehicle is so short or so long."""
    if math.isnan(count) or math.isnan(speed_mps):
        return False
    if count > 0.0 and speed_mps <= 0.0 and not occupancy >= 1.0 - ROUNDING_FRAC:
        return True
    if math.isnan(occupancy) or count < LEAST_VEHICLES:
        return False
    metres = speed_mps * period_s / count
    shortest = (occupancy + ROUNDING_FRAC) * metres < SHORTEST_VEHICLE_M
    return shortest or (occupancy - ROUNDING_FRAC) * metres > LONGEST_VEHICLE_M


@njit(cache=True, nogil=True)
def _later(times: Ints, column: int, time_us: int) -> None:
    """Move a time on. `times` (TIMES,) int64 written."""
    times[column] = max(times[column], time_us)


@njit(cache=True, nogil=True)
def _earlier(times: Ints, column: int, time_us: int) -> None:
    """Move a begin back. `times` (TIMES,) int64 written."""
    if times[column] == NEVER or time_us < times[column]:
        times[column] = time_us


@njit(cache=True, nogil=True)
def _note_occupancy(times: Ints, time_us: int, period_ms: int, occupancy: float) -> None:
    """Keep the newest occupancy, and when it was another one. `times` written."""
    value = math.floor(occupancy * FULL + 0.5)
    _earlier(times, OCCUPIED_FROM, time_us - period_ms * 1000)
    if value < FULL:
        _later(times, OPEN, time_us)
    newest, longest = times[OCCUPIED], times[OCCUPIED_MS]
    if time_us > newest or (time_us == newest and period_ms > longest):
        if newest != NEVER and value != times[VALUE]:
            times[OTHER] = newest  # all before were older
        times[OCCUPIED] = time_us
        times[OCCUPIED_MS] = period_ms
        times[VALUE] = value
    elif value != times[VALUE]:
        _later(times, OTHER, time_us)


@njit(cache=True, nogil=True)
def _note_count(
    watch: Watch, s: int, time_us: int, period_ms: int, count: float, most: float
) -> None:
    """Look for more vehicles than can pass. most: in 30 s, NaN: not asked. `watch` written."""
    times = watch.times[s]
    if period_ms * 1000 >= HALF_US:
        if count * HALF_US >= most * (period_ms * 1000):
            _later(times, CHATTER, time_us)
        return
    half = (time_us - 1) // HALF_US
    place = half % HALVES
    if half > watch.half[s, place]:
        watch.half[s, place] = half
        watch.halves[s, place] = 0
    if half == watch.half[s, place]:
        watch.halves[s, place] += math.floor(count * 1000.0 + 0.5)
        if watch.halves[s, place] >= most * 1000.0:
            _later(times, CHATTER, (half + 1) * HALF_US)


@njit(cache=True, nogil=True)
def _note_block(
    watch: Watch, s: int, time_us: int, period_ms: int, count: float, wrong: bool
) -> None:
    """Add a reading to its quarter of an hour. `watch` written."""
    block = (time_us - 1) // BLOCK_US
    place = block % BLOCKS
    if block > watch.block[s, place]:
        watch.block[s, place] = block
        watch.blocks[s, place, :] = 0
    if block == watch.block[s, place]:
        sums = watch.blocks[s, place]
        sums[COVERED_MS] += period_ms
        sums[READINGS] += 1
        sums[IMPOSSIBLE] += 1 if wrong else 0
        if not math.isnan(count):
            sums[VEHICLES] += math.floor(count * 1000.0 + 0.5)
            sums[VEHICLES_MS] += period_ms


@njit(cache=True, nogil=True)
def watch_readings(
    sensor: Rows,
    time_us: Ints,
    period_ms: Ints,
    values: Floats,
    lanes: Floats,
    limits: Floats,
    watch: Watch,
    may_teach: Bools,
) -> None:
    """Write n readings down.

    values      (n, 3) float64 read: count, speed_mps, occupancy_frac; NaN = not measured
    lanes (sensors,), limits (sensors, LIMITS)   read
    watch       written
    may_teach   (n,) bool written in full: false for what cannot be, whatever came before
    """
    for i in range(len(sensor)):
        s = sensor[i]
        count, speed_mps, occupancy = values[i, 0], values[i, 1], values[i, 2]
        times = watch.times[s]
        counted, occupied = not math.isnan(count), not math.isnan(occupancy)
        if counted or occupied:
            _earlier(times, COUNTED_FROM, time_us[i] - period_ms[i] * 1000)
            _later(times, COUNTED, time_us[i])
            if count > 0.0 or (not counted and occupancy > 0.0):
                _later(times, HIT, time_us[i])
        if occupied:
            _note_occupancy(times, time_us[i], period_ms[i], occupancy)
        if counted:
            most = limits[s, L_CHATTER] * lanes[s]
            _note_count(watch, s, time_us[i], period_ms[i], count, most)
        period_s = period_ms[i] / 1000.0
        wrong = impossible(count / lanes[s], speed_mps, occupancy, period_s)
        crowd = count * 30.0 >= limits[s, L_CHATTER] * lanes[s] * max(period_s, 30.0)
        may_teach[i] = not wrong and not crowd and not occupancy >= 1.0
        _note_block(watch, s, time_us[i], period_ms[i], count, wrong)


@njit(cache=True, nogil=True)
def _reported_s(block: Ints, sums: Smalls, since_us: int, until_us: int) -> float:
    """Return how much of a time was reported, in whole blocks, s."""
    first, last = since_us // BLOCK_US, (until_us - 1) // BLOCK_US
    total = 0.0
    for number in range(max(first, last - BLOCKS + 1), last + 1):
        if block[number % BLOCKS] == number:
            total += sums[number % BLOCKS, COVERED_MS] / 1000.0
    return total


@njit(cache=True, nogil=True)
def _lasts(watch: Watch, s: int, since_us: int, until_us: int, limit_s: float) -> bool:
    """Say whether a run is as long as its limit, and at least half of the limit was reported."""
    if not (until_us - since_us) / 1e6 >= limit_s:
        return False
    whole = min(limit_s, (BLOCKS - 1) * BLOCK_US / 1e6)
    return _reported_s(watch.block[s], watch.blocks[s], since_us, until_us) >= 0.5 * whole


@njit(cache=True, nogil=True)
def _locked(times: Ints, ring_bin: Ints, ring_sums: Ints, limit_s: float) -> bool:
    """Say whether a detector was occupied without a break for its limit."""
    since_us = max(times[OPEN], times[OCCUPIED_FROM])
    if times[OCCUPIED] <= times[OPEN] or not (times[OCCUPIED] - since_us) / 1e6 >= limit_s:
        return False
    whole_s = min(limit_s, (BINS - 1) * BIN_US / 1e6)
    last = (times[OCCUPIED] - 1) // BIN_US
    wide = min(math.ceil(whole_s * 1e6 / BIN_US) + 1, BINS)
    total = 0.0
    for minute in range(last - wide + 1, last + 1):
        if minute >= 0 and ring_bin[minute % BINS] == minute:
            total += ring_sums[minute % BINS, 6] / 1000.0
    return total >= whole_s


@njit(cache=True, nogil=True)
def _spikes(ring_bin: Ints, ring_sums: Ints) -> int:
    """Count minutes whose occupancy stands out of calm ones while nobody slows down."""
    found = 0
    newest = ring_bin.max()
    before = middle = math.nan
    pace_before = pace_middle = math.nan
    for minute in range(max(newest - BINS + 1, 0), newest + 1):
        sums = ring_sums[minute % BINS]
        if ring_bin[minute % BINS] != minute or sums[6] == 0:
            continue
        after = sums[5] / (1e6 * sums[6])
        pace_after = sums[4] / sums[3] if sums[3] > 0 else math.nan
        calm = before <= SPIKE_CALM_FRAC and after <= SPIKE_CALM_FRAC
        slowed = pace_middle > 1.25 * pace_before or pace_middle > 1.25 * pace_after
        if calm and not slowed and middle - max(before, after) >= SPIKE_FRAC:
            found += 1
        before, middle = middle, after
        pace_before, pace_middle = pace_middle, pace_after
    return found


@njit(cache=True, nogil=True)
def _contradicts(block: Ints, sums: Smalls, limit: float) -> bool:
    """Say whether half of the readings of the last blocks, and so many, are impossible."""
    newest = block.max()
    readings = wrong = 0
    for number in range(max(newest - 2, 0), newest + 1):
        if block[number % BLOCKS] == number:
            readings += sums[number % BLOCKS, READINGS]
            wrong += sums[number % BLOCKS, IMPOSSIBLE]
    return wrong >= limit and 2 * wrong >= readings


@njit(cache=True, nogil=True)
def _judge_occupancy(
    watch: Watch,
    s: int,
    ring_bin: Ints,
    ring_sums: Ints,
    limits: Floats,
    faults: Codes,
    since_us: Ints,
) -> None:
    """Judge what one detector says of its occupancy. `faults[s]`, `since_us[s]` written."""
    times = watch.times[s]
    since = max(times[OTHER], times[OCCUPIED_FROM])
    if times[VALUE] > 0 and _lasts(watch, s, since, times[OCCUPIED], limits[L_NO_CHANGE_S]):
        faults[s] |= NO_CHANGE_BIT
        since_us[s] = since
    if _locked(times, ring_bin, ring_sums, limits[L_LOCKED_S]):
        faults[s] |= LOCKED_BIT
        since_us[s] = max(times[OPEN], times[OCCUPIED_FROM])
    if _spikes(ring_bin, ring_sums) >= limits[L_SPIKES]:
        faults[s] |= SPIKES_BIT


@njit(cache=True, nogil=True)
def judge_detectors(
    watch: Watch, ring_bin: Ints, ring_sums: Ints, limits: Floats, faults: Codes, since_us: Ints
) -> None:
    """Judge every detector by what it reported.

    watch, ring_bin, ring_sums (as in `Memory`), limits   read
    faults     (sensors,) uint8 written in full: bits of what is wrong
    since_us   (sensors,) int64 written in full: since when, NEVER where nothing tells
    """
    for s in range(len(faults)):
        times = watch.times[s]
        faults[s] = 0
        since_us[s] = NEVER
        if times[COUNTED] != NEVER:
            since = max(times[HIT], times[COUNTED_FROM])
            if _lasts(watch, s, since, times[COUNTED], limits[s, L_NO_HITS_S]):
                faults[s] |= NO_HITS_BIT
                since_us[s] = since
        if times[OCCUPIED] != NEVER:
            _judge_occupancy(watch, s, ring_bin[s], ring_sums[s], limits[s], faults, since_us)
        if times[CHATTER] != NEVER:
            newest = max(times[COUNTED], times[CHATTER])
            if (newest - times[CHATTER]) / 1e6 < limits[s, L_CHATTER_CLEAN_S]:
                faults[s] |= CHATTER_BIT
                since_us[s] = times[CHATTER]
        if _contradicts(watch.block[s], watch.blocks[s], limits[s, L_IMPOSSIBLE]):
            faults[s] |= IMPOSSIBLE_BIT
