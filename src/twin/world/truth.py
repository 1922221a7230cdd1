"""What really happened, from SUMO's own outputs: kept beside what the service was told.

`truth.npz`: every link and minute. `trips.csv`: every vehicle that wanted to travel.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt

from twin.errors import Fault, InputError, SimulationError
from twin.units import HOUR_S

_MINUTE_S: Final = 60.0
_ARRAYS: Final = ("start_s", "entered", "speed_mps", "density_vpm", "travel_s")
_COLUMNS: Final = ("id", "kind", "wanted_s", "departed_s", "arrived_s", "lost_s", "waited_s")


@dataclass(frozen=True, slots=True)
class Trip:
    """One vehicle: when it wanted to start, started and arrived (-1: not), and what it lost."""

    id: str
    kind: str
    wanted_s: float
    departed_s: float
    arrived_s: float
    lost_s: float
    waited_s: float

    @property
    def delay_s(self) -> float:
        """Seconds lost on the way and before it."""
        return self.lost_s + self.waited_s


@dataclass(frozen=True, slots=True)
class Delay:
    """The delay of everybody who wanted to travel, unfinished and never departed included."""

    vehicles: int
    total_s: float
    unfinished: int
    undeparted: int

    @property
    def total_h(self) -> float:
        """Hours of all together."""
        return self.total_s / HOUR_S

    @property
    def mean_s(self) -> float:
        """Seconds a vehicle."""
        return self.total_s / self.vehicles if self.vehicles else 0.0


def read_trips(path: Path, *, end_s: float) -> list[Trip]:
    """Read SUMO's trip output; who wanted to start after `end_s` is left out.

    Raises SimulationError when the file is missing or broken off.
    """
    try:
        return [
            trip
            for _, element in Xml.iterparse(path)
            if element.tag == "tripinfo" and (trip := _trip(element, end_s)).wanted_s < end_s
        ]
    except (OSError, Xml.ParseError) as error:
        message = f"{path.name} of SUMO cannot be read ({error})"
        raise SimulationError(message) from error


def _trip(element: Xml.Element, end_s: float) -> Trip:
    departed_s = float(element.get("depart", -1))
    waited_s = max(float(element.get("departDelay", 0)), 0.0)
    return Trip(
        id=element.get("id", ""),
        kind=element.get("vType", ""),
        wanted_s=(end_s if departed_s < 0 else departed_s) - waited_s,
        departed_s=departed_s,
        arrived_s=float(element.get("arrival", -1)),
        lost_s=max(float(element.get("timeLoss", 0)), 0.0),
        waited_s=waited_s,
    )


def delay_of(trips: Sequence[Trip]) -> Delay:
    """Add up the delay of all trips."""
    return Delay(
        vehicles=len(trips),
        total_s=sum(trip.delay_s for trip in trips),
        unfinished=sum(trip.departed_s >= 0 > trip.arrived_s for trip in trips),
        undeparted=sum(trip.departed_s < 0 for trip in trips),
    )


def write_trips(trips: Sequence[Trip], path: Path) -> None:
    """Write the trips as CSV, one row a vehicle, seconds of SUMO."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for trip in trips:
            table.writerow([getattr(trip, column) for column in _COLUMNS])


@dataclass(frozen=True)
class LinkMinutes:
    """SUMO's state of the links: arrays (minutes, links), NaN where nobody was.

    start_s (minutes,) seconds of SUMO; entered in vehicles, speed m/s, density veh/m, travel s
    """

    links: tuple[str, ...]
    start_s: npt.NDArray[np.float64]
    entered: npt.NDArray[np.float64]
    speed_mps: npt.NDArray[np.float64]
    density_vpm: npt.NDArray[np.float64]
    travel_s: npt.NDArray[np.float64]

    def save(self, path: Path) -> None:
        """Write all arrays into one compressed file."""
        np.savez_compressed(
            path,
            links=np.array(self.links),
            start_s=self.start_s,
            entered=self.entered,
            speed_mps=self.speed_mps,
            density_vpm=self.density_vpm,
            travel_s=self.travel_s,
        )


def load_link_minutes(path: Path) -> LinkMinutes:
    """Read what `LinkMinutes.save` wrote. Raises InputError for another file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[name] for name in _ARRAYS]
            return LinkMinutes(tuple(map(str, file["links"])), *arrays)
    except (OSError, KeyError, ValueError) as error:
        rule = f"holds no truth of links ({type(error).__name__}: {error})"
        raise InputError(Fault("truth", str(path), rule)) from error


def read_link_minutes(path: Path, links: Sequence[str]) -> LinkMinutes:
    """Read SUMO's edge output. Raises SimulationError when it is missing or broken off."""
    row_of = {link: at for at, link in enumerate(links)}
    starts: list[float] = []
    tables: list[npt.NDArray[np.float64]] = []
    try:
        for start_s, edges in _intervals(path):
            table = np.full((len(links), 4), np.nan)
            table[:, 0] = 0.0
            table[:, 2] = 0.0
            for edge in edges:
                at = row_of.get(edge.get("id", ""))
                if at is not None:
                    table[at] = _measures(edge)
            starts.append(start_s)
            tables.append(table)
    except (OSError, Xml.ParseError, ValueError) as error:
        message = f"{path.name} of SUMO cannot be read ({error})"
        raise SimulationError(message) from error
    whole = np.array(tables) if tables else np.empty((0, len(links), 4))
    return LinkMinutes(
        tuple(links),
        np.array(starts),
        entered=whole[:, :, 0],
        speed_mps=whole[:, :, 1],
        density_vpm=whole[:, :, 2],
        travel_s=whole[:, :, 3],
    )


def _intervals(path: Path) -> Iterator[tuple[float, list[Xml.Element]]]:
    for _, element in Xml.iterparse(path):
        if element.tag == "interval":
            yield float(element.get("begin", 0)), list(element)
            element.clear()


def _measures(edge: Xml.Element) -> tuple[float, float, float, float]:
    return (
        float(edge.get("entered", 0)) + float(edge.get("departed", 0)),
        float(edge.get("speed", "nan")),
        float(edge.get("density", 0)) / 1000.0,
        float(edge.get("traveltime", "nan")),
    )
