"""Field types that the parts of a scenario file share: times of day, shares, flows."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from twin.errors import Fault, InputError

CLOCK_PATTERN: Final = r"^([0-3]?[0-9]|4[0-7]):[0-5][0-9](:[0-5][0-9])?$"
_CLOCK: Final = re.compile(CLOCK_PATTERN)
DAY_S: Final = 86400.0

Name = Annotated[str, Meta(min_length=1, max_length=200)]
# bounds above keep out `inf`, and what would never end
Positive = Annotated[float, Meta(gt=0, le=1e6)]
AtLeast0 = Annotated[float, Meta(ge=0, le=1e6)]
Speed = Annotated[float, Meta(ge=1, le=300, description="km/h")]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Clock = Annotated[
    str,
    Meta(
        pattern=CLOCK_PATTERN, description="Local time, HH:MM or HH:MM:SS; 25:00 is tomorrow's 1."
    ),
]


class Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A part of a scenario file: nothing in it may be misspelt."""


def seconds_of_day(clock: str) -> float:
    """Return the seconds after midnight of a clock time. Raises InputError for any other text."""
    if not _CLOCK.match(clock):
        raise InputError(Fault("time", clock, "is a time as HH:MM or HH:MM:SS"))
    parts = [int(part) for part in clock.split(":")]
    return float(parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0))


def clock_of(seconds: float) -> str:
    """Return seconds after midnight as HH:MM, with seconds where there are some."""
    whole = round(seconds)
    text = f"{whole // 3600:02d}:{whole // 60 % 60:02d}"
    return f"{text}:{whole % 60:02d}" if whole % 60 else text
