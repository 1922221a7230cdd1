"""Splits a history into parts that cannot touch each other: each is decided by itself.

Two vehicles hang together if one read may be either, if one authorisation covers both, or if one
is a listed plate that the other's read is easily mistaken for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from twin.clock import us_from_datetime
from twin.control.access.casebook.facts import (
    AccessRequest,
    AuthorisationRow,
    ClockReport,
    CountrySet,
    Event,
    Granted,
    HolderChanged,
    Notified,
    OfficerAct,
    Outage,
    Read,
    Revoked,
    WhatIf,
    World,
)
from twin.control.access.casebook.known import ALWAYS_US
from twin.control.access.casebook.reading import PlateTables
from twin.control.access.casebook.rulebook import RuleBook

Part = tuple[World, list[Event]]


class Listing:
    """How many plates of each country have an authorisation, as known at each moment."""

    def __init__(self, world: World, events: Iterable[Event]) -> None:
        since: dict[str, int] = {}
        for row in world.authorisations:
            since |= dict.fromkeys(row.plates, ALWAYS_US)
        for event in events:
            if isinstance(event, Granted):
                arrived_us = us_from_datetime(event.arrived)
                for plate in event.authorisation.plates:
                    since[plate] = min(arrived_us, since.get(plate, arrived_us))
        self._since_us: dict[str, list[int]] = {}
        for plate, time_us in since.items():
            self._since_us.setdefault(plate[:2], []).append(time_us)
        for times in self._since_us.values():
            times.sort()
        self.plates = frozenset(since)

    def count(self, country: str, now_us: int) -> int:
        """Return how many plates of a country are listed at a moment."""
        return bisect_right(self._since_us.get(country, []), now_us)


def parts(book: RuleBook, world: World, events: Sequence[Event], listing: Listing) -> list[Part]:
    """Split a world and its events. Questions about everybody keep everything in one part."""
    if any(isinstance(one, WhatIf) for one in events):
        return [(world, list(events))]
    joined = _Joined(book, listing.plates)
    for row in world.authorisations:
        joined.authorisation(row)
    for event in events:
        joined.take(event, events)
    everywhere = [one for one in events if isinstance(one, ClockReport | Outage)]
    rows: dict[str, list[AuthorisationRow]] = {}
    for row in world.authorisations:
        rows.setdefault(joined.root("a " + row.id), []).append(row)
    told: dict[str, list[Event]] = {}
    for event in events:
        if not isinstance(event, ClockReport | Outage):
            told.setdefault(joined.root(_node(event)), []).append(event)
    return [
        (msgspec.structs.replace(world, authorisations=rows.get(root, [])), [*own, *everywhere])
        for root, own in told.items()
    ]


class _Joined:
    """Names of plates, reads, tracks and authorisations, joined where they hang together."""

    def __init__(self, book: RuleBook, listed: frozenset[str]) -> None:
        self._above: dict[str, str] = {}
        self._tables = [PlateTables(one.form.reading) for one in book.versions]
        self._listed = listed

    def root(self, name: str) -> str:
        """Return the name that stands for everything that hangs together with one."""
        path = []
        while (above := self._above.get(name, name)) != name:
            path.append(name)
            name = above
        for one in path:
            self._above[one] = name
        return name

    def authorisation(self, row: AuthorisationRow) -> None:
        """Join the plates of an authorisation."""
        for plate in row.plates:
            self._join("a " + row.id, "p " + plate)

    def take(self, event: Event, events: Sequence[Event]) -> None:
        """Join what an event names."""
        if isinstance(event, Read):
            self._read(event, event.country)
            if event.track:
                self._join(_node(event), f"t {event.gate} {event.direction} {event.track}")
        elif isinstance(event, CountrySet):
            for read in events:
                if isinstance(read, Read) and read.id == event.read:
                    self._read(read, event.country)
        elif isinstance(event, Granted):
            self.authorisation(event.authorisation)

    def _read(self, read: Read, country: str) -> None:
        for tables in self._tables:
            for key in tables.read(read.plate, country).keys:
                self._join(_node(read), "p " + key)
                for near in tables.neighbours(key):
                    if near in self._listed:
                        self._join(_node(read), "p " + near)

    def _join(self, one: str, other: str) -> None:
        self._above[self.root(other)] = self.root(one)


def _node(event: Event) -> str:
    """Name what an event hangs on; reads of two gates with one id hang together."""
    if isinstance(event, Granted):
        return "a " + event.authorisation.id
    if isinstance(event, Revoked):
        return "a " + event.authorisation
    if isinstance(event, HolderChanged | AccessRequest):
        return "p " + event.plate
    if isinstance(event, OfficerAct | Notified):
        return "r " + event.passage
    return "r " + (event.read if isinstance(event, CountrySet) else event.id)
