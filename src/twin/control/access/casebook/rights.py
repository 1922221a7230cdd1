"""What one authorisation says about one vehicle, at one zone and one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from twin.clock import datetime_from_us, us_from_datetime, us_from_seconds
from twin.control.access.casebook.facts import AuthorisationRow, HolderChanged, VehicleRow
from twin.control.access.casebook.known import Known, Version
from twin.control.access.casebook.moments import day_end_us, local_day, month_name
from twin.control.access.casebook.reasons import Because, excluded
from twin.control.access.casebook.rulebook import Rules, start_day
from twin.control.access.casebook.ruleset import ProfileRow
from twin.control.access.reasons import window_rule


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one version of an authorisation says about one instant: no reason against it, or one."""

    against: str
    window: str = ""


@dataclass(slots=True)
class Ledger:
    """Entries that each authorisation has used, by local month and by year."""

    used: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def before(cls, facts: Known) -> Ledger:
        """Start with what was used before the first event."""
        book = cls()
        for name, versions in facts.versions.items():
            for version in versions:
                for month, count in version.row.used.items():
                    seen = book.used.get((name, month), 0)
                    book.used[name, month] = max(seen, count)
        for (name, month), count in list(book.used.items()):
            book.used[name, month[:4]] = book.used.get((name, month[:4]), 0) + count
        return book

    def count(self, name: str, period: str) -> int:
        """Return how many entries are used in a month (`2026-06`) or a year (`2026`)."""
        return self.used.get((name, period), 0)

    def use(self, name: str, month: str) -> None:
        """Use one entry."""
        for period in (month, month[:4]):
            self.used[name, period] = self.count(name, period) + 1


class Rights:
    """The authorisations that are known, as they stood for a passage."""

    def __init__(self, facts: Known) -> None:
        self._facts = facts

    def listed(self, country: str) -> int:
        """Return how many plates of a country have an authorisation."""
        if self._facts.listed is not None:
            return self._facts.listed(country)
        return sum(1 for key in self._facts.by_key if key.startswith(country + " "))

    def holder(self, key: str, time_us: int, rules: Rules) -> str:
        """Return who holds a vehicle at a moment, "" where nobody knows."""
        changes = self._changes(key, time_us, rules)
        if changes:
            return changes[-1].holder
        row = self._facts.vehicles.get(key)
        return "" if row is None else row.holder

    def for_vehicle(self, key: str, zone: str, time_us: int, rules: Rules) -> Iterator[Version]:
        """Yield each version that may be asked about a passage: in force then, or back-dated."""
        for name in sorted(self._facts.by_key.get(key, ())):
            for version in self._asked(name, time_us, rules):
                if key in version.row.plates and version.row.zone == zone:
                    yield version

    def edges_us(self, version: Version) -> tuple[int, ...]:
        """Return the moments at which what an authorisation says can change, µs."""
        row = version.row
        edges = [us_from_datetime(row.valid_from)]
        if row.valid_to is not None:
            edges.append(us_from_datetime(row.valid_to))
        edges += [
            us_from_datetime(max(one.time, one.recorded))
            for one in self._facts.revoked.get(row.id, ())
        ]
        edges += [
            us_from_datetime(one.time)
            for plate in row.plates
            for one in self._facts.holders.get(plate, ())
        ]
        return tuple(edges)

    def opinion(
        self, version: Version, key: str, time_us: int, rules: Rules, ledger: Ledger
    ) -> Opinion:
        """Say what a version means at one instant: validity, then window, then quota."""
        row = version.row
        profile = rules.form.profiles.get(row.profile)
        if profile is None:
            return Opinion(Because.NO_RULES)
        against = self._validity(row, key, time_us, rules)
        if not against and too_large(profile, self._facts.vehicles.get(key)):
            against = Because.VEHICLE_TOO_LARGE
        if against:
            return Opinion(against)
        against, window = _in_window(row.profile, profile, time_us, rules)
        if against:
            return Opinion(against)
        return Opinion(_quota(row.id, profile, time_us, rules, ledger), window)

    def _asked(self, name: str, time_us: int, rules: Rules) -> Iterator[Version]:
        horizon_us = us_from_seconds(rules.form.times.horizon_s)
        base: Version | None = None
        later: list[Version] = []
        for version in self._facts.versions[name]:
            if version.recorded_us > time_us:
                later.append(version)
            elif version.arrived_us - time_us <= horizon_us:
                base = version
            else:
                later.append(version)  # heard of too late to be held against anybody
        if base is not None:
            yield base
        for version in later:
            if version.recorded_us <= time_us or _may_back_date(version, time_us, rules):
                yield version

    def _validity(self, row: AuthorisationRow, key: str, time_us: int, rules: Rules) -> str:
        if time_us < us_from_datetime(row.valid_from):
            return Because.AUTH_NOT_YET_VALID
        horizon_us = us_from_seconds(rules.form.times.horizon_s)
        for one in self._facts.revoked.get(row.id, ()):
            on_time = us_from_datetime(one.arrived) - time_us <= horizon_us
            if on_time and us_from_datetime(max(one.time, one.recorded)) <= time_us:
                return Because.AUTH_REVOKED
        changes = self._changes(key, time_us, rules)
        if changes and row.holder and changes[-1].holder != row.holder:
            return Because.HOLDER_CHANGED
        if row.valid_to is not None and time_us >= us_from_datetime(row.valid_to):
            return Because.AUTH_EXPIRED
        return ""

    def _changes(self, key: str, time_us: int, rules: Rules) -> list[HolderChanged]:
        """Return the changes of holder before a moment that were heard of within the horizon."""
        horizon_us = us_from_seconds(rules.form.times.horizon_s)
        found = [
            one
            for one in self._facts.holders.get(key, ())
            if us_from_datetime(one.time) <= time_us
            and us_from_datetime(one.arrived) - time_us <= horizon_us
        ]
        return sorted(found, key=lambda one: (one.time, one.id))


