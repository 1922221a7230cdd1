"""What passed each gate today: counts and the newest moment, no vehicles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from twin.clock import us_from_datetime
from twin.events import DecisionEvent, DecisionKind, DecisionState

_ADMITTED: Final = frozenset({"ADMIT", "ADMIT_FLAG"})


@dataclass(slots=True)
class GateDay:
    """Counts of one gate since the local day began (or since the process did, if that is later)."""

    day: date
    last_us: int = -1
    entries: int = 0
    exits: int = 0
    admitted: int = 0


def fact(event: DecisionEvent, name: str) -> str:
    """Return the fact of a decision by its name, "" when it has none."""
    return next((str(one.value) for one in event.facts if one.name == name), "")


def passed_at(event: DecisionEvent) -> datetime:
    """Return when the vehicle passed; the time of the decision if that is not among its facts."""
    text = fact(event, "passed")
    return datetime.fromisoformat(text) if text else event.time


class GateTally:
    """Counts passages by gate and local day from the access decisions that go by."""

    def __init__(self, timezone: str) -> None:
        """Count days as the clocks of `timezone` do."""
        self._zone = ZoneInfo(timezone or "UTC")
        self._days: dict[str, GateDay] = {}

    def take(self, event: DecisionEvent) -> None:
        """Count an access decision when it is made; a better read of the same passage is none."""
        if event.kind is not DecisionKind.ACCESS or event.state is not DecisionState.DECIDED:
            return
        passed = passed_at(event)
        day = passed.astimezone(self._zone).date()
        counts = self._days.get(event.target)
        if counts is None or counts.day < day:
            last_us = counts.last_us if counts else -1
            counts = self._days[event.target] = GateDay(day, last_us)
        counts.last_us = max(counts.last_us, us_from_datetime(passed))
        if event.predecessor or counts.day != day:
            return
        if fact(event, "direction") == "out":
            counts.exits += 1
            return
        counts.entries += 1
        counts.admitted += fact(event, "state") in _ADMITTED

    def of(self, gate: str, now: datetime) -> GateDay:
        """Return the counts of a gate for the local day of `now`."""
        today = now.astimezone(self._zone).date()
        counts = self._days.get(gate)
        if counts is None:
            return GateDay(today)
        return counts if counts.day == today else GateDay(today, counts.last_us)
