"""How long the steps of a worker take, counted into classes as Prometheus' histograms are."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the classes, seconds; one more class has no end."""
BATCH: Final = ("judge", "observe", "commit")
KERNELS: Final = ("observe", "decide", "picture", "forecast")
"""Steps that compute on arrays and wait for nobody."""


@dataclass(slots=True)
class Timing:
    """Durations of one step: how many in each class (not added up), and their sum, seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0

    def add(self, took_s: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS_S, took_s)] += 1
        self.total_s += took_s


class Timings:
    """The steps of one worker. Each step is written by one thread alone."""

    def __init__(self) -> None:
        """Start with every step that there may be, at zero."""
        self._steps = {name: Timing() for name in (*BATCH, *KERNELS)}

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Time a block that ends well; KeyError for a step that is not named above."""
        timing = self._steps[step]
        begun_s = time.perf_counter()
        yield
        timing.add(time.perf_counter() - begun_s)

    def steps(self) -> Mapping[str, Timing]:
        """Return what was counted so far, by step."""
        return self._steps
