"""From reads to passages: the clock set right, doubles merged, impossible travel found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from twin.clock import us_from_datetime, us_from_seconds
from twin.control.access.casebook.facts import Read, World
from twin.control.access.casebook.known import Known
from twin.control.access.casebook.reading import PlateReading, PlateTables
from twin.control.access.casebook.rulebook import RuleBook, Rules
from twin.control.access.identity import ReadQuality
from twin.events import Direction

_NO_PLATE = PlateReading((), ReadQuality.UNREAD, country_known=False)


class ClockState(StrEnum):
    """How far the clock of a gate can be believed."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Passage:
    """One vehicle at one gate: when on true time, give or take, and what the best read said."""

    id: str
    reads: tuple[str, ...]
    gate: str
    inbound: bool
    raw_us: int
    time_us: int
    uncertainty_us: int
    clock: ClockState
    reading: PlateReading
    confidence: float
    arrived_us: int
    late: bool
    tracks: frozenset[str]


class PassageReader:
    """Turns reads into passages under the rules in force at each moment."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._tables = {one.version: PlateTables(one.form.reading) for one in book.versions}

    def tables(self, rules: Rules) -> PlateTables:
        """Return the plate tables of a version."""
        return self._tables[rules.version]

    def passages(self, facts: Known, *, favour: bool) -> list[Passage]:
        """Return the passages, earliest first.

        With `favour`, clock reports count however late they come, and late reads take part.
        """
        single = [self._single(read, facts, favour=favour) for read in facts.reads]
        if not favour:
            single = [one for one in single if not one.late]
        by_place: dict[tuple[str, bool], list[Passage]] = {}
        for one in sorted(single, key=_order):
            by_place.setdefault((one.gate, one.inbound), []).append(one)
        merged = [group for rows in by_place.values() for group in self._merge(rows)]
        return sorted(merged, key=_order)

    def _single(self, read: Read, facts: Known, *, favour: bool) -> Passage:
        raw_us = us_from_datetime(read.time)
        arrived_us = us_from_datetime(read.arrived)
        rules = self._book.at(raw_us)
        offset_s, uncertainty_s = _clock_of(read, facts, rules, raw_us, favour=favour)
        state = ClockState.TRUSTED
        if offset_s is None:
            state = ClockState.UNKNOWN
        elif rules is not None and (
            abs(offset_s) > rules.form.times.offset_max_s
            or uncertainty_s > rules.form.times.uncertainty_max_s
        ):
            state = ClockState.UNTRUSTED
        time_us = raw_us - us_from_seconds(offset_s or 0.0)
        horizon_us = 0 if rules is None else us_from_seconds(rules.form.times.horizon_s)
        country = facts.countries.get(read.id)
        reading = _NO_PLATE
        if rules is not None:
            told = read.country if country is None else country.country
            reading = self._tables[rules.version].read(read.plate, told)
        return Passage(
            id=read.id,
            reads=(read.id,),
            gate=read.gate,
            inbound=read.direction is Direction.IN,
            raw_us=raw_us,
            time_us=time_us,
            uncertainty_us=us_from_seconds(uncertainty_s),
            clock=state,
            reading=reading,
            confidence=read.confidence,
            arrived_us=arrived_us,
            late=rules is not None and arrived_us - raw_us > horizon_us,
            tracks=frozenset({read.track} if read.track else ()),
        )

    def _merge(self, rows: Iterable[Passage]) -> list[Passage]:
        """Merge reads of one gate and direction, in order of time, into passages."""
        groups: list[list[Passage]] = []
        for one in rows:
            rules = self._book.at(one.time_us)
            within_us = 0 if rules is None else us_from_seconds(rules.form.reading.duplicate_s)
            for group in reversed(groups):
                if one.time_us - group[0].time_us > within_us:
                    groups.append([one])  # groups stand in order of their first reads
                    break
                if _same(one, group):
                    group.append(one)
                    break
            else:
                groups.append([one])
        return [_joined(group) for group in groups]


def conflicts(passages: Iterable[Passage], world: World, book: RuleBook) -> set[str]:
    """Return the ids of passages of one plate that no vehicle could have driven."""
    shortest = _shortest(world)
    by_key: dict[str, list[Passage]] = {}
    for one in passages:
        if one.reading.keys and one.reading.country_known and one.clock is not ClockState.UNKNOWN:
            by_key.setdefault(one.reading.key, []).append(one)
    found: set[str] = set()
    longest_us = max(shortest.values(), default=0)
    for rows in by_key.values():
        for at, one in enumerate(rows):
            for other in rows[at + 1 :]:
                if other.time_us - one.time_us > longest_us:
                    break
                if _impossible(one, other, shortest, book):
                    found |= {one.id, other.id}
    return found


def _impossible(
    one: Passage, other: Passage, shortest: Mapping[tuple[str, str], int], book: RuleBook
) -> bool:
    least_us = shortest.get((one.gate, other.gate))
    rules = book.at(other.time_us)
    if least_us is None or rules is None:
        return False
    apart_us = abs(other.time_us - one.time_us) + one.uncertainty_us + other.uncertainty_us
    return apart_us < rules.form.times.travel_share * least_us


def _shortest(world: World) -> dict[tuple[str, str], int]:
    table: dict[tuple[str, str], int] = {}
    for row in world.travel:
        one, other = row.gates
        if one != other:
            table[one, other] = table[other, one] = us_from_seconds(row.shortest_s)
    return table


def _clock_of(
    read: Read, facts: Known, rules: Rules | None, raw_us: int, *, favour: bool
) -> tuple[float | None, float]:
    """Return a gate's offset and uncertainty at a raw time, s: the last report that covers it."""
    horizon_us = 0 if rules is None else us_from_seconds(rules.form.times.horizon_s)
    reports = [
        one
        for one in facts.clocks.get(read.gate, ())
        if us_from_datetime(one.time) <= raw_us < us_from_datetime(one.until)
        and (favour or us_from_datetime(one.arrived) - raw_us <= horizon_us)
    ]
    if reports:
        last = max(reports, key=lambda one: (one.time, one.id))
        return last.offset_s, last.uncertainty_s
    row = facts.world.gates.get(read.gate)
    return (0.0, 0.5) if row is None else (row.offset_s, row.uncertainty_s)


def _same(one: Passage, group: list[Passage]) -> bool:
    return any(
        (one.reading.keys and one.reading.key == other.reading.key) or one.tracks & other.tracks
        for other in group
    )


def _joined(group: list[Passage]) -> Passage:
    """Join reads of one passage: time of the first, string of the most confident."""
    first = group[0]
    readable = [one for one in group if one.reading.keys]
    best = max(readable, key=lambda one: one.confidence, default=first)
    return Passage(
        id=first.id,
        reads=tuple(one.id for one in group),
        gate=first.gate,
        inbound=first.inbound,
        raw_us=first.raw_us,
        time_us=first.time_us,
        uncertainty_us=first.uncertainty_us,
        clock=first.clock,
        reading=best.reading,
        confidence=best.confidence,
        arrived_us=min(one.arrived_us for one in group),
        late=first.late,
        tracks=frozenset().union(*(one.tracks for one in group)),
    )


def _order(one: Passage) -> tuple[int, str]:
    return one.time_us, one.id
