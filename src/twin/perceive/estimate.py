"""The memory of perception and what it makes of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.columns import Floats, Ints, ReadingBatch, Rows
from twin.errors import MapError
from twin.network.model import SingleMap
from twin.perceive.corridor.followed import FollowedRoads
from twin.perceive.health.chains import Section
from twin.perceive.health.detectors import DetectorHealth, Detectors
from twin.perceive.incident_signs import Minutes, last_minutes
from twin.perceive.kernels import links as kernel
from twin.perceive.kernels.record import BINS, RING_FIELDS, Memory, record_readings
from twin.perceive.kernels.sensors import (
    FLOW,
    FLOW_VAR,
    LENGTH,
    LENGTH_FRAC,
    SAID_FIELDS,
    read_sensors,
)
from twin.perceive.layout import Layout, layout_of
from twin.perceive.outcome import measured_speed
from twin.perceive.profile import LocalTime, empty_profile, link_profile
from twin.perceive.state import LinkState, Measured, Origin
from twin.perceive.trend import Trend, flow_trend
from twin.perceive.vehicle_length import effective_lengths, empty_lengths, learn_lengths
from twin.perceive.weather import WeatherShares

HEADING_S = 900.0  # over which a growth is carried from links with counts to those without


@dataclass(frozen=True, slots=True)
class Belief:
    """All links, how fast the speed of each wanders, and where its flow is heading.

    drift_mps2_pmin   (links,) (m/s)^2 a minute, NaN unknown
    steady_vps, growth_vps2   (links,) the line through the last half hour of counts: its value now
                      and its rise a second; NaN where no count makes one
    """

    links: LinkState
    drift_mps2_pmin: Floats
    steady_vps: Floats
    growth_vps2: Floats


class Perception:
    """What the readings say about every link of one map.

    Its memory is a function of the set of readings that were observed: neither their order nor
    the cut of the batches changes a bit of it.
    """

    def __init__(self, network: SingleMap, *, timezone: str | None = None) -> None:
        """Know nothing yet. `timezone` (IANA) is the map's when not given."""
        self.layout: Layout = layout_of(network)
        self.local_time = LocalTime(timezone or network.timezone)
        self._detectors = Detectors(network, self.layout)
        self._followed = FollowedRoads(network, self.layout)
        sensors = len(network.sensors)
        self._memory = Memory(
            newest=np.tile(np.array([-1, 0, 0], np.int64), (sensors, 1)),
            newest_values=np.full((sensors, 3), np.nan),
            ring_bin=np.full((sensors, BINS), -1, np.int64),
            ring_sums=np.zeros((sensors, BINS, RING_FIELDS), np.int64),
            profile_sums=empty_profile(sensors),
            length_sums=empty_lengths(sensors),
        )

    def observe(self, batch: ReadingBatch) -> None:
        """Take readings in; the caller has checked them and left duplicates out."""
        middle_us = batch.time_us - batch.period_ms * 500
        values = self._values(batch)
        may_teach = self._detectors.observe(batch, np.ascontiguousarray(values[:, :3]))
        free_mps = self.layout.sensor_free_mps
        learn_lengths(self._memory.length_sums, batch, values, may_teach, free_mps)
        record_readings(
            batch.sensor.astype(np.int32),
            batch.time_us.astype(np.int64),
            batch.period_ms.astype(np.int64),
            values,
            np.where(may_teach, self.local_time.slots(middle_us), -1),
            self._memory,
        )

    def _values(self, batch: ReadingBatch) -> Floats:
        """Return (n, 4): count, speed as reported, occupancy, space mean speed."""
        space_mps = batch.speed_mps * self.layout.space_share[batch.sensor]
        columns = [batch.count, batch.speed_mps, batch.occupancy_frac, space_mps]
        return np.column_stack(columns).astype(np.float64)

    def health(self) -> DetectorHealth:
        """Return the verdict on every detector, by the event time of its readings."""
        return self._detectors.judge(self._memory.ring_bin, self._memory.ring_sums)

    def measured_speed(self, last_minute: int, *, minutes: int) -> Floats:
        """Return what was measured on the links over the minutes that end with `last_minute`.

        (links,) m/s, NaN where no detector that is believed told a speed. Minutes are numbers
        since 1970; the last half hour is remembered.
        """
        return measured_speed(
            self.layout,
            self._memory.ring_bin,
            self._memory.ring_sums,
            last_minute,
            minutes=minutes,
            failed=self.health().failed,
        )

    def last_minutes(self, last_minute: int) -> Minutes:
        """Return counts and speeds of the links over the minutes that end with `last_minute`."""
        return last_minutes(
            self.layout,
            self._memory.ring_bin,
            self._memory.ring_sums,
            last_minute,
            failed=self.health().failed,
        )

    def section_rows(self, sections: Sequence[Section]) -> Ints:
        """Return where closed sections stand in `DetectorHealth.imbalance`."""
        place = {one: row for row, one in enumerate(self._detectors.sections)}
        return np.array([place[one] for one in sections], np.int64)

    def measured(self) -> Measured:
        """Return the newest reading of every sensor, exactly as it was measured."""
        return Measured(
            time_us=self._memory.newest[:, 0].copy(),
            period_ms=self._memory.newest[:, 1].copy(),
            count=self._memory.newest_values[:, 0].copy(),
            speed_mps=self._memory.newest_values[:, 1].copy(),
            occupancy_frac=self._memory.newest_values[:, 2].copy(),
        )

    def link_state(self, now_us: int, weather: WeatherShares | None = None) -> LinkState:
        """Return the estimate of every link at `now_us`, with what known weather leaves of roads.

        Weather counts where no detector of a link says how fast its traffic is.
        """
        found = self._combined(*self._said(now_us, weather))
        kernel.fill_links(self._places(weather), self._usual(now_us, weather), found)
        if weather is not None:
            guessed = (found.origins & kernel.USUAL > 0) & (weather.speed < 1.0)
            found.origins[guessed] |= Origin.WEATHER
        return _links(now_us, found)

    def _places(self, weather: WeatherShares | None) -> kernel.Places:
        places = self.layout.places
        if weather is None:
            return places
        return places._replace(capacity_vps=places.capacity_vps * weather.capacity)

    def followed(self, state: LinkState) -> LinkState:
        """Return the state of a moment with the motorways as their cells have them."""
        return self._followed.into(
            state, self._memory.ring_bin, self._memory.ring_sums, failed=self.health().failed
        )

    def belief(self, now_us: int, weather: WeatherShares | None = None) -> Belief:
        """Return the estimate of every link at `now_us`, with how it wanders and where it heads."""
        said, freshness = self._said(now_us, weather)
        found = self._combined(said, freshness)
        usual = self._usual(now_us, weather)
        kernel.fill_links(self._places(weather), usual, found)
        steady_vps, growth_vps2 = self._heading(now_us, said, freshness, usual)
        return _belief(now_us, found, steady_vps, growth_vps2)

    def _usual(self, now_us: int, weather: WeatherShares | None = None) -> Floats:
        """Return the usual state of this moment, (links, 4) as `profile`, slowed by weather."""
        usual = np.asarray(self.profile(np.array([now_us], np.int64))[0], np.float64)
        if weather is not None:
            usual[:, 0] *= weather.speed
            usual[:, 1] *= weather.speed**2
        return usual

    def _said(self, now_us: int, weather: WeatherShares | None = None) -> tuple[Floats, Ints]:
        """Return what the last minutes of every sensor tell, and how fresh it is.

        A detector that failed says nothing, as if there were none.
        """
        said = np.empty((len(self._memory.newest), SAID_FIELDS))
        freshness = np.empty(len(said), np.int64)
        free_mps, share = self.layout.sensor_free_mps, self.layout.space_share
        if weather is not None:
            free_mps = free_mps * weather.speed[self.layout.sensor_link]
        read_sensors(now_us, self._memory, free_mps, share, said, freshness)
        lengths = effective_lengths(self._memory.length_sums, self.layout.places.sensor_lanes)
        said[:, LENGTH], said[:, LENGTH_FRAC] = lengths.length_m, lengths.sd_frac
        failed = self.health().failed
        said[failed], freshness[failed] = np.nan, 0
        return said, freshness

    def _combined(self, said: Floats, freshness: Ints) -> kernel.Found:
        """Return what the sensors of every link say together."""
        links = len(self.layout.places.lanes)
        found = kernel.Found(
            belief=np.empty((links, kernel.BELIEF_FIELDS)),
            source=np.empty(links, np.int64),
            freshness=np.empty(links, np.int64),
            origins=np.empty(links, np.int64),
            detectors=np.empty(links, np.int64),
        )
        kernel.combine_links(self.layout.places, said, freshness, np.empty(kernel.SUMS), found)
        return found

    def _heading(
        self, now_us: int, said: Floats, freshness: Ints, usual: Floats
    ) -> tuple[Floats, Floats]:
        """Return steady flow and its growth of every link, carried to neighbours as flows are."""
        trend: Trend = flow_trend(
            self._memory.ring_bin,
            self._memory.ring_sums,
            now_us,
            free_mps=self.layout.sensor_free_mps,
            recent=said[:, FLOW],
            spread=np.sqrt(said[:, FLOW_VAR]),
        )
        said = said.copy()
        flows = []
        for ahead_s in (0.0, HEADING_S):
            there = np.maximum(trend.flow_vps + ahead_s * trend.growth_vps2, 0.0)
            said[:, FLOW] = np.where(np.isnan(there), said[:, FLOW], there)
            found = self._combined(said, freshness)
            kernel.fill_links(self.layout.places, usual, found)
            flows.append(found.belief[:, kernel.B_FLOW].copy())
        return flows[0], (flows[1] - flows[0]) / HEADING_S

    def profile(self, time_us: Ints) -> Floats:
        """Return the usual state at these moments, (moments, links, 4), NaN = not learned.

        The last axis holds speed (m/s), its variance, flow (veh/s) and its variance.
        """
        return link_profile(self.layout, self._memory.profile_sums, self.local_time.slots(time_us))

    def state(self) -> dict[str, Ints | Floats]:
        """Return a copy of the memory: the same readings give the same arrays, to the bit."""
        learned = np.flatnonzero(self._memory.profile_sums.any(axis=2).ravel())
        filled = np.flatnonzero(self._memory.ring_bin.ravel() >= 0)
        return {
            "newest": self._memory.newest.copy(),
            "newest_values": self._memory.newest_values.copy(),
            "ring_slot": filled,
            "ring_bin": self._memory.ring_bin.ravel()[filled],
            "ring_sums": self._memory.ring_sums.reshape(-1, RING_FIELDS)[filled],
            "length_sums": self._memory.length_sums.copy(),
            "profile_slot": learned,
            "profile_sums": self._memory.profile_sums.reshape(
                -1, self._memory.profile_sums.shape[2]
            )[learned],
            **self._detectors.state(),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the memory over. Raises MapError when it was made on another map."""
        shapes = (self._memory.newest.shape, self._memory.newest_values.shape)
        if (state["newest"].shape, state["newest_values"].shape) != shapes:
            message = f"the saved state does not fit a map of {len(self._memory.newest)} sensors"
            raise MapError(message)
        self._memory.newest[...] = state["newest"]
        self._memory.newest_values[...] = state["newest_values"]
        self._memory.length_sums[...] = state.get("length_sums", 0)  # older states have none
        self._memory.ring_bin[...] = -1
        self._memory.ring_bin.ravel()[state["ring_slot"]] = state["ring_bin"]
        self._memory.ring_sums[...] = 0
        self._memory.ring_sums.reshape(-1, RING_FIELDS)[state["ring_slot"]] = state["ring_sums"]
        self._memory.profile_sums[...] = 0
        learned = self._memory.profile_sums.reshape(-1, self._memory.profile_sums.shape[2])
        learned[state["profile_slot"]] = state["profile_sums"]
        self._detectors.restore(state)

    def ahead(self, batch: ReadingBatch) -> Perception:
        """Return what would be known with newer readings too; this memory stays as it is.

        Of each sensor only what is newer than its newest reading counts. Nothing is learned of the
        usual day, and no detector is judged by it.
        """
        newer = np.flatnonzero(batch.time_us > self._memory.newest[batch.sensor, 0])
        batch = batch.take(newer)
        other = copy.copy(self)
        other._memory = self._memory._replace(
            newest=self._memory.newest.copy(),
            newest_values=self._memory.newest_values.copy(),
            ring_bin=self._memory.ring_bin.copy(),
            ring_sums=self._memory.ring_sums.copy(),
        )
        record_readings(
            batch.sensor.astype(np.int32),
            batch.time_us.astype(np.int64),
            batch.period_ms.astype(np.int64),
            self._values(batch),
            np.full(len(batch), -1, np.int64),
            other._memory,
        )
        return other

    def carry(self, before: Perception, rows_before: Rows, rows_after: Rows) -> None:
        """Take over from another map's memory what these sensors measured there.

        rows_before, rows_after   (n,) rows of the same sensors on that map and on this one
        """
        for mine, theirs in zip(self._memory, before._memory, strict=True):
            mine[rows_after] = theirs[rows_before]
        self._detectors.carry(before._detectors, rows_before, rows_after)

    def hash(self) -> str:
        """Return 32 hex digits over the whole memory."""
        digest = blake2b(digest_size=16)
        for name, array in sorted(self.state().items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _belief(now_us: int, found: kernel.Found, steady_vps: Floats, growth_vps2: Floats) -> Belief:
    return Belief(
        links=_links(now_us, found),
        drift_mps2_pmin=np.ascontiguousarray(found.belief[:, kernel.B_DRIFT]),
        steady_vps=steady_vps,
        growth_vps2=growth_vps2,
    )


def _links(now_us: int, found: kernel.Found) -> LinkState:
    """Turn the kernel's columns into the published ones."""
    columns = np.ascontiguousarray(found.belief.T)
    return LinkState(
        time_us=now_us,
        speed_mps=columns[kernel.B_SPEED],
        speed_sd_mps=np.sqrt(columns[kernel.B_SPEED_VAR]),
        flow_vps=columns[kernel.B_FLOW],
        flow_sd_vps=np.sqrt(columns[kernel.B_FLOW_VAR]),
        density_vpm=columns[kernel.B_DENSITY],
        density_sd_vpm=np.sqrt(columns[kernel.B_DENSITY_VAR]),
        age_s=columns[kernel.B_AGE],
        source=found.source.astype(np.uint8),
        freshness=found.freshness.astype(np.uint8),
        closed=np.zeros(len(found.source), np.uint8),
        origins=found.origins.astype(np.uint8),
        detectors=np.minimum(found.detectors, 255).astype(np.uint8),
    )
