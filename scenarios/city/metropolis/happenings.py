"""What happens in the morning: a crash that closes a lane, and an hour of rain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Crash:
    """A vehicle that stands in a lane, seconds of the day. `lane` is SUMO's, 0 is the rightmost."""

    link: str
    position_m: float
    lane: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Rain:
    """An hour in which everybody drives slower and keeps more distance."""

    start_s: float
    end_s: float
    speed_share: float
    headway_share: float


CRASH = Crash("A10-S-22", 350.0, 1, 8.25 * 3600, 8.75 * 3600)
RAIN = Rain(9.0 * 3600, 10.0 * 3600, 0.85, 1.15)
