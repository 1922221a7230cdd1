"""What short-period loops counted in the last minutes, bin by bin.

A loop that reports every few seconds can show a queue grow and go, which a mean over minutes
cannot. The memory is a function of the set of readings, not of their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.columns import Floats, Ints, ReadingBatch
from twin.control.signals.memory import LoopMemory
from twin.network.model import SingleMap
from twin.units import SECOND_US

BIN_S: Final = 5
BINS: Final = 72
SHORT_S: Final = 10.0  # a loop with a longer period is no use for a decision every second
_BIN_US: Final = BIN_S * SECOND_US


class Loops:
    """The last six minutes of every short-period loop of a map.

    `short` (sensors,) bool tells which sensors are such loops.
    """

    def __init__(self, network: SingleMap) -> None:
        """Remember nothing yet."""
        sensors = len(network.sensors)
        self.short: npt.NDArray[np.bool_] = np.array(
            [sensor.period_s <= SHORT_S for sensor in network.sensors], np.bool_
        )
        self._bin: Ints = np.full((sensors, BINS), -1, np.int64)
        self._count: Floats = np.zeros((sensors, BINS))
        self._occupied_s: Floats = np.zeros((sensors, BINS))
        self._newest_us: Ints = np.full(sensors, -1, np.int64)
        self._derived: dict[tuple[str, int], Floats] = {}

    def observe(self, batch: ReadingBatch) -> None:
        """Take readings in; those of slower detectors are passed by."""
        if not len(batch):
            return
        rows = np.flatnonzero(
            self.short[batch.sensor] & (batch.period_ms <= SHORT_S * 1000) & ~np.isnan(batch.count)
        )
        if len(rows):
            self._derived.clear()
        for row in rows.tolist():
            self._add(
                int(batch.sensor[row]),
                int(batch.time_us[row]),
                float(batch.count[row]),
                float(np.nan_to_num(batch.occupancy_frac[row])) * batch.period_ms[row] / 1000.0,
            )

    def _add(self, sensor: int, time_us: int, count: float, occupied_s: float) -> None:
        number = (time_us - 1) // _BIN_US
        slot = number % BINS
        self._newest_us[sensor] = max(self._newest_us[sensor], time_us)
        if number > self._bin[sensor, slot]:
            self._bin[sensor, slot] = number
            self._count[sensor, slot] = 0.0
            self._occupied_s[sensor, slot] = 0.0
        if number == self._bin[sensor, slot]:
            self._count[sensor, slot] += count
            self._occupied_s[sensor, slot] += occupied_s

    def memory(self) -> LoopMemory:
        """Return a copy of what is remembered of the loops that have spoken."""
        rows = np.flatnonzero(self._newest_us >= 0)
        return LoopMemory(
            rows=rows.tolist(),
            newest_us=self._newest_us[rows].tolist(),
            bins=self._bin[rows].astype("<i8").tobytes(),
            count=self._count[rows].astype("<f8").tobytes(),
            occupied_s=self._occupied_s[rows].astype("<f8").tobytes(),
        )

    def restore(self, memory: LoopMemory) -> None:
        """Go on where `memory` was taken on the same map."""
        rows = np.array(memory.rows, np.int64)
        self._newest_us[:] = self._bin[:] = -1
        self._count[:] = self._occupied_s[:] = 0.0
        self._newest_us[rows] = memory.newest_us
        shape = (len(rows), BINS)
        self._bin[rows] = np.frombuffer(memory.bins, "<i8").reshape(shape)
        self._count[rows] = np.frombuffer(memory.count, "<f8").reshape(shape)
        self._occupied_s[rows] = np.frombuffer(memory.occupied_s, "<f8").reshape(shape)
        self._derived.clear()

    def once(self, key: tuple[str, int], make: Callable[[], Floats]) -> Floats:
        """Return what `make` derives from this memory, made again only after a new reading.

        Decisions come every second, readings every five. The array is only read.
        """
        found = self._derived.get(key)
        if found is None:
            found = self._derived[key] = make()
        return found

    def age_s(self, sensors: Ints, now_us: int) -> float:
        """Return the age of the oldest newest reading among sensors; infinite if one has none."""
        newest_us = self._newest_us[sensors]
        if not len(newest_us) or newest_us.min() < 0:
            return float("inf")
        return (now_us - int(newest_us.min())) / SECOND_US

    def last_bin(self, sensors: Ints) -> int:
        """Return the number of the newest bin for which all of these sensors have spoken."""
        return int((self._newest_us[sensors].min() - 1) // _BIN_US)

    def window(self, sensors: Ints, last: int) -> tuple[Floats, Floats]:
        """Return counts and occupied shares of sensors, (sensors, BINS), oldest bin first.

        A bin of which nothing was heard counts as empty.
        """
        numbers = np.arange(last - BINS + 1, last + 1)
        slots = numbers % BINS
        known = self._bin[np.ix_(sensors, slots)] == numbers
        count = np.where(known, self._count[np.ix_(sensors, slots)], 0.0)
        occupied = np.where(known, self._occupied_s[np.ix_(sensors, slots)], 0.0)
        return count, np.minimum(occupied / BIN_S, 1.0)


def end_us(number: int) -> int:
    """Return when a bin ends, microseconds."""
    return (number + 1) * _BIN_US
