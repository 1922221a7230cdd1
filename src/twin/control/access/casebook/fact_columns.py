"""What is known, and the passages it made, as the arrays of the replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twin.clock import us_from_datetime as _us
from twin.control.access.casebook.columns import Compiled
from twin.control.access.casebook.known import Known, Version
from twin.control.access.casebook.passages import ClockState, Passage, PassageReader
from twin.control.access.casebook.reading import PlateReading
from twin.control.access.casebook.rights import Ledger, Rights, too_large
from twin.control.access.casebook.rulebook import RuleBook, Rules
from twin.control.access.identity import ReadQuality
from twin.control.access.kernels import columns as c
from twin.errors import Fault, InputError

_QUALITY: Final = {
    ReadQuality.EXACT: c.EXACT,
    ReadQuality.REPAIRED: c.REPAIRED,
    ReadQuality.UNUSUAL: c.UNUSUAL,
    ReadQuality.UNREAD: c.NOT_READ,
}
_CLOCK: Final = {
    ClockState.TRUSTED: c.TRUSTED,
    ClockState.UNTRUSTED: c.UNTRUSTED,
    ClockState.UNKNOWN: c.UNKNOWN,
}


@dataclass
class Vehicles:
    """Numbers of vehicles by key, in the order in which they were met."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, key: str) -> int:
        """Return the number of a key, a new one for a new key."""
        return self.numbers.setdefault(key, len(self.numbers))


@dataclass(frozen=True)
class Columns:
    """Everything that a replay needs besides the table.

    names, ids   the authorisations by number, and the passages in their order
    """

    rights: c.Rights
    used: c.Used
    passages: c.Passages
    readings: c.Readings
    vehicles: Vehicles
    names: tuple[str, ...]
    ids: tuple[str, ...]


def columns_of(
    facts: Known, passages: Sequence[Passage], book: RuleBook, compiled: Compiled
) -> Columns:
    """Turn facts and passages, the earliest first, into columns.

    Raises InputError for a passage that came after the horizon: what may only help the driver is
    for the live evaluator alone.
    """
    for one in passages:
        if one.late:
            raise InputError(Fault("passage", one.id, "came after the horizon; it is not replayed"))
    vehicles, numbers = Vehicles(), {name: at for at, name in enumerate(sorted(facts.versions))}
    columns, readings = _passages(passages, compiled, vehicles)
    rights = _rights(facts, book, compiled, vehicles, numbers)
    rights = _with_neighbours(rights, facts, passages, book, vehicles)
    return Columns(
        rights,
        _used(facts, compiled, numbers),
        columns,
        readings,
        vehicles,
        tuple(sorted(facts.versions)),
        tuple(one.id for one in passages),
    )


def _passages(
    rows: Sequence[Passage], compiled: Compiled, vehicles: Vehicles
) -> tuple[c.Passages, c.Readings]:
    gates = {name: at for at, name in enumerate(compiled.words.gates)}
    known: dict[PlateReading, int] = {}
    code = [
        (
            gates.get(one.gate, -1),
            int(one.inbound),
            _CLOCK[one.clock],
            known.setdefault(one.reading, len(known)),
        )
        for one in rows
    ]
    columns = c.Passages(
        code=np.array(code, np.int32).reshape(-1, 4),
        time=np.array([(one.time_us, one.uncertainty_us) for one in rows], np.int64).reshape(-1, 2),
        confidence=np.array([one.confidence for one in rows], np.float64),
    )
    said = [
        (vehicles.number(one.key) if one.key else -1, _QUALITY[one.quality], int(one.country_known))
        for one in known
    ]
    return columns, c.Readings(
        keys_of=_starts(one.keys for one in known),
        key=np.array([vehicles.number(key) for one in known for key in one.keys], np.int32),
        code=np.array(said, np.int32).reshape(-1, 3),
    )


