"""Who drives: vehicles one by one, with numbers of their own for every chance that they meet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twin.columns import Floats, Ints
from twin.errors import SimulationError
from twin.simulate.kernels.choices import draw_each

Kinds = npt.NDArray[np.int8]
EXISTS, DEPARTS = 1, 2  # what a draw is for


@dataclass(frozen=True, slots=True)
class Fleet:
    """Vehicles as columns of shape (vehicles,).

    key             int64, no two alike: names a vehicle in all draws, whatever its row
    origin, destination   int64 node rows
    depart_s        float64 seconds since the start
    kind            int8 class of the vehicle, a row of `Access`
    path_start, path_link   (vehicles + 1,), (n,) int64: links of a given path, none where empty
    """

    key: Ints
    origin: Ints
    destination: Ints
    depart_s: Floats
    kind: Kinds
    path_start: Ints
    path_link: Ints

    def __len__(self) -> int:
        return len(self.key)

    @property
    def kinds(self) -> int:
        """Return how many classes there are: rows of an `Access` for this fleet."""
        return 1 + int(self.kind.max(initial=0))

    def origins(self) -> Ints:
        """Return the nodes where trips start, each once: for `turns_of`."""
        return np.unique(self.origin)

    def with_paths(self, start: Ints, link: Ints) -> Fleet:
        """Return the same vehicles on given paths (CSR)."""
        return fleet(
            self.origin,
            self.destination,
            self.depart_s,
            kind=self.kind,
            key=self.key,
            path_start=start,
            path_link=link,
        )


def fleet(
    origin: Ints,
    destination: Ints,
    depart_s: Floats,
    *,
    kind: Kinds | None = None,
    key: Ints | None = None,
    path_start: Ints | None = None,
    path_link: Ints | None = None,
) -> Fleet:
    """Return vehicles; class 0, keys by row and no paths where nothing else is said.

    Raises SimulationError when columns differ in length, a key comes twice, or a time is no number.
    """
    count = len(origin)
    made = Fleet(
        key=np.arange(count, dtype=np.int64) if key is None else key.astype(np.int64),
        origin=origin.astype(np.int64),
        destination=destination.astype(np.int64),
        depart_s=depart_s.astype(np.float64),
        kind=np.zeros(count, np.int8) if kind is None else kind.astype(np.int8),
        path_start=np.zeros(count + 1, np.int64) if path_start is None else path_start,
        path_link=np.zeros(0, np.int64) if path_link is None else path_link,
    )
    lengths = {len(made.key), len(made.destination), len(made.depart_s), len(made.kind)}
    if lengths != {count} or len(made.path_start) != count + 1:
        message = "the columns of a fleet differ in length"
        raise SimulationError(message)
    if len(np.unique(made.key)) != count or not np.isfinite(made.depart_s).all():
        message = "a fleet needs keys that differ and times that are numbers"
        raise SimulationError(message)
    return made


def keys_of(ids: Iterable[str]) -> Ints:
    """Return a number for every id that depends on the id alone, (n,) int64."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids)
    return np.frombuffer(digests, "<i8").astype(np.int64)


@dataclass(frozen=True, slots=True)
class Demand:
    """Vehicles from node to node, columns of shape (pairs,): rows, and how many (not whole)."""

    origin: Ints
    destination: Ints
    vehicles: Floats


@dataclass(frozen=True, slots=True)
class Profile:
    """When trips start: shares (n,) of intervals between edges_s (n + 1,)."""

    edges_s: Floats
    share: Floats

    @classmethod
    def even(cls, from_s: float, until_s: float) -> Profile:
        """Return trips that start evenly in an interval."""
        return cls(np.array([from_s, until_s]), np.ones(1))

    def at(self, part: Floats) -> Floats:
        """Return the time by which a part (0 .. 1) of the trips has started."""
        rising = np.concatenate([[0.0], np.cumsum(self.share) / self.share.sum()])
        return np.asarray(np.interp(part, rising, self.edges_s), np.float64)


def fleet_of(
    demand: Demand,
    profile: Profile,
    *,
    seed: int,
    kind: int = 0,
    node_key: Ints | None = None,
) -> Fleet:
    """Draw the vehicles of a table: the same vehicle draws the same whatever else is changed.

    A pair of 3.4 vehicles has three and a fourth with a chance of 0.4. Vehicle k of a pair is named
    by both nodes, its class and k, so that more demand adds vehicles and moves none.
    node_key   (nodes,) int64 names of nodes (`keys_of` their ids); rows when None
    """
    whole = np.ceil(demand.vehicles).astype(np.int64)
    pair = np.repeat(np.arange(len(whole)), whole)
    number = np.arange(len(pair)) - np.repeat(np.cumsum(whole) - whole, whole)
    names = np.arange(_nodes(demand), dtype=np.int64) if node_key is None else node_key
    key = _named(names[demand.origin[pair]], names[demand.destination[pair]], number, kind)
    chance, part = np.empty(len(key)), np.empty(len(key))
    draw_each(seed, key, EXISTS, chance)
    draw_each(seed, key, DEPARTS, part)
    there = chance < demand.vehicles[pair] - number
    pair, key = pair[there], key[there]
    return fleet(
        demand.origin[pair],
        demand.destination[pair],
        profile.at(part[there]),
        kind=np.full(len(pair), kind, np.int8),
        key=key,
    )


def joined(*fleets: Fleet) -> Fleet:
    """Return several fleets as one, such as those of several classes."""
    starts = np.cumsum([0, *(len(part.path_link) for part in fleets)])
    path_start = [
        part.path_start[:-1] + first for part, first in zip(fleets, starts[:-1], strict=True)
    ]
    return fleet(
        np.concatenate([part.origin for part in fleets]),
        np.concatenate([part.destination for part in fleets]),
        np.concatenate([part.depart_s for part in fleets]),
        kind=np.concatenate([part.kind for part in fleets]),
        key=np.concatenate([part.key for part in fleets]),
        path_start=np.concatenate([*path_start, starts[-1:]]).astype(np.int64),
        path_link=np.concatenate([part.path_link for part in fleets]),
    )


def _nodes(demand: Demand) -> int:
    return 1 + int(max(demand.origin.max(initial=-1), demand.destination.max(initial=-1)))


def _named(origin: Ints, destination: Ints, number: Ints, kind: int) -> Ints:
    """Mix what names a vehicle into one number; a clash is refused by `fleet`."""
    mixed = np.zeros(len(number), np.uint64)
    for part in (np.full(len(number), kind + 1), origin, destination, number):
        mixed = (mixed ^ part.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
    return mixed.view(np.int64)
