"""What vehicles did: the table of trips, and the links that they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.columns import Bools, Floats, Ints
from twin.simulate.kernels.records import ARRIVED, INSIDE, NOT_ENTERED, REFUSED, TURNED_AWAY


@dataclass(frozen=True, slots=True)
class VehicleTotals:
    """Vehicles of a run so far, whole numbers.

    departed = waiting + inside + arrived + refused + turned_away (- those placed at the start)
    refused       had no permitted way when they wanted to start
    turned_away   lost their last permitted way and ended at a node on the way
    """

    departed: int
    waiting: int
    inside: int
    arrived: int
    refused: int
    turned_away: int

    @classmethod
    def of(cls, status: npt.NDArray[np.int8], depart_s: Floats, time_s: float) -> VehicleTotals:
        """Count what vehicles do at a time."""
        counts = np.bincount(status, minlength=5)
        due = int(((status == NOT_ENTERED) & (depart_s <= time_s)).sum())
        gone = counts[[INSIDE, ARRIVED, REFUSED, TURNED_AWAY]].tolist()
        return cls(due + sum(gone), due, *gone)


@dataclass(frozen=True, slots=True)
class Series:
    """Cumulative counts by link at each report: time_s (T,), entered and left (T, links) int64.

    vehicle_s   (T, links) vehicle seconds spent on each link so far
    """

    time_s: Floats
    entered: Ints
    left: Ints
    vehicle_s: Floats

    @classmethod
    def of(cls, rows: Sequence[tuple[float, Ints, Ints, Floats]], links: int) -> Series:
        """Put reports together."""
        columns = [np.array([row[k] for row in rows]) for k in range(4)]
        shape = (len(rows), links)
        entered, left = (column.reshape(shape).astype(np.int64) for column in columns[1:3])
        spent_s = columns[3].reshape(shape).astype(np.float64)
        return cls(columns[0].astype(np.float64), entered, left, spent_s)


@dataclass(frozen=True, slots=True)
class Trips:
    """One row a vehicle, columns of shape (vehicles,).

    depart_s     when it wanted to start          entered_s   when it entered a link, NaN: not yet
    arrived_s    NaN while it is under way, and for who did not reach its destination
    ended_s      when the trip ended in any way, NaN while it has not
    distance_m, free_s   of the links that it has left: length, free travel time
    travel_s     from departure to arrival, waiting at the origin included; NaN without
    delay_s      travel_s - free_s, NaN without arrival
    stops        ends of links where it waited longer than 5 s
    status       0 not entered, 1 inside, 2 arrived, 3 refused, 4 turned away
    """

    depart_s: Floats
    entered_s: Floats
    arrived_s: Floats
    ended_s: Floats
    distance_m: Floats
    free_s: Floats
    travel_s: Floats
    delay_s: Floats
    stops: Ints
    kind: npt.NDArray[np.int8]
    status: npt.NDArray[np.int8]

    @classmethod
    def of(cls, vehicles: npt.NDArray[Any]) -> Trips:
        """Read the records of the kernel."""
        arrived = vehicles["status"] == ARRIVED
        arrived_s = np.where(arrived, vehicles["ended_s"], np.nan)
        travel_s = arrived_s - vehicles["depart_s"]
        return cls(
            depart_s=vehicles["depart_s"].copy(),
            entered_s=vehicles["entered_s"].copy(),
            arrived_s=arrived_s,
            ended_s=vehicles["ended_s"].copy(),
            distance_m=vehicles["distance_m"].copy(),
            free_s=vehicles["free_s"].copy(),
            travel_s=travel_s,
            delay_s=travel_s - vehicles["free_s"],
            stops=vehicles["stops"].astype(np.int64),
            kind=vehicles["kind"].copy(),
            status=vehicles["status"].copy(),
        )

    @property
    def arrived(self) -> Bools:
        """Return who has reached its destination."""
        return np.asarray(np.isfinite(self.arrived_s), np.bool_)


@dataclass(frozen=True, slots=True)
class Paths:
    """Entries of vehicles into links, in the order in which they happened by vehicle.

    vehicle, link   (n,) int32 rows          entered_s (n,) float64
    """

    vehicle: npt.NDArray[np.int32]
    link: npt.NDArray[np.int32]
    entered_s: Floats

    @classmethod
    def joined(cls, parts: Sequence[Paths]) -> Paths:
        """Put parts together, sorted by vehicle and time."""
        if not parts:
            return cls(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))
        vehicle = np.concatenate([part.vehicle for part in parts])
        link = np.concatenate([part.link for part in parts])
        entered_s = np.concatenate([part.entered_s for part in parts])
        order = np.lexsort((entered_s, vehicle))
        return cls(vehicle[order], link[order], entered_s[order])

    def csr(self, vehicles: int) -> tuple[Ints, Ints]:
        """Return starts (vehicles + 1,) and links (n,) int64, as `Fleet.with_paths` takes them."""
        counts = np.bincount(self.vehicle, minlength=vehicles)
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return start, self.link.astype(np.int64)
