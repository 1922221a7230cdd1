"""Follows roads cell by cell through the minutes that are remembered, up to now.

The answer is a function of those minutes alone: the ensemble starts anew eight minutes ago
with a fixed seed, so it needs no place in a snapshot, and readings that come late count.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from twin.columns import Bools, Floats
from twin.perceive.corridor.ensemble import MEMBERS, CellState, Chain, CorridorFilter
from twin.perceive.corridor.learning import FREE_SHARE, LEAST_CAPACITY, QUEUE_SHARE
from twin.perceive.corridor.roads import Road

MINUTES: Final = 8  # that are lived through again: what was before has left the road
MINUTE_S: Final = 60.0
STEP_S: Final = 2.0
PARTS: Final = 3  # of a minute, whose mean is held against what was measured in it
CELL_M: Final = 100.0
LEAST_DISCHARGE: Final = 3  # minutes of a queue's discharge that make a capacity
MOST_EXIT: Final = 0.6  # of the flow that one exit takes


class Minutes(NamedTuple):
    """What the detectors of a road measured, (minutes, detectors), oldest first; NaN unknown.

    speed_mps is the space mean, flow_vps of all lanes
    """

    speed_mps: Floats
    flow_vps: Floats


class LinkMeans(NamedTuple):
    """Means over the cells of each link of a road, (links,); flow is density times speed."""

    density_vpm: Floats
    flow_vps: Floats
    speed_mps: Floats
    density_sd_vpm: Floats
    speed_sd_mps: Floats


def follow(road: Road, minutes: Minutes, ahead_s: float = 0.0) -> LinkMeans:
    """Return the links of a road so long after the last minute."""
    filtered = CorridorFilter(
        _as_passed(_as_driven(road, minutes), road, minutes),
        road.detector_m,
        step_s=STEP_S,
        cell_m=CELL_M,
        members=MEMBERS,
    )
    exits, entries = ramp_flows(road, minutes)
    filtered.ramps(exits, entries)
    for speed_mps, flow_vps in zip(*minutes, strict=True):
        for _ in range(PARTS):
            filtered.advance(MINUTE_S / PARTS)
        filtered.report(speed_mps, flow_vps, MINUTE_S)
    steps = round(ahead_s / STEP_S)
    if steps:
        filtered.advance(steps * STEP_S)
    return _by_link(road, filtered.middle_m, filtered.state())


def _as_driven(road: Road, minutes: Minutes) -> Chain:
    """Return the chain with the speeds at which free traffic drives now: rain, limits, lorries."""
    free = road.chain.free_speed_mps
    usual = free[road.detector_link]
    share = np.where(minutes.speed_mps >= FREE_SHARE * usual, minutes.speed_mps / usual, np.nan)
    known = np.isfinite(share)
    mean = np.where(known, share, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    at = np.flatnonzero(known.any(axis=0))
    if not len(at):
        return road.chain
    places = np.arange(len(free))
    driven = np.clip(np.interp(places, road.detector_link[at], mean[at]), FREE_SHARE, 1.0) * free
    return road.chain._replace(free_speed_mps=np.asarray(driven, np.float64))


def _as_passed(chain: Chain, road: Road, minutes: Minutes) -> Chain:
    """Return the chain with the capacities that queues show: a crash, works, a lane that ends.

    Where a slow detector is followed by a free one, a bottleneck lies between: it passes what is
    counted behind it. Waves keep their speed.
    """
    capacity, jam = chain.capacity_vps.copy(), chain.jam_vpm.copy()
    usual = road.chain.free_speed_mps[road.detector_link]
    free, slow = minutes.speed_mps >= FREE_SHARE * usual, minutes.speed_mps < QUEUE_SHARE * usual
    for at in range(len(road.detector_link) - 1):
        discharge = slow[:, at] & free[:, at + 1] & np.isfinite(minutes.flow_vps[:, at + 1])
        if discharge.sum() < LEAST_DISCHARGE:
            continue
        passed = float(minutes.flow_vps[discharge, at + 1].mean())
        there = slice(int(road.detector_link[at]) + 1, int(road.detector_link[at + 1]) + 1)
        share = np.clip(passed / capacity[there], LEAST_CAPACITY, 1.0)
        capacity[there] *= share
        jam[there] *= share
    return chain._replace(capacity_vps=capacity, jam_vpm=jam)


def free_links(road: Road, minutes: Minutes, recent: int) -> Bools:
    """Return the links that lie between detectors that saw free traffic lately, (links,).

    A link between two detectors needs both; one with a detector needs its neighbours as well.
    """
    usual = road.chain.free_speed_mps[road.detector_link]
    seen = minutes.speed_mps[-recent:]
    told = np.isfinite(seen).any(axis=0)
    slow = np.asarray((seen < FREE_SHARE * usual).any(axis=0), np.bool_)
    free = np.asarray(told & ~slow, np.bool_)
    links = np.arange(len(road.link))
    before = np.searchsorted(road.detector_link, links, side="left") - 1
    after = np.searchsorted(road.detector_link, links, side="right")
    first, last = np.maximum(before, 0), np.minimum(after, len(free) - 1)
    all_free = np.concatenate([[0], np.cumsum(~free)])
    return np.asarray(all_free[last + 1] == all_free[first])


def ramp_flows(road: Road, minutes: Minutes) -> tuple[Floats, Floats]:
    """Return what leaves (as a share) and joins (veh/s) between the links, (links - 1,) each.

    Free traffic tells: the counts before and after differ by it. A queue that grows between two
    detectors would look like an exit, so minutes with a slow detector on either side are left out.
    """
    inner = len(road.link) - 1
    exits, entries = np.zeros(inner), np.zeros(inner)
    free = minutes.speed_mps >= FREE_SHARE * road.chain.free_speed_mps[road.detector_link]
    for at in range(len(road.detector_link) - 1):
        between = slice(int(road.detector_link[at]), int(road.detector_link[at + 1]))
        ramps = between.start + np.flatnonzero(road.ramp[between])
        both = free[:, at] & free[:, at + 1] & np.isfinite(minutes.flow_vps[:, at : at + 2]).all(1)
        if not len(ramps) or not both.any():
            continue
        before, after = minutes.flow_vps[both, at].mean(), minutes.flow_vps[both, at + 1].mean()
        if after >= before:
            entries[ramps[-1]] = after - before
        else:
            exits[ramps[0]] = min(1.0 - after / before, MOST_EXIT)
    return exits, entries


def _by_link(road: Road, middle_m: Floats, state: CellState) -> LinkMeans:
    """Average cells over links: densities and flows are means, the speed is what they make."""
    ends = np.cumsum(road.chain.length_m)
    cell_link = np.minimum(np.searchsorted(ends, middle_m), len(ends) - 1)
    count = np.bincount(cell_link, minlength=len(ends))

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(cell_link, values, len(ends)) / count, np.float64)

    density, flow = mean(state.density_vpm), mean(state.flow_vps)
    speed = np.where(density > 1e-9, flow / np.maximum(density, 1e-9), mean(state.speed_mps))
    return LinkMeans(
        density, density * speed, speed, mean(state.density_sd_vpm), mean(state.speed_sd_mps)
    )
