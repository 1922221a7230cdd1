"""Travel times between gates, from vehicles that were seen at both.

A vehicle is a number that stands for a plate for a day at most and for this purpose alone. Only
two sightings that follow each other make a trip; no way over more than two gates is ever put
together. What is told are medians of fixed intervals with enough different vehicles in them.

What is remembered is the set of sightings of the last hours: neither their order nor the cut of
the batches changes what is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.columns import Bools, Floats, Ints

CELL_US: Final = 300 * 1_000_000
"""Intervals are fixed: nobody can ask for two that differ by one vehicle."""
LEAST_VEHICLES: Final = 10
"""Fewer are not told."""
ROUND_VEHICLES: Final = 5
KEPT_US: Final = 2 * 3600 * 1_000_000
FASTEST_SHARE: Final = 0.6  # of the free travel time: faster is another vehicle
SLOWEST_SHARE: Final = 8.0
SLOWEST_ADDED_S: Final = 900.0
SPREAD_FLOOR: Final = 0.08  # of the middle: trips within it are alike
SD_FLOOR_FRAC: Final = 0.02


@dataclass(frozen=True, slots=True)
class GatePair:
    """Two gates that follow each other on a way: rows of gates, and the free travel time."""

    origin: int
    destination: int
    free_s: float


@dataclass(frozen=True, slots=True)
class PairTime:
    """The travel time of one pair in one interval.

    end_us     of the interval in which the vehicles arrived
    median_s   of the trips that went through, stops and detours left out
    sd_s       standard deviation of that median
    vehicles   different ones, to the nearest 5
    """

    pair: int
    end_us: int
    median_s: float
    sd_s: float
    vehicles: int


def typical_time(times_s: Floats) -> tuple[float, float, int]:
    """Return the median of the trips that went through, its standard deviation and their number.

    Who stops or takes a detour is slower, never faster: so the shortest half of the sorted times
    (the shorth) marks the trips that went through, and what lies far off it is left out.
    """
    ordered = np.sort(times_s)
    half = len(ordered) // 2 + 1
    widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    start = int(np.argmin(widths))
    core = ordered[start : start + half]
    middle = float(np.median(core))
    reach = max(2.5 * 1.4826 * float(np.median(np.abs(core - middle))), SPREAD_FLOOR * middle)
    kept = ordered[(ordered >= middle - reach) & (ordered <= middle + reach)]
    median = float(np.median(kept))
    # the median of n values of a normal distribution spreads by 1.2533 of their mean's
    spread = 1.2533 * float(np.std(kept)) / max(len(kept), 1) ** 0.5
    return median, max(spread, SD_FLOOR_FRAC * median), len(kept)


class TravelTimes:
    """Sightings of the last hours and the travel times that follow from them."""

    def __init__(self, pairs: Sequence[GatePair]) -> None:
        """Know the pairs of gates and no vehicle."""
        self.pairs = tuple(pairs)
        self._pair_of = {(one.origin, one.destination): row for row, one in enumerate(self.pairs)}
        self._time_us: Ints = np.empty(0, np.int64)
        self._gate: Ints = np.empty(0, np.int64)
        self._vehicle: Ints = np.empty(0, np.int64)

    def observe(self, time_us: Ints, gate: Ints, vehicle: Ints) -> None:
        """Take sightings in, columns of (n,); a sighting that is known already changes nothing."""
        if not len(time_us):
            return
        rows = np.column_stack(
            [
                np.concatenate([self._time_us, time_us]),
                np.concatenate([self._gate, gate]),
                np.concatenate([self._vehicle, vehicle]),
            ]
        )
        rows = np.unique(rows, axis=0)
        rows = rows[rows[:, 0] > rows[-1, 0] - KEPT_US]
        self._time_us, self._gate, self._vehicle = (rows[:, k].copy() for k in range(3))

    def forget(self, now_us: int) -> None:
        """Drop what is older than two hours: nobody can be followed longer."""
        kept = self._time_us > now_us - KEPT_US
        self._time_us, self._gate, self._vehicle = (
            column[kept] for column in (self._time_us, self._gate, self._vehicle)
        )

    def trips(self) -> tuple[Ints, Ints, Ints, Floats]:
        """Return pair, arrival (us), vehicle and travel time (s) of every trip, (n,) each."""
        order = np.lexsort((self._gate, self._time_us, self._vehicle))
        vehicle, gate, time_us = self._vehicle[order], self._gate[order], self._time_us[order]
        same = vehicle[1:] == vehicle[:-1]
        pair = np.array(
            [
                self._pair_of.get((a, b), -1)
                for a, b in zip(gate[:-1][same].tolist(), gate[1:][same].tolist(), strict=True)
            ],
            np.int64,
        )
        lasted_s = (time_us[1:] - time_us[:-1])[same] / 1e6
        free_s = np.array([one.free_s for one in self.pairs] or [np.nan])[pair]
        good: Bools = (
            (pair >= 0)
            & (lasted_s >= FASTEST_SHARE * free_s)
            & (lasted_s <= np.maximum(SLOWEST_SHARE * free_s, free_s + SLOWEST_ADDED_S))
        )
        return pair[good], time_us[1:][same][good], vehicle[1:][same][good], lasted_s[good]

    def cells(self, now_us: int, *, wait_us: int = 0) -> tuple[PairTime, ...]:
        """Return every interval that ended `wait_us` ago or earlier and has enough vehicles.

        In the order of their ends and pairs; one with too few vehicles is not there at all.
        """
        pair, arrived_us, vehicle, lasted_s = self.trips()
        cell = (arrived_us - 1) // CELL_US
        closed = (cell + 1) * CELL_US <= now_us - wait_us
        found = []
        for end, which in sorted(
            set(zip(cell[closed].tolist(), pair[closed].tolist(), strict=True))
        ):
            rows = (cell == end) & (pair == which)
            if len(np.unique(vehicle[rows])) < LEAST_VEHICLES:
                continue
            median_s, sd_s, kept = typical_time(lasted_s[rows])
            if kept >= LEAST_VEHICLES:
                told = ROUND_VEHICLES * round(kept / ROUND_VEHICLES)
                found.append(PairTime(which, (end + 1) * CELL_US, median_s, sd_s, told))
        return tuple(found)

    def newest(self, now_us: int, *, wait_us: int = 0) -> dict[int, PairTime]:
        """Return the last told interval of every pair, by row of the pair."""
        return {one.pair: one for one in self.cells(now_us, wait_us=wait_us)}

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return a copy of the sightings."""
        return {
            "travel_time_us": self._time_us.copy(),
            "travel_gate": self._gate.copy(),
            "travel_vehicle": self._vehicle.copy(),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take sightings over; a state without any leaves none."""
        nothing = np.empty(0, np.int64)
        self._time_us = state.get("travel_time_us", nothing).copy()
        self._gate = state.get("travel_gate", nothing).copy()
        self._vehicle = state.get("travel_vehicle", nothing).copy()
