"""Rules and facts as the arrays of the replay: one table, from which both evaluators decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from twin.clock import datetime_from_us, us_from_seconds
from twin.control.access.casebook.facts import TravelRow
from twin.control.access.casebook.moments import day_end_us, midnight_us, month_name
from twin.control.access.casebook.reasons import excluded
from twin.control.access.casebook.rulebook import RuleBook, Rules
from twin.control.access.kernels import columns as c
from twin.control.access.reasons import window_rule
from twin.control.access.windows import Window
from twin.errors import Fault, InputError
from twin.units import SECOND_US

EPOCH = date(1970, 1, 1)
MARGIN_DAYS = 3
_MINUTE_US = 60 * SECOND_US
_BACK = {"never": c.BACK_NEVER, "entry_midnight": c.BACK_MIDNIGHT, "hours": c.BACK_US}


@dataclass(frozen=True)
class Words:
    """Which number stands for which name in the arrays."""

    zones: tuple[str, ...]
    gates: tuple[str, ...]
    profiles: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Names of all reasons by number: fixed ones, kinds of day, two a profile that admits."""
        admitting = (
            window_rule(name, always=always) for name in self.profiles for always in (False, True)
        )
        return (*c.FIXED_REASONS, *(excluded(kind) for kind in self.kinds), *admitting)


@dataclass(frozen=True)
class Compiled:
    """The table, and what its numbers mean."""

    table: c.Table
    words: Words
    months: tuple[str, ...]
    years: tuple[str, ...]


def compile_table(
    book: RuleBook, *, gates: Iterable[str] = (), travel: Sequence[TravelRow] = ()
) -> Compiled:
    """Compile all versions of a book. `gates` are known besides those of the zones.

    Raises InputError for versions in different time zones, or windows that a minute does not hold.
    """
    words = _words(book, gates, travel)
    first, last = _span(book)
    days = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    months = tuple(sorted({month_name(day) for day in days}))
    years = tuple(sorted({month[:4] for month in months}))
    zone = _zone_of(book)
    change = _clock_changes(zone, midnight_us(first, zone), day_end_us(last, zone))
    shortest = _shortest(words.gates, travel)
    first_day, longest_us = (first - EPOCH).days, max(int(shortest.max(initial=0)), 0)
    table = c.Table(
        valid_from=_ints(one.valid_from_us for one in book.versions),
        change=change,
        kind=np.array([_kinds(one, words, days) for one in book.versions], np.int8),
        day=np.array([_day(one, zone, months, years) for one in days], np.int64),
        windows=_windows(book, words),
        profile=np.array(
            [[_fields(one, words, name) for name in words.profiles] for one in book.versions],
            np.int64,
        ),
        gate_zone=_gate_zones(book, words),
        limits=np.array(
            [(*_limits(one, words), first_day, longest_us) for one in book.versions], np.int64
        ),
        shares=np.array(
            [
                (one.form.reading.confidence_min, one.form.times.travel_share)
                for one in book.versions
            ],
            np.float64,
        ),
        shortest=shortest,
        reason_rank=_ranks(words),
    )
    return Compiled(table, words, months, years)


def _words(book: RuleBook, gates: Iterable[str], travel: Sequence[TravelRow]) -> Words:
    forms = [one.form for one in book.versions]
    known = {gate for form in forms for zone in form.zones.values() for gate in zone.gates}
    known |= {*gates, *(gate for row in travel for gate in row.gates)}
    kinds = {
        kind for form in forms for kind in (form.calendar.default, *form.calendar.days.values())
    }
    return Words(
        zones=tuple(sorted({zone for form in forms for zone in form.zones})),
        gates=tuple(sorted(known)),
        profiles=tuple(sorted({name for form in forms for name in form.profiles})),
        kinds=tuple(sorted(kinds)),
    )


def _span(book: RuleBook) -> tuple[date, date]:
    margin = timedelta(days=MARGIN_DAYS)
    first = min(one.form.calendar.first for one in book.versions) - margin
    return first, max(one.form.calendar.last for one in book.versions) + margin


def _zone_of(book: RuleBook) -> ZoneInfo:
    zones = {one.form.timezone for one in book.versions}
    if len(zones) > 1:
        rule = "must be one for all versions that are replayed together"
        raise InputError(Fault("timezone", ", ".join(sorted(zones)), rule))
    return book.versions[0].zone_info


def _clock_changes(zone: ZoneInfo, first_us: int, last_us: int) -> c.Ints:
    """Return when the offset from UTC changes between two moments, and what it is from then on."""

    def offset_us(time_us: int) -> int:
        offset = datetime_from_us(time_us).astimezone(zone).utcoffset()
        return 0 if offset is None else round(offset.total_seconds()) * SECOND_US

    changes = [(first_us, offset_us(first_us))]
    for before in range(first_us, last_us, 86_400 * SECOND_US):
        after = before + 86_400 * SECOND_US
        if offset_us(after) == offset_us(before):
            continue
        low, high = before // SECOND_US, after // SECOND_US
        while high - low > 1:
            middle = (low + high) // 2
            same = offset_us(middle * SECOND_US) == offset_us(before)
            low, high = (middle, high) if same else (low, middle)
        changes.append((high * SECOND_US, offset_us(high * SECOND_US)))
    return np.array(changes, np.int64)


