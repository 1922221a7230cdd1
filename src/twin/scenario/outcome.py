"""What the runs of a scenario leave behind: the arrays that every result is made from.

Base and edited stand in the same frame: the same rows of links, zones and classes, the same report
moments. A link that only one side has (a new link) keeps its row on the other with zero curves.
A vehicle has the same number on both sides when it is the same trip of the same random numbers.

T report moments, the first is 0 s; L links; V vehicles of one seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twin.columns import Bools, Floats, Ints
from twin.network.model import Line

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinkTable:
    """The links of both sides, columns of shape (L,), as they are in the base in dry weather.

    top_speed_mps the highest free speed that either side has at any time
    storage_veh   vehicles that a link holds when it stands full
    kind          value of `LinkClass`; road: name of the carriageway that it is part of, or empty
    signalled     whether its end is a junction with signals
    in_base, in_edited   which side has the link; both, but for links that an edit adds
    lines         (longitude, latitude) points in WGS84, from the start of the link to its end
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    kind: tuple[str, ...]
    road: tuple[str, ...]
    from_node: tuple[str, ...]
    to_node: tuple[str, ...]
    lines: tuple[Line, ...]
    length_m: Floats
    free_speed_mps: Floats
    top_speed_mps: Floats
    capacity_vps: Floats
    storage_veh: Floats
    lanes: Ints
    signalled: Bools
    in_base: Bools
    in_edited: Bools

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Frame:
    """What all runs of a scenario share.

    zones     ids of origins and destinations; classes: names of vehicle classes
    times_s   (T,) report moments since the start of the scenario, s; the first is 0
    start_s   seconds after local midnight at which the scenario starts
    """

    name: str
    map_name: str
    map_version: str
    links: LinkTable
    zones: tuple[str, ...]
    classes: tuple[str, ...]
    times_s: Floats
    start_s: float


@dataclass(frozen=True, slots=True)
class Trips:
    """The trip table of one seed, columns of shape (V,), in ascending order of `vehicle`.

    vehicle      int64    the same trip has the same number in base and edited
    vclass       int64    row in `Frame.classes`
    origin, destination   int64, rows in `Frame.zones`
    depart_s     float64  when it wants to leave
    entered_s    float64  when it entered its first link; NaN: waits at its origin at the end
    arrived_s    float64  NaN: had not arrived at the end
    distance_m   float64  driven so far
    free_s       float64  free travel time of the links driven so far
    delay_s      float64  time since departure, until arrival or the end, less `free_s`
    stops        int64    how often it came to stand in a queue
    denied       bool     no path that it may use leads to its destination; it never leaves
    """

    vehicle: Ints
    vclass: Ints
    origin: Ints
    destination: Ints
    depart_s: Floats
    entered_s: Floats
    arrived_s: Floats
    distance_m: Floats
    free_s: Floats
    delay_s: Floats
    stops: Ints
    denied: Bools

    def __len__(self) -> int:
        return len(self.vehicle)


@dataclass(frozen=True, slots=True)
class Spells:
    """When links were in a state: columns of shape (n,), a row a link and spell, [from, until)."""

    link: Ints
    from_s: Floats
    until_s: Floats


@dataclass(frozen=True, slots=True)
class StepTold:
    """What the kernel's time step did to the network.

    rounded_links (n,) link rows whose free travel time was rounded up to a step, added_s (n,)
    added_share   what that adds to vehicle-weighted free travel time
    """

    step_s: float
    rounded_links: Ints
    added_s: Floats
    added_share: float


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One side of one seed.

    entered, left  (T, L) float32  vehicles that entered and left each link since the start
    vehicle_s      (T, L) float32  vehicle seconds spent on each link since the report before
    queue_veh      (T, L) float32  vehicles in the queue at the end of each link at that moment
    waiting        (T,) float64    vehicles that wait at their origins for room to enter
    full           spells in which a link stood full: the queue spilled back over its start
    gridlock       spells in which a full link let nobody out for so long that it counts as stuck
    """

    seed: int
    entered: Singles
    left: Singles
    vehicle_s: Singles
    queue_veh: Singles
    waiting: Floats
    trips: Trips
    full: Spells
    gridlock: Spells
    step: StepTold


@dataclass(frozen=True, slots=True)
class Pair:
    """Base and edited over the same seeds with the same random numbers, in one frame.

    `base[k]` and `edited[k]` belong together. A sequence may read its runs from files: take one at
    a time (`each`) and let it go, so that memory stays with one seed.
    """

    frame: Frame
    seeds: tuple[int, ...]
    base: Sequence[SeedRun]
    edited: Sequence[SeedRun]

    def each(self) -> Iterator[tuple[SeedRun, SeedRun]]:
        """Yield (base, edited) seed by seed."""
        for row in range(len(self.seeds)):
            yield self.base[row], self.edited[row]
