"""From what sensors say to the state of every link."""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from twin.perceive.kernels.record import Floats, Ints, Rows
from twin.perceive.kernels.sensors import (
    AGE,
    DRIFT,
    FLOOR_SPREAD_FRAC,
    FLOW,
    FLOW_VAR,
    LENGTH,
    LENGTH_FRAC,
    OCCUPANCY,
    SPEED,
    SPEED_VAR,
)

STANDING_OCCUPANCY = 0.5  # nobody passes but the loop is covered: the queue stands on it
SLOWEST_MPS = 0.5  # a density is not divided out of a slower speed
REACH_FRAC2_PER_KM = 0.01  # variance added per km to a neighbour's speed ratio
REACH_FLOW_FRAC2_PER_KM = 0.02
AGREE_SD = 2.0  # sources further apart than so many deviations do not tell of the same thing

# Bits of `origins`, as `perceive.state.Origin`.
SPEEDS = 1
COUNTS = 2
OCCUPANCIES = 4
BESIDE = 8
USUAL = 16

SUMS = 13

# Columns of `belief`.
B_SPEED = 0
B_SPEED_VAR = 1
B_FLOW = 2
B_FLOW_VAR = 3
B_DENSITY = 4
B_DENSITY_VAR = 5
B_AGE = 6
B_DRIFT = 7
BELIEF_FIELDS = 8


class Places(NamedTuple):
    """Where sensors and links are; nothing in it changes.

    link_start (links + 1,), link_sensors   CSR of the sensors of a link; sensor_lanes (sensors,)
    lanes, free_speed_mps, capacity_vps     (links,) float64
    near_start (links + 1,), near_link, near_m, near_same_road
        CSR of the links with sensors around a link: their rows, metres, 1 on the same road
    """

    link_start: Rows
    link_sensors: Rows
    sensor_lanes: Floats
    lanes: Floats
    free_speed_mps: Floats
    capacity_vps: Floats
    near_start: Rows
    near_link: Rows
    near_m: Floats
    near_same_road: Ints


class Found(NamedTuple):
    """What is believed of every link.

    belief (links, BELIEF_FIELDS) float64, NaN = unknown; source, freshness (links,) int64 codes
    origins (links,) int64 bits; detectors (links,) int64, own ones that are fresh enough
    """

    belief: Floats
    source: Ints
    freshness: Ints
    origins: Ints
    detectors: Ints


@njit(cache=True, nogil=True)
def _set_density(belief: Floats, occupancy: float, from_loops: float, length_frac: float) -> bool:
    """Complete flow, speed and density by q = k v, or from occupancy. `belief` written.

    from_loops    vehicles per metre over all lanes, occupancy over effective length
    length_frac   standard deviation of that length as a share of it
    Returns whether occupancy was needed.
    """
    flow = belief[B_FLOW]
    needed = False
    if math.isnan(belief[B_SPEED]) and not math.isnan(occupancy):
        if occupancy >= STANDING_OCCUPANCY and flow == 0.0:
            belief[B_SPEED] = 0.0
            belief[B_SPEED_VAR] = 1.0
            needed = True
        elif flow > 0.0 and from_loops > 0.0:
            belief[B_SPEED] = flow / from_loops
            belief[B_SPEED_VAR] = (length_frac * belief[B_SPEED]) ** 2
            needed = True
    speed = belief[B_SPEED]
    if flow > 0.0 and speed > 0.0:
        slow = max(speed, SLOWEST_MPS)
        density = flow / slow
        belief[B_DENSITY] = density
        relative = belief[B_FLOW_VAR] / flow**2 + belief[B_SPEED_VAR] / slow**2
        belief[B_DENSITY_VAR] = relative * density**2
    elif not math.isnan(occupancy):
        belief[B_DENSITY] = from_loops
        belief[B_DENSITY_VAR] = (length_frac * from_loops) ** 2
        needed = True
    elif flow == 0.0:
        belief[B_DENSITY] = 0.0
        belief[B_DENSITY_VAR] = belief[B_FLOW_VAR] / SLOWEST_MPS**2 * 0.01
    return needed