def _day(
    day: date, zone: ZoneInfo, months: Sequence[str], years: Sequence[str]
) -> tuple[int, int, int]:
    month = month_name(day)
    return months.index(month), years.index(month[:4]), day_end_us(day, zone)


def _kinds(rules: Rules, words: Words, days: Sequence[date]) -> list[int]:
    return [words.kinds.index(rules.day_type(day)) if rules.knows(day) else -1 for day in days]


def _windows(book: RuleBook, words: Words) -> c.Bytes:
    """Return what each minute of the week is to each profile on each kind of day (see `Table`)."""
    shape = (len(book.versions), len(words.profiles), len(words.kinds), c.WEEK_MIN)
    found = np.zeros((4, *shape), np.int8)
    for version, rules in enumerate(book.versions):
        for profile, name in enumerate(words.profiles):
            for number, one in enumerate(rules.windows.get(name, ()), start=1):
                for back, minutes in enumerate(_minutes(one.window)):
                    for kind, kind_name in enumerate(words.kinds):
                        place = found[:, version, profile, kind, :]
                        if one.day_types is not None and kind_name not in one.day_types:
                            place[c.WRONG + back, minutes] = number
                        else:
                            held = place[c.HELD + back, minutes]
                            place[c.HELD + back, minutes] = np.where(held == 0, number, held)
    return found


def _minutes(window: Window) -> tuple[c.Ints, c.Ints]:
    """Return the minutes of the week that a window begun today holds, and one begun yesterday."""
    start, end = window.start_us // _MINUTE_US, window.end_us // _MINUTE_US
    until = 1440 if window.overnight else end
    today = [day * 1440 + at for day in window.days for at in range(start, until)]
    after = range(end) if window.overnight else range(0)
    before = [(day + 1) % 7 * 1440 + at for day in window.days for at in after]
    return _ints(sorted(today)), _ints(sorted(before))


def _fields(rules: Rules, words: Words, name: str) -> list[int]:
    row = rules.form.profiles.get(name)
    fields = [-1] * c.PROFILE_FIELDS
    for at in (c.P_EXISTS, c.P_ALWAYS, c.P_OPENS, c.P_CROSSING, c.P_BACK, c.P_USES):
        fields[at] = 0
    if row is None:
        return fields
    always = row.windows == "always"
    tolerance = rules.form.times.stay_tolerance
    fields[c.P_EXISTS], fields[c.P_ALWAYS] = 1, int(always)
    fields[c.P_OPENS], fields[c.P_CROSSING] = int(row.opens_session), int(row.crossing)
    if row.quota is not None:
        fields[c.P_USES] = 1
        fields[c.P_MONTH] = -1 if row.quota.month is None else row.quota.month
        fields[c.P_YEAR] = -1 if row.quota.year is None else row.quota.year
    fields[c.P_STAY], fields[c.P_STAY_LIMIT] = _limit_us(row.stay_limit_s, tolerance)
    fields[c.P_DAY_TOTAL], fields[c.P_DAY_LIMIT] = _limit_us(row.day_total_s, tolerance)
    fields[c.P_BACK] = _BACK[row.back_dating.until]
    fields[c.P_BACK_LIMIT] = us_from_seconds((row.back_dating.hours or 0.0) * 3600)
    first_rule = len(c.FIXED_REASONS) + len(words.kinds)
    fields[c.P_RULE] = first_rule + 2 * words.profiles.index(name) + int(always)
    return fields


def _limit_us(limit_s: float | None, tolerance: float) -> tuple[int, int]:
    if limit_s is None:
        return -1, -1
    return us_from_seconds(tolerance * limit_s), us_from_seconds(limit_s)


def _limits(rules: Rules, words: Words) -> list[int]:
    times = rules.form.times
    found = [us_from_seconds(one) for one in (times.horizon_s, times.session_s, times.crossing_s)]
    return [*found, words.kinds.index(rules.form.calendar.default)]


def _gate_zones(book: RuleBook, words: Words) -> c.Codes:
    by_gate = [one.zones_by_gate for one in book.versions]
    most = max((len(zones) for table in by_gate for zones in table.values()), default=1)
    found = np.full((len(book.versions), len(words.gates), most), -1, np.int32)
    for version, table in enumerate(by_gate):
        for gate, zones in table.items():
            numbers = [words.zones.index(zone) for zone in zones]
            found[version, words.gates.index(gate), : len(zones)] = numbers
    return found


def _shortest(gates: tuple[str, ...], travel: Sequence[TravelRow]) -> c.Ints:
    found = np.full((len(gates), len(gates)), -1, np.int64)
    for row in travel:
        one, other = (gates.index(gate) for gate in row.gates)
        if one != other:
            found[one, other] = found[other, one] = us_from_seconds(row.shortest_s)
    return found


def _ranks(words: Words) -> c.Codes:
    ranks = np.empty(len(words.reasons), np.int32)
    ranks[np.argsort(np.array(words.reasons), kind="stable")] = np.arange(len(words.reasons))
    return ranks


def _ints(values: Iterable[int]) -> c.Ints:
    return np.fromiter(values, np.int64)
