"""Who drives into the old town in the morning, with which plate, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from maker_common.people import HABITS, Holder, holders, strangers, visits

from metropolis.oldtown import MARKET, OLD
from metropolis.routes import Router
from metropolis.trips import END_S, START_S, End, ends, shortest
from twin.network.model import SingleMap

STRANGERS = 260
_LEAVING = 150  # residents who slept in the old town and drive to work
_ERRANT_SHARE = 0.06  # take a way through the market quarter that they may not
_OLD_ONLY_SHARE = 0.35  # of residents: authorised for the old town alone
_MORE = {"RESIDENT": 1.5, "TRADER": 1.5, "GOODS": 1.3, "HOTEL_GUEST": 4.0, "EMERGENCY": 2.0}
_ENDS = ("C", "OS", "ON", "S", "N")
_END_SHARES = (0.62, 0.16, 0.08, 0.07, 0.07)
KINDS = {
    "": "stranger",
    "RESIDENT": "resident",
    "TRADER": "trader",
    "GOODS": "goods",
    "HOTEL_GUEST": "guest",
    "TAXI": "taxi",
    "BUS": "bus",
    "EMERGENCY": "emergency",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One vehicle in the old town. `stand` is where it parks (empty: it only leaves)."""

    id: str
    country: str
    plate: str
    profile: str
    authorisation: str
    depart_s: float
    links: tuple[str, ...]
    stand: str
    stay_s: float

    @property
    def kind(self) -> str:
        """Return the kind of vehicle in SUMO."""
        return KINDS.get(self.profile, "visitor")


def residents(rng: np.random.Generator) -> list[Holder]:
    """Draw everybody who has an authorisation."""
    grown = (
        replace(habit, holders=round(habit.holders * _MORE.get(habit.profile, 1.0)))
        for habit in HABITS
    )
    return holders(rng, tuple(grown))


def zones_of(holder: Holder) -> tuple[str, ...]:
    """Return the zones that a holder is authorised for."""
    if holder.profile == "RESIDENT":
        number = int(holder.authorisation.rsplit("-", 1)[1])
        if number % 100 < _OLD_ONLY_SHARE * 100:
            return (OLD,)
    return (OLD, MARKET)


class OldTown:
    """Draws the visits of a morning and the ways they take."""

    def __init__(self, network: SingleMap, rng: np.random.Generator) -> None:
        """Prepare the ways with and without the market quarter."""
        zones = {str(zone.id): frozenset(map(str, zone.links)) for zone in network.zones}
        self._rng = rng
        self._free = Router(network, None, frozenset())
        self._old_only = Router(network, None, zones["MARKET"] - _inner(zones["MARKET"]))
        self._stands = sorted(_inner(zones["OLD"]))
        self._old_stands = sorted(_inner(zones["OLD"]) - zones["MARKET"])
        self._ends: dict[str, list[End]] = {}
        for end in ends(network):
            self._ends.setdefault(end.group, []).append(end)

    def morning(self, known: list[Holder]) -> list[Visit]:
        """Return all vehicles that enter or leave the old town, ordered by departure."""
        unknown = strangers(self._rng, STRANGERS)
        by_plate = {plate: holder for holder in known for plate in holder.plates}
        made = []
        for visit in visits(known + unknown, self._rng):
            depart_s = visit.in_h * 3600.0 - 420.0
            holder = by_plate.get(visit.plate, Holder("", "", (visit.plate,)))
            if START_S <= depart_s < END_S - 900.0 and holder.profile != "BUS":
                stay_s = (visit.out_h - visit.in_h) * 3600.0
                made.append(self._visit(holder, visit.plate, depart_s, stay_s))
        sleepers = [holder for holder in known if holder.profile == "RESIDENT"]
        for row in self._rng.choice(len(sleepers), _LEAVING, replace=False):
            made.append(self._leave(sleepers[int(row)]))
        ordered = sorted((visit for visit in made if visit.links), key=lambda one: one.depart_s)
        return [replace(visit, id=f"v{row:04d}") for row, visit in enumerate(ordered, 1)]

    def _visit(
        self, holder: Holder, plate: tuple[str, str], depart_s: float, stay_s: float
    ) -> Visit:
        lawful = MARKET in zones_of(holder) and holder.profile != ""
        free = lawful or self._rng.random() < _ERRANT_SHARE or not holder.profile
        router = self._free if free else self._old_only
        stands = self._stands if free else self._old_stands
        stand = stands[int(self._rng.integers(len(stands)))]
        there = shortest(router, self._end().leaving, (stand,))
        back = shortest(router, (stand,), self._end().entering)
        links = there + back[1:] if there and back else ()
        return _made(holder, plate, depart_s, links, (stand, stay_s))

    def _leave(self, holder: Holder) -> Visit:
        start = self._stands[int(self._rng.integers(len(self._stands)))]
        links = shortest(self._free, (start,), self._end().entering)
        depart_s = float(self._rng.normal(7.6 * 3600.0, 2100.0))
        depart_s = min(max(depart_s, START_S), END_S - 1800.0)
        return _made(holder, holder.plates[0], depart_s, links, ("", 0.0))

    def _end(self) -> End:
        group = _ENDS[int(self._rng.choice(len(_ENDS), p=_END_SHARES))]
        some = self._ends[group]
        return some[int(self._rng.integers(len(some)))]


def _inner(links: frozenset[str]) -> frozenset[str]:
    return frozenset(link for link in links if link.startswith("OLD"))


def _made(
    holder: Holder,
    plate: tuple[str, str],
    depart_s: float,
    links: tuple[str, ...],
    stop: tuple[str, float],
) -> Visit:
    return Visit(
        id="",
        country=plate[0],
        plate=plate[1],
        profile=holder.profile,
        authorisation=holder.authorisation,
        depart_s=round(depart_s, 1),
        links=links,
        stand=stop[0],
        stay_s=round(stop[1]),
    )
