"""Random towns, rights and days of reads, for the comparison of the two evaluators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from twin.control.access.casebook.facts import (
    AuthorisationRow,
    Event,
    GateRow,
    Granted,
    HolderChanged,
    Read,
    Revoked,
    TravelRow,
    VehicleRow,
    World,
)
from twin.control.access.casebook.known import Known, known
from twin.control.access.casebook.rulebook import RuleBook
from twin.events import Direction

LETTERS = "BCDFGHJKLMNPRSTVWXYZ"
GATES = tuple(f"G{at}" for at in range(1, 31))
MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Town:
    """What is known before the first read, and the moment around which reads come."""

    world: World
    facts: list[Event]
    plates: list[str]
    start: datetime


def town(book: RuleBook, rng: np.random.Generator, *, vehicles: int, start: datetime) -> Town:
    """Make vehicles with none to three rights each, with revocations, holders and odd clocks."""
    profiles = sorted(book.versions[0].form.profiles)
    plates = sorted({_plate(rng) for _ in range(vehicles)})
    rows: list[AuthorisationRow] = []
    facts: list[Event] = []
    for number, plate in enumerate(plates):
        for at in range(int(rng.choice([0, 1, 1, 1, 2, 3]))):
            row = _right(rng, f"A{number}-{at}", profiles, plate, start)
            rows.append(row)
            facts += _later(rng, row, plate, start)
    gates = {
        name: GateRow(offset_s=_offset(rng), uncertainty_s=float(rng.choice([0.0, 0.5, 2.0, 45.0])))
        for name in GATES
    }
    travel = [TravelRow(gates=("G1", "G7"), shortest_s=180.0)]
    registered = [
        VehicleRow(
            plate=f"ES {plate}", holder="A", mass_kg=float(rng.choice([3000.0, 5500.0, 9000.0]))
        )
        for plate in plates[::3]
    ]
    world = World(gates=gates, travel=travel, authorisations=rows, vehicles=registered)
    return Town(world, facts, plates, start)


def reads(made: Town, rng: np.random.Generator, count: int, *, days: float) -> list[Event]:
    """Make reads over some days: both ways, doubles, misreads, foreign and empty strings."""
    found: list[Event] = []
    for at in range(count):
        plate = str(rng.choice(made.plates)) if rng.random() < 0.9 else _plate(rng)
        time = made.start + timedelta(seconds=float(rng.integers(0, int(days * 86_400))))
        if rng.random() < 0.3:  # on the edges of windows, give or take
            time = time.replace(minute=0, second=0) + timedelta(
                milliseconds=float(rng.choice([-1000, -1, 0, 1, 1000]))
            )
        found.append(
            Read(
                id=f"R{at:07d}",
                arrived=time + timedelta(seconds=1),
                gate=str(rng.choice(GATES[:8])),
                direction=Direction.IN if rng.random() < 0.55 else Direction.OUT,
                time=time,
                plate=_seen(plate, rng),
                country=str(rng.choice(["ES"] * 17 + ["", "FR", "XX"])),
                confidence=float(rng.choice([0.98, 0.98, 0.98, 0.9, 0.7])),
            )
        )
    return found


def facts_of(made: Town, events: list[Event]) -> Known:
    """Return everything as it is known in the end."""
    return known(made.world, [*made.facts, *events])


def _plate(rng: np.random.Generator) -> str:
    digits = "".join(str(one) for one in rng.integers(0, 10, 4))
    return digits + "".join(LETTERS[one] for one in rng.integers(0, len(LETTERS), 3))


def _seen(plate: str, rng: np.random.Generator) -> str:
    """Return what a camera reads: now and then another sign, or nothing."""
    if rng.random() < 0.01:
        return ""
    if rng.random() > 0.08:
        return plate
    at = int(rng.integers(0, len(plate)))
    return plate[:at] + str(rng.choice(list("O0I1B8VYXKD"))) + plate[at + 1 :]


def _right(
    rng: np.random.Generator, name: str, profiles: list[str], plate: str, start: datetime
) -> AuthorisationRow:
    begin = start - MONTH + timedelta(days=float(rng.choice([0, 20, 29.5, 31])))
    end = (
        None if rng.random() < 0.4 else start + timedelta(days=float(rng.choice([-1, 0.5, 1, 90])))
    )
    month = f"{start.year:04d}-{start.month:02d}"
    return AuthorisationRow(
        id=name,
        profile=str(rng.choice(profiles)),
        zone="OLD",
        plates=[f"ES {plate}"],
        holder=str(rng.choice(["A", "B", ""])),
        valid_from=begin,
        valid_to=end,
        used={month: int(rng.integers(0, 5))} if rng.random() < 0.5 else {},
    )


def _later(
    rng: np.random.Generator, row: AuthorisationRow, plate: str, start: datetime
) -> list[Event]:
    """Tell of changes: another version, a revocation, another holder."""
    found: list[Event] = []
    when = start + timedelta(hours=float(rng.integers(-20, 40)))
    heard = when + timedelta(minutes=1)
    if rng.random() < 0.15:
        later = AuthorisationRow(
            **{name: getattr(row, name) for name in row.__struct_fields__ if name != "version"},
            version=2,
        )
        found.append(Granted(id=f"{row.id}-g", arrived=heard, recorded=when, authorisation=later))
    if rng.random() < 0.1:
        found.append(
            Revoked(id=f"{row.id}-r", arrived=heard, authorisation=row.id, time=when, recorded=when)
        )
    if rng.random() < 0.05:
        change = HolderChanged(
            id=f"{row.id}-h", arrived=heard, plate=f"ES {plate}", holder="C", time=when
        )
        found.append(change)
    return found


def _offset(rng: np.random.Generator) -> float | None:
    offset = float(rng.choice([0.0, 0.0, 0.0, 0.3, 40.0, np.nan]))
    return None if np.isnan(offset) else offset


def utc(text: str) -> datetime:
    """Return a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
