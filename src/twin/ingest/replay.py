"""Feeding a recording through the log into a worker, and going on after any interruption.

The feeder appends in the recording's order and asks the log itself how far it came: what stands
on a partition after the round's first offset was fed. So a feed that was killed between two
appends goes on with the next record, not with the next batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, NamedTuple

from twin.clock import ManualClock
from twin.errors import Fault, InputError
from twin.events import Topic
from twin.forecast.first import make_forecast
from twin.forecast.result import Forecast
from twin.ingest.policy import WorkerPolicy
from twin.ingest.recovery import incoming_places
from twin.ingest.topics import Topics
from twin.ingest.worker import Worker
from twin.keys import KeyRing
from twin.live import Live
from twin.log.contract import Log, Place
from twin.network.model import SingleMap
from twin.store import accounting, maps, replays
from twin.store.database import Database
from twin.store.records import Tally
from twin.store.replays import ReplayRun
from twin.units import SECOND_US

REPLAY_POLICY: Final = WorkerPolicy(
    owner="replay",
    tick_us=300 * SECOND_US,
    snapshot_us=6 * 3600 * SECOND_US,
    minutes=False,
    steps=False,
    forecasts=False,
    max_records=10_000,
)
_APPENDED_AT_ONCE: Final = 5000
_SOURCE: Final = "replay"
_LEASE_S: Final = 15.0


class FeedItem(NamedTuple):
    """One record to be fed; `sensor` is empty for all topics but `reading`."""

    topic: Topic
    sensor: str
    arrival_us: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Feed:
    """A recording as records. `items` begins anew at each call and yields `total` of them.

    `source_hash` names the content: the same recording is known again.
    """

    source_hash: str
    start_us: int
    total: int
    items: Callable[[], Iterator[FeedItem]]


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What a replay did.

    rounds    how often the recording was fed, this time included
    sent      records of all rounds by the feeder's own count
    fed_now   records that this run appended; 0 where nothing was left to feed
    forecast  the next hour as seen from the end of the recording
    """

    rounds: int
    sent: int
    fed_now: int
    tallies: tuple[Tally, ...]
    state_hash: str
    forecast: Forecast

    @property
    def accounted(self) -> bool:
        """Say whether every record that was sent has a verdict, and only those."""
        received = sum(tally.received for tally in self.tallies)
        return received == self.sent and all(accounting.balanced(tally) for tally in self.tallies)


class Replay:
    """One replay on one log and one database, which the caller opened."""

    def __init__(
        self,
        *,
        network: SingleMap,
        timezone: str,
        log: Log,
        database: Database,
        keys: KeyRing,
        policy: WorkerPolicy = REPLAY_POLICY,
    ) -> None:
        """Make a worker over a fresh live state of this map."""
        self._network = network
        self._log = log
        self._database = database
        self._topics = Topics(network)
        self._clock = ManualClock(0)
        self._live = Live(
            network, rules=None, automatic=frozenset(), lease_s=_LEASE_S, timezone=timezone
        )
        self._worker = Worker(
            network=network,
            live=self._live,
            log=log,
            database=database,
            clock=self._clock,
            policy=policy,
            keys=keys,
            on_picture=lambda _: None,
            on_decisions=lambda _: None,
        )

    async def run(
        self,
        feed: Feed,
        *,
        again: bool = False,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> ReplayOutcome:
        """Feed what is left to feed, and work until all of it has its verdict.

        A recording that was fed to its end is fed once more only with `again`. `on_progress` gets
        the number of records of this round that were worked through. Raises InputError when the
        log holds records that no replay of this recording put there.
        """
        await self._log.create_topics(self._topics.specs())
        await maps.save_map(self._database, self._network, now_us=feed.start_us)
        places = await incoming_places(self._log)
        run = await self._round(feed, places, again=again)
        self._clock.advance_to(feed.start_us)
        try:
            fed_now = await self._feed_and_work(feed, run, places, on_progress)
        finally:
            await self._worker.close()
        await self._worker.relay.drain()
        await replays.save_run(self._database, replace(run, fed=feed.total, done=True))
        return ReplayOutcome(
            rounds=run.round,
            sent=run.round * feed.total,
            fed_now=fed_now,
            tallies=await accounting.totals(self._database),
            state_hash=self._live.state_hash(),
            forecast=make_forecast(self._live.forecast_input(self._clock.now_us())),
        )

    async def _round(self, feed: Feed, places: Sequence[Place], *, again: bool) -> ReplayRun:
        """Take up the round that was interrupted, or begin one at the ends of the log."""
        last = await replays.last_run(self._database, feed.source_hash)
        if last is not None and not (last.done and again):
            return last
        ends = await self._log.end_offsets(places)
        if last is None and (held := sum(ends.values())):
            rule = "the log holds records already; feed into an empty one (another --topic-prefix)"
            raise InputError(Fault("log", f"{held} records", rule, "conflict"))
        run = ReplayRun(feed.source_hash, last.round + 1 if last is not None else 1, ends)
        await replays.save_run(self._database, run)
        return run

    async def _feed_and_work(
        self,
        feed: Feed,
        run: ReplayRun,
        places: Sequence[Place],
        on_progress: Callable[[int], None],
    ) -> int:
        def on_batch(arrival_us: int) -> None:
            self._clock.advance_to(arrival_us)
            on_progress(self._done(run))

        await self._worker.start()
        on_progress(self._done(run))
        feeder = asyncio.create_task(self._append_all(feed, run, places), name="replay feeder")
        try:
            while not feeder.done():
                ends = await self._log.end_offsets(places)
                await self._worker.run_until(ends, on_batch=on_batch)
                await asyncio.wait({feeder}, timeout=0)
            fed_now = feeder.result()
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
        await self._worker.run_until(await self._log.end_offsets(places), on_batch=on_batch)
        return fed_now

    def _done(self, run: ReplayRun) -> int:
        positions = self._worker.positions
        return sum(max(0, positions.get(place, 0) - at) for place, at in run.base_offsets.items())

    async def _append_all(self, feed: Feed, run: ReplayRun, places: Sequence[Place]) -> int:
        """Append what does not stand on the log yet, in order; return how much that was."""
        ends = await self._log.end_offsets(places)
        there = {place: ends[place] - run.base_offsets.get(place, 0) for place in places}
        items = feed.items()
        appended = 0
        while chunk := list(islice(items, _APPENDED_AT_ONCE)):
            for place, group in self._by_place(chunk).items():
                known = min(there[place], len(group))
                there[place] -= known
                if known == len(group):
                    continue
                await self._log.append(
                    place,
                    [item.value for item in group[known:]],
                    arrival_us=[item.arrival_us for item in group[known:]],
                    headers={"source": _SOURCE},
                )
                appended += len(group) - known
            await asyncio.sleep(0)
        return appended

    def _by_place(self, chunk: Sequence[FeedItem]) -> Mapping[Place, list[FeedItem]]:
        groups: dict[Place, list[FeedItem]] = {}
        for item in chunk:
            if item.topic is Topic.READING:
                place = self._topics.reading_place(item.sensor)
            else:
                place = self._topics.place(item.topic)
            groups.setdefault(place, []).append(item)
        return groups