def _rights(
    facts: Known,
    book: RuleBook,
    compiled: Compiled,
    vehicles: Vehicles,
    numbers: dict[str, int],
) -> c.Rights:
    names = sorted(facts.versions)
    rows = [version for name in names for version in facts.versions[name]]
    for version in rows:
        for plate in version.row.plates:
            vehicles.number(plate)
    holders = Vehicles()
    named = [sorted(facts.by_key.get(key, ())) for key in vehicles.numbers]
    revoked = [facts.revoked.get(name, []) for name in names]
    changes = [
        sorted(facts.holders.get(key, ()), key=lambda one: (one.time, one.id))
        for key in vehicles.numbers
    ]
    return c.Rights(
        row=_row_codes(rows, compiled, holders),
        time=np.array([_row_times(one) for one in rows], np.int64).reshape(-1, 4),
        of_vehicle=np.stack([_starts(named), _starts(changes)]),
        right=np.array([numbers[name] for group in named for name in group], np.int32),
        of_right=np.stack([_starts(facts.versions[name] for name in names), _starts(revoked)]),
        plates_of=_starts(one.row.plates for one in rows),
        plate=np.array([vehicles.number(p) for one in rows for p in one.row.plates], np.int32),
        too_large=np.array([_too_large(facts, rules, rows) for rules in book.versions], np.bool_),
        revoked=np.array(
            [
                (_us(max(one.time, one.recorded)), _us(one.arrived))
                for group in revoked
                for one in group
            ],
            np.int64,
        ).reshape(-1, 2),
        held=np.array(
            [
                (
                    _us(one.time),
                    _us(one.arrived),
                    holders.number(one.holder),
                )
                for group in changes
                for one in group
            ],
            np.int64,
        ).reshape(-1, 3),
        near_of=np.zeros(len(book.versions) * len(vehicles.numbers) + 1, np.int64),
        near=np.zeros(0, np.int32),
        near_over=np.zeros((len(book.versions), len(vehicles.numbers)), np.bool_),
    )


def _row_codes(rows: Sequence[Version], compiled: Compiled, holders: Vehicles) -> c.Codes:
    words = compiled.words
    profiles = {name: at for at, name in enumerate(words.profiles)}
    zones = {name: at for at, name in enumerate(words.zones)}
    codes = [
        (
            zones.get(one.row.zone, -2),
            profiles.get(one.row.profile, -1),
            holders.number(one.row.holder) if one.row.holder else -1,
            order,
            int(bool(one.row.correction)),
        )
        for one, order in zip(rows, _order(rows).tolist(), strict=True)
    ]
    return np.array(codes, np.int32).reshape(-1, c.ROW_FIELDS)


def _row_times(version: Version) -> tuple[int, int, int, int]:
    begin_us = _us(version.row.valid_from)
    return begin_us, _end_us(version), version.recorded_us, version.arrived_us


def _too_large(facts: Known, rules: Rules, rows: Sequence[Version]) -> list[bool]:
    profiles = rules.form.profiles
    return [
        (profile := profiles.get(one.row.profile)) is not None
        and too_large(profile, facts.vehicles.get(plate))
        for one in rows
        for plate in one.row.plates
    ]


def _order(rows: Sequence[Version]) -> c.Codes:
    """Return the place of each row where several count alike: latest end, lowest id, version."""
    keys = [(-_end_us(one), one.row.id, -one.row.version, at) for at, one in enumerate(rows)]
    order = np.empty(len(rows), np.int32)
    for place, key in enumerate(sorted(keys)):
        order[key[-1]] = place
    return order


def _end_us(version: Version) -> int:
    end = version.row.valid_to
    return c.NEVER_US if end is None else _us(end)


def _with_neighbours(
    rights: c.Rights,
    facts: Known,
    passages: Sequence[Passage],
    book: RuleBook,
    vehicles: Vehicles,
) -> c.Rights:
    """Add, by version and vehicle, the listed plates that a read plate is easily mistaken for."""
    reader, listed = PassageReader(book), Rights(facts)
    read = {one.reading.key for one in passages if one.reading.keys and one.reading.country_known}
    near: list[list[int]] = []
    over = np.zeros((len(book.versions), len(vehicles.numbers)), np.bool_)
    for version, rules in enumerate(book.versions):
        tables, counts = reader.tables(rules), dict[str, int]()
        for key, number in vehicles.numbers.items():
            found = tables.neighbours(key) if key in read else ()
            near.append([vehicles.numbers[one] for one in found if one in facts.by_key])
            if near[-1]:
                country = key[:2]
                count = counts.setdefault(country, listed.listed(country))
                rate = tables.stranger_rate(key, len(found), count)
                over[version, number] = rate >= rules.form.reading.stranger_rate_max
    flat = np.array([one for group in near for one in group], np.int32)
    return rights._replace(near_of=_starts(near), near=flat, near_over=over)


def _used(facts: Known, compiled: Compiled, numbers: dict[str, int]) -> c.Used:
    used = c.Used(
        np.zeros((len(numbers), len(compiled.months)), np.int16),
        np.zeros((len(numbers), len(compiled.years)), np.int16),
    )
    months = {name: at for at, name in enumerate(compiled.months)}
    years = {name: at for at, name in enumerate(compiled.years)}
    for (name, period), count in Ledger.before(facts).used.items():
        if period in months:
            used.month[numbers[name], months[period]] = count
        elif period in years:
            used.year[numbers[name], years[period]] = count
    return used


def _starts(groups: Iterable[Sequence[object]]) -> c.Ints:
    """Return where each group begins in their concatenation, and where the last ends."""
    return np.concatenate([[0], np.cumsum([len(one) for one in groups], dtype=np.int64)])
