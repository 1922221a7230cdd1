"""Who may enter the old town, when they come, and how long they stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker_common.plates import Plates

Span = tuple[float, float]  # hours of the local day


@dataclass(frozen=True, slots=True)
class Habit:
    """How the holders of one profile behave. `visits` is a mean per holder and day."""

    profile: str
    holders: int
    plates: int
    visits: float
    lawful: tuple[Span, ...]
    unlawful_share: float
    unlawful: Span
    stay_min: Span
    overstay_share: float = 0.0


_ALWAYS = ((6.5, 23.9),)
_MORNING = ((8.0, 11.0),)
HABITS = (
    Habit(
        "RESIDENT",
        240,
        2,
        0.9,
        (*_MORNING, *_MORNING, (21.0, 23.0)),
        0.10,
        (12, 20.5),
        (6, 28),
        0.05,
    ),
    Habit("TRADER", 60, 1, 1.2, _MORNING, 0.08, (11.1, 19), (8, 28), 0.06),
    Habit("GOODS", 90, 1, 1.6, _MORNING, 0.09, (11.1, 17), (7, 27), 0.08),
    Habit("TAXI", 80, 1, 3.4, _ALWAYS, 0.0, (0, 24), (4, 14)),
    Habit("BUS", 12, 1, 8.5, ((6.2, 23.2),), 0.0, (0, 24), (6, 9)),
    Habit("GARAGE", 90, 1, 1.7, _ALWAYS, 0.0, (0, 24), (25, 420)),
    Habit("HOTEL_GUEST", 40, 1, 1.2, ((9.0, 22.0),), 0.0, (0, 24), (8, 29), 0.05),
    Habit("PRM", 30, 1, 1.2, ((9.0, 21.0),), 0.0, (0, 24), (20, 180)),
    Habit("EMERGENCY", 10, 1, 0.9, ((0.5, 23.5),), 0.0, (0, 24), (8, 45)),
    Habit("PUBLIC", 12, 1, 2.0, ((5.5, 15.0),), 0.0, (0, 24), (15, 90)),
    Habit("NIGHT_WORKS", 6, 1, 1.0, ((0.2, 5.0), (22.1, 23.6)), 0.1, (7, 20), (20, 55)),
)
STRANGERS = Habit("", 95, 1, 1.0, ((7.0, 23.5),), 0.0, (0, 24), (3, 45))
_OVERSTAY_MIN = (34.0, 75.0)


@dataclass(frozen=True, slots=True)
class Holder:
    """One authorisation (empty for a stranger) with its plates as (country, text)."""

    authorisation: str
    profile: str
    plates: tuple[tuple[str, str], ...]
    from_h: float = -24.0 * 180  # relative to the local midnight of the day
    to_h: float = 24.0 * 180


@dataclass(frozen=True, slots=True)
class Visit:
    """One vehicle in the old town, hours of the local day."""

    plate: tuple[str, str]
    in_h: float
    out_h: float


def holders(rng: np.random.Generator, habits: tuple[Habit, ...] = HABITS) -> list[Holder]:
    """Draw everybody who has an authorisation, profile by profile."""
    plates = Plates(rng)
    found = []
    for habit in habits:
        for number in range(1, habit.holders + 1):
            own = tuple(plates.spanish() for _ in range(1 if rng.random() < 0.7 else habit.plates))
            validity = (-24.0 * 180, 24.0 * 180)
            if habit.profile == "HOTEL_GUEST":
                begins = float(rng.integers(-24, 13))
                validity = (begins, begins + 48.0)
            name = f"{habit.profile[:3]}-{number:04d}"
            found.append(Holder(name, habit.profile, own, *validity))
    return found


def strangers(rng: np.random.Generator, count: int = STRANGERS.holders) -> list[Holder]:
    """Draw vehicles that nobody has authorised, one in eight from abroad."""
    plates = Plates(np.random.default_rng(rng.integers(1 << 62)))
    return [
        Holder("", "", (plates.foreign() if rng.random() < 0.125 else plates.spanish(),))
        for _ in range(count)
    ]


def visits(people: list[Holder], rng: np.random.Generator) -> list[Visit]:
    """Draw the visits of a day, ordered by entry."""
    habits = {habit.profile: habit for habit in (*HABITS, STRANGERS)}
    made: list[Visit] = []
    for holder in people:
        habit = habits[holder.profile]
        free_from = 0.0
        for entry in sorted(_entries(habit, holder, rng)):
            stay = _stay(habit, rng)
            if entry > free_from:  # a vehicle that is still inside cannot enter
                plate = holder.plates[int(rng.integers(len(holder.plates)))]
                made.append(Visit(plate, entry, entry + stay))
                free_from = entry + stay + 0.1
    return sorted(made, key=lambda visit: visit.in_h)


def _entries(habit: Habit, holder: Holder, rng: np.random.Generator) -> list[float]:
    times = []
    for _ in range(int(rng.poisson(habit.visits))):
        if rng.random() < habit.unlawful_share:
            start, end = habit.unlawful
        else:
            start, end = habit.lawful[int(rng.integers(len(habit.lawful)))]
            if holder.profile == "HOTEL_GUEST":
                start, end = max(start, holder.from_h - 0.4), max(min(end, holder.to_h), start + 1)
        times.append(float(rng.uniform(start, end)))
    return times


def _stay(habit: Habit, rng: np.random.Generator) -> float:
    over = rng.random() < habit.overstay_share
    low, high = _OVERSTAY_MIN if over else habit.stay_min
    return float(rng.uniform(low, high)) / 60.0