@njit(cache=True, nogil=True)
def _merge_sensors(rows: Rows, said: Floats, freshness: Ints, lanes: Floats, sums: Floats) -> None:
    """Add up the usable sensors of one link. `sums` (SUMS,) float64 written in full."""
    sums[:] = 0.0
    sums[8] = math.inf  # age of the newest
    for s in rows:
        if freshness[s] not in (1, 2):
            continue
        if not math.isnan(said[s, FLOW]):
            sums[0] += said[s, FLOW]
            sums[1] += said[s, FLOW_VAR]
            sums[2] += lanes[s]
        if not math.isnan(said[s, SPEED]):
            weight = lanes[s]
            if not math.isnan(said[s, FLOW]):
                weight = max(said[s, FLOW], 1e-3)
            sums[3] += weight
            sums[4] += weight / max(said[s, SPEED], 0.01)
            sums[5] += weight * weight * said[s, SPEED_VAR]
            sums[9] += 1.0
        if not math.isnan(said[s, OCCUPANCY]):
            sums[6] += lanes[s] * said[s, OCCUPANCY]
            sums[7] += lanes[s]
            sums[11] += lanes[s] * said[s, OCCUPANCY] / said[s, LENGTH]
            sums[12] += lanes[s] * said[s, LENGTH_FRAC]
        if said[s, AGE] < sums[8]:
            sums[8] = said[s, AGE]
            sums[10] = said[s, DRIFT]


@njit(cache=True, nogil=True)
def _set_speed_and_flow(
    belief: Floats, sums: Floats, lanes: float, rows: Rows, said: Floats, freshness: Ints
) -> None:
    """Turn the sums over sensors into a flow and a space mean speed. `belief` written."""
    if sums[2] > 0.0:
        # Flow per covered lane, times lanes: right for a sensor a lane and for one over all.
        scale = lanes / sums[2]
        belief[B_FLOW] = scale * sums[0]
        belief[B_FLOW_VAR] = scale * scale * sums[1]
    if sums[3] > 0.0:
        # A link with one sensor repeats it: w / (w / v) is not v to the bit.
        speed = sums[3] / sums[4]
        if sums[9] == 1.0:
            for s in rows:
                if freshness[s] in (1, 2) and not math.isnan(said[s, SPEED]):
                    speed = said[s, SPEED]
        belief[B_SPEED] = speed
        belief[B_SPEED_VAR] = sums[5] / sums[3] ** 2


@njit(cache=True, nogil=True)
def _judge_age(rows: Rows, said: Floats, codes: Ints, link: int, found: Found) -> None:
    """Write the best freshness of a link's sensors, and the age of the newest silent one."""
    found.freshness[link] = 0
    for s in rows:
        code = codes[s]
        if code > 0 and (found.freshness[link] == 0 or code < found.freshness[link]):
            found.freshness[link] = code
        if code == 3 and not found.belief[link, B_AGE] < said[s, AGE]:
            found.belief[link, B_AGE] = said[s, AGE]


@njit(cache=True, nogil=True)
def _state_density(belief: Floats, sums: Floats, lanes: float) -> bool:
    """Complete one measured link; see `_set_density`."""
    if sums[7] == 0.0:
        return _set_density(belief, math.nan, math.nan, math.nan)
    covered = sums[7]
    return _set_density(belief, sums[6] / covered, lanes * sums[11] / covered, sums[12] / covered)


@njit(cache=True, nogil=True)
def combine_links(
    places: Places, said: Floats, freshness: Ints, sums: Floats, found: Found
) -> None:
    """State every link from its own sensors: source 1 MEASURED, or 0.

    said (sensors, SAID_FIELDS), freshness (sensors,)   of `read_sensors`, read
    sums    (SUMS,) float64 scratch
    found   written in full
    """
    for link in range(len(places.lanes)):
        belief = found.belief[link]
        belief[:] = math.nan
        found.source[link] = found.origins[link] = found.detectors[link] = 0
        rows = places.link_sensors[places.link_start[link] : places.link_start[link + 1]]
        _judge_age(rows, said, freshness, link, found)
        _merge_sensors(rows, said, freshness, places.sensor_lanes, sums)
        if sums[2] == 0.0 and sums[3] == 0.0 and sums[7] == 0.0:
            continue
        found.source[link] = 1
        belief[B_AGE] = sums[8]
        belief[B_DRIFT] = sums[10]
        _set_speed_and_flow(belief, sums, places.lanes[link], rows, said, freshness)
        for s in rows:
            found.detectors[link] += freshness[s] in (1, 2)
        found.origins[link] = SPEEDS * (sums[3] > 0.0) + COUNTS * (sums[2] > 0.0)
        if _state_density(belief, sums, places.lanes[link]):
            found.origins[link] |= OCCUPANCIES


