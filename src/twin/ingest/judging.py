"""One fetch, judged whole: what the live state observes, and what one commit writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twin.columns import Ints, ReadingBatch
from twin.errors import BackendError
from twin.events import Topic
from twin.ingest.check import Checker
from twin.ingest.happenings import EventStage, JudgedEvents
from twin.ingest.readings import JudgedReadings, ReadingStage
from twin.ingest.topics import OF_READINGS
from twin.keys import KeyRing
from twin.live import LiveBatch
from twin.log.contract import Place, Records
from twin.store.database import Database
from twin.store.keys import known_events
from twin.store.observations import known_keys
from twin.store.records import DeadLetter, EventKey, Tally


@dataclass(frozen=True, slots=True)
class JudgedFetch:
    """Everything that follows from one fetch before the live state has seen it."""

    live: LiveBatch
    readings: JudgedReadings
    events: Mapping[Topic, JudgedEvents]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What was refused, readings first."""
        return [
            *self.readings.dead_letters,
            *(letter for judged in self.events.values() for letter in judged.dead_letters),
        ]

    @property
    def tallies(self) -> list[Tally]:
        """What was counted."""
        return [
            *self.readings.tallies,
            *(tally for judged in self.events.values() for tally in judged.tallies),
        ]

    @property
    def event_keys(self) -> list[EventKey]:
        """Keys of what was accepted."""
        return [key for judged in self.events.values() for key in judged.keys]

    @property
    def watermarks(self) -> dict[Place, int]:
        """How far event time has come where records came."""
        found = dict(self.readings.watermarks)
        for judged in self.events.values():
            found.update(judged.watermarks)
        return found

    def stored(self) -> dict[str, Any]:
        """Return the fields of a `Commit` that follow from the records alone."""
        return {
            "watermarks": self.watermarks,
            "event_keys": self.event_keys,
            "observations": self.readings.observations,
            "passages": self.kept(Topic.ANPR_READ),
            "authorisations": self.kept(Topic.AUTHORISATION),
            "dead_letters": self.dead_letters,
            "tallies": self.tallies,
        }

    def kept(self, topic: Topic) -> list[Any]:
        """Return what history keeps of a topic: applied and late."""
        judged = self.events.get(topic, JudgedEvents())
        return [*judged.applied, *judged.late]


class Judge:
    """The stages of one worker, asking one database."""

    def __init__(
        self,
        *,
        database: Database,
        checker: Checker,
        keys: KeyRing,
        lateness_reading_us: int,
        lateness_passage_us: int,
    ) -> None:
        """Start as if nothing had ever arrived; `resume` says otherwise."""
        self._database = database
        self._sensor_ids = [str(sensor.id) for sensor in checker.network.sensors]
        self._readings = ReadingStage(
            checker, lateness_us=lateness_reading_us, lookup=self._known_readings
        )
        self._events = EventStage(
            checker, keys=keys, lateness_us=lateness_passage_us, known=self._known_events
        )

    def resume(self, watermarks: Mapping[Place, int], newest_us: Ints) -> None:
        """Go on from what was stored."""
        of_readings = {place: us for place, us in watermarks.items() if place.topic in OF_READINGS}
        self._readings.resume(of_readings, newest_us)
        self._events.resume(
            {place: us for place, us in watermarks.items() if place not in of_readings}
        )

    def stand_on(self, checker: Checker, newest_us: Ints | None = None) -> None:
        """Judge by another version of the map from now on; how far event time has come stays.

        newest_us   (sensors,) newest applied time of each sensor of that map, -1 for none;
                    None knows of none
        """
        self._sensor_ids = [str(sensor.id) for sensor in checker.network.sensors]
        if newest_us is None:
            newest_us = np.full(len(self._sensor_ids), -1, np.int64)
        self._readings = self._readings.on(checker, newest_us)
        self._events.stand_on(checker)

    async def judge(self, fetched: Sequence[Records], *, everything: bool = False) -> JudgedFetch:
        """Judge every record. The caller repeats the whole call after a BackendError.

        everything   ask history about every reading: other workers keep readings, too
        """
        by_topic: dict[Topic, list[Records]] = {}
        for records in fetched:
            by_topic.setdefault(Topic(records.place.topic), []).append(records)
        before = self._events.watermarks()
        events: dict[Topic, JudgedEvents]
        try:
            events = {
                topic: await self._events.judge(topic, records[0])
                for topic, records in by_topic.items()
                if topic not in OF_READINGS
            }
            readings = await self._readings.judge(
                [*by_topic.get(Topic.READING, []), *by_topic.get(Topic.READING_COLUMNS, [])],
                everything=everything,
            )
        except BackendError:
            self._events.resume(before)  # the same records come again: as if never seen
            raise
        return JudgedFetch(_live_batch(fetched, readings, events), readings, events)

    async def _known_readings(self, batch: ReadingBatch) -> tuple[Any, Ints]:
        return await known_keys(self._database, self._sensor_ids, batch)

    async def _known_events(self, topic: str, keys: Sequence[str]) -> dict[str, int]:
        return await known_events(self._database, topic, keys)


_TIMED: Final = {
    Topic.ACKNOWLEDGEMENT: "acknowledgements",
    Topic.ACT: "acts",
    Topic.ANPR_READ: "passages",
}


def _live_batch(
    fetched: Sequence[Records], readings: JudgedReadings, events: Mapping[Topic, JudgedEvents]
) -> LiveBatch:
    def applied(topic: Topic) -> tuple[Any, ...]:
        return tuple(events[topic].applied) if topic in events else ()

    return LiveBatch(
        now_us=newest_arrival_us(fetched),
        readings=readings.applied,
        passages=applied(Topic.ANPR_READ),
        incidents=applied(Topic.INCIDENT),
        statuses=applied(Topic.STATUS),
        acknowledgements=applied(Topic.ACKNOWLEDGEMENT),
        acts=applied(Topic.ACT),
        authorisations=applied(Topic.AUTHORISATION),
        arrivals_us={
            field: events[topic].arrivals_us for topic, field in _TIMED.items() if topic in events
        },
    )


def newest_arrival_us(fetched: Sequence[Records]) -> int:
    """Return when the newest record of a fetch arrived; 0 for none."""
    return max((int(records.arrival_us.max()) for records in fetched if len(records)), default=0)
