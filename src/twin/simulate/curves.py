"""What cumulative curves tell: waiting, delay, and where a queue stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from twin.columns import Floats
from twin.simulate.roads import Roads


class Counted(Protocol):
    """A run whose counts can be taken down."""

    @property
    def time_s(self) -> float:
        """Return the time since the start."""
        ...

    @property
    def entered(self) -> Floats:
        """Return how many vehicles entered each link, (links,)."""
        ...

    @property
    def left(self) -> Floats:
        """Return how many vehicles left each link, (links,)."""
        ...


@dataclass
class Curves:
    """Cumulative counts of a run, taken every so often. Rows are moments, columns links.

    Before the first moment, which is the start of the run, the curves go on as those of the
    vehicles that stood evenly spread on each link.
    """

    roads: Roads
    time_s: list[float] = field(default_factory=list)
    entered: list[Floats] = field(default_factory=list)
    left: list[Floats] = field(default_factory=list)
    _columns: tuple[Floats, Floats] | None = None

    def take(self, run: Counted) -> None:
        """Take the counts of this moment down."""
        self.time_s.append(run.time_s)
        self.entered.append(run.entered)
        self.left.append(run.left)
        self._columns = None

    def columns(self) -> tuple[Floats, Floats]:
        """Return entered and left, (moments, links) each."""
        if self._columns is None:
            self._columns = (np.array(self.entered), np.array(self.left))
        return self._columns

    def entered_at(self, link: int, time_s: float) -> float:
        """Return how many had entered a link by a moment, straight between the moments taken."""
        before_s = max(self.time_s[0] - time_s, 0.0)
        free_s = float(self.roads.free_s[link])
        start = float(self.entered[0][link] - self.left[0][link])
        past = start * min(before_s / free_s, 1.0)
        return float(np.interp(time_s, self.time_s, self.columns()[0][:, link])) - past

    def left_at(self, link: int, time_s: float) -> float:
        """Return how many had left a link by a moment."""
        before_s = max(self.time_s[0] - time_s, 0.0)
        wave_s = float(self.roads.length_m[link] / self.roads.wave_mps[link])
        start = float(self.entered[0][link] - self.left[0][link])
        storage = float(self.roads.jam_vpm[link] * self.roads.length_m[link])
        past = (storage - start) * min(before_s / wave_s, 1.0)
        return float(np.interp(time_s, self.time_s, self.columns()[1][:, link])) - past

    def waiting(self, link: int, time_s: float) -> float:
        """Return the virtual arrivals at the end of a link less its departures, vehicles."""
        free_s = float(self.roads.free_s[link])
        return self.entered_at(link, time_s - free_s) - self.left_at(link, time_s)

    def passed(self, link: int, at_m: float, time_s: float) -> float:
        """Return how many vehicles had passed a point of a link (Newell's minimum)."""
        return min(self._free(link, at_m, time_s), self._queued(link, at_m, time_s))

    def tail_m(self, link: int, time_s: float) -> float:
        """Return where the queue that stands at the end of a link begins, from its start.

        The length of the link when there is none, 0 when it fills the link.
        """
        low, high = 0.0, float(self.roads.length_m[link])
        if self._queued(link, high - 0.01, time_s) >= self._free(link, high - 0.01, time_s):
            return high
        for _ in range(50):
            middle = 0.5 * (low + high)
            if self._queued(link, middle, time_s) < self._free(link, middle, time_s):
                high = middle
            else:
                low = middle
        return high

    def density_vpm(self, link: int, at_m: float, time_s: float) -> float:
        """Return the density at a point of a link, over a metre."""
        low = max(at_m - 0.5, 0.0)
        high = min(at_m + 0.5, float(self.roads.length_m[link]))
        passed = self.passed(link, low, time_s) - self.passed(link, high, time_s)
        return passed / (high - low)

    def longest_wait_s(self, link: int) -> float:
        """Return the longest wait before the exit of a link of those who left it, s."""
        entered, left = (column[:, link] for column in self.columns())
        times = np.array(self.time_s)
        served = np.flatnonzero(np.diff(left, prepend=left[0]) > 0)
        place = np.clip(np.searchsorted(entered, left[served]), 1, len(times) - 1)
        rise = np.maximum(entered[place] - entered[place - 1], 1e-300)
        part = np.clip((left[served] - entered[place - 1]) / rise, 0.0, 1.0)
        came = times[place - 1] + part * (times[place] - times[place - 1])
        waits = times[served] - came - float(self.roads.free_s[link])
        return float(waits.max(initial=0.0))

    def _free(self, link: int, at_m: float, time_s: float) -> float:
        return self.entered_at(link, time_s - at_m / float(self.roads.free_speed_mps[link]))

    def _queued(self, link: int, at_m: float, time_s: float) -> float:
        behind_m = float(self.roads.length_m[link]) - at_m
        wave_s = behind_m / float(self.roads.wave_mps[link])
        return self.left_at(link, time_s - wave_s) + float(self.roads.jam_vpm[link]) * behind_m
