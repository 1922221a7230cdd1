"""Holds the counts of neighbouring stations against each other."""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from twin.perceive.kernels.health import (
    BLOCK_US,
    BLOCKS,
    IMBALANCE_BIT,
    L_IMBALANCE,
    VEHICLES,
    VEHICLES_MS,
    Codes,
    Watch,
)
from twin.perceive.kernels.record import Floats, Rows

HOUR_BLOCKS = 4
NO_BLOCK = 2**62
TOLD_FRAC = 0.9  # of the hour, by every detector


class Sections(NamedTuple):
    """Stretches of road between stations, closed: whoever drives in is counted, and out.

    in_start (sections + 1,), in_link, out_start, out_link   CSR of links with sensors; the first
        of each is on the road itself, the others are ramps
    link_start (links + 1,), link_sensors, lanes (links,), sensor_lanes (sensors,)   of `Places`
    """

    in_start: Rows
    in_link: Rows
    out_start: Rows
    out_link: Rows
    link_start: Rows
    link_sensors: Rows
    lanes: Floats
    sensor_lanes: Floats


@njit(cache=True, nogil=True)
def _counted(sections: Sections, watch: Watch, faults: Codes, link: int, last: int) -> float:
    """Return the vehicles of the hour of blocks before `last` on a link; NaN: not all were told."""
    rows = sections.link_sensors[sections.link_start[link] : sections.link_start[link + 1]]
    vehicles = covered = 0.0
    for s in rows:
        if faults[s] != 0:
            return math.nan
        reported_ms = 0
        own = 0.0
        for number in range(last - HOUR_BLOCKS, last):
            if number >= 0 and watch.block[s, number % BLOCKS] == number:
                reported_ms += watch.blocks[s, number % BLOCKS, VEHICLES_MS]
                own += watch.blocks[s, number % BLOCKS, VEHICLES] / 1000.0
        if reported_ms < TOLD_FRAC * HOUR_BLOCKS * BLOCK_US / 1000:
            return math.nan
        vehicles += own
        covered += sections.sensor_lanes[s]
    return vehicles * sections.lanes[link] / covered if covered > 0.0 else math.nan


@njit(cache=True, nogil=True)
def _newest_block(sections: Sections, watch: Watch, links: Rows, newest: int) -> int:
    """Return the oldest of the newest blocks of the sensors of some links."""
    for link in links:
        for s in sections.link_sensors[sections.link_start[link] : sections.link_start[link + 1]]:
            newest = min(newest, watch.block[s].max())
    return newest


@njit(cache=True, nogil=True)
def balance_sections(
    sections: Sections, watch: Watch, faults: Codes, least: float, imbalance: Floats
) -> None:
    """Say by what share more drives into each section than out of it, over the last full hour.

    faults      (sensors,) read: a detector that is known to be wrong makes no balance
    least       vehicles: fewer tell nothing
    imbalance   (sections,) float64 written in full, -1 to 1, NaN where it cannot be told
    """
    for k in range(len(imbalance)):
        imbalance[k] = math.nan
        into = sections.in_link[sections.in_start[k] : sections.in_start[k + 1]]
        out = sections.out_link[sections.out_start[k] : sections.out_start[k + 1]]
        last = _newest_block(sections, watch, into, NO_BLOCK)
        last = _newest_block(sections, watch, out, last)
        entered = left = 0.0
        for link in into:
            entered += _counted(sections, watch, faults, link, last)
        for link in out:
            left += _counted(sections, watch, faults, link, last)
        if max(entered, left) >= least:
            imbalance[k] = (entered - left) / max(entered, left)


@njit(cache=True, nogil=True)
def blame_stations(
    sections: Sections, imbalance: Floats, limits: Floats, before: Rows, faults: Codes
) -> None:
    """Mark the stations that do not fit both their neighbours, though these fit each other.

    A station counts too little when more drives into the section before it than out, and less
    into the one behind it. Where only one section is wrong nobody can say which end it is.

    before   (sections,) int32 read: the section that ends where this one begins, -1 none
    faults   (sensors,) uint8: IMBALANCE_BIT is set
    """
    for k in range(len(imbalance)):
        if before[k] < 0:
            continue
        link = sections.in_link[sections.in_start[k]]
        rows = sections.link_sensors[sections.link_start[link] : sections.link_start[link + 1]]
        up, down = imbalance[before[k]], imbalance[k]
        for s in rows:
            limit = limits[s, L_IMBALANCE]
            both = abs(up) >= limit and abs(down) >= limit
            if both and up * down < 0.0 and abs(up + down) < limit:
                faults[s] |= IMBALANCE_BIT
