"""Numbers that stand for vehicles in one run: no plate leaves, and no token of one."""

from __future__ import annotations

from collections.abc import Iterable

from twin.clock import us_from_datetime
from twin.control.access.casebook.facts import Event, Granted, Read, World
from twin.control.access.casebook.reading import PlateTables
from twin.control.access.casebook.rulebook import RuleBook


class Aliases:
    """Gives each vehicle a number that does not depend on the order in which facts arrived."""

    def __init__(self, book: RuleBook, world: World, events: Iterable[Event]) -> None:
        self._numbers: dict[str, int] = {}
        ordered = sorted(events, key=lambda one: one.id)
        for row in world.authorisations:
            self._number(row.plates)
        for event in ordered:
            if isinstance(event, Granted):
                self._number(event.authorisation.plates)
        tables = {one.version: PlateTables(one.form.reading) for one in book.versions}
        reads = [one for one in ordered if isinstance(one, Read)]
        for read in sorted(reads, key=lambda one: one.time):
            rules = book.at(us_from_datetime(read.time))
            if rules is not None:
                reading = tables[rules.version].read(read.plate, read.country)
                self._number((*reading.keys, reading.key))

    def __call__(self, key: str) -> str:
        """Return the word for a vehicle, "" for none."""
        if not key:
            return ""
        self._number((key,))
        return f"V{self._numbers[key]}"

    def _number(self, keys: Iterable[str]) -> None:
        for key in keys:
            if key:
                self._numbers.setdefault(key, len(self._numbers) + 1)
