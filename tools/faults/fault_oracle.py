"""The oracle: one thread replays the file of events into one live state, with no server at all.

It uses the service's own judging and its own live state, so that it says what the service would
have come to if nothing had ever gone wrong: no log, no database, no commit, no restart.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fault_file import LOG, Delivery, read_file
from recount import BROKER, STREET, VERDICTS

from twin.columns import Bools, Ints, ReadingBatch
from twin.events import Topic
from twin.ingest.check import Checker
from twin.ingest.happenings import EventStage
from twin.ingest.readings import ReadingStage
from twin.ingest.sealing import seal_items
from twin.ingest.topics import OF_READINGS
from twin.keys import KeyRing
from twin.live import Live, LiveBatch
from twin.log.contract import Place, Records
from twin.network.gmns import read_gmns
from twin.store.records import Tally
from twin.units import SECOND_US

_AT_ONCE = 20


@dataclass(frozen=True)
class Truth:
    """What the file comes to: the hash of the live state, and the counts by source and topic."""

    state_hash: str
    tallies: dict[tuple[str, str], Counter[str]]
    seconds: float


class _History:
    """What a database would know: keys and contents in two dictionaries."""

    def __init__(self) -> None:
        self.readings: dict[tuple[int, int, int], int] = {}
        self.events: dict[tuple[str, str], int] = {}

    async def known_readings(self, batch: ReadingBatch) -> tuple[Bools, Ints]:
        keys = _keys(batch)
        known = np.array([key in self.readings for key in keys], np.bool_)
        content = np.array([self.readings.get(key, 0) for key in keys], np.int64)
        return known, content

    async def known_events(self, topic: str, keys: Sequence[str]) -> dict[str, int]:
        return {key: self.events[topic, key] for key in keys if (topic, key) in self.events}


def _keys(batch: ReadingBatch) -> list[tuple[int, int, int]]:
    columns = (batch.sensor.tolist(), batch.time_us.tolist(), batch.period_ms.tolist())
    return list(zip(*columns, strict=True))


class _Oracle:
    def __init__(self, folder: Path, keys: KeyRing) -> None:
        network, _ = read_gmns(folder)
        checker = Checker(network)
        self._keys = keys
        self._history = _History()
        self._readings = ReadingStage(
            checker, lateness_us=600 * SECOND_US, lookup=self._history.known_readings
        )
        self._events = EventStage(
            checker, keys=keys, lateness_us=120 * SECOND_US, known=self._history.known_events
        )
        self.live = Live(
            network, rules=None, automatic=frozenset(), lease_s=15.0, timezone=network.timezone
        )
        self.tallies: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._offsets: Counter[Place] = Counter()
        self._now_us = time.time_ns() // 1000

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Judge and observe some deliveries of one partition."""
        first = deliveries[0]
        topic = Topic(first.topic)
        records = self._records(deliveries)
        if topic in OF_READINGS:
            judged = await self._readings.judge([records])
            kept = judged.observations
            if kept is not None:
                contents = zip(_keys(kept.readings), kept.content.tolist(), strict=True)
                self._history.readings.update(contents)
            self.live.observe(LiveBatch(self._now_us, readings=judged.applied))
            self._count(judged.tallies)
            return
        found = await self._events.judge(topic, records)
        self._history.events.update({(key.topic, key.key): key.content for key in found.keys})
        self._count(found.tallies)

    def _count(self, tallies: Sequence[Tally]) -> None:
        for tally in tallies:
            counts = self.tallies[tally.source, tally.topic]
            counts.update({name: getattr(tally, name) for name in VERDICTS})

    def _records(self, deliveries: Sequence[Delivery]) -> Records:
        values: list[bytes] = []
        headers: list[dict[str, str]] = []
        for delivery in deliveries:
            values.extend(delivery.values)
            source = BROKER if delivery.way == LOG else STREET
            headers.extend([{"source": source}] * len(delivery.values))
        place = Place(deliveries[0].topic, deliveries[0].partition)
        if place.topic == Topic.ANPR_READ:
            values = seal_items(values, self._keys)
        start = self._offsets[place]
        self._offsets[place] += len(values)
        return Records(
            place=place,
            offsets=np.arange(start, start + len(values)),
            arrival_us=np.full(len(values), self._now_us, np.int64),
            values=values,
            next_offset=start + len(values),
            headers=headers,
        )


async def _replay(events: Path, folder: Path, keys: KeyRing) -> _Oracle:
    oracle = _Oracle(folder, keys)
    waiting: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in read_file(events):
        lane = waiting[delivery.lane]
        lane.append(delivery)
        if len(lane) == _AT_ONCE:
            await oracle.take(waiting.pop(delivery.lane))
    for lane in waiting.values():
        await oracle.take(lane)
    return oracle


def replay(events: Path, folder: Path, keys: KeyRing) -> Truth:
    """Replay a file of events on the map in a folder."""
    began = time.monotonic()
    oracle: Any = asyncio.run(_replay(events, folder, keys))
    return Truth(oracle.live.state_hash(), dict(oracle.tallies), time.monotonic() - began)
