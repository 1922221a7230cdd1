"""Starting again where the last commit stood, whatever ended the process before.

The live state is the newest snapshot of this map version, and then everything that commits
after it brought: readings from history, incidents, statuses and acts from the log between the
snapshot's positions and ours, rights and open decisions from their tables. The result is the
state of a worker that never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twin.events import Act, DecisionEvent, Topic
from twin.ingest.check import Checker
from twin.ingest.decode import decode
from twin.ingest.happenings import natural_key
from twin.ingest.judging import Judge
from twin.ingest.topics import INCOMING, Topics
from twin.live import Live, LiveBatch
from twin.log.contract import Log, Place, Records
from twin.store import authorisations, decisions, keys, observations, snapshots
from twin.store.commit import assign
from twin.store.database import Database

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


async def incoming_places(log: Log) -> list[Place]:
    """Return every partition that a worker reads, as the log has them."""
    return [
        Place(topic.value, partition)
        for topic in INCOMING
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
        topics: Topics,
        log: Log,
        database: Database,
    ) -> None:
        """Work on these; `run` does it."""
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
        places = await incoming_places(self._log)
        positions, epochs = await assign(self._database, places, owner)
        stored = await snapshots.newest(self._database, network.version)
        if stored is not None:
            self._live.restore(stored.snapshot.body)
            after = await observations.readings_after_snapshot(
                self._database, network, stored.batch
            )
            self._live.observe(LiveBatch(stored.snapshot.time_us, readings=after))
        begun = stored.positions if stored is not None else {}
        events = await self._events_between(begun, positions)
        rights = await authorisations.all_current(self._database)
        now_us = stored.snapshot.time_us if stored is not None else 0
        self._live.observe(
            LiveBatch(
                now_us,
                incidents=events.get(Topic.INCIDENT, ()),
                statuses=events.get(Topic.STATUS, ()),
                acts=events.get(Topic.ACT, ()),
                authorisations=rights,
            )
        )
        newest_us = await observations.newest_by_sensor(
            self._database, [str(sensor.id) for sensor in network.sensors]
        )
        self._judge.resume(await keys.stored_watermarks(self._database), newest_us)
        return Start(
            positions,
            epochs,
            stored.snapshot.time_us if stored is not None else None,
            await decisions.open_decisions(self._database),
        )

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
        reader = await self._log.reader({place: first})
        values: list[tuple[int, bytes]] = []
        try:
            next_offset = first
            while next_offset < last:
                fetched = await reader.fetch(max_records=_AT_ONCE, timeout_s=_WAIT_S)
                if not fetched:
                    break  # retention took the rest
                values.extend(_before(fetched[0], last))
                next_offset = fetched[0].next_offset
        finally:
            await reader.close()
        return values

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


def _before(records: Records, last: int) -> list[tuple[int, bytes]]:
    return [
        (arrival_us, value)
        for offset, arrival_us, value in zip(
            records.offsets.tolist(), records.arrival_us.tolist(), records.values, strict=True
        )
        if offset < last
    ]
