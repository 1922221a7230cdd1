"""The health of all detectors of one map: what is remembered, the verdicts, what stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.columns import Bools, Floats, Ints, ReadingBatch, Rows
from twin.network.model import SingleMap
from twin.perceive.health.chains import Section, closed_sections, section_arrays
from twin.perceive.health.limits import detector_limits
from twin.perceive.kernels import balance
from twin.perceive.kernels import health as kernel
from twin.perceive.layout import Layout
from twin.perceive.state import Codes, Freshness, Source

BALANCE_VEHICLES: Final = 200.0  # in an hour: of fewer, chance alone makes a tenth
_PREFIX: Final = "health_"


class Fault(IntFlag):
    """What is wrong with a detector; several may be at once."""

    NO_HITS = kernel.NO_HITS_BIT
    CHATTER = kernel.CHATTER_BIT
    LOCKED_ON = kernel.LOCKED_BIT
    NO_CHANGE = kernel.NO_CHANGE_BIT
    OCCUPANCY_SPIKES = kernel.SPIKES_BIT
    IMPOSSIBLE_VALUES = kernel.IMPOSSIBLE_BIT
    COUNT_IMBALANCE = kernel.IMBALANCE_BIT


@dataclass(frozen=True, slots=True)
class DetectorHealth:
    """Verdicts on every detector, columns of shape (sensors,).

    faults      uint8, bits of `Fault`; 0: nothing is known against it
    since_us    int64, since when the fault lasts by event time; -1 where nothing tells
    imbalance   (sections,) float64: the share that drives into a closed section and does not come
                out of it, NaN unknown; sections as of `Detectors.sections`
    """

    faults: Codes
    since_us: Ints
    imbalance: Floats

    @property
    def failed(self) -> Bools:
        """(sensors,) bool: these take no part in the estimate."""
        return np.asarray(self.faults != 0, np.bool_)


class Detectors:
    """Watches the detectors of one map. Its memory is a function of the set of readings."""

    def __init__(self, network: SingleMap, layout: Layout) -> None:
        """Know nothing yet. Raises MapError for a limit of the map that is none."""
        self.sections: tuple[Section, ...] = closed_sections(network)
        self._limits = detector_limits(network)
        self._lanes = layout.places.sensor_lanes
        self._sections, self._before = section_arrays(self.sections, layout.places)
        self._watch = _empty(len(network.sensors))

    def observe(self, batch: ReadingBatch, values: Floats) -> Bools:
        """Take readings in; `values` (n, 3): count, speed, occupancy of the batch.

        Returns (n,) whether a reading may teach what is usual: it is possible by itself.
        """
        may_teach = np.empty(len(batch), np.bool_)
        kernel.watch_readings(
            batch.sensor.astype(np.int32),
            batch.time_us.astype(np.int64),
            batch.period_ms.astype(np.int64),
            values,
            self._lanes,
            self._limits,
            self._watch,
            may_teach,
        )
        return may_teach

    def judge(self, ring_bin: Ints, ring_sums: Ints) -> DetectorHealth:
        """Judge every detector; the rings of minutes are those of perception's memory."""
        faults = np.empty(len(self._limits), np.uint8)
        since_us = np.empty(len(self._limits), np.int64)
        imbalance = np.empty(len(self.sections))
        kernel.judge_detectors(self._watch, ring_bin, ring_sums, self._limits, faults, since_us)
        balance.balance_sections(self._sections, self._watch, faults, BALANCE_VEHICLES, imbalance)
        balance.blame_stations(self._sections, imbalance, self._limits, self._before, faults)
        return DetectorHealth(faults=faults, since_us=since_us, imbalance=imbalance)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return a copy of the memory: the same readings give the same arrays, to the bit."""
        blocks = np.flatnonzero(self._watch.block.ravel() >= 0)
        halves = np.flatnonzero(self._watch.half.ravel() >= 0)
        return {
            f"{_PREFIX}times": self._watch.times.copy(),
            f"{_PREFIX}block_slot": blocks,
            f"{_PREFIX}block": self._watch.block.ravel()[blocks],
            f"{_PREFIX}blocks": self._watch.blocks.reshape(-1, kernel.BLOCK_FIELDS)[blocks],
            f"{_PREFIX}half_slot": halves,
            f"{_PREFIX}half": self._watch.half.ravel()[halves],
            f"{_PREFIX}halves": self._watch.halves.ravel()[halves],
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the memory over; a state from before detectors were watched leaves it empty."""
        fresh = _empty(len(self._limits))
        if f"{_PREFIX}times" in state:
            fresh.times[...] = state[f"{_PREFIX}times"]
            blocks, halves = state[f"{_PREFIX}block_slot"], state[f"{_PREFIX}half_slot"]
            fresh.block.ravel()[blocks] = state[f"{_PREFIX}block"]
            fresh.blocks.reshape(-1, kernel.BLOCK_FIELDS)[blocks] = state[f"{_PREFIX}blocks"]
            fresh.half.ravel()[halves] = state[f"{_PREFIX}half"]
            fresh.halves.ravel()[halves] = state[f"{_PREFIX}halves"]
        self._watch = fresh

    def carry(self, before: Detectors, rows_before: Rows, rows_after: Rows) -> None:
        """Take over from another map's memory what these sensors gave away there.

        rows_before, rows_after   (n,) rows of the same sensors on that map and on this one
        """
        for field in kernel.Watch._fields:
            getattr(self._watch, field)[rows_after] = getattr(before._watch, field)[rows_before]


def stand_ins(
    network: SingleMap, layout: Layout, *, failed: Bools, source: Codes, freshness: Codes
) -> dict[int, tuple[str, ...]]:
    """Name what speaks for the link of each failed detector, by its row.

    failed (sensors,); source, freshness (links,) of the estimate. Ids of sensors: others of the
    same link or of its neighbours; `profile`: the usual day; nothing: the link is unknown.
    """
    places = layout.places
    found: dict[int, tuple[str, ...]] = {}
    for row in np.flatnonzero(failed).tolist():
        link = int(layout.sensor_link[row])
        if source[link] == Source.PROFILE:
            found[row] = ("profile",)
            continue
        links = [link] if source[link] == Source.MEASURED else []
        if source[link] == Source.NEIGHBOURS:
            near = places.near_link[places.near_start[link] : places.near_start[link + 1]]
            links = [one for one in near.tolist() if source[one] == Source.MEASURED]
        found[row] = tuple(
            str(network.sensors[sensor].id)
            for one in links
            for sensor in places.link_sensors[
                places.link_start[one] : places.link_start[one + 1]
            ].tolist()
            if not failed[sensor] and freshness[one] in {Freshness.LIVE, Freshness.DELAYED}
        )
    return found


def _empty(sensors: int) -> kernel.Watch:
    return kernel.Watch(
        times=np.full((sensors, kernel.TIMES), kernel.NEVER, np.int64),
        block=np.full((sensors, kernel.BLOCKS), kernel.NEVER, np.int64),
        blocks=np.zeros((sensors, kernel.BLOCKS, kernel.BLOCK_FIELDS), np.int32),
        half=np.full((sensors, kernel.HALVES), kernel.NEVER, np.int64),
        halves=np.zeros((sensors, kernel.HALVES), np.int32),
    )