@njit(cache=True, nogil=True)
def _carry_flow(places: Places, found: Found, link: int, km: float) -> None:
    """Guess the flow of a link from those along its road. `found.belief[link]` written."""
    total = flow = flow_var = 0.0
    for k in range(places.near_start[link], places.near_start[link + 1]):
        other = found.belief[places.near_link[k]]
        measured = found.source[places.near_link[k]] == 1
        if measured and places.near_same_road[k] and not math.isnan(other[B_FLOW]):
            weight = 1.0 / (places.near_m[k] + 200.0) ** 2
            total += weight
            flow += weight * other[B_FLOW]
            flow_var += weight * other[B_FLOW_VAR]
    if total > 0.0:
        guessed = min(flow / total, places.capacity_vps[link])
        belief = found.belief[link]
        belief[B_FLOW] = guessed
        belief[B_FLOW_VAR] = flow_var / total + REACH_FLOW_FRAC2_PER_KM * km * guessed**2
        _set_density(belief, math.nan, math.nan, math.nan)


@njit(cache=True, nogil=True)
def _from_neighbours(places: Places, found: Found, link: int) -> bool:
    """Guess one link from the measured ones around it. `found` of the link written if True."""
    total = ratio = ratio2 = own = 0.0
    nearest = -1
    for k in range(places.near_start[link], places.near_start[link + 1]):
        other = places.near_link[k]
        if found.source[other] != 1 or math.isnan(found.belief[other, B_SPEED]):
            continue
        weight = 1.0 / (places.near_m[k] + 200.0) ** 2
        share = found.belief[other, B_SPEED] / places.free_speed_mps[other]
        total += weight
        ratio += weight * share
        ratio2 += weight * share * share
        own += weight * found.belief[other, B_SPEED_VAR] / places.free_speed_mps[other] ** 2
        if nearest < 0:  # neighbours are listed nearest first
            nearest = k
    if nearest < 0:
        return False
    km = places.near_m[nearest] / 1000.0
    mean = ratio / total
    spread = max(ratio2 / total - mean * mean, 0.0) + own / total + REACH_FRAC2_PER_KM * km
    belief, closest = found.belief[link], places.near_link[nearest]
    belief[B_SPEED] = mean * places.free_speed_mps[link]
    belief[B_SPEED_VAR] = spread * places.free_speed_mps[link] ** 2
    belief[B_AGE] = found.belief[closest, B_AGE]
    belief[B_DRIFT] = found.belief[closest, B_DRIFT]
    if found.freshness[link] != 3:
        found.freshness[link] = found.freshness[closest]
    _carry_flow(places, found, link, km)
    return True


@njit(cache=True, nogil=True)
def _merged(belief: Floats, place: int, value: float, var: float) -> bool:
    """Merge one value with an independent one by inverse variance, unless they contradict.

    `belief[place]` and the variance behind it are written if True; the variance has a floor.
    """
    own, own_var = belief[place], belief[place + 1]
    if math.isnan(own) or math.isnan(value) or not var > 0.0 or not own_var > 0.0:
        return False
    if (own - value) ** 2 > AGREE_SD**2 * (own_var + var):
        return False
    mean = (own * var + value * own_var) / (own_var + var)
    belief[place] = mean
    belief[place + 1] = max(own_var * var / (own_var + var), (FLOOR_SPREAD_FRAC * mean) ** 2)
    return True


@njit(cache=True, nogil=True)
def _merge_usual(belief: Floats, usual: Floats) -> bool:
    """Merge what neighbours say of a link with its own usual day. `belief` written if True."""
    speed = _merged(belief, B_SPEED, usual[0], usual[1])
    flow = _merged(belief, B_FLOW, usual[2], usual[3])
    if speed or flow:
        _set_density(belief, math.nan, math.nan, math.nan)
    return speed or flow


@njit(cache=True, nogil=True)
def fill_links(places: Places, profile: Floats, found: Found) -> None:
    """Fill the links without a usable sensor: from neighbours, else from the learned profile.

    profile   (links, 4) float64 read: speed, its variance, flow, its variance; NaN = not learned
    found     written where its source is 0; a silent sensor's link stays STALE and keeps the age
              of its last measurement
    """
    for link in range(len(found.source)):
        if found.source[link] != 0:
            continue
        belief = found.belief[link]
        age_s = belief[B_AGE]
        if _from_neighbours(places, found, link):
            found.source[link] = 2
            found.origins[link] = BESIDE
            if _merge_usual(belief, profile[link]):
                found.origins[link] |= USUAL
        elif not math.isnan(profile[link, 0]) or not math.isnan(profile[link, 2]):
            found.source[link] = 3
            belief[B_SPEED] = profile[link, 0]
            belief[B_SPEED_VAR] = profile[link, 1]
            belief[B_FLOW] = profile[link, 2]
            belief[B_FLOW_VAR] = profile[link, 3]
            found.origins[link] = USUAL
            _set_density(belief, math.nan, math.nan, math.nan)
        if not math.isnan(age_s):
            belief[B_AGE] = age_s