def too_large(profile: ProfileRow, vehicle: VehicleRow | None) -> bool:
    """Say whether the register's data forbid a vehicle to a profile; unknown data do not."""
    limit = profile.vehicle
    if limit is None or vehicle is None:
        return False
    mass, height = vehicle.mass_kg, vehicle.height_m
    heavy = None not in (limit.mass_max_kg, mass) and (mass or 0) > (limit.mass_max_kg or 0)
    high = None not in (limit.height_below_m, height) and (height or 0) >= (
        limit.height_below_m or 0
    )
    return heavy or high


def _may_back_date(version: Version, time_us: int, rules: Rules) -> bool:
    """Say whether a version noted after a passage may still cover it."""
    if version.row.correction:
        return True
    profile = rules.form.profiles.get(version.row.profile)
    if profile is None or profile.back_dating.until == "never":
        return False
    if profile.back_dating.hours is not None:
        return version.recorded_us - time_us <= us_from_seconds(profile.back_dating.hours * 3600)
    return version.recorded_us < day_end_us(local_day(time_us, rules.zone_info), rules.zone_info)


def _in_window(name: str, profile: ProfileRow, time_us: int, rules: Rules) -> tuple[str, str]:
    """Return (reason against, window): one of the two is empty."""
    if profile.windows == "always":
        return "", "always"
    local = datetime_from_us(time_us).astimezone(rules.zone_info)
    wrong_kind = ""
    for one in rules.windows[name]:
        day = start_day(one.window, local)
        if day is None:
            continue
        kind = rules.day_type(day)
        if one.day_types is None or kind in one.day_types:
            return "", one.window.text()
        wrong_kind = excluded(kind)
    return wrong_kind or Because.OUTSIDE_WINDOW, ""


def _quota(name: str, profile: ProfileRow, time_us: int, rules: Rules, ledger: Ledger) -> str:
    if profile.quota is None:
        return ""
    month = month_name(local_day(time_us, rules.zone_info))
    if profile.quota.month is not None and ledger.count(name, month) >= profile.quota.month:
        return Because.QUOTA_MONTH
    if profile.quota.year is not None and ledger.count(name, month[:4]) >= profile.quota.year:
        return Because.QUOTA_YEAR
    return ""


def rule_name(version: Version, rules: Rules) -> str:
    """Name the rule by which a version admits."""
    profile = rules.form.profiles[version.row.profile]
    return window_rule(version.row.profile, always=profile.windows == "always")
