"""Dynamic user equilibrium among given routes: nobody who departs then would gain by another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats
from twin.errors import SimulationError


@dataclass(frozen=True, slots=True)
class Equilibrium:
    """Shares (departures, routes), their travel times, and how far from equilibrium they are.

    gap   vehicle time above the quickest routes, as a share of all vehicle time
    """

    share: Floats
    travel_s: Floats
    gap: float
    rounds: int


def find_equilibrium(
    travel_times: Callable[[Floats], Floats],
    vehicles: Floats,
    share: Floats,
    *,
    relief_s: float,
    gap: float = 1e-3,
    rounds: int = 60,
    gain: float = 0.7,
) -> Equilibrium:
    """Swap shares from slower to quicker routes until the gap is reached; the best round counts.

    travel_times   loads shares (departures, routes) and returns seconds, (departures, routes)
    vehicles       (departures,) how many depart in each interval
    relief_s       by how much about a queued route gets quicker when a whole interval leaves it
    gain           part of the difference that is closed in a round
    Raises SimulationError when shares do not add up to 1.
    """
    if np.abs(share.sum(axis=1) - 1.0).max() > 1e-9 or (share < 0).any():
        message = "the shares of the routes must add up to 1 for every departure"
        raise SimulationError(message)
    best = _judged(travel_times(share), vehicles, share, 0)
    now = best
    while best.gap > gap and now.rounds < rounds:
        swapped = _swapped(now, relief_s, gain)
        now = _judged(travel_times(swapped), vehicles, swapped, now.rounds + 1)
        best = now if now.gap < best.gap else best
    return best


def _judged(travel_s: Floats, vehicles: Floats, share: Floats, rounds: int) -> Equilibrium:
    excess = travel_s - travel_s.min(axis=1, keepdims=True)
    spent_s = float((vehicles[:, None] * share * travel_s).sum())
    lost_s = float((vehicles[:, None] * share * excess).sum())
    return Equilibrium(share, travel_s, lost_s / spent_s if spent_s > 0 else 0.0, rounds)


def _swapped(now: Equilibrium, relief_s: float, gain: float) -> Floats:
    """Return the shares after one round of swaps, in the order of departure.

    A queue is the sum of all who came before: what earlier departures have just been relieved of
    counts for the later ones too. Swaps that look at each departure alone overshoot and swing.
    """
    share = now.share.copy()
    relieved_s = np.zeros(share.shape[1])
    for departure, travel_s in enumerate(now.travel_s):
        expected_s = travel_s - relieved_s
        quickest = int(np.argmin(expected_s))
        slower_s = expected_s - expected_s[quickest]
        leaving = np.minimum(share[departure], gain * slower_s / relief_s)
        share[departure] -= leaving
        share[departure, quickest] += leaving.sum()
        relieved_s += relief_s * leaving
    return share
