"""What becomes of each record of the topic `reading`: judged once, in columns.

The order of the questions is the accounting's: not a possible reading (rejected), a known key
(duplicate, or rejected as a conflict), too old (late), else applied.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from twin.clock import iso_from_us
from twin.columns import Bools, Ints, ReadingBatch
from twin.errors import Fault
from twin.ingest.check import Checker
from twin.ingest.decode import DecodedReadings, Faults, decode_readings
from twin.ingest.order import NEVER_US, Verdict, Verdicts, Watermark, newest_before, repeats
from twin.ingest.tally import count_verdicts, dead_letter, sources_of
from twin.log.contract import Place, Records
from twin.store.records import DeadLetter, Observations, Tally

Lookup = Callable[[ReadingBatch], Awaitable[tuple[Bools, Ints]]]
"""Asks history: (n,) whether it has each row's key, and the (n,) content hash stored with it."""
CONFLICT: Final = "conflict"


@dataclass(frozen=True, slots=True)
class JudgedReadings:
    """One fetch of readings, judged: what is applied, what is kept, what is counted."""

    applied: ReadingBatch = field(default_factory=ReadingBatch.empty)
    observations: Observations | None = None
    dead_letters: Sequence[DeadLetter] = ()
    tallies: Sequence[Tally] = ()
    watermarks: Mapping[Place, int] = field(default_factory=dict)


class ReadingStage:
    """Judges readings. Keeps the watermark of every partition and each sensor's newest time."""

    def __init__(self, checker: Checker, *, lateness_us: int, lookup: Lookup) -> None:
        """Start as if nothing had ever arrived; `resume` says otherwise."""
        self._checker = checker
        self._sensor_ids = [str(sensor.id) for sensor in checker.network.sensors]
        self._lateness_us = lateness_us
        self._lookup = lookup
        self._watermarks: dict[Place, Watermark] = {}
        self._newest_us = np.full(len(self._sensor_ids), NEVER_US, np.int64)

    def resume(self, watermarks: Mapping[Place, int], newest_us: Ints) -> None:
        """Go on from what was stored; `newest_us` (sensors,) is -1 where nothing was applied."""
        self._watermarks = {
            place: Watermark(self._lateness_us, time_us) for place, time_us in watermarks.items()
        }
        self._newest_us = np.where(newest_us < 0, NEVER_US, newest_us)

    async def judge(self, fetched: Sequence[Records]) -> JudgedReadings:
        """Give every record its verdict. Raises BackendError, nothing changed, without history."""
        values = [value for records in fetched for value in records.values]
        if not values:
            return JudgedReadings()
        decoded = decode_readings(values, self._checker.network.sensor_rows)
        arrival_us = np.concatenate([records.arrival_us for records in fetched])
        faults = self._checker.readings(decoded, arrival_us)
        good = np.ones(len(values), np.bool_)
        good[list(faults)] = False
        rows = np.flatnonzero(good)
        place_of = np.repeat(np.arange(len(fetched)), [len(records) for records in fetched])
        batch = decoded.batch.take(rows)
        known, stored = await self._known(batch)
        # from here on the stage changes, and nothing is awaited
        verdicts = np.full(len(values), Verdict.REJECTED, np.uint8)
        verdicts[rows] = _repeated(batch, decoded.content[rows], known, stored)
        self._judge_times(fetched, place_of, decoded.batch, verdicts)
        revised = self._revised(decoded.batch, verdicts)
        _name_conflicts(decoded, verdicts, faults)
        sources = sources_of(fetched)
        return JudgedReadings(
            applied=decoded.batch.take(verdicts == Verdict.APPLIED),
            observations=self._kept(decoded, verdicts),
            dead_letters=_dead_letters(fetched, sources, faults),
            tallies=count_verdicts(
                fetched[0].place.topic,
                sources,
                verdicts,
                revised=revised,
                reasons={row: found[0].reason for row, found in faults.items()},
            ),
            watermarks=self._moved(fetched),
        )

    async def _known(self, batch: ReadingBatch) -> tuple[Bools, Ints]:
        """Ask history only about rows that it may have.

        A kept key is not newer than its sensor's newest applied reading, or it was late in some
        partition; and what was late once is late for ever: a watermark does not go back.
        """
        furthest_us = max((mark.time_us for mark in self._watermarks.values()), default=NEVER_US)
        maybe = (batch.time_us <= self._newest_us[batch.sensor]) | (
            batch.time_us < furthest_us - self._lateness_us
        )
        known = np.zeros(len(batch), np.bool_)
        stored = np.zeros(len(batch), np.int64)
        if maybe.any():
            known[maybe], stored[maybe] = await self._lookup(batch.take(maybe))
        return known, stored

    def _judge_times(
        self,
        fetched: Sequence[Records],
        place_of: Ints,
        batch: ReadingBatch,
        verdicts: Verdicts,
    ) -> None:
        """Turn APPLIED into LATE where the partition's watermark was too far ahead; written."""
        for number, records in enumerate(fetched):
            rows = np.flatnonzero((place_of == number) & (verdicts == Verdict.APPLIED))
            late = self._watermark(records.place).pass_records(batch.time_us[rows])
            verdicts[rows[late]] = Verdict.LATE

    def _revised(self, batch: ReadingBatch, verdicts: Verdicts) -> Bools:
        """Find applied rows that are older than their sensor's newest."""
        rows = np.flatnonzero(verdicts == Verdict.APPLIED)
        before_us = newest_before(batch.sensor[rows], batch.time_us[rows], self._newest_us)
        revised = np.zeros(len(batch), np.bool_)
        revised[rows] = batch.time_us[rows] < before_us
        return revised

    def _kept(self, decoded: DecodedReadings, verdicts: Verdicts) -> Observations | None:
        rows = np.flatnonzero((verdicts == Verdict.APPLIED) | (verdicts == Verdict.LATE))
        if len(rows) == 0:
            return None
        return Observations(
            readings=decoded.batch.take(rows),
            sensor_ids=self._sensor_ids,
            event_ids=[decoded.events[row].id for row in rows.tolist()],
            late=verdicts[rows] == Verdict.LATE,
            content=decoded.content[rows],
        )

    def _watermark(self, place: Place) -> Watermark:
        return self._watermarks.setdefault(place, Watermark(self._lateness_us))

    def _moved(self, fetched: Sequence[Records]) -> dict[Place, int]:
        times_us = {records.place: self._watermark(records.place).time_us for records in fetched}
        return {place: time_us for place, time_us in times_us.items() if time_us > NEVER_US}


