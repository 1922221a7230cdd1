"""Starting again where the last commit stood, whatever ended the process before.

The live state is the newest snapshot of this map version, and then everything that commits
after it brought: readings from history or from what workers applied, incidents, statuses and acts
from the log between the snapshot's positions and ours, rights and open decisions from their
tables. The result is the state of a worker that never stopped.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from twin.columns import ReadingBatch
from twin.errors import BackendError
from twin.events import Act, DecisionEvent, Topic
from twin.ingest.applied import AppliedStage, Mark
from twin.ingest.check import Checker
from twin.ingest.decode import decode
from twin.ingest.happenings import natural_key
from twin.ingest.judging import Judge
from twin.ingest.roles import ProcessRole
from twin.ingest.topics import INCOMING, OF_READINGS, InnerTopic, Topics
from twin.live import Live, LiveBatch
from twin.log.contract import Log, Place, Records
from twin.store import authorisations, decisions, keys, observations, roles, snapshots
from twin.store.commit import assign
from twin.store.database import Database

_LOG: Final = logging.getLogger(__name__)
_REPLAYED: Final = (Topic.INCIDENT, Topic.STATUS, Topic.ACT)
_AT_ONCE: Final = 5000
_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Start:
    """Where a worker begins: next offsets and epochs of its partitions, and open decisions.

    `snapshot_us` is the arrival time at which the newest snapshot stood, None without one.
    """

    positions: dict[Place, int]
    epochs: dict[Place, int]
    snapshot_us: int | None
    decisions: tuple[DecisionEvent, ...]


async def incoming_places(log: Log, role: ProcessRole = ProcessRole.ALL) -> list[Place]:
    """Return every partition that the owner of the live state reads, as the log has them.

    Where readings have workers of their own, only what those applied is read. A process that
    does all reads that too: what workers before it left there.
    """
    judged = [topic for topic in INCOMING if role is ProcessRole.ALL or topic not in OF_READINGS]
    return [
        Place(topic.value, partition)
        for topic in (*judged, InnerTopic.APPLIED)
        for partition in range(await log.partitions(topic))
    ]


class Recovery:
    """Brings a fresh `Live` and a fresh `Judge` to where the last commit stood."""

    def __init__(
        self,
        *,
        live: Live,
        judge: Judge,
        checker: Checker,
        applied: AppliedStage,
        topics: Topics,
        log: Log,
        database: Database,
        role: ProcessRole = ProcessRole.ALL,
    ) -> None:
        """Work on these; `run` does it."""
        self._applied = applied
        self._role = role
        self._live = live
        self._judge = judge
        self._checker = checker
        self._topics = topics
        self._log = log
        self._database = database

    async def run(self, owner: str) -> Start:
        """Take the partitions over and restore everything. Raises BackendError: call again."""
        network = self._checker.network
        await self._log.create_topics(self._topics.specs())
        places = await incoming_places(self._log, self._role)
        positions, epochs = await assign(self._database, places, owner)
        stored = await snapshots.newest(self._database, network.version)
        if stored is not None:
            self._live.restore(stored.snapshot.body)
            after = await observations.readings_after_snapshot(
                self._database, network, stored.batch
            )
            self._live.observe(LiveBatch(stored.snapshot.time_us, readings=after))
        begun = stored.positions if stored is not None else {}
        applied = await self._applied_between(begun, positions)
        events = await self._events_between(begun, positions)
        rights = await authorisations.all_current(self._database)
        newest_us = await observations.newest_by_sensor(
            self._database, [str(sensor.id) for sensor in network.sensors]
        )
        watermarks = await keys.stored_watermarks(self._database)
        marks = await roles.stored_marks(self._database)
        open_decisions = await decisions.open_decisions(self._database)
        # nothing is awaited from here on: a second call must not observe anything twice
        self._live.observe(
            LiveBatch(
                stored.snapshot.time_us if stored is not None else 0,
                readings=applied,
                incidents=events.get(Topic.INCIDENT, ()),
                statuses=events.get(Topic.STATUS, ()),
                acts=events.get(Topic.ACT, ()),
                authorisations=rights,
            )
        )
        self._judge.resume(watermarks, newest_us)
        self._applied.resume({number: Mark(*mark) for number, mark in marks.items()})
        return Start(
            positions,
            epochs,
            stored.snapshot.time_us if stored is not None else None,
            open_decisions,
        )

    async def _applied_between(
        self, begun: Mapping[Place, int], positions: Mapping[Place, int]
    ) -> ReadingBatch:
        """Read again what workers applied between the snapshot and the last commit."""
        self._applied.resume({})
        batches: list[ReadingBatch] = []
        for place, last in positions.items():
            first = begun.get(place, 0)
            if place.topic != InnerTopic.APPLIED or first >= last:
                continue
            async for records in self._records(place, first, last):
                if records.skipped:
                    extra = {"place": str(place), "records": records.skipped}
                    _LOG.error("lost_retention", extra=extra)
                batches.append(self._applied.take([records])[0])
        return ReadingBatch.concatenate(batches)

    async def _events_between(
        self, begun: Mapping[Place, int], positions: Mapping[Place, int]
    ) -> dict[Topic, tuple[Any, ...]]:
        """Read again what live state was made from since the snapshot, besides readings."""
        found: dict[Topic, tuple[Any, ...]] = {}
        for topic in _REPLAYED:
            place = self._topics.place(topic)
            first, last = begun.get(place, 0), positions.get(place, 0)
            if first < last:
                values = await self._values(place, first, last)
                found[topic] = await self._accepted(topic, place, values)
        return found

    async def _values(self, place: Place, first: int, last: int) -> list[tuple[int, bytes]]:
        return [
            (arrival_us, value)
            async for records in self._records(place, first, last)
            for arrival_us, value in zip(records.arrival_us.tolist(), records.values, strict=True)
        ]

    async def _records(self, place: Place, first: int, last: int) -> AsyncIterator[Records]:
        """Give the records of a partition from offset `first` until before `last`.

        Raises BackendError where a log is slow to answer: a state with holes must not begin.
        """
        reader = await self._log.reader({place: first})
        try:
            next_offset = first
            while next_offset < last:
                fetched = await reader.fetch(max_records=_AT_ONCE, timeout_s=_WAIT_S)
                if not fetched:  # never the end: what retention took is told as skipped
                    raise BackendError(f"{place} from offset {next_offset} on gives no answer")
                yield _before(fetched[0], last)
                next_offset = fetched[0].next_offset
        finally:
            await reader.close()

    async def _accepted(
        self, topic: Topic, place: Place, values: Sequence[tuple[int, bytes]]
    ) -> tuple[Any, ...]:
        """Keep the events that were applied: those whose key and content history knows."""
        decoded = decode(topic, [value for _, value in values])
        events = [
            event
            for event, (arrival_us, _) in zip(decoded.events, values, strict=True)
            if event is not None and not self._checker.event(topic, event, arrival_us)
        ]
        keyed = [(*natural_key(event), event) for event in events]
        known = await keys.known_events(self._database, place.topic, [key for key, _, _ in keyed])
        # approvals live on in the decisions' own table; only what changes the traffic comes again
        return tuple(
            event
            for key, content, event in keyed
            if known.get(key) == content
            and (topic is not Topic.ACT or event.act is Act.CLEAR_INCIDENT)
        )


def _before(records: Records, last: int) -> Records:
    """Leave out what stands at `last` or behind it."""
    count = int(np.searchsorted(records.offsets, last))
    return replace(
        records,
        offsets=records.offsets[:count],
        arrival_us=records.arrival_us[:count],
        values=records.values[:count],
        headers=records.headers[:count],
    )
