"""Who drives from where to where in the morning: trips between zones, drawn minute by minute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metropolis.motorway import INTERCHANGES
from metropolis.routes import Router
from twin.network.model import SingleMap

START_S, END_S = 6 * 3600, 10 * 3600
_SLOT_S = 900
# Share of the peak in each quarter of an hour from 06:00; the peak is 07:30 to 08:45.
PROFILE = (
    *(0.34, 0.40, 0.48, 0.58),
    *(0.72, 0.91, 1.00, 1.00),
    *(0.98, 0.95, 0.88, 0.78),
    *(0.66, 0.57, 0.52, 0.48),
)
SHIFTS_MIN = 6.0  # how much earlier or later a day may be
_DAY_SPREAD = 0.025
# Peak vehicles an hour between the ends of the motorway (N, S), the land around it (O: along its
# west and east; OS, ON: south and north of the viaduct) and the city (C).
_PEAK_VPH = {
    ("S", "N"): 2090.0,
    ("N", "S"): 1450.0,
    ("S", "C"): 500.0,
    ("N", "C"): 540.0,
    ("C", "S"): 320.0,
    ("C", "N"): 540.0,
    ("OS", "N"): 950.0,
    ("ON", "N"): 260.0,
    ("N", "OS"): 330.0,
    ("N", "ON"): 170.0,
    ("S", "OS"): 380.0,
    ("S", "ON"): 170.0,
    ("OS", "S"): 460.0,
    ("ON", "S"): 220.0,
    ("OS", "C"): 420.0,
    ("ON", "C"): 210.0,
    ("C", "OS"): 240.0,
    ("C", "ON"): 130.0,
    ("OS", "ON"): 130.0,
    ("ON", "OS"): 110.0,
    ("OS", "OS"): 160.0,
    ("C", "C"): 1450.0,
}
_KINDS = ("car", "van", "truck", "taxi")
_FAR = (0.80, 0.08, 0.12, 0.0)
_NEAR = (0.83, 0.11, 0.03, 0.03)
ROUTERS = 3


@dataclass(frozen=True, slots=True)
class Trip:
    """One vehicle: seconds of the day, its kind, the links it drives."""

    id: str
    depart_s: float
    kind: str
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class End:
    """A zone as an end of trips: its group, and the links that leave and enter it."""

    zone: str
    group: str
    leaving: tuple[str, ...]
    entering: tuple[str, ...]


def ends(network: SingleMap) -> tuple[End, ...]:
    """Return all zones of trips with their links."""
    node_zone = {node.id: node.zone for node in network.nodes if node.zone}
    leaving: dict[str, list[str]] = {}
    entering: dict[str, list[str]] = {}
    for link in network.links:
        if link.from_node in node_zone:
            leaving.setdefault(node_zone[link.from_node], []).append(link.id)
        if link.to_node in node_zone:
            entering.setdefault(node_zone[link.to_node], []).append(link.id)
    return tuple(
        End(zone.id, _group(zone.id), tuple(leaving[zone.id]), tuple(entering[zone.id]))
        for zone in network.zones
        if zone.kind == "trips"
    )


def _group(zone: str) -> str:
    if zone in {"A10 Sur", "A10 Norte"}:
        return "S" if zone == "A10 Sur" else "N"
    for place in INTERCHANGES:
        if zone in {f"{place.name} Oeste", f"{place.name} Este"}:
            return "OS" if place.number <= 5 else "ON"
    return "C"


def rates_vph(all_ends: tuple[End, ...]) -> np.ndarray:
    """Return the peak vehicles an hour from each end to each other, (ends, ends)."""
    groups = [end.group for end in all_ends]
    rates = np.zeros((len(groups), len(groups)))
    for (one, other), vph in _PEAK_VPH.items():
        pairs = [
            (a, b)
            for a, start in enumerate(groups)
            for b, stop in enumerate(groups)
            if (start, stop) == (one, other) and a != b
        ]
        for a, b in pairs:
            rates[a, b] = vph / len(pairs)
    return rates


def draw_trips(
    network: SingleMap, rng: np.random.Generator, barred: frozenset[str]
) -> tuple[Trip, ...]:
    """Draw all trips of the morning but those into the old town, ordered by departure."""
    all_ends = ends(network)
    routers = [Router(network, np.random.default_rng(row), barred) for row in range(ROUTERS)]
    rates = rates_vph(all_ends) * float(rng.normal(1.0, _DAY_SPREAD))
    late_s = float(rng.uniform(-SHIFTS_MIN, SHIFTS_MIN)) * 60.0
    drawn: list[tuple[float, str, tuple[str, ...]]] = []
    for slot, share in enumerate(PROFILE):
        counts = rng.poisson(rates * share * _SLOT_S / 3600.0)
        for a, b in zip(*np.nonzero(counts), strict=True):
            for _ in range(int(counts[a, b])):
                at_s = START_S + (slot + float(rng.random())) * _SLOT_S + late_s
                links = _way(routers, rng, all_ends[a], all_ends[b])
                near = all_ends[a].group == "C" and all_ends[b].group == "C"
                kind = _KINDS[int(rng.choice(len(_KINDS), p=_NEAR if near else _FAR))]
                if links and START_S <= at_s < END_S:
                    drawn.append((round(at_s, 1), kind, links))
    drawn.sort()
    return tuple(
        Trip(f"t{number:05d}", at_s, kind, links)
        for number, (at_s, kind, links) in enumerate(drawn, 1)
    )


def _way(routers: list[Router], rng: np.random.Generator, start: End, stop: End) -> tuple[str, ...]:
    router = routers[int(rng.integers(len(routers)))]
    return shortest(router, start.leaving, stop.entering)


def shortest(router: Router, starts: tuple[str, ...], stops: tuple[str, ...]) -> tuple[str, ...]:
    """Return the way with the fewest links from one of some links to one of others."""
    ways = [router.route(start, stop) for start in starts for stop in stops]
    return min((way for way in ways if way), key=len, default=())
