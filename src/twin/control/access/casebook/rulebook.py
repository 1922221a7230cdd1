"""Rule sets read from a folder, checked, and compiled to what a decision looks up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from twin.clock import us_from_datetime
from twin.control.access.casebook.reasons import Because, reasons_of
from twin.control.access.casebook.ruleset import ProfileRow, RuleSet, WindowRow
from twin.control.access.windows import DAYS, Window
from twin.errors import Fault, InputError
from twin.units import SECOND_US

_WEEK_MIN = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class TypedWindow:
    """A weekly window, and the kinds of day on which it counts (None: all)."""

    window: Window
    day_types: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Rules:
    """One version, compiled."""

    form: RuleSet
    zone_info: ZoneInfo
    valid_from_us: int
    windows: Mapping[str, tuple[TypedWindow, ...]]
    zones_by_gate: Mapping[str, tuple[str, ...]]

    @property
    def version(self) -> str:
        """Name of the version."""
        return self.form.version

    def day_type(self, day: date) -> str:
        """Return the kind of a local day by the city's table."""
        return self.form.calendar.days.get(day, self.form.calendar.default)

    def knows(self, day: date) -> bool:
        """Say whether the city's table of days covers a day."""
        return self.form.calendar.first <= day <= self.form.calendar.last

    def without_days(self, days: frozenset[date]) -> Rules:
        """Return the same rules with some rows of the table of days left out."""
        table = self.form.calendar
        left = {day: kind for day, kind in table.days.items() if day not in days}
        calendar = msgspec.structs.replace(table, days=left, version=table.version + "+what-if")
        return compiled(msgspec.structs.replace(self.form, calendar=calendar))


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All published versions, the earliest first."""

    versions: tuple[Rules, ...]

    def at(self, time_us: int) -> Rules | None:
        """Return the version in force at a moment, None before the first."""
        found = [one for one in self.versions if one.valid_from_us <= time_us]
        return found[-1] if found else None


def load_rulebook(folder: Path) -> RuleBook:
    """Read every `*.json` of a folder. Raises InputError with every fault, each with its file."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(Fault("rules", str(folder), "has no rule set (*.json)", "missing"))
    forms: list[RuleSet] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            form = msgspec.json.decode(path.read_bytes(), type=RuleSet)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            faults.append(Fault(path.name, "rule set", str(error)))
            continue
        faults += [Fault(f"{path.name}: {one.field}", one.value, one.rule) for one in check(form)]
        forms.append(form)
    faults += _between(forms)
    if faults:
        raise InputError(*faults)
    forms.sort(key=lambda form: form.valid_from)
    return RuleBook(tuple(compiled(form) for form in forms))


def compiled(form: RuleSet) -> Rules:
    """Compile a rule set that `check` found right."""
    by_gate: dict[str, tuple[str, ...]] = {}
    for zone in sorted(form.zones):
        for gate in form.zones[zone].gates:
            by_gate[gate] = (*by_gate.get(gate, ()), zone)
    windows = {
        name: () if row.windows == "always" else tuple(typed(one) for one in row.windows)
        for name, row in form.profiles.items()
    }
    zone_info = ZoneInfo(form.timezone)
    return Rules(form, zone_info, us_from_datetime(form.valid_from), windows, by_gate)


def typed(row: WindowRow) -> TypedWindow:
    """Compile one window."""
    days = frozenset(DAYS.index(day) for day in row.days)
    window = Window(days, _since_us(row.start), _since_us(row.end))
    return TypedWindow(window, None if row.day_types is None else frozenset(row.day_types))


def start_day(window: Window, local: datetime) -> date | None:
    """Return the local day on which the window that holds a moment began, None if none does."""
    if not window.holds(local):
        return None
    day = local.date()
    since = (local.hour * 3600 + local.minute * 60 + local.second) * SECOND_US + local.microsecond
    if window.overnight and since < window.end_us:
        return date.fromordinal(day.toordinal() - 1)
    return day


def check(form: RuleSet) -> list[Fault]:
    """Find what the form alone cannot say: unknown names, overlaps, gaps, missing texts."""
    return [*_places(form), *_profiles(form), *_reading(form), *_calendar(form), *_texts(form)]


