"""From what sensors say to the state of every link."""

from __future__ import annotations

import math

from numba import njit

from twin.perceive.kernels.record import Floats, Ints, Rows
from twin.perceive.kernels.sensors import (
    AGE,
    DRIFT,
    FLOW,
    FLOW_VAR,
    OCCUPANCY,
    SPEED,
    SPEED_VAR,
)

EFFECTIVE_LENGTH_M = 6.5  # of a vehicle over a loop: its own length and the loop's
EFFECTIVE_SPREAD_FRAC = 0.15
STANDING_OCCUPANCY = 0.5  # nobody passes but the loop is covered: the queue stands on it
SLOWEST_MPS = 0.5  # a density is not divided out of a slower speed
REACH_FRAC2_PER_KM = 0.01  # variance added per km to a neighbour's speed ratio
REACH_FLOW_FRAC2_PER_KM = 0.02

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


@njit(cache=True, nogil=True)
def _set_density(belief: Floats, occupancy: float, lanes: float) -> None:
    """Complete flow, speed and density by q = k v, or from occupancy. `belief` written."""
    flow = belief[B_FLOW]
    from_loops = occupancy * lanes / EFFECTIVE_LENGTH_M
    if math.isnan(belief[B_SPEED]) and not math.isnan(occupancy):
        if occupancy >= STANDING_OCCUPANCY and flow == 0.0:
            belief[B_SPEED] = 0.0
            belief[B_SPEED_VAR] = 1.0
        elif flow > 0.0 and from_loops > 0.0:
            belief[B_SPEED] = flow / from_loops
            belief[B_SPEED_VAR] = (EFFECTIVE_SPREAD_FRAC * belief[B_SPEED]) ** 2
    speed = belief[B_SPEED]
    if flow > 0.0 and speed > 0.0:
        slow = max(speed, SLOWEST_MPS)
        density = flow / slow
        belief[B_DENSITY] = density
        relative = belief[B_FLOW_VAR] / flow**2 + belief[B_SPEED_VAR] / slow**2
        belief[B_DENSITY_VAR] = relative * density**2
    elif not math.isnan(occupancy):
        belief[B_DENSITY] = from_loops
        belief[B_DENSITY_VAR] = (EFFECTIVE_SPREAD_FRAC * from_loops) ** 2
    elif flow == 0.0:
        belief[B_DENSITY] = 0.0
        belief[B_DENSITY_VAR] = belief[B_FLOW_VAR] / SLOWEST_MPS**2 * 0.01


@njit(cache=True, nogil=True)
def _merge_sensors(rows: Rows, said: Floats, freshness: Ints, lanes: Floats, sums: Floats) -> None:
    """Add up the usable sensors of one link. `sums` (11,) float64 written in full."""
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
def combine_links(
    link_start: Rows,
    link_sensors: Rows,
    sensor_lanes: Floats,
    said: Floats,
    sensor_freshness: Ints,
    lanes: Floats,
    sums: Floats,
    belief: Floats,
    source: Ints,
    freshness: Ints,
) -> None:
    """State every link from its own sensors.

    link_start (links + 1,), link_sensors   CSR of the sensors of a link, read
    sensor_lanes, said, sensor_freshness    by sensor, read; lanes (links,) read
    sums             (11,) float64 scratch
    belief           (links, BELIEF_FIELDS) float64 written in full, NaN = unknown
    source           (links,) int64 written in full: 1 MEASURED or 0
    freshness        (links,) int64 written in full: best of the link's sensors
    """
    for link in range(len(lanes)):
        belief[link, :] = math.nan
        source[link] = 0
        freshness[link] = 0
        rows = link_sensors[link_start[link] : link_start[link + 1]]
        for s in rows:
            code = sensor_freshness[s]
            if code > 0 and (freshness[link] == 0 or code < freshness[link]):
                freshness[link] = code
            if code == 3 and not belief[link, B_AGE] < said[s, AGE]:
                belief[link, B_AGE] = said[s, AGE]
        _merge_sensors(rows, said, sensor_freshness, sensor_lanes, sums)
        if sums[2] == 0.0 and sums[3] == 0.0 and sums[7] == 0.0:
            continue
        source[link] = 1
        belief[link, B_AGE] = sums[8]
        belief[link, B_DRIFT] = sums[10]
        _set_speed_and_flow(belief[link], sums, lanes[link], rows, said, sensor_freshness)
        occupancy = sums[6] / sums[7] if sums[7] > 0.0 else math.nan
        _set_density(belief[link], occupancy, lanes[link])


