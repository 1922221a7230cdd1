"""Weekly windows of local civil time: half-open, and a night belongs to the day it starts on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from twin.clock import datetime_from_us
from twin.units import SECOND_US

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_US: Final = 86_400 * SECOND_US


@dataclass(frozen=True, slots=True)
class Window:
    """From `start_us` to before `end_us` of the local day, on some weekdays (0 is Monday).

    Both count microseconds of the clock on the wall since local midnight. A window whose end is
    not after its start runs over midnight and belongs to the day on which it starts.
    """

    days: frozenset[int]
    start_us: int
    end_us: int

    @property
    def overnight(self) -> bool:
        """Say whether the window ends on the day after its start."""
        return self.end_us <= self.start_us

    def holds(self, local: datetime) -> bool:
        """Say whether a local moment lies in the window."""
        today = local.weekday()
        since_us = _since_midnight_us(local)
        if not self.overnight:
            return today in self.days and self.start_us <= since_us < self.end_us
        started_today = today in self.days and since_us >= self.start_us
        started_before = (today - 1) % 7 in self.days and since_us < self.end_us
        return started_today or started_before

    def text(self) -> str:
        """Write the window as people do: `mon-sat 08:00-11:00`."""
        return f"{_days_text(self.days)} {_time_text(self.start_us)}-{_time_text(self.end_us)}"


def local_time(time_us: int, zone: ZoneInfo) -> datetime:
    """Return the clock on the wall of the zone at a moment."""
    return datetime_from_us(time_us).astimezone(zone)


def _since_midnight_us(local: datetime) -> int:
    seconds = (local.hour * 60 + local.minute) * 60 + local.second
    return seconds * SECOND_US + local.microsecond


def _time_text(since_us: int) -> str:
    minutes = since_us // (60 * SECOND_US)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _days_text(days: frozenset[int]) -> str:
    if len(days) == len(DAYS):
        return "daily"
    ordered = sorted(days)
    runs: list[list[int]] = []
    for day in ordered:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs
    )
