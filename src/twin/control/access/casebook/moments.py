"""Local days and months, and the instants of an uncertain moment that can differ in law."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from twin.clock import datetime_from_us, us_from_datetime
from twin.units import SECOND_US

_MINUTE_US = 60 * SECOND_US
_MOST_MINUTES = 240


def local_day(time_us: int, zone: ZoneInfo) -> date:
    """Return the local day of a moment."""
    return datetime_from_us(time_us).astimezone(zone).date()


def month_name(day: date) -> str:
    """Write a month as `2026-06`."""
    return f"{day.year:04d}-{day.month:02d}"


def midnight_us(day: date, zone: ZoneInfo) -> int:
    """Return when a local day begins."""
    return us_from_datetime(datetime(day.year, day.month, day.day, tzinfo=zone))


def day_end_us(day: date, zone: ZoneInfo) -> int:
    """Return when a local day ends, exclusive."""
    return midnight_us(day + timedelta(days=1), zone)


def months_end_us(time_us: int, months: int, zone: ZoneInfo) -> int:
    """Return the exclusive end of a term of months that begins at a moment.

    The term ends with the same-numbered day, or with the month's last day where there is none.
    """
    day = local_day(time_us, zone)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return day_end_us(date(year, month + 1, min(day.day, last)), zone)


def instants(time_us: int, uncertainty_us: int, edges_us: tuple[int, ...]) -> tuple[int, ...]:
    """Return the instants of [t-u, t+u] between which no rule can change, the nominal one first.

    Rules change at whole minutes of the clock and at the given edges: each edge in the interval
    counts, and the microsecond before it. Beyond 4 h only the edges and the hours are looked at.
    """
    first, last = time_us - uncertainty_us, time_us + uncertainty_us
    if uncertainty_us == 0:
        return (time_us,)
    step = _MINUTE_US if last - first <= _MOST_MINUTES * _MINUTE_US else 60 * _MINUTE_US
    whole = range(-(-first // step) * step, last + 1, step)
    found = {first, last}
    for edge in (*whole, *edges_us):
        found |= {one for one in (edge - 1, edge) if first <= one <= last}
    found.discard(time_us)
    return (time_us, *sorted(found))
