"""The only place that asks the machine what time it is.

Inside, a moment is `time_us`: whole microseconds since 1970-01-01 UTC, as an int or an int64 array,
so that equal times are equal to the bit. Durations are float seconds.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from twin.units import SECOND_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Something that knows what time it is for the service."""

    def now_us(self) -> int:
        """Return the present moment in microseconds since 1970 UTC."""
        ...

    def wall_seconds(self, duration_s: float) -> float:
        """Return how long a person waits while `duration_s` passes on this clock."""
        ...


class WallClock:
    """The time of the machine."""

    def now_us(self) -> int:
        """Return the machine's time."""
        return time.time_ns() // 1000

    def wall_seconds(self, duration_s: float) -> float:
        """Return the duration unchanged."""
        return duration_s


class ScaledClock:
    """A clock that starts at a chosen moment and runs `rate` times as fast as the machine's."""

    def __init__(self, start_us: int, *, rate: float, origin_ns: int | None = None) -> None:
        """Start now, or at `origin_ns` on the machine's clock (so that two processes agree)."""
        self.start_us = start_us
        self.rate = rate
        self.origin_ns = time.time_ns() if origin_ns is None else origin_ns

    def now_us(self) -> int:
        """Return the scaled time."""
        return self.start_us + int((time.time_ns() - self.origin_ns) / 1000 * self.rate)

    def wall_seconds(self, duration_s: float) -> float:
        """Return the duration as the machine's clock measures it."""
        return duration_s / self.rate


class ManualClock:
    """A clock that stands until it is told to move: for replays and tests."""

    def __init__(self, start_us: int) -> None:
        """Stand at `start_us`."""
        self._now_us = start_us

    def now_us(self) -> int:
        """Return the moment at which the clock stands."""
        return self._now_us

    def wall_seconds(self, duration_s: float) -> float:
        """Return zero: nobody waits for a clock that is moved by hand."""
        del duration_s
        return 0.0

    def advance_to(self, time_us: int) -> None:
        """Move to `time_us`; a clock never goes back."""
        self._now_us = max(self._now_us, time_us)


def us_from_datetime(moment: datetime) -> int:
    """Turn an aware datetime into microseconds; a naive one is a ValueError."""
    if moment.tzinfo is None:
        message = f"{moment.isoformat()} has no UTC offset"
        raise ValueError(message)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def datetime_from_us(time_us: int) -> datetime:
    """Turn microseconds into an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=time_us)


def iso_from_us(time_us: int) -> str:
    """Write a moment as RFC 3339 text in UTC: `2026-06-16T06:30:00Z`, with fractions if any."""
    return datetime_from_us(time_us).isoformat().replace("+00:00", "Z")


def us_from_seconds(duration_s: float) -> int:
    """Turn a duration in seconds into whole microseconds, rounded to the nearest."""
    return round(duration_s * SECOND_US)
