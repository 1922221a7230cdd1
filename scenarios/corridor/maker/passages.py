"""What the gates' cameras read: every visit twice, less what they miss, plus what they misread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from maker_common.people import Visit
from maker_common.plates import misread

_MISSED_IN, _MISSED_OUT = 0.01, 0.02
_MISREAD, _UNREAD, _TWICE, _NO_COUNTRY = 0.026, 0.007, 0.015, 0.02


@dataclass(frozen=True, slots=True)
class Read:
    """One line of `passages.csv`; `at_s` counts seconds since the local midnight."""

    at_s: float
    gate: str
    direction: str
    country: str
    plate: str
    confidence: float
    track: str


def read_day(visits: list[Visit], rng: np.random.Generator) -> list[Read]:
    """Return the reads of a day in order of time; a visit that lasts past midnight has no exit."""
    legs = []
    for visit in visits:
        if rng.random() >= _MISSED_IN:
            legs.append((visit.in_h, "G1" if rng.random() < 0.62 else "G3", "in", visit.plate))
        if rng.random() >= _MISSED_OUT and visit.out_h < 24.0:
            legs.append((visit.out_h, "G2" if rng.random() < 0.55 else "G4", "out", visit.plate))
    reads: list[Read] = []
    for number, (hour, gate, direction, plate) in enumerate(sorted(legs), 1):
        first = _read(round(hour * 3600.0, 3), gate, direction, plate, f"{gate}-{number:05d}", rng)
        reads.append(first)
        if rng.random() < _TWICE:  # the same vehicle read again a moment later
            again = round(first.at_s + float(rng.uniform(0.4, 3.0)), 3)
            reads.append(_read(again, gate, direction, plate, first.track, rng))
    return sorted(reads, key=lambda read: (read.at_s, read.track))


def _read(
    at_s: float,
    gate: str,
    direction: str,
    plate: tuple[str, str],
    track: str,
    rng: np.random.Generator,
) -> Read:
    country, text = plate
    confidence = 0.9 + 0.0999 * float(rng.beta(5.0, 1.6))
    chance = rng.random()
    if chance < _UNREAD:
        country, text, confidence = "", "", 0.0
    elif chance < _UNREAD + _MISREAD:
        text, confidence = misread(text, rng), float(rng.uniform(0.55, 0.96))
    if rng.random() < _NO_COUNTRY:
        country = ""
    return Read(at_s, gate, direction, country, text, round(confidence, 3), track)
