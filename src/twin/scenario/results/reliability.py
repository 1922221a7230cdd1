"""How far a traveller can rely on a time: planning time index and buffer index.

Definitions: U.S. Federal Highway Administration, "Travel Time Reliability: Making It There On Time,
All The Time", FHWA-HOP-06-070, 2006: the planning time index is the 95th percentile of the travel
time over the free one, the buffer index is (95th percentile - mean) / mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats
from twin.scenario.outcome import Trips

PERCENTILE = 95.0
_LEAST_FREE_S = 30.0  # on shorter ways a second of waiting looks like a jam


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of many travel times; NaN where there is none."""

    mean_index: float
    planning_time_index: float
    buffer_index: float


def arrived(trips: Trips) -> Bools:
    """Return which trips have reached their destination, (V,)."""
    return np.isfinite(trips.arrived_s)


def time_index(trips: Trips) -> Floats:
    """Return travel time over free travel time of all arrived trips of 30 s or more, (n,).

    The time counts from the wish to depart: waiting for room at the origin is part of it.
    """
    used = arrived(trips) & (trips.free_s >= _LEAST_FREE_S)
    return (trips.arrived_s - trips.depart_s)[used] / trips.free_s[used]


def reliability_of(times: Floats) -> Reliability:
    """Return the three numbers of travel times or of travel time indices, (n,)."""
    if len(times) == 0:
        return Reliability(float("nan"), float("nan"), float("nan"))
    mean = float(times.mean())
    high = float(np.percentile(times, PERCENTILE))
    return Reliability(mean, high, (high - mean) / mean)