def _repeated(batch: ReadingBatch, content: Ints, known: Bools, stored: Ints) -> Verdicts:
    """Tell known keys, as DUPLICATE or CONFLICT, from the others, as APPLIED for now."""
    first, again = repeats(batch)
    seen = known | again
    same = content == np.where(known, stored, content[first])
    verdicts = np.full(len(batch), Verdict.APPLIED, np.uint8)
    verdicts[seen & same] = Verdict.DUPLICATE
    verdicts[seen & ~same] = Verdict.CONFLICT
    return verdicts


def _name_conflicts(decoded: DecodedReadings, verdicts: Verdicts, faults: Faults) -> None:
    for row in np.flatnonzero(verdicts == Verdict.CONFLICT).tolist():
        event = decoded.events[row]
        moment = iso_from_us(int(decoded.batch.time_us[row]))
        rule = (
            f"sensor {event.sensor} has other values for {moment} over {event.period_s:g} s already"
        )
        faults[row] = [Fault("time", moment, rule, CONFLICT)]


def _dead_letters(
    fetched: Sequence[Records], sources: Sequence[str], faults: Faults
) -> list[DeadLetter]:
    letters = []
    starts = np.cumsum([0, *(len(records) for records in fetched)])
    for row in sorted(faults):
        number = int(np.searchsorted(starts, row, side="right")) - 1
        records, at = fetched[number], row - int(starts[number])
        letters.append(
            dead_letter(
                records, at, source=sources[row], faults=faults[row], payload=records.values[at]
            )
        )
    return letters