@njit(cache=True, nogil=True)
def _from_neighbours(
    rows: Rows,
    metres: Floats,
    same_road: Ints,
    belief: Floats,
    source: Ints,
    freshness: Ints,
    free_speed_mps: Floats,
    link: int,
    capacity_vps: float,
) -> bool:
    """Guess one link from the measured ones around it. `belief[link]` written if True."""
    total = ratio = ratio2 = own = flow_total = flow = flow_var = 0.0
    nearest = -1
    for k in range(len(rows)):
        other = rows[k]
        if source[other] != 1 or math.isnan(belief[other, B_SPEED]):
            continue
        weight = 1.0 / (metres[k] + 200.0) ** 2
        share = belief[other, B_SPEED] / free_speed_mps[other]
        total += weight
        ratio += weight * share
        ratio2 += weight * share * share
        own += weight * belief[other, B_SPEED_VAR] / free_speed_mps[other] ** 2
        if nearest < 0 or metres[k] < metres[nearest]:
            nearest = k
        if same_road[k] and not math.isnan(belief[other, B_FLOW]):
            flow_total += weight
            flow += weight * belief[other, B_FLOW]
            flow_var += weight * belief[other, B_FLOW_VAR]
    if nearest < 0:
        return False
    km = metres[nearest] / 1000.0
    mean = ratio / total
    spread = max(ratio2 / total - mean * mean, 0.0) + own / total + REACH_FRAC2_PER_KM * km
    belief[link, B_SPEED] = mean * free_speed_mps[link]
    belief[link, B_SPEED_VAR] = spread * free_speed_mps[link] ** 2
    belief[link, B_AGE] = belief[rows[nearest], B_AGE]
    belief[link, B_DRIFT] = belief[rows[nearest], B_DRIFT]
    if freshness[link] != 3:
        freshness[link] = freshness[rows[nearest]]
    if flow_total > 0.0:
        guessed = min(flow / flow_total, capacity_vps)
        belief[link, B_FLOW] = guessed
        belief[link, B_FLOW_VAR] = flow_var / flow_total + REACH_FLOW_FRAC2_PER_KM * km * guessed**2
        _set_density(belief[link], math.nan, 1.0)
    return True


@njit(cache=True, nogil=True)
def fill_links(
    near_start: Rows,
    near_link: Rows,
    near_m: Floats,
    near_same_road: Ints,
    free_speed_mps: Floats,
    capacity_vps: Floats,
    profile: Floats,
    belief: Floats,
    source: Ints,
    freshness: Ints,
) -> None:
    """Fill the links without a usable sensor: from neighbours, else from the learned profile.

    near_*    CSR by link of links with sensors around it, distances and same-road flags, read
    profile   (links, 4) float64 read: speed, its variance, flow, its variance; NaN = not learned
    belief, source, freshness   written where source is 0; a silent sensor's link stays STALE and
                                keeps the age of its last measurement
    """
    for link in range(len(source)):
        if source[link] != 0:
            continue
        age_s = belief[link, B_AGE]
        part = slice(near_start[link], near_start[link + 1])
        found = _from_neighbours(
            near_link[part],
            near_m[part],
            near_same_road[part],
            belief,
            source,
            freshness,
            free_speed_mps,
            link,
            capacity_vps[link],
        )
        if found:
            source[link] = 2
        elif not math.isnan(profile[link, 0]) or not math.isnan(profile[link, 2]):
            source[link] = 3
            belief[link, B_SPEED] = profile[link, 0]
            belief[link, B_SPEED_VAR] = profile[link, 1]
            belief[link, B_FLOW] = profile[link, 2]
            belief[link, B_FLOW_VAR] = profile[link, 3]
            _set_density(belief[link], math.nan, 1.0)
        if not math.isnan(age_s):
            belief[link, B_AGE] = age_s
