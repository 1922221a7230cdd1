"""Past days as a replay asks for them, from the tables of a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from twin.columns import Ints, PassageFact, ReadingBatch
from twin.events import Authorisation, DecisionEvent
from twin.network.model import SingleMap
from twin.store import authorisations, decisions, maps, observations, passages, steps
from twin.store.database import Database
from twin.store.records import AccessCount, AccessStep, Opening, Step

Readings = tuple[ReadingBatch, Ints]
Versions = Mapping[tuple[str, int], DecisionEvent]


class Past(Protocol):
    """Where past days are kept."""

    async def opening_before(self, time_us: int) -> Opening | None:
        """Return the last opening at or before a moment, None if there is none."""
        ...

    async def opening_after(self, time_us: int) -> Opening | None:
        """Return the first opening after a moment, None if there is none."""
        ...

    def steps(self, after_us: int, to_us: int) -> AsyncIterator[list[Step]]:
        """Give the steps with after < time <= to in order, some hundred at a time."""
        ...

    async def readings(self, network: SingleMap, first_us: int, last_us: int) -> Readings:
        """Return readings in time with first <= time <= last, and their origins (-1 unknown)."""
        ...

    async def decisions(self, first_us: int, last_us: int) -> Versions:
        """Return the versions with first <= time <= last that are kept, by id and version."""
        ...

    async def counts(self, from_us: int, to_us: int) -> Sequence[AccessCount]:
        """Return the counts of the hours that begin at from <= time <= to."""
        ...

    async def network(self, version: str) -> SingleMap:
        """Return a map. Raises MapError when it is not there."""
        ...


class Vehicles(Protocol):
    """Where vehicles and rights are kept, for as long as they may be."""

    async def steps(self, after_us: int, to_us: int) -> Mapping[int, AccessStep]:
        """Return what is known of the steps with after < time <= to."""
        ...

    async def passages(
        self, keys: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], PassageFact]:
        """Return the passages with these (gate, id) that are still there."""
        ...

    async def rights(self) -> Sequence[Authorisation]:
        """Return every version of every right, in the order of the log."""
        ...


class StoredDays:
    """The days in the tables of a database."""

    def __init__(self, database: Database) -> None:
        """Ask this database."""
        self._database = database

    async def opening_before(self, time_us: int) -> Opening | None:
        """See `Past`."""
        return await steps.opening_before(self._database, time_us)

    async def opening_after(self, time_us: int) -> Opening | None:
        """See `Past`."""
        return await steps.opening_after(self._database, time_us)

    def steps(self, after_us: int, to_us: int) -> AsyncIterator[list[Step]]:
        """See `Past`."""
        return steps.steps_between(self._database, after_us, to_us)

    async def readings(self, network: SingleMap, first_us: int, last_us: int) -> Readings:
        """See `Past`."""
        return await observations.applied_between(self._database, network, first_us, last_us)

    async def decisions(self, first_us: int, last_us: int) -> Versions:
        """See `Past`."""
        found = await decisions.made_between(self._database, first_us, last_us)
        return {(one.id, one.version): one for one in found}

    async def counts(self, from_us: int, to_us: int) -> Sequence[AccessCount]:
        """See `Past`."""
        return await steps.counts_between(self._database, from_us, to_us)

    async def network(self, version: str) -> SingleMap:
        """See `Past`."""
        return await maps.load_map(self._database, version)


class StoredVehicles:
    """Vehicles and rights in the tables of a database."""

    def __init__(self, database: Database) -> None:
        """Ask this database."""
        self._database = database

    async def steps(self, after_us: int, to_us: int) -> Mapping[int, AccessStep]:
        """See `Vehicles`."""
        return await steps.access_steps_between(self._database, after_us, to_us)

    async def passages(
        self, keys: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], PassageFact]:
        """See `Vehicles`."""
        return await passages.passages_of(self._database, keys)

    async def rights(self) -> Sequence[Authorisation]:
        """See `Vehicles`."""
        return await authorisations.recorded(self._database)
