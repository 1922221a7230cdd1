"""The memory of perception and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.columns import Floats, Ints, ReadingBatch
from twin.errors import MapError
from twin.network.model import SingleMap
from twin.perceive.kernels import links as link_kernel
from twin.perceive.kernels.record import BINS, RING_FIELDS, record_readings
from twin.perceive.kernels.sensors import SAID_FIELDS, read_sensors
from twin.perceive.layout import Layout, layout_of
from twin.perceive.profile import LocalTime, empty_profile, link_profile
from twin.perceive.state import LinkState, Measured


@dataclass(frozen=True, slots=True)
class Belief:
    """All links, and how fast the speed of each wanders: (m/s)^2 a minute, NaN unknown."""

    links: LinkState
    drift_mps2_pmin: Floats


class Perception:
    """What the readings say about every link of one map.

    Its memory is a function of the set of readings that were observed: neither their order nor
    the cut of the batches changes a bit of it.
    """

    def __init__(self, network: SingleMap, *, timezone: str | None = None) -> None:
        """Know nothing yet. `timezone` (IANA) is the map's when not given."""
        self.layout: Layout = layout_of(network)
        self.local_time = LocalTime(timezone or network.timezone)
        sensors = len(network.sensors)
        self._newest: Ints = np.zeros((sensors, 3), np.int64)
        self._newest[:, 0] = -1
        self._newest_values: Floats = np.full((sensors, 3), np.nan)
        self._ring_bin: Ints = np.full((sensors, BINS), -1, np.int64)
        self._ring_sums: Ints = np.zeros((sensors, BINS, RING_FIELDS), np.int64)
        self._profile: Ints = empty_profile(sensors)

    def observe(self, batch: ReadingBatch) -> None:
        """Take readings in; the caller has checked them and left duplicates out."""
        middle_us = batch.time_us - batch.period_ms * 500
        values = np.column_stack([batch.count, batch.speed_mps, batch.occupancy_frac])
        record_readings(
            batch.sensor.astype(np.int32),
            batch.time_us.astype(np.int64),
            batch.period_ms.astype(np.int64),
            values.astype(np.float64),
            self.local_time.slots(middle_us),
            self._newest,
            self._newest_values,
            self._ring_bin,
            self._ring_sums,
            self._profile,
        )

    def measured(self) -> Measured:
        """Return the newest reading of every sensor, exactly as it was measured."""
        return Measured(
            time_us=self._newest[:, 0].copy(),
            period_ms=self._newest[:, 1].copy(),
            count=self._newest_values[:, 0].copy(),
            speed_mps=self._newest_values[:, 1].copy(),
            occupancy_frac=self._newest_values[:, 2].copy(),
        )

    def link_state(self, now_us: int) -> LinkState:
        """Return the estimate of every link at `now_us`."""
        return self.belief(now_us).links

    def belief(self, now_us: int) -> Belief:
        """Return the estimate of every link at `now_us`, with how fast it wanders."""
        layout = self.layout
        said = np.empty((len(self._newest), SAID_FIELDS))
        sensor_freshness = np.empty(len(self._newest), np.int64)
        read_sensors(
            now_us,
            self._newest,
            self._newest_values,
            self._ring_bin,
            self._ring_sums,
            layout.sensor_free_mps,
            said,
            sensor_freshness,
        )
        count = len(layout.lanes)
        belief = np.empty((count, link_kernel.BELIEF_FIELDS))
        source = np.empty(count, np.int64)
        freshness = np.empty(count, np.int64)
        link_kernel.combine_links(
            layout.link_start,
            layout.link_sensors,
            layout.sensor_lanes,
            said,
            sensor_freshness,
            layout.lanes,
            np.empty(11),
            belief,
            source,
            freshness,
        )
        link_kernel.fill_links(
            layout.neighbours.start,
            layout.neighbours.link,
            layout.neighbours.metres,
            layout.neighbours.same_road,
            layout.free_speed_mps,
            layout.capacity_vps,
            self.profile(np.array([now_us], np.int64))[0],
            belief,
            source,
            freshness,
        )
        return _belief(now_us, belief, source, freshness)

    def profile(self, time_us: Ints) -> Floats:
        """Return the usual state at these moments, (moments, links, 4), NaN = not learned.

        The last axis holds speed (m/s), its variance, flow (veh/s) and its variance.
        """
        return link_profile(self.layout, self._profile, self.local_time.slots(time_us))

    def state(self) -> dict[str, Ints | Floats]:
        """Return a copy of the memory: the same readings give the same arrays, to the bit."""
        learned = np.flatnonzero(self._profile.any(axis=2).ravel())
        filled = np.flatnonzero(self._ring_bin.ravel() >= 0)
        return {
            "newest": self._newest.copy(),
            "newest_values": self._newest_values.copy(),
            "ring_slot": filled,
            "ring_bin": self._ring_bin.ravel()[filled],
            "ring_sums": self._ring_sums.reshape(-1, RING_FIELDS)[filled],
            "profile_slot": learned,
            "profile_sums": self._profile.reshape(-1, self._profile.shape[2])[learned],
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the memory over. Raises MapError when it was made on another map."""
        shapes = (self._newest.shape, self._newest_values.shape)
        if (state["newest"].shape, state["newest_values"].shape) != shapes:
            message = f"the saved state does not fit a map of {len(self._newest)} sensors"
            raise MapError(message)
        self._newest[...] = state["newest"]
        self._newest_values[...] = state["newest_values"]
        self._ring_bin[...] = -1
        self._ring_bin.ravel()[state["ring_slot"]] = state["ring_bin"]
        self._ring_sums[...] = 0
        self._ring_sums.reshape(-1, RING_FIELDS)[state["ring_slot"]] = state["ring_sums"]
        self._profile[...] = 0
        learned = self._profile.reshape(-1, self._profile.shape[2])
        learned[state["profile_slot"]] = state["profile_sums"]

    def hash(self) -> str:
        """Return 32 hex digits over the whole memory."""
        digest = blake2b(digest_size=16)
        for name, array in sorted(self.state().items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _belief(now_us: int, belief: Floats, source: Ints, freshness: Ints) -> Belief:
    """Turn the kernel's columns into the published ones."""
    columns = np.ascontiguousarray(belief.T)
    return Belief(
        links=LinkState(
            time_us=now_us,
            speed_mps=columns[link_kernel.B_SPEED],
            speed_sd_mps=np.sqrt(columns[link_kernel.B_SPEED_VAR]),
            flow_vps=columns[link_kernel.B_FLOW],
            flow_sd_vps=np.sqrt(columns[link_kernel.B_FLOW_VAR]),
            density_vpm=columns[link_kernel.B_DENSITY],
            density_sd_vpm=np.sqrt(columns[link_kernel.B_DENSITY_VAR]),
            age_s=columns[link_kernel.B_AGE],
            source=source.astype(np.uint8),
            freshness=freshness.astype(np.uint8),
            closed=np.zeros(len(source), np.uint8),
        ),
        drift_mps2_pmin=columns[link_kernel.B_DRIFT],
    )
