"""Travel times on the ways between gates, live, as the picture tells them.

Beside the estimate, not in it: what a vehicle's two sightings say is forgotten within two hours,
so a past day could not be done again with them. A restart, and a change of the map, begin anew.
Sightings are numbers under a key that lives in memory alone (`keys.TravelKeys`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import PassageFact
from twin.ids import LinkId
from twin.network.model import Gate, SingleMap
from twin.network.routing import Router
from twin.perceive.travel import CELL_US, GatePair, PairTime, TravelTimes
from twin.units import SECOND_US

WAIT_US: Final = 120 * SECOND_US
"""An interval is told so long after its end, once; what comes later changes nothing."""
SHOWN_US: Final = 1800 * SECOND_US
"""Older than this is not told any more."""
LONGEST_FREE_S: Final = 1800.0
SHORTEST_FREE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Way:
    """The fastest way from one gate to another that passes no third; metres and free seconds."""

    origin: str
    destination: str
    links: tuple[str, ...]
    length_m: float
    free_s: float


@dataclass(frozen=True, slots=True)
class TripTime:
    """The travel time of a way in one interval of five minutes, from at least ten vehicles.

    end_us        of the interval in which they arrived
    median_s, sd_s of those who drove through, and the standard deviation of that median
    vehicles      to the nearest five
    """

    way: Way
    end_us: int
    median_s: float
    sd_s: float
    vehicles: int


class Trips:
    """Sightings at the gates of one map, and the travel times that were told."""

    def __init__(self, network: SingleMap) -> None:
        """Find the ways between gates; see nobody yet."""
        self.ways = ways_between(network)
        gates = {str(gate.id): row for row, gate in enumerate(network.gates)}
        self._rows = gates if self.ways else {}
        self._times = TravelTimes(
            [GatePair(gates[one.origin], gates[one.destination], one.free_s) for one in self.ways]
        )
        self._told_us: int | None = None
        self._told: dict[int, PairTime] = {}

    def observe(self, facts: Iterable[PassageFact]) -> None:
        """Take passages in; those without a number for this purpose tell nothing here."""
        seen = [
            (one.time_us, self._rows[one.gate], one.vehicle)
            for one in facts
            if one.vehicle and one.gate in self._rows
        ]
        if seen:
            time_us, gate, vehicle = np.array(seen, np.int64).T.copy()
            self._times.observe(time_us, gate, vehicle)

    def advance(self, now_us: int) -> tuple[TripTime, ...]:
        """Return what is told at `now_us`, by gates; forget who was seen two hours ago."""
        end_us = (now_us - WAIT_US) // CELL_US * CELL_US
        if self._told_us is None:
            self._told_us = end_us
        if end_us > self._told_us:
            self._tell(self._told_us, end_us)
            self._told_us = end_us
            self._times.forget(now_us)
        shown = [one for one in self._told.values() if one.end_us > now_us - SHOWN_US]
        return tuple(
            TripTime(self.ways[one.pair], one.end_us, one.median_s, one.sd_s, one.vehicles)
            for one in sorted(shown, key=lambda one: one.pair)
        )

    def _tell(self, after_us: int, until_us: int) -> None:
        for one in self._times.cells(until_us):
            if one.end_us > after_us:
                self._told[one.pair] = one


def ways_between(network: SingleMap) -> tuple[Way, ...]:
    """Return the fastest way from every gate to every other that can be reached directly."""
    if len(network.gates) < 2:
        return ()
    router = Router(network)
    on_link: dict[str, list[Gate]] = {}
    for gate in sorted(network.gates, key=lambda one: one.position_m):
        on_link.setdefault(gate.link, []).append(gate)
    found = []
    for gate in network.gates:
        for links in router.reached(gate.link, within_s=LONGEST_FREE_S, wanted=set(on_link)):
            way = _direct(network, gate, links, on_link)
            if way is not None and SHORTEST_FREE_S <= way.free_s <= LONGEST_FREE_S:
                found.append(way)
    return tuple(sorted(found, key=lambda one: (one.origin, one.destination)))


def _direct(
    network: SingleMap, origin: Gate, links: tuple[LinkId, ...], on_link: dict[str, list[Gate]]
) -> Way | None:
    """Return the way over these links to the first gate of the last; None with one between."""
    between = [gate for link in links[1:-1] for gate in on_link.get(link, ())]
    same = len(links) == 1
    behind = [g for g in on_link[links[0]] if g.position_m > origin.position_m]
    if between or (behind and not same):
        return None
    ahead = behind if same else on_link[links[-1]]
    if not ahead:
        return None
    last = ahead[0]
    rows = [network.links[network.link_rows[link]] for link in links]
    metres = [link.length_m for link in rows]
    metres[-1] = last.position_m
    metres[0] -= origin.position_m
    return Way(
        origin=origin.id,
        destination=last.id,
        links=tuple(str(link) for link in links),
        length_m=sum(metres),
        free_s=sum(m / link.free_speed_mps for m, link in zip(metres, rows, strict=True)),
    )
