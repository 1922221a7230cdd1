"""The edges of windows to the millisecond, over nights, and on the days when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import us_from_datetime
from twin.control.access.windows import Window, local_time

MADRID = ZoneInfo("Europe/Madrid")
MINUTE_US = 60_000_000
NIGHT = Window(frozenset(range(7)), 22 * 60 * MINUTE_US, 6 * 60 * MINUTE_US)
MS = timedelta(milliseconds=1)


def holds(window: Window, moment: datetime) -> bool:
    return window.holds(local_time(us_from_datetime(moment), MADRID))


def wall(year: int, month: int, day: int, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, fold=fold, tzinfo=MADRID)


days = st.dates(datetime(2026, 1, 1, tzinfo=UTC).date(), datetime(2028, 12, 31, tzinfo=UTC).date())
hours = st.integers(4, 23)  # clocks change between 02:00 and 03:00


@given(day=days, start=hours, length_min=st.integers(1, 59))
@settings(derandomize=True, deadline=None)
def test_a_window_is_half_open_to_the_millisecond(
    day: datetime, start: int, length_min: int
) -> None:
    window = Window(
        frozenset({day.weekday()}),
        start * 60 * MINUTE_US,
        (start * 60 + length_min) * MINUTE_US,
    )
    begins = datetime(day.year, day.month, day.day, start, tzinfo=MADRID)
    ends = begins + timedelta(minutes=length_min)
    assert not holds(window, begins - MS)
    assert holds(window, begins)
    assert holds(window, ends - MS)
    assert not holds(window, ends)
    assert not holds(window, begins + timedelta(days=1))
    assert holds(window, begins + timedelta(days=7))


@given(day=days, start=st.integers(18, 23), end=st.integers(4, 8))
@settings(derandomize=True, deadline=None)
def test_a_night_belongs_to_the_day_on_which_it_starts(day: datetime, start: int, end: int) -> None:
    window = Window(frozenset({day.weekday()}), start * 60 * MINUTE_US, end * 60 * MINUTE_US)
    begins = datetime(day.year, day.month, day.day, start, tzinfo=MADRID)
    following = day + timedelta(days=1)
    ends = datetime(following.year, following.month, following.day, end, tzinfo=MADRID)
    assert not holds(window, begins - MS)
    assert holds(window, begins)
    assert holds(window, ends - MS)
    assert not holds(window, ends)
    assert not holds(window, ends - MS - timedelta(days=1))
    assert not holds(window, begins + timedelta(days=1))


def test_the_spring_night_lasts_seven_hours() -> None:
    begins = wall(2026, 3, 28, 22)
    inside = [holds(NIGHT, begins.astimezone(UTC) + timedelta(hours=hour)) for hour in range(-1, 9)]
    assert inside == [False, *[True] * 7, False, False]
    assert holds(NIGHT, datetime(2026, 3, 29, 3, 59, 59, 999_000, tzinfo=UTC))
    assert not holds(NIGHT, datetime(2026, 3, 29, 4, 0, tzinfo=UTC))


def test_the_autumn_night_lasts_nine_hours() -> None:
    begins = wall(2026, 10, 24, 22)
    inside = [
        holds(NIGHT, begins.astimezone(UTC) + timedelta(hours=hour)) for hour in range(-1, 11)
    ]
    assert inside == [False, *[True] * 9, False, False]


@pytest.mark.parametrize("fold", [0, 1])
def test_the_repeated_hour_counts_twice(fold: int) -> None:
    window = Window(frozenset({6}), 2 * 60 * MINUTE_US, 150 * MINUTE_US)
    assert holds(window, wall(2026, 10, 25, 2, 29, fold=fold))
    assert not holds(window, wall(2026, 10, 25, 2, 30, fold=fold))


def test_the_missing_hour_never_comes() -> None:
    window = Window(frozenset({6}), 2 * 60 * MINUTE_US, 3 * 60 * MINUTE_US)
    first = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
    assert not any(holds(window, first + timedelta(minutes=one)) for one in range(180))


def test_leap_day_and_years_end() -> None:
    tuesday = Window(frozenset({1}), 0, 24 * 60 * MINUTE_US)
    assert holds(tuesday, wall(2028, 2, 29, 23, 59))
    assert not holds(tuesday, wall(2028, 3, 1, 0))
    new_year = Window(frozenset({3}), 22 * 60 * MINUTE_US, 6 * 60 * MINUTE_US)
    assert holds(new_year, wall(2027, 1, 1, 5, 59))  # 31 December 2026 is a Thursday
    assert not holds(new_year, wall(2027, 1, 1, 22))


def test_all_day_is_until_midnight() -> None:
    window = Window(frozenset({0}), 0, 24 * 60 * MINUTE_US)
    assert not window.overnight
    assert window.text() == "mon 00:00-24:00"
    assert Window(frozenset(range(7)), 0, MINUTE_US).text() == "daily 00:00-00:01"
