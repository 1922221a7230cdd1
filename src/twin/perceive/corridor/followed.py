"""The roads that are followed cell by cell, as part of the state of all links.

Only free stretches are taken over: there the cells halve the noise of counts and carry it on to
now. In queues the cells of a triangular diagram were no nearer to the truth of a simulated city
than the detectors themselves, so links with or beside a slow detector stay as measured.

What it says at a moment depends on the remembered minutes alone, whole ones only, and a quarter
of a minute is left for those that are under way. What was computed is kept until they change.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.network.model import SingleMap
from twin.perceive.corridor.follow import MINUTES, LinkMeans, Minutes, follow, free_links
from twin.perceive.corridor.roads import LEAST_DETECTORS, followed_roads
from twin.perceive.kernels.record import BIN_US, BINS
from twin.perceive.layout import Layout
from twin.perceive.state import LinkState, Origin

WAIT_US: Final = 15_000_000  # for readings of the last minute that are under way
AHEAD_S: Final = 44.0  # from the end of the last whole minute to the middle of its use
RECENT: Final = 3  # minutes in which detectors must have spoken
_COUNT, _COUNT_MS, _WEIGHT, _PACE = 1, 2, 3, 4  # columns of the ring


class FollowedRoads:
    """The followed roads of one map and what was last made of each."""

    def __init__(self, network: SingleMap, layout: Layout) -> None:
        """Find the roads; a map may have none."""
        self._roads = followed_roads(network)
        self._layout = layout
        self._made: list[tuple[bytes, LinkMeans] | None] = [None] * len(self._roads)

    def into(
        self, state: LinkState, ring_bin: Ints, ring_sums: Ints, *, failed: Bools
    ) -> LinkState:
        """Return the state with the links of followed roads as their cells have them.

        ring_bin, ring_sums   of `Memory`, read; failed (sensors,): left out
        """
        last = (state.time_us - WAIT_US) // BIN_US - 1
        if not self._roads or last < MINUTES:
            return state
        flow, speed = self._minutes(
            ring_bin, ring_sums, failed, np.arange(last - MINUTES + 1, last + 1)
        )
        density, density_sd = state.density_vpm.copy(), state.density_sd_vpm.copy()
        speed_mps, speed_sd = state.speed_mps.copy(), state.speed_sd_mps.copy()
        flow_vps, origins = state.flow_vps.copy(), state.origins.copy()
        for at, road in enumerate(self._roads):
            rows = road.link[road.detector_link]
            minutes = Minutes(speed[:, rows], flow[:, rows])
            known = np.isfinite(minutes.speed_mps) & np.isfinite(minutes.flow_vps)
            if known[-RECENT:].any(axis=0).sum() < LEAST_DETECTORS:
                continue
            means = self._followed(at, minutes)
            free = free_links(road, minutes, RECENT)
            rows = road.link[free]
            density[rows], density_sd[rows] = means.density_vpm[free], means.density_sd_vpm[free]
            speed_mps[rows], speed_sd[rows] = means.speed_mps[free], means.speed_sd_mps[free]
            flow_vps[rows] = means.flow_vps[free]
            origins[rows] |= np.uint8(Origin.CELLS)
        return dataclasses.replace(
            state,
            speed_mps=speed_mps,
            speed_sd_mps=speed_sd,
            flow_vps=flow_vps,
            density_vpm=density,
            density_sd_vpm=density_sd,
            origins=origins,
        )

    def _followed(self, at: int, minutes: Minutes) -> LinkMeans:
        key = minutes.speed_mps.tobytes() + minutes.flow_vps.tobytes()
        made = self._made[at]
        if made is None or made[0] != key:
            made = key, follow(self._roads[at], minutes, AHEAD_S)
            self._made[at] = made
        return made[1]

    def _minutes(
        self, ring_bin: Ints, ring_sums: Ints, failed: Bools, wanted: Ints
    ) -> tuple[Floats, Floats]:
        """Return flow and space mean speed of all links in these minutes, (minutes, links)."""
        slots = wanted % BINS
        there = (ring_bin[:, slots] == wanted) & ~failed[:, None]
        sums = np.where(there[:, :, None], ring_sums[:, slots], 0).astype(np.float64)
        places = self._layout.places
        links, shape = self._layout.sensor_link, (len(wanted), len(places.lanes))

        def of_links(by_sensor: Floats) -> Floats:
            total = np.zeros(shape)
            np.add.at(total.T, links, by_sensor)
            return total

        counted_ms = sums[:, :, _COUNT_MS]
        seconds = np.maximum(counted_ms, 1.0) / 1000.0
        rate = np.where(counted_ms > 0, sums[:, :, _COUNT] / 1000.0 / seconds, 0.0)
        covered = of_links(np.where(counted_ms > 0, places.sensor_lanes[:, None], 0.0))
        scale = np.divide(places.lanes, covered, out=np.full(shape, np.nan), where=covered > 0)
        weight, pace = of_links(sums[:, :, _WEIGHT]), of_links(sums[:, :, _PACE])
        speed = np.divide(1e9 * weight, pace, out=np.full(shape, np.nan), where=pace > 0)
        return of_links(rate) * scale, speed