def _places(form: RuleSet) -> Iterator[Fault]:
    try:
        ZoneInfo(form.timezone)
    except (KeyError, ValueError, OSError):
        yield Fault("timezone", form.timezone, "must be an IANA time zone such as Europe/Madrid")
    for name, zone in form.zones.items():
        for gate in sorted({one for one in zone.gates if zone.gates.count(one) > 1}):
            yield Fault(f"zones.{name}.gates", gate, "stands twice in the zone")
    for name in form.open_offline:
        if name not in form.profiles:
            yield Fault("open_offline", name, "is no profile of this rule set")
    if form.published > form.valid_from:
        rule = "must not be later than valid_from: a rule is not in force before it is known"
        yield Fault("published", form.published.isoformat(), rule)


def _profiles(form: RuleSet) -> Iterator[Fault]:
    kinds = {form.calendar.default, *form.calendar.days.values()}
    for name, row in form.profiles.items():
        where = f"profiles.{name}"
        if (row.back_dating.until == "hours") != (row.back_dating.hours is not None):
            yield Fault(f"{where}.back_dating", str(row.back_dating.hours), "hours go with hours")
        if row.quota is not None and row.quota.month is None and row.quota.year is None:
            yield Fault(f"{where}.quota", "{}", "must have a month or a year; or leave it out")
        yield from _windows(where, row, kinds)


def _windows(where: str, row: ProfileRow, kinds: set[str]) -> Iterator[Fault]:
    rows = [] if row.windows == "always" else row.windows
    for at, one in enumerate(rows):
        if one.start == one.end:
            rule = "must not end when it starts; for all day write 00:00 to 24:00"
            yield Fault(f"{where}.windows[{at}]", one.start, rule)
        for kind in one.day_types or ():
            if kind not in kinds:
                yield Fault(f"{where}.windows[{at}]", kind, "is no kind of day of the calendar")
    for (at, one), (other_at, other) in combinations(enumerate(rows), 2):
        both = set(one.day_types or kinds) & set(other.day_types or kinds)
        if both and _minutes(one) & _minutes(other):
            rule = f"overlaps windows[{other_at}]"
            yield Fault(f"{where}.windows[{at}]", f"{one.start}-{one.end}", rule)


def _reading(form: RuleSet) -> Iterator[Fault]:
    for country, row in form.reading.countries.items():
        for pattern in row.patterns:
            for kind in sorted(set(pattern) - set(form.reading.alphabets)):
                yield Fault(f"reading.countries.{country}", pattern, f"{kind} is no alphabet")
    for pair in form.reading.repair_pairs:
        if pair[0].isdigit() == pair[1].isdigit():
            yield Fault("reading.repair_pairs", pair, "must be a letter and a digit")
    for pair in form.reading.confusable_pairs:
        if pair[0].isdigit() != pair[1].isdigit() or pair[0] == pair[1]:
            yield Fault("reading.confusable_pairs", pair, "must be two letters or two digits")


def _calendar(form: RuleSet) -> Iterator[Fault]:
    table = form.calendar
    if table.first > table.last:
        yield Fault("calendar.first", table.first.isoformat(), "is after calendar.last")
    if form.valid_from.date() < table.first:
        rule = "is after valid_from: the days between have no type"
        yield Fault("calendar.first", table.first.isoformat(), rule)
    for day in table.days:
        if not table.first <= day <= table.last:
            yield Fault("calendar.days", day.isoformat(), "is outside first to last")


def _texts(form: RuleSet) -> Iterator[Fault]:
    needed = {*reasons_of(form), *(f"sign.{zone}" for zone in form.zones)}
    for language in form.languages:
        texts = form.texts.get(language, {})
        for name in sorted(needed - set(texts)):
            yield Fault(f"texts.{language}.{name}", "", "is missing")
        for name in sorted(set(texts) - needed - set(Because)):
            yield Fault(f"texts.{language}.{name}", texts[name], "belongs to nothing")


def _between(forms: list[RuleSet]) -> Iterator[Fault]:
    for one, other in combinations(forms, 2):
        if one.version == other.version:
            yield Fault("version", one.version, "stands in two files")
        if one.valid_from == other.valid_from:
            rule = f"begins at the same moment as {other.version}"
            yield Fault("valid_from", one.version, rule)


def _since_us(text: str) -> int:
    return _since_min(text) * 60 * SECOND_US


def _since_min(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _minutes(row: WindowRow) -> set[int]:
    """Return the minutes of the week that a window holds."""
    start, end = _since_min(row.start), _since_min(row.end)
    length = end - start if end > start else end - start + 24 * 60
    return {
        (DAYS.index(day) * 24 * 60 + start + minute) % _WEEK_MIN
        for day in row.days
        for minute in range(length)
    }
