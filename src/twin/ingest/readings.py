"""What becomes of each reading, however it was written: judged once, in columns.

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
from twin.ingest.decode import DecodedReadings, Faults
from twin.ingest.order import NEVER_US, Verdict, Verdicts, Watermark, repeats, revisions
from twin.ingest.tally import count_verdicts
from twin.ingest.unpack import EventIds, Rows, Unpacker
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
        self._unpacker = Unpacker(checker.network.sensor_rows)
        self._watermarks: dict[Place, Watermark] = {}
        self._newest_us = np.full(len(self._sensor_ids), NEVER_US, np.int64)

    def resume(self, watermarks: Mapping[Place, int], newest_us: Ints) -> None:
        """Go on from what was stored; `newest_us` (sensors,) is -1 where nothing was applied."""
        self._watermarks = {
            place: Watermark(self._lateness_us, time_us) for place, time_us in watermarks.items()
        }
        self._newest_us = np.where(newest_us < 0, NEVER_US, newest_us)

    def on(self, checker: Checker, newest_us: Ints) -> ReadingStage:
        """Return a stage that judges by another version of the map and goes on from here.

        newest_us   (sensors,) of that map as history has it; what was judged since counts too
        """
        stage = ReadingStage(checker, lateness_us=self._lateness_us, lookup=self._lookup)
        rows = self._checker.network.sensor_rows
        seen_us = np.array(
            [self._newest_us[rows[name]] if name in rows else -1 for name in stage._sensor_ids],
            np.int64,
        )
        stage.resume(
            {place: mark.time_us for place, mark in self._watermarks.items()},
            np.maximum(newest_us, seen_us),
        )
        return stage

    async def judge(
        self, fetched: Sequence[Records], *, everything: bool = False
    ) -> JudgedReadings:
        """Give every record its verdict. Raises BackendError, nothing changed, without history.

        everything   ask history about every row, not only those that it may have from here
        """
        rows = self._unpacker.unpack(fetched)
        if not len(rows):
            return JudgedReadings()
        decoded = rows.decoded
        faults = self._checker.readings(decoded, rows.arrival_us)
        good = np.ones(len(rows), np.bool_)
        good[list(faults)] = False
        chosen = np.flatnonzero(good)
        whole = len(chosen) == len(rows)
        batch = decoded.batch if whole else decoded.batch.take(chosen)
        content = decoded.content if whole else decoded.content[chosen]
        known, stored = await self._known(batch, everything=everything)
        # from here on the stage changes, and nothing is awaited
        verdicts = np.full(len(rows), Verdict.REJECTED, np.uint8)
        verdicts[chosen] = _repeated(batch, content, known, stored)
        self._judge_times(rows, verdicts)
        revised = self._revised(decoded.batch, verdicts)
        _name_conflicts(decoded, verdicts, faults)
        applied = verdicts == Verdict.APPLIED
        return JudgedReadings(
            applied=decoded.batch if applied.all() else decoded.batch.take(applied),
            observations=self._kept(rows, verdicts),
            dead_letters=rows.letters(faults),
            tallies=_tallies(rows, verdicts, revised, faults),
            watermarks=self._moved(fetched),
        )

    async def _known(self, batch: ReadingBatch, *, everything: bool) -> tuple[Bools, Ints]:
        """Ask history only about rows that it may have.

        A kept key is not newer than its sensor's newest applied reading, or it was late in some
        partition; and what was late once is late for ever: a watermark does not go back.
        """
        furthest_us = max((mark.time_us for mark in self._watermarks.values()), default=NEVER_US)
        maybe = (batch.time_us <= self._newest_us[batch.sensor]) | (
            batch.time_us < furthest_us - self._lateness_us
        )
        maybe |= everything
        known = np.zeros(len(batch), np.bool_)
        stored = np.zeros(len(batch), np.int64)
        if maybe.any():
            known[maybe], stored[maybe] = await self._lookup(batch.take(maybe))
        return known, stored

    def _judge_times(self, rows: Rows, verdicts: Verdicts) -> None:
        """Turn APPLIED into LATE where the partition's watermark was too far ahead; written."""
        applied = verdicts == Verdict.APPLIED
        for number, records in enumerate(rows.fetched):
            ours = applied & (rows.entry == number) if len(rows.fetched) > 1 else applied
            chosen = np.flatnonzero(ours)
            late = self._watermark(records.place).pass_records(rows.decoded.batch.time_us[chosen])
            verdicts[chosen[late]] = Verdict.LATE

    def _revised(self, batch: ReadingBatch, verdicts: Verdicts) -> Bools:
        """Find applied rows that are older than their sensor's newest."""
        rows = np.flatnonzero(verdicts == Verdict.APPLIED)
        revised = np.zeros(len(batch), np.bool_)
        revised[rows] = revisions(batch.sensor[rows], batch.time_us[rows], self._newest_us)
        return revised

    def _kept(self, stood: Rows, verdicts: Verdicts) -> Observations | None:
        decoded = stood.decoded
        rows = np.flatnonzero((verdicts == Verdict.APPLIED) | (verdicts == Verdict.LATE))
        if len(rows) == 0:
            return None
        return Observations(
            readings=decoded.batch.take(rows),
            sensor_ids=self._sensor_ids,
            event_ids=EventIds(decoded.events, rows),
            late=verdicts[rows] == Verdict.LATE,
            content=decoded.content[rows],
            origin=stood.origin[rows],
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


def _tallies(rows: Rows, verdicts: Verdicts, revised: Bools, faults: Faults) -> list[Tally]:
    """Count verdicts by topic and sender."""
    found: list[Tally] = []
    for topic in dict.fromkeys(records.place.topic for records in rows.fetched):
        chosen = rows.of_topic(topic)
        at = {row: k for k, row in enumerate(chosen.tolist()) if row in faults} if faults else {}
        found.extend(
            count_verdicts(
                topic,
                rows.sources,
                verdicts[chosen],
                revised=revised[chosen],
                reasons={at[row]: faults[row][0].reason for row in faults if row in at},
                record=rows.record[chosen],
            )
        )
    return found
