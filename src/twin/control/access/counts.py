"""What the single map may know of gates: vehicles an hour, and no number that is too small.

Fixed cells of gate, UTC hour, way and profile. A cell with fewer than ten different vehicles is not
told, the others are rounded to the nearest five, and no totals are told from which a cell could be
computed. An hour is told once, two minutes after its end; what comes later changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from twin.clock import us_from_datetime
from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.units import SECOND_US

HOUR_US: Final = 3600 * SECOND_US
WAIT_US: Final = 120 * SECOND_US
FEWEST: Final = 10
ROUNDED_TO: Final = 5


class GateCount(NamedTuple):
    """Vehicles that passed a gate one way in the UTC hour that begins at `hour_us`.

    `profile` is that of the right under which they entered; empty for all others.
    """

    hour_us: int
    gate: str
    direction: str
    profile: str
    vehicles: int


@dataclass(slots=True)
class _Cell:
    passages: int = 0
    vehicles: set[str] = field(default_factory=set)


class AccessCounts:
    """Counts passages from the decisions about them, and tells an hour when it is over."""

    def __init__(self) -> None:
        """Know of no passage."""
        self._cells: dict[tuple[int, str, str, str], _Cell] = {}
        self._fed: dict[int, tuple[GateCount, ...]] = {}
        self._hour_us = -1
        self._told: tuple[GateCount, ...] = ()

    @property
    def told(self) -> tuple[GateCount, ...]:
        """The cells of the newest hour that was told."""
        return self._told

    def take(self, event: DecisionEvent) -> None:
        """Count a decision about a passage when it is made; a better read of it is none."""
        made = (event.kind, event.state) == (DecisionKind.ACCESS, DecisionState.DECIDED)
        if not made or event.predecessor:
            return
        facts = {one.name: str(one.value) for one in event.facts}
        passed = facts.get("passed", "")
        passed_us = us_from_datetime(datetime.fromisoformat(passed) if passed else event.time)
        hour_us = passed_us // HOUR_US * HOUR_US
        if hour_us <= self._hour_us:
            return
        key = (hour_us, event.target, facts.get("direction", ""), facts.get("profile", ""))
        cell = self._cells.setdefault(key, _Cell())
        cell.passages += 1
        cell.vehicles.add(facts.get("vehicle", ""))  # a word of 16 bits: rather too few than many

    def advance(self, now_us: int) -> tuple[GateCount, ...]:
        """Tell the hour that is over by now; return its cells if it was not told before."""
        hour_us = hour_told(now_us)
        if hour_us <= self._hour_us:
            return ()
        fed = self._fed.get(hour_us)
        self._told = self._counted(hour_us) if fed is None else fed
        self._hour_us = hour_us
        self._cells = {key: cell for key, cell in self._cells.items() if key[0] > hour_us}
        self._fed = {hour: cells for hour, cells in self._fed.items() if hour > hour_us}
        return self._told

    def _counted(self, hour_us: int) -> tuple[GateCount, ...]:
        return tuple(
            GateCount(*key, round(cell.passages / ROUNDED_TO) * ROUNDED_TO)
            for key, cell in sorted(self._cells.items())
            if key[0] == hour_us and len(cell.vehicles - {""}) >= FEWEST
        )

    def resume(
        self, now_us: int, told: Iterable[GateCount], decided: Iterable[DecisionEvent]
    ) -> None:
        """Go on where the last beat was at `now_us`, from what was told and decided by then.

        Without a beat (0) nothing was told.
        """
        self._hour_us = hour_told(now_us) if now_us else -1
        self._told = tuple(sorted(one for one in told if one.hour_us == self._hour_us))
        for event in decided:
            self.take(event)

    def feed(self, counts: Iterable[GateCount], hours_us: Iterable[int]) -> None:
        """Let what was told live stand for these hours, where the passages are not known."""
        by_hour: dict[int, list[GateCount]] = {hour_us: [] for hour_us in hours_us}
        for one in counts:
            if one.hour_us in by_hour:
                by_hour[one.hour_us].append(one)
        self._fed |= {hour_us: tuple(sorted(cells)) for hour_us, cells in by_hour.items()}


def hour_told(now_us: int) -> int:
    """Return the begin of the newest hour that is over, its wait included."""
    return (now_us - WAIT_US) // HOUR_US * HOUR_US - HOUR_US
