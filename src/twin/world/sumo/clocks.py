"""The clock that a service and a simulated street share, and the pace that both can keep."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

_LAG_HIGH_S: Final = 2.5
_LAG_LOW_S: Final = 1.6
_SLOWER: Final = 0.75
_FASTER: Final = 1.15
_PATIENCE_S: Final = 0.3  # of the machine, between two steps down: one stall is one lag
SLOWEST: Final = 0.2


class PacedClock:
    """A scaled clock that never runs ahead of the street, and whose rate can be changed."""

    def __init__(
        self, start_us: int, *, rate: float, wall_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Stand at `start_us` until `allow` lets it run."""
        self._wall_ns = wall_ns
        self._anchor_us = start_us
        self._anchor_ns = wall_ns()
        self._limit_us = start_us
        self._rate = rate

    @property
    def rate(self) -> float:
        """Seconds of this clock in one second of the machine."""
        return self._rate

    def now_us(self) -> int:
        """Return the present moment, at most the limit."""
        passed_us = (self._wall_ns() - self._anchor_ns) / 1000 * self._rate
        return min(self._anchor_us + int(passed_us), self._limit_us)

    def wall_seconds(self, duration_s: float) -> float:
        """Return the duration as the machine's clock measures it."""
        return duration_s / self._rate

    def allow(self, limit_us: int) -> None:
        """Let the clock run until a moment. Time that it stood at the last limit is not made up."""
        self._anchor()
        self._limit_us = max(self._limit_us, limit_us)

    def set_rate(self, rate: float) -> None:
        """Run so fast from now on."""
        self._anchor()
        self._rate = rate

    def _anchor(self) -> None:
        self._anchor_us = self.now_us()
        self._anchor_ns = self._wall_ns()


class Pace:
    """Chooses a rate that the service keeps up with: slower when it lags, back up when it does not.

    `lag_s` are seconds of the service's time by which its answers or its beats are behind.
    """

    def __init__(
        self,
        clock: PacedClock,
        *,
        wanted: float,
        slowest: float = SLOWEST,
        wall_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Aim at the wanted rate, and never go below the slowest."""
        self._wall_s = wall_s
        self._lowered_s = -math.inf
        self._slowest = min(slowest, wanted)
        self._clock = clock
        self._wanted = wanted
        self.lowest = clock.rate

    def heard(self, lag_s: float) -> None:
        """Take in one look at the lag."""
        rate = self._clock.rate
        if lag_s > _LAG_HIGH_S:
            now_s = self._wall_s()
            if now_s - self._lowered_s < _PATIENCE_S:
                return
            self._lowered_s = now_s
            rate = max(rate * _SLOWER, self._slowest)
        elif lag_s < _LAG_LOW_S:
            rate = min(rate * _FASTER, self._wanted)
        if rate != self._clock.rate:
            self._clock.set_rate(rate)
            self.lowest = min(self.lowest, rate)
