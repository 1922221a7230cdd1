"""What cumulative curves tell: waiting, delay, and where a queue stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twin.columns import Floats
from twin.simulate.ltm import LinkTransmission
from twin.simulate.roads import Roads


@dataclass
class Curves:
    """Cumulative counts of a run, taken every so often. Rows are moments, columns links."""

    roads: Roads
    time_s: list[float] = field(default_factory=list)
    entered: list[Floats] = field(default_factory=list)
    left: list[Floats] = field(default_factory=list)

    def take(self, run: LinkTransmission) -> None:
        """Take the counts of this moment down."""
        self.time_s.append(run.time_s)
        self.entered.append(run.entered)
        self.left.append(run.left)

    def entered_at(self, link: int, time_s: float) -> float:
        """Return how many had entered a link by a moment, straight between the moments taken."""
        return float(np.interp(time_s, self.time_s, [row[link] for row in self.entered]))

    def left_at(self, link: int, time_s: float) -> float:
        """Return how many had left a link by a moment."""
        return float(np.interp(time_s, self.time_s, [row[link] for row in self.left]))

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

    def _free(self, link: int, at_m: float, time_s: float) -> float:
        return self.entered_at(link, time_s - at_m / float(self.roads.free_speed_mps[link]))

    def _queued(self, link: int, at_m: float, time_s: float) -> float:
        behind_m = float(self.roads.length_m[link]) - at_m
        wave_s = behind_m / float(self.roads.wave_mps[link])
        return self.left_at(link, time_s - wave_s) + float(self.roads.jam_vpm[link]) * behind_m
