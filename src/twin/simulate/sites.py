"""Where the capacity drops, and by how much: learned from a row of detectors.

A bottleneck is active between two neighbours when the one before it is queued and the one behind it
is free (Chen, Skabardonis and Varaiya 2004). The most that passed before a breakdown is the
capacity, what passes while the queue stands is the discharge (Cassidy and Bertini 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats
from twin.errors import SimulationError

QUEUED_SHARE = 0.65  # of free speed: slower is queued
FREE_SHARE = 0.8  # of free speed: quicker is free
BEFORE_S = 600.0  # of free traffic before a breakdown
CAPACITY_S = 300.0  # of it: the capacity is the most that passed in as long a time
SETTLED_S = 300.0  # after a breakdown until the discharge is read
HELD_S = 900.0  # a queue that lasts less tells nothing
LEAST_BREAKDOWNS = 3


@dataclass(frozen=True, slots=True)
class Site:
    """A bottleneck that was seen to break down.

    before, behind   columns of the detectors around it
    capacity_vps     median flow before breakdowns
    drop_share       median share of it that passes while vehicles queue, at most 1
    low, high        quartiles of the shares;  breakdowns how many there were
    """

    before: int
    behind: int
    capacity_vps: float
    drop_share: float
    low: float
    high: float
    breakdowns: int


def learn_sites(
    flow_vps: Floats, speed_mps: Floats, *, free_mps: Floats, interval_s: float
) -> list[Site]:
    """Return the sites between neighbours of a row of detectors, in the order of travel.

    flow_vps, speed_mps   (moments, detectors) means of intervals, NaN where unknown; all lanes
    free_mps              (detectors,)
    A pair with fewer than three breakdowns is no site. Raises SimulationError when shapes differ.
    """
    detectors = len(free_mps)
    if flow_vps.shape != speed_mps.shape or flow_vps.shape[1:] != (detectors,):
        message = f"flows {flow_vps.shape} and speeds {speed_mps.shape} of {detectors} detectors"
        raise SimulationError(message)
    queued = speed_mps < QUEUED_SHARE * free_mps
    free = speed_mps >= FREE_SHARE * free_mps
    sites = []
    for before in range(detectors - 1):
        behind = before + 1
        active = queued[:, before] & free[:, behind]
        flowing = free[:, before] & free[:, behind]
        pairs = _breakdowns(flow_vps[:, behind], active, flowing, interval_s)
        if len(pairs) >= LEAST_BREAKDOWNS:
            sites.append(_site(before, behind, np.array(pairs)))
    return sites


def drop_shares(sites: Sequence[Site], entry_link: Sequence[int], links: int) -> Floats:
    """Return the shares by link as the models take them, 1 where no site is.

    entry_link   (detectors,) for each detector the link whose entry lies between it and the one
                 before it
    """
    shares = np.ones(links)
    for site in sites:
        shares[entry_link[site.behind]] = site.drop_share
    return shares


def _breakdowns(
    flow_vps: Floats, active: Bools, flowing: Bools, interval_s: float
) -> list[tuple[float, float]]:
    """Return the flow before and during every queue that lasted and came out of free traffic."""
    ahead, most, settled, held = (
        max(round(time_s / interval_s), 1) for time_s in (BEFORE_S, CAPACITY_S, SETTLED_S, HELD_S)
    )
    found = []
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        # The queue reaches the detector before it a little later: that time is neither.
        free_until = start
        while free_until > 0 and not flowing[free_until - 1] and start - free_until < ahead:
            free_until -= 1
        first = free_until - ahead
        if stop - start < held or first < 0 or not flowing[first:free_until].all():
            continue
        windows = np.lib.stride_tricks.sliding_window_view(flow_vps[first:free_until], most)
        capacity = float(np.nanmean(windows, axis=1).max())
        discharge = float(np.nanmean(flow_vps[start + settled : stop]))
        if capacity > 0.0:
            found.append((capacity, discharge))
    return found


def _site(before: int, behind: int, pairs: Floats) -> Site:
    """Sum breakdowns (n, 2) up; medians, for one breakdown in rain must not say it all."""
    low, middle, high = np.quantile(pairs[:, 1] / pairs[:, 0], [0.25, 0.5, 0.75]).tolist()
    return Site(
        before=before,
        behind=behind,
        capacity_vps=float(np.median(pairs[:, 0])),
        drop_share=min(middle, 1.0),
        low=low,
        high=high,
        breakdowns=len(pairs),
    )
