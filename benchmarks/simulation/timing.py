"""How the rows are measured: CPU time of one core, in turns, and the roof of the machine."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

Run = Callable[[], object]


class Beside(NamedTuple):
    """Two programs measured in turns: median CPU seconds of each, and of the ratio in a turn."""

    ours_s: float
    theirs_s: float
    ratio: float


def cpu_s(run: Run) -> float:
    """Return the CPU seconds of a run, its child processes included.

    Time on the wall would count what other programs on the machine do.
    """
    gc.collect()  # one must not pay for what the other left behind
    before = _spent_s()
    run()
    return _spent_s() - before


def _spent_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def best_s(run: Run, rounds: int) -> float:
    """Return the least CPU seconds of some runs after one that compiles and warms."""
    run()
    return min(cpu_s(run) for _ in range(rounds))


def beside(ours: Run, theirs: Run, *, turns: int, repeats: int = 1) -> Beside:
    """Measure two programs in turns; ours `repeats` times a turn where it is much quicker."""
    ours()
    mine, peer = [], []
    for _ in range(turns):
        peer.append(cpu_s(theirs))
        mine.append(cpu_s(lambda: [ours() for _ in range(repeats)]) / repeats)
    ratios = np.array(peer) / np.array(mine)
    return Beside(float(np.median(mine)), float(np.median(peer)), float(np.median(ratios)))


@njit(cache=True, nogil=True)
def _triad(a: np.ndarray, b: np.ndarray, c: np.ndarray, rounds: int) -> None:
    for _ in range(rounds):
        for i in range(len(a)):
            a[i] = b[i] + 3.0 * c[i]


def roof_bytes_s(working_set: int) -> float:
    """Return bytes a second that one core moves in a triad over arrays of so many bytes in all.

    Counted as STREAM does: two reads and a write an element.
    """
    size = max(working_set // 24, 1000)
    a, b, c = np.zeros(size), np.ones(size), np.ones(size)
    rounds = max(200_000_000 // (24 * size), 1)
    best = best_s(lambda: _triad(a, b, c, rounds), 5)
    return 24.0 * size * rounds / best
