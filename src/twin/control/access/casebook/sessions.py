"""Entries matched with exits, and what can be proved from the pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from twin.clock import us_from_seconds
from twin.control.access.casebook.judge import Trial, Verdict
from twin.control.access.casebook.moments import local_day
from twin.control.access.casebook.passages import ClockState, Passage
from twin.control.access.casebook.reasons import Because
from twin.control.access.casebook.rulebook import Rules
from twin.control.access.casebook.ruleset import ProfileRow
from twin.control.access.reasons import AccessState


class SessionState(StrEnum):
    """How far a stay is known."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"
    EXIT_MISSED = "EXIT_MISSED"
    ENTRY_MISSED = "ENTRY_MISSED"


@dataclass(frozen=True, slots=True)
class Decided:
    """A passage with its verdict and the rules that gave it."""

    passage: Passage
    verdict: Verdict
    rules: Rules | None


@dataclass(frozen=True, slots=True)
class Session:
    """One stay of one vehicle in one zone; a leg that was not seen is None."""

    zone: str
    key: str
    state: SessionState
    entry: Decided | None
    exit: Decided | None
    trial: Trial | None

    @property
    def id(self) -> str:
        """Name the session by its first seen leg and its zone."""
        leg = self.entry or self.exit
        return "" if leg is None else f"{leg.passage.id}@{self.zone}"

    @property
    def stay_us(self) -> int:
        """Return the elapsed time between both legs, µs; 0 where one is missing."""
        if self.entry is None or self.exit is None:
            return 0
        return self.exit.passage.time_us - self.entry.passage.time_us

    @property
    def uncertainty_us(self) -> int:
        """Return the uncertainty of the stay, µs."""
        legs = [one for one in (self.entry, self.exit) if one is not None]
        return sum(one.passage.uncertainty_us for one in legs)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that can be proved against a vehicle, by which passages."""

    kind: str
    zone: str
    key: str
    day: date
    entry: str
    passages: tuple[str, ...]
    time_us: int
    measured_s: float | None = None
    limit_s: float | None = None

    @property
    def id(self) -> tuple[str, str, str]:
        """Name the violation so that two evaluations can be compared."""
        return self.kind, self.zone, self.entry


def sessions(
    decided: Iterable[Decided], may_pair: Callable[[Passage, Passage], bool]
) -> list[Session]:
    """Match the legs of every vehicle in every zone, in order of time."""
    by_vehicle: dict[tuple[str, str], list[Decided]] = {}
    for one in decided:
        if one.rules is None or not one.verdict.key or one.verdict.reason in _NOT_PAIRED:
            continue
        for zone in one.rules.zones_by_gate.get(one.passage.gate, ()):
            by_vehicle.setdefault((zone, one.verdict.key), []).append(one)
    found: list[Session] = []
    for (zone, key), rows in sorted(by_vehicle.items()):
        found += _of_vehicle(zone, key, rows, may_pair)
    return found


_NOT_PAIRED = frozenset({Because.PLATE_CONFLICT, Because.FUZZY_FAVOUR})


def _of_vehicle(
    zone: str, key: str, rows: list[Decided], may_pair: Callable[[Passage, Passage], bool]
) -> list[Session]:
    found: list[Session] = []
    inside: Decided | None = None
    for one in rows:
        if one.passage.inbound:
            if inside is not None:
                found += _missed(zone, key, inside)
            inside = one
            continue
        entry, inside = inside, None
        if entry is not None and _too_long(entry, one):
            found += _missed(zone, key, entry)
            entry = None
        if entry is not None and _opens(entry, zone) is not None:
            if may_pair(entry.passage, one.passage):
                trial = _opens(entry, zone)
                found.append(Session(zone, key, SessionState.CLOSED, entry, one, trial))
            else:
                found += _missed(zone, key, entry)
                found.append(Session(zone, key, SessionState.ENTRY_MISSED, None, one, None))
        elif entry is None and one.verdict.chosen:
            found.append(Session(zone, key, SessionState.ENTRY_MISSED, None, one, None))
    if inside is not None and (trial := _opens(inside, zone)) is not None:
        found.append(Session(zone, key, SessionState.OPEN, inside, None, trial))
    return found


def profile_of(trial: Trial, rules: Rules | None) -> ProfileRow | None:
    """Return the profile of a trial under the rules of its passage."""
    return None if rules is None else rules.form.profiles.get(trial.version.row.profile)


def _opens(entry: Decided, zone: str) -> Trial | None:
    """Return the trial whose profile needs the exit of this entry, None if none does."""
    if not entry.verdict.admitted:
        return None
    for trial in entry.verdict.chosen:
        profile = profile_of(trial, entry.rules)
        if trial.zone == zone and profile is not None and profile.opens_session:
            return trial
    return None


def _missed(zone: str, key: str, entry: Decided) -> list[Session]:
    trial = _opens(entry, zone)
    if trial is None:
        return []
    return [Session(zone, key, SessionState.EXIT_MISSED, entry, None, trial)]


def _too_long(entry: Decided, leaving: Decided) -> bool:
    limit_s = 0.0 if entry.rules is None else entry.rules.form.times.session_s
    return leaving.passage.time_us - entry.passage.time_us > us_from_seconds(limit_s)


def violations(decided: Iterable[Decided], stays: Iterable[Session]) -> list[Violation]:
    """Return everything that can be proved: entries, stays, day totals, crossings."""
    found = [one for row in decided for one in _entries(row)]
    closed = [one for one in stays if one.state is SessionState.CLOSED and _provable_pair(one)]
    for one in closed:
        found += _of_pair(one)
    found += _day_totals(closed)
    return sorted(found, key=lambda one: (one.time_us, one.id))


def _entries(row: Decided) -> Iterable[Violation]:
    if not row.passage.inbound or row.verdict.state is not AccessState.DENY or row.rules is None:
        return
    if not provable(row) or row.passage.late:
        return
    day = local_day(row.passage.time_us, row.rules.zone_info)
    for zone in row.rules.zones_by_gate[row.passage.gate]:
        reasons = {one.reason for one in row.verdict.tried if one.zone == zone}
        states = {one.state for one in row.verdict.tried if one.zone == zone}
        if not (states & {AccessState.ADMIT, AccessState.ADMIT_FLAG}):
            why = row.verdict.reason
            kind = why if why in reasons | {_NOBODY} else min(reasons, default=str(_NOBODY))
            ids = (row.passage.id,)
            time_us = row.passage.time_us
            yield Violation(kind, zone, row.verdict.key, day, row.passage.id, ids, time_us)


_NOBODY = Because.NO_AUTHORISATION


def provable(row: Decided) -> bool:
    """Say whether a passage can be held against anybody: sure read, country and clock."""
    return (
        row.rules is not None
        and row.passage.clock is ClockState.TRUSTED
        and row.passage.reading.country_known
        and row.passage.confidence >= row.rules.form.reading.confidence_min
        and not row.verdict.fuzzy
    )


def _provable_pair(stay: Session) -> bool:
    return all(one is not None and provable(one) for one in (stay.entry, stay.exit))


def _of_pair(stay: Session) -> Iterable[Violation]:
    if stay.entry is None or stay.exit is None or stay.trial is None or stay.entry.rules is None:
        return
    profile = profile_of(stay.trial, stay.entry.rules)
    times = stay.entry.rules.form.times
    if profile is None:
        return
    if profile.stay_limit_s is not None and _beyond([stay], profile.stay_limit_s, stay.entry.rules):
        yield _violation(Because.OVERSTAY, [stay], stay.stay_us, profile.stay_limit_s)
    elapsed_us = stay.stay_us + stay.uncertainty_us
    other_gate = stay.entry.passage.gate != stay.exit.passage.gate
    if profile.crossing and other_gate and elapsed_us < us_from_seconds(times.crossing_s):
        yield _violation(Because.TRANSIT_FORBIDDEN, [stay], stay.stay_us, times.crossing_s)


def _day_totals(closed: Iterable[Session]) -> Iterable[Violation]:
    days: dict[tuple[str, str, str, date], list[Session]] = {}
    for one in closed:
        if one.entry is None or one.trial is None or one.entry.rules is None:
            continue
        profile = profile_of(one.trial, one.entry.rules)
        if profile is not None and profile.day_total_s is not None:
            day = local_day(one.entry.passage.time_us, one.entry.rules.zone_info)
            days.setdefault((one.zone, one.key, one.trial.version.row.id, day), []).append(one)
    for stays in days.values():
        first = stays[0]
        if first.trial is None or first.entry is None or first.entry.rules is None:
            continue
        profile = profile_of(first.trial, first.entry.rules)
        limit_s = None if profile is None else profile.day_total_s
        if limit_s is not None and _beyond(stays, limit_s, first.entry.rules):
            total_us = sum(one.stay_us for one in stays)
            yield _violation(Because.DAY_TOTAL, stays, total_us, limit_s)


def _beyond(stays: list[Session], limit_s: float, rules: Rules) -> bool:
    sure_us = sum(one.stay_us - one.uncertainty_us for one in stays)
    return sure_us > us_from_seconds(rules.form.times.stay_tolerance * limit_s)


def _violation(kind: str, stays: list[Session], measured_us: int, limit_s: float) -> Violation:
    legs = [leg for one in stays for leg in (one.entry, one.exit) if leg is not None]
    first, last = legs[0], legs[-1]
    zone_info = first.rules.zone_info if first.rules is not None else None
    if zone_info is None:
        message = "a session always has rules"
        raise AssertionError(message)
    return Violation(
        kind,
        stays[0].zone,
        stays[0].key,
        local_day(first.passage.time_us, zone_info),
        first.passage.id,
        tuple(leg.passage.id for leg in legs),
        last.passage.time_us,
        measured_us / 1e6,
        limit_s,
    )
