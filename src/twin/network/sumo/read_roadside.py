"""What stands beside the road in additional files of SUMO: loops as sensors, stops as a table.

Loops that are called `S_0`, `S_1`, … on lanes of one edge and at one place are one sensor `S` over
all these lanes, as `write_roadside` writes them; any other loop is a sensor of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

from twin.errors import MapError
from twin.ids import LinkId, SensorId
from twin.network.geometry import point_at
from twin.network.model import Link, Sensor, Table
from twin.network.sumo.net import UNREADABLE, opened
from twin.network.sumo.write_roadside import STOP_TYPE, STOPS_TABLE

_STOP_COLUMNS: Final = ("loc_id", "link_id", "lr", "loc_type")
_LOOPS: Final = frozenset({"inductionLoop", "e1Detector"})
_USUAL_PERIOD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Loop:
    id: str
    lane: str
    position_m: float
    period_s: float | None


@dataclass
class Roadside:
    """What was found; `unplaced` are loops and stops on no link of the map."""

    sensors: list[Sensor] = field(default_factory=list)
    stops: list[tuple[str, ...]] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    no_period: list[str] = field(default_factory=list)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The stops as the table `location` of GMNS; no table without stops."""
        return (Table(STOPS_TABLE, _STOP_COLUMNS, tuple(self.stops)),) if self.stops else ()


def read_roadside(files: Iterable[Path], links: Mapping[str, Link]) -> Roadside:
    """Read loops and stops. Raises MapError for a file that cannot be read."""
    found = Roadside()
    loops: dict[tuple[str, str, float], list[_Loop]] = defaultdict(list)
    for path in files:
        try:
            with opened(path) as file:
                for _, element in Xml.iterparse(file):
                    if element.tag in _LOOPS:
                        loop = _loop(element.attrib)
                        edge = loop.lane.rpartition("_")[0]
                        loops[_family(loop), edge, loop.position_m].append(loop)
                    elif element.tag == "busStop":
                        _stop(element.attrib, links, found)
                    element.clear()
        except UNREADABLE as error:
            message = f"{path}: is no additional file of SUMO ({type(error).__name__}: {error})"
            raise MapError(message) from error
    for (name, edge, _), some in loops.items():
        if edge in links:
            found.sensors.append(_sensor(name, some, links[edge], found))
        else:
            found.unplaced += [loop.id for loop in some]
    return found


def _loop(attributes: Mapping[str, str]) -> _Loop:
    period = attributes.get("period", attributes.get("freq"))
    return _Loop(
        attributes["id"],
        attributes["lane"],
        float(attributes["pos"]),
        float(period) if period else None,
    )


def _family(loop: _Loop) -> str:
    """Return `S` of the loop `S_2` on the lane `E_2`, else the loop's own name."""
    name, _, number = loop.id.rpartition("_")
    return name if name and number == loop.lane.rpartition("_")[2] else loop.id


def _sensor(name: str, loops: list[_Loop], link: Link, found: Roadside) -> Sensor:
    at_m = loops[0].position_m + (link.length_m if loops[0].position_m < 0 else 0.0)
    at_m = min(max(at_m, 0.0), link.length_m)
    if loops[0].period_s is None:
        found.no_period.append(name)
    return Sensor(
        id=SensorId(name),
        link=LinkId(link.id),
        position_m=at_m,
        point=point_at(link.line, at_m, length_m=link.length_m),
        period_s=loops[0].period_s or _USUAL_PERIOD_S,
        lanes=len(loops),
        station=name,
    )


def _stop(attributes: Mapping[str, str], links: Mapping[str, Link], found: Roadside) -> None:
    edge = attributes["lane"].rpartition("_")[0]
    if edge not in links:
        found.unplaced.append(attributes["id"])
        return
    end_m = float(attributes.get("endPos", links[edge].length_m))
    found.stops.append((attributes["id"], edge, f"{end_m:g}", STOP_TYPE))
