"""The bus lines: where they run, where they stop, when they leave."""

from __future__ import annotations

from dataclasses import dataclass

from maker_common.people import Holder

from metropolis.roadside import STOP_LINKS
from metropolis.routes import Router
from metropolis.trips import END_S, START_S
from twin.network.model import SingleMap

STOP_S = 18.0


@dataclass(frozen=True, slots=True)
class Line:
    """One direction of a bus line: the links it must pass, and its headway."""

    name: str
    title: str
    headway_s: float
    over: tuple[str, ...]


LINES = (
    Line("L1-E", "La Concordia - Puente Este", 420.0, ("X4-campo-a", "AV-E-01", "AV-E-29")),
    Line("L1-O", "Puente Este - La Concordia", 420.0, ("AV-O-01", "AV-O-29", "X4-campo-b")),
    Line("L2-N", "Ronda Sur - Ronda Norte", 600.0, ("SAL06A-b", "C06B-a", "C06E-a", "SAL06G-a")),
    Line("L2-S", "Ronda Norte - Ronda Sur", 600.0, ("SAL06G-b", "C06E-b", "C06B-b", "SAL06A-a")),
    Line("L3", "Microbús del Casco Antiguo", 900.0, ("SAL06A-b", "OLD07-a", "SAL12A-a")),
)


@dataclass(frozen=True, slots=True)
class Bus:
    """One run of a line, with the plate of the bus that makes it."""

    id: str
    line: str
    depart_s: float
    links: tuple[str, ...]
    stops: tuple[str, ...]
    country: str
    plate: str
    authorisation: str


def line_links(network: SingleMap, line: Line) -> tuple[str, ...]:
    """Return the links of a line from its first to its last; only L3 enters the old town."""
    zones = {str(zone.id): zone.links for zone in network.zones}
    barred = frozenset(map(str, (*zones["OLD"], *zones["MARKET"])))
    router = Router(network, None, frozenset() if line.name == "L3" else barred)
    way: tuple[str, ...] = line.over[:1]
    for stop in line.over[1:]:
        leg = router.route(way[-1], stop)
        if not leg:
            message = f"line {line.name}: no way from {way[-1]} to {stop}"
            raise ValueError(message)
        way += leg[1:]
    return way


def runs(network: SingleMap, known: list[Holder]) -> list[Bus]:
    """Return all runs of the morning, ordered by departure."""
    fleet = [holder for holder in known if holder.profile == "BUS"]
    made: list[Bus] = []
    for line in LINES:
        links = line_links(network, line)
        stops = tuple(link for link in links if link in STOP_LINKS)
        for number in range(int((END_S - START_S - 900.0) / line.headway_s)):
            bus = fleet[len(made) % len(fleet)]
            country, plate = bus.plates[0]
            depart_s = START_S + 60.0 + number * line.headway_s
            name = f"b{line.name}.{number:02d}"
            made.append(
                Bus(name, line.name, depart_s, links, stops, country, plate, bus.authorisation)
            )
    return sorted(made, key=lambda bus: (bus.depart_s, bus.id))
