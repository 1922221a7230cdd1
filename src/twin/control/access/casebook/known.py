"""The facts that the centre knows at a moment, sorted for the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from twin.clock import datetime_from_us, us_from_datetime
from twin.control.access.casebook.facts import (
    AuthorisationRow,
    ClockReport,
    CountrySet,
    Event,
    Granted,
    HolderChanged,
    Read,
    Revoked,
    VehicleRow,
    World,
    recorded_of,
)
from twin.ids import derived_id

ALWAYS_US = -(2**62)
_NEVER = datetime_from_us(0)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an authorisation, and when it was noted and heard of."""

    row: AuthorisationRow
    recorded_us: int
    arrived_us: int

    @property
    def order(self) -> tuple[int, int]:
        """Later noted counts more, then the higher version."""
        return self.recorded_us, self.row.version


@dataclass(slots=True)
class Known:
    """Everything that was heard of until a moment. Built by `known`, then only read."""

    world: World
    reads: list[Read] = field(default_factory=list)
    versions: dict[str, list[Version]] = field(default_factory=dict)
    revoked: dict[str, list[Revoked]] = field(default_factory=dict)
    holders: dict[str, list[HolderChanged]] = field(default_factory=dict)
    clocks: dict[str, list[ClockReport]] = field(default_factory=dict)
    countries: dict[str, CountrySet] = field(default_factory=dict)
    by_key: dict[str, set[str]] = field(default_factory=dict)
    vehicles: dict[str, VehicleRow] = field(default_factory=dict)
    listed: Callable[[str], int] | None = None


def known(
    world: World, events: Iterable[Event], listed: Callable[[str], int] | None = None
) -> Known:
    """Sort events by what they tell; the result does not depend on their order.

    `listed` says how many plates of a country have an authorisation, where these are not all.
    """
    found = Known(world, listed=listed)
    for vehicle in world.vehicles:
        found.vehicles.setdefault(vehicle.plate, vehicle)
    for row in world.authorisations:
        found.versions.setdefault(row.id, []).append(Version(row, ALWAYS_US, ALWAYS_US))
    for event in sorted(events, key=lambda one: one.id):
        _take(found, event)
    for versions in found.versions.values():
        versions.sort(key=lambda one: one.order)
    for name, versions in found.versions.items():
        for version in versions:
            for plate in version.row.plates:
                found.by_key.setdefault(plate, set()).add(name)
    return found


def _take(found: Known, event: Event) -> None:
    if isinstance(event, Read):
        found.reads.append(event)
    elif isinstance(event, Granted):
        row = event.authorisation
        version = Version(row, us_from_datetime(event.recorded), us_from_datetime(event.arrived))
        found.versions.setdefault(row.id, []).append(version)
    elif isinstance(event, Revoked):
        found.revoked.setdefault(event.authorisation, []).append(event)
    elif isinstance(event, HolderChanged):
        found.holders.setdefault(event.plate, []).append(event)
    elif isinstance(event, ClockReport):
        found.clocks.setdefault(event.gate, []).append(event)
    elif isinstance(event, CountrySet):
        found.countries[event.read] = event


def without_repeats(events: Iterable[Event]) -> tuple[list[Event], list[Event]]:
    """Split events into those that stand and those with the id of one that stands.

    Of reads of one gate with one id, the one that the gate noted first stands, then the one with
    the lower hash of its payload. An equal payload is no conflict: it is dropped.
    """
    standing: dict[tuple[str, str], Event] = {}
    refused: list[Event] = []
    for event in events:
        place = (event.gate if isinstance(event, Read) else "", event.id)
        other = standing.get(place)
        if other is None:
            standing[place] = event
        elif _payload(other) == _payload(event):
            standing[place] = min(other, event, key=lambda one: one.arrived)
        else:
            stays, goes = sorted((other, event), key=_standing)
            standing[place] = stays
            refused.append(goes)
    return list(standing.values()), refused


def _payload(event: Event) -> bytes:
    same = msgspec.structs.replace(event, arrived=_NEVER)
    return msgspec.json.encode(same, order="sorted")


def _standing(event: Event) -> tuple[int, str]:
    noted = recorded_of(event) if isinstance(event, Read) else event.arrived
    return us_from_datetime(noted), derived_id(_payload(event).decode())
