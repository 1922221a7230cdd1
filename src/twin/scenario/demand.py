"""Who leaves when: a day drawn from the means of a demand, the same in base and edited.

The trips of a stream are points of a Poisson process over (level, time): level has rate 1, and
times follow the profile. A point below the stream's mean, times the factor of its moment, is a
trip. More demand raises the level and adds trips; those that were there stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.scenario.draws import Keys, key_of, uniform

MOST_TRIPS: Final = 1_000_000  # of a stream on average: a trip's number has 20 bits
_TRIP_BITS: Final = 20


@dataclass(frozen=True, slots=True)
class Stream:
    """Trips from one zone to another: `trips` on average in [from_s, until_s) of the scenario.

    key       tells its random numbers apart from all others'
    profile   weights of equal parts of that time; even when empty
    """

    key: str
    origin: str
    destination: str
    vclass: str
    trips: float
    from_s: float
    until_s: float
    profile: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Whose:
    """Which trips a change is about; an empty tuple means all of them."""

    origins: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    from_s: float = -np.inf
    until_s: float = np.inf

    def streams(self, streams: tuple[Stream, ...]) -> Bools:
        """Return which streams it is about, (streams,)."""
        wanted = [
            (not self.origins or stream.origin in self.origins)
            and (not self.destinations or stream.destination in self.destinations)
            and (not self.classes or stream.vclass in self.classes)
            for stream in streams
        ]
        return np.array(wanted, np.bool_)


@dataclass(frozen=True, slots=True)
class Factor:
    """So many times as many of those who leave."""

    whose: Whose
    factor: float


@dataclass(frozen=True, slots=True)
class Shift:
    """A share of those who leave does so later, by seconds; earlier when below 0."""

    whose: Whose
    share: float
    by_s: float
    key: str


Change = Factor | Shift


@dataclass(frozen=True, slots=True)
class Departures:
    """The trips of one seed, columns (V,), in ascending order of `vehicle`.

    stream int64 row in the streams; depart_s float64 since the start of the scenario, which may
    lie outside the horizon only for trips that were shifted.
    """

    vehicle: Ints
    stream: Ints
    depart_s: Floats

    def __len__(self) -> int:
        return len(self.vehicle)

    def keys(self) -> Keys:
        """Return the key of each vehicle for further random numbers."""
        return self.vehicle.astype(np.uint64)


def draw_departures(
    streams: tuple[Stream, ...], changes: tuple[Change, ...], *, seed: int, horizon_s: float
) -> Departures:
    """Draw a day. Trips that leave outside [0, horizon_s) are left out."""
    factors = [change for change in changes if isinstance(change, Factor)]
    mean = np.array([stream.trips for stream in streams], np.float64)
    stream, turn = _points(most_trips(streams, changes))
    keys = _keys(streams)[stream] + turn.astype(np.uint64)
    level = _levels(stream, -np.log(uniform(keys, "gap", seed)))
    depart_s = _times(streams, stream, uniform(keys, "time", seed))
    wanted_level = mean[stream]
    for change in factors:
        wanted_level[_chosen(change.whose, streams, stream, depart_s)] *= change.factor
    keep = level <= wanted_level
    vehicle = (stream << _TRIP_BITS) | turn
    drawn = Departures(vehicle[keep], stream[keep], depart_s[keep])
    for shift in changes:
        if isinstance(shift, Shift):
            drawn = _shifted(drawn, shift, streams, seed)
    inside = (drawn.depart_s >= 0.0) & (drawn.depart_s < horizon_s)
    return Departures(drawn.vehicle[inside], drawn.stream[inside], drawn.depart_s[inside])


def most_trips(streams: tuple[Stream, ...], changes: tuple[Change, ...]) -> Floats:
    """Return the mean trips of each stream where all changes that add to it hold, (streams,)."""
    most = np.array([stream.trips for stream in streams], np.float64)
    for change in changes:
        if isinstance(change, Factor):
            most[change.whose.streams(streams)] *= max(change.factor, 1.0)
    return most


def _points(most: Floats) -> tuple[Ints, Ints]:
    """Return stream and number of every point that may lie below `most` (beyond doubt)."""
    counts = np.where(most > 0, np.ceil(most + 8.0 * np.sqrt(most) + 24.0), 0).astype(np.int64)
    stream = np.repeat(np.arange(len(most), dtype=np.int64), counts)
    first = np.cumsum(counts) - counts
    return stream, np.arange(len(stream), dtype=np.int64) - first[stream]


def _keys(streams: tuple[Stream, ...]) -> Keys:
    return np.array([key_of(stream.key) for stream in streams], np.uint64)


def _levels(stream: Ints, gaps: Floats) -> Floats:
    """Add up gaps within each stream, one after the other: sums do not depend on other streams."""
    levels = np.empty_like(gaps)
    starts = np.flatnonzero(np.diff(stream, prepend=-1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(gaps)], strict=True):
        np.cumsum(gaps[start:end], out=levels[start:end])
    return levels


def _times(streams: tuple[Stream, ...], stream: Ints, share: Floats) -> Floats:
    """Return when each point leaves: the quantile of its stream's profile."""
    from_s = np.array([one.from_s for one in streams], np.float64)[stream]
    until_s = np.array([one.until_s for one in streams], np.float64)[stream]
    profiles: dict[tuple[float, ...], list[int]] = {}
    for row, one in enumerate(streams):
        if len(one.profile) > 1:
            profiles.setdefault(one.profile, []).append(row)
    part = share.copy()
    for profile, rows in profiles.items():
        here = np.isin(stream, np.array(rows, np.int64))
        part[here] = _quantile(profile, share[here])
    return np.asarray(from_s + part * (until_s - from_s), np.float64)


def _quantile(profile: tuple[float, ...], share: Floats) -> Floats:
    """Return which part of the time has passed when a share has left."""
    weights = np.array(profile, np.float64)
    reached = np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum()
    row = np.clip(np.searchsorted(reached, share, side="right") - 1, 0, len(weights) - 1)
    inside = (share - reached[row]) / np.maximum(reached[row + 1] - reached[row], 1e-300)
    return np.asarray((row + np.clip(inside, 0.0, 1.0)) / len(weights), np.float64)


def _chosen(whose: Whose, streams: tuple[Stream, ...], stream: Ints, depart_s: Floats) -> Bools:
    here = whose.streams(streams)[stream]
    return np.asarray(here & (depart_s >= whose.from_s) & (depart_s < whose.until_s), np.bool_)


def _shifted(
    drawn: Departures, change: Shift, streams: tuple[Stream, ...], seed: int
) -> Departures:
    """Move the departures of a share; who moves depends on the vehicle and the change alone."""
    moves = _chosen(change.whose, streams, drawn.stream, drawn.depart_s)
    moves &= uniform(drawn.keys(), f"shift {change.key}", seed) < change.share
    return replace(drawn, depart_s=np.where(moves, drawn.depart_s + change.by_s, drawn.depart_s))
