"""The one owner of the live state: takes records in, commits what they change, keeps the beat.

Two things happen in one loop, never at once. A fetch: judge, observe, commit. A tick: take a
finished forecast, decide, commit, publish the picture. A commit that fails is tried again until
it is stored, so memory and database never drift apart; a worker that was replaced (FencedError)
stops. Everything else that goes wrong propagates: the supervisor ends the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from twin import tracing
from twin.clock import Clock
from twin.columns import Ints
from twin.events import DecisionEvent
from twin.forecast.first import make_forecast
from twin.ingest.ahead import Ahead
from twin.ingest.applied import AppliedStage, Mark, apart
from twin.ingest.backlog import Backlog
from twin.ingest.check import Checker
from twin.ingest.due import Due, beat_record, decision_records
from twin.ingest.fetching import fetch_or_rest
from twin.ingest.forecasting import ForecastCycle, Swap
from twin.ingest.health import Vitals, WorkerHealth
from twin.ingest.journal import Journal
from twin.ingest.judging import Judge, newest_arrival_us
from twin.ingest.lag import LagProbe, count_lost
from twin.ingest.map_change import MapSwitch, Turn, map_in_use
from twin.ingest.order import NEVER_US
from twin.ingest.patience import Patience
from twin.ingest.policy import WorkerPolicy
from twin.ingest.recovery import Recovery, Start
from twin.ingest.refusals import Refusals
from twin.ingest.relay import Relay
from twin.ingest.roles import ProcessRole
from twin.ingest.topics import InnerTopic, Topics
from twin.ingest.watchdog import WatchedReader
from twin.keys import KeyRing
from twin.live import Live
from twin.log.contract import Log, Place, Records
from twin.network.model import SingleMap
from twin.offload import Offload
from twin.picture import Picture
from twin.store.commit import write_commit
from twin.store.database import Database
from twin.store.map_changes import asked_changes
from twin.store.outbox import EVERYTHING, Share
from twin.store.records import Commit
from twin.units import SECOND_US

_LOG: Final = logging.getLogger(__name__)
_FETCH_S: Final = 0.5
"""Longest wait for records, wall time: a stop is noticed within it."""
_STOP_S: Final = 3.0
_STOP_AWAY_S: Final = 1.0
"""A stop waits so long for a batch that is under way while a server is known to be away."""


class Worker:
    """Consumes the incoming topics into one `Live`. Use `run`, or `run_until` in a replay."""

    def __init__(
        self,
        *,
        network: SingleMap,
        live: Live,
        log: Log,
        database: Database,
        clock: Clock,
        policy: WorkerPolicy,
        keys: KeyRing,
        on_picture: Callable[[Picture], None],
        on_decisions: Callable[[Sequence[DecisionEvent]], None],
        on_map: Callable[[SingleMap], None] = lambda _: None,
        role: ProcessRole = ProcessRole.ALL,
    ) -> None:
        """Own `live` from here on. The callbacks are called on the loop, after the commit.

        role   FORECASTER leaves the readings to workers and takes in what those applied
        """
        self._role = role
        self._live = live
        self._log = log
        self._database = database
        self._clock = clock
        self._policy = policy
        self._on_picture = on_picture
        self._on_decisions = on_decisions
        self._on_map = on_map
        self._topics = Topics(network)
        self._checker = Checker(network, policy.future_us / SECOND_US)
        self._judge = Judge(
            database=database,
            checker=self._checker,
            keys=keys,
            lateness_reading_us=policy.lateness_reading_us,
            lateness_passage_us=policy.lateness_passage_us,
        )
        self._applied = AppliedStage(network.sensor_rows)
        share = EVERYTHING if role is ProcessRole.ALL else Share(without_topic=InnerTopic.APPLIED)
        self.relay = Relay(log=log, database=database, share=lambda: share)
        self._offload = Offload()
        self._forecasts: ForecastCycle | None = None
        self._patience = Patience("worker", policy.first_pause_s)
        self._fetching = self._patience.beside("fetch")
        self._maps = MapSwitch(database, self._patience.beside("map change"))
        self._journal = Journal(database, on=policy.steps)
        self._vitals = Vitals()
        self._lag = LagProbe(log, self._vitals)
        self._backlog = Backlog()
        self._ahead = Ahead(log, self._checker)
        self._reader: WatchedReader | None = None
        self._positions: dict[Place, int] = {}
        self._epochs: dict[Place, int] = {}
        self._due = Due(policy)
        self._tick_due_us = NEVER_US
        self._refusals = Refusals()

    @property
    def live(self) -> Live:
        """The live state of the map in use."""
        return self._live

    @property
    def positions(self) -> Mapping[Place, int]:
        """The next offset of every partition, as committed."""
        return self._positions

    async def run(self) -> None:
        """Work until `stop` or a cancellation; then finish the batch, commit and publish.

        Starts the relay too. Raises FencedError when another worker took over, and whatever a
        tick or a batch could not handle.
        """
        work = asyncio.create_task(self._work(), name="ingest worker")
        relay = asyncio.create_task(self.relay.run(), name="ingest relay")
        try:
            done, _ = await asyncio.wait({work, relay}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            limit_s = _STOP_S if self.health().problem is None else _STOP_AWAY_S
            self._patience.stopping.set()
            self.relay.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await asyncio.gather(work, relay, return_exceptions=True)
            for task in (work, relay):
                task.cancel()
            await self.close()

    def stop(self) -> None:
        """Ask `run` to finish its batch, publish what was committed, and return."""
        self._patience.stopping.set()

    async def run_until(
        self, ends: Mapping[Place, int], *, on_batch: Callable[[int], None] | None = None
    ) -> None:
        """Work through the log until the given offsets; ticks happen only as the clock is moved.

        `on_batch` is called with the newest arrival time of every batch before the tick that may
        follow: a replay moves its clock there. May be called again to go on.
        """
        if self._reader is None:
            await self.start()
        while any(self._positions.get(place, 0) < end for place, end in ends.items()):
            fetched = await self._fetch(_FETCH_S)
            if not fetched:
                continue
            await self._take(fetched)
            if on_batch is not None and (arrival_us := newest_arrival_us(fetched)):
                on_batch(arrival_us)
            await self._maps.ready(self._live)  # so that a replay changes at the same beat
            await self._tick_if_due()

    async def start(self) -> None:
        """Take the partitions over and restore the state; waits for servers that are away."""
        network = await self._patience.until_done(
            lambda: map_in_use(self._database, self._live.network)
        )
        if network is not None:
            self._stand_on(self._live.on(network))
            self._on_map(network)
        start: Start = await self._patience.until_done(
            lambda: self._recovery().run(self._policy.owner)
        )
        self._maps.resume(await self._patience.until_done(lambda: asked_changes(self._database)))
        self._positions, self._epochs = start.positions, start.epochs
        self._live.restore_decisions(start.decisions)
        await self._begin_journal()
        if start.snapshot_us is not None:
            self._due.snapshot_was(start.snapshot_us)
        self._reader = await self._patience.until_done(
            lambda: WatchedReader.open(self._log, self._positions, stall_s=self._policy.stall_s)
        )
        if self._policy.forecasts:
            self._forecasts = ForecastCycle(
                self._live,
                self._offload,
                make=make_forecast,
                every_us=self._policy.forecast_us,
                timings=self._vitals.timings,
            )
        self._vitals.state = "running"
        self._refusals.tell_start(self._live)
        _LOG.info("worker_started", extra={"partitions": len(self._positions)})

    async def _begin_journal(self) -> None:
        await self._patience.until_done(lambda: self._journal.resume(self._live))
        now_us = self._clock.now_us()
        written = self._journal.started(self._live, now_us, self._positions)
        if written:
            await self._store(Commit(epochs=self._epochs, **written), now_us)

    def _recovery(self) -> Recovery:
        return Recovery(
            live=self._live,
            judge=self._judge,
            checker=self._checker,
            applied=self._applied,
            topics=self._topics,
            log=self._log,
            database=self._database,
            role=self._role,
        )

    def _stand_on(self, live: Live, newest_us: Ints | None = None) -> None:
        """Own the live state of another map from now on."""
        self._live, self._topics = live, Topics(live.network)
        self._checker = Checker(live.network, self._policy.future_us / SECOND_US)
        self._applied.stand_on(live.network.sensor_rows)
        self._ahead.stand_on(self._checker)
        self._judge.stand_on(self._checker, newest_us)
        if self._forecasts is not None:
            self._forecasts.stand_on(live)

    async def close(self) -> None:
        """Release what the worker opened; the log and the database stay open."""
        self._vitals.state = "stopped"
        await self._maps.close()
        await self._ahead.rest()
        await self._lag.close()
        if self._forecasts is not None:
            await self._forecasts.close()
        if self._reader is not None:
            await self._reader.close()
        self._offload.close()

    def health(self) -> WorkerHealth:
        """Say how the worker is at this moment."""
        cycle, lag, now_us = self._forecasts, self._vitals.lag, self._clock.now_us()
        waits = (self._patience, self._fetching, self.relay.patience)
        return replace(
            self._vitals.told(self._positions, waits),
            forecasts=cycle.made if cycle is not None else 0,
            forecasts_dropped=cycle.dropped if cycle is not None else 0,
            published=self.relay.published,
            requests_refused=self._live.signals.unsafe_count + self._live.devices.unsafe_count,
            junction_findings=len(self._live.signals.findings),
            decisions_dropped=self._live.book.dropped,
            rebuilt=self._reader.rebuilt if self._reader is not None else 0,
            behind_s=self._backlog.behind_s(lag, now_us),
            idle=tuple(str(place) for place in self._backlog.idle(lag, now_us)),
        )

    async def _work(self) -> None:
        await self.start()
        while not self._patience.stopping.is_set():
            await self._tick_if_due()
            left_s = (self._tick_due_us - self._clock.now_us()) / SECOND_US
            wait_s = self._clock.wall_seconds(max(left_s, 0.0))
            fetched = await self._fetch(min(max(wait_s, 0.001), _FETCH_S))
            if fetched:
                await self._take(fetched)

    async def _fetch(self, timeout_s: float) -> list[Records]:
        """Fetch once; while the log is away, rest at most until the next tick and give nothing."""
        assert self._reader is not None
        most = self._policy.max_records
        return await fetch_or_rest(self._reader, self._fetching, most, timeout_s)

    async def _take(self, fetched: Sequence[Records]) -> None:
        """Judge, observe and commit one fetch."""
        count_lost(self._vitals, fetched)
        judging, handed_on = apart(fetched)
        journey = tracing.taken(records.headers for records in fetched)
        with self._vitals.timings.of("judge"):
            judged = await self._patience.until_done(lambda: self._judge.judge(judging))
        journey = tracing.judged(journey, sum(len(records) for records in fetched))
        batch, marks = judged.live, dict[int, Mark]()
        if handed_on:
            readings, marks = self._applied.take(handed_on, after=batch.readings)
            batch = replace(batch, readings=readings, now_us=newest_arrival_us(fetched))
        with self._vitals.timings.of("observe"):
            decided = self._live.observe(batch)
        moved = {records.place: records.next_offset for records in fetched}
        now_us = batch.now_us
        await self._store(
            Commit(
                epochs={place: self._epochs[place] for place in moved},
                positions=moved,
                **judged.stored(),
                marks=marks,
                decisions=decided,
                outgoing=decision_records(self._topics, decided, now_us),
                snapshot=self._due.snapshot(self._live, now_us),
                map_changes=self._maps.ask(judged.live.acts, now_us),
                **self._journal.batch(
                    self._live,
                    batch,
                    now_us=self._clock.now_us(),
                    moved=moved,
                    ranges=self._applied.ranges if handed_on else (),
                    decided=decided,
                ),
            ),
            now_us,
        )
        tracing.committed(journey)
        self._positions.update(moved)
        self._backlog.take(fetched)
        self._vitals.records += sum(len(records) for records in fetched)
        if decided:
            self._on_decisions(decided)

    async def _tick_if_due(self) -> None:
        now_us = self._clock.now_us()
        if now_us >= self._tick_due_us:
            self._tick_due_us = now_us + self._policy.tick_us
            await self._tick(now_us)

    async def _tick(self, now_us: int) -> None:
        """One beat: map and forecast in, decide, commit, publish the picture, forecast out."""
        turn = self._maps.turn(self._live, now_us) or Turn(())
        if turn.prepared is not None:
            self._stand_on(turn.prepared.live, turn.prepared.newest_us)
        offsets = {str(place): offset for place, offset in sorted(self._positions.items())}
        cycle, swap = self._forecasts, Swap()
        if cycle is not None:
            swap = cycle.take(now_us)
        with self._vitals.timings.of("decide"):
            decided = turn.decisions + self._live.decide(now_us, offsets=offsets)
        self._refusals.tell(self._live)
        with self._vitals.timings.of("picture"):
            picture = self._live.picture(now_us)
        outgoing = [
            *decision_records(self._topics, decided, now_us),
            beat_record(self._topics, picture, offsets, swap),
        ]
        await self._store(
            Commit(
                epochs=self._epochs,
                decisions=decided,
                outgoing=outgoing,
                snapshot=turn.snapshot,
                minute=self._due.minute(picture),
                scores=self._live.closed_scores(),
                map_changes=turn.changes,
                **self._journal.tick(
                    self._live,
                    picture,
                    swap=swap,
                    content=cycle.content if cycle is not None else "",
                    begins=cycle is not None and cycle.begins(now_us),
                    decided=decided,
                    positions=self._positions,
                    resting=cycle is None or cycle.resting,
                ),
            ),
            now_us,
        )
        self._vitals.last_tick_us = now_us
        if turn.prepared is not None:
            self._on_map(self._live.network)
        tracing.pictured(picture.sequence)
        behind = self._backlog.behind_s(self._vitals.lag, now_us) > self._policy.ahead_s
        self._on_picture(
            await self._ahead.picture(self._live, picture, self._positions, behind=behind)
        )
        if decided:
            self._on_decisions(decided)
        if self._forecasts is not None:
            self._forecasts.start(now_us)
        self._maps.begin(self._live)
        self._lag.ask(self._positions)

    async def _store(self, commit: Commit, now_us: int) -> None:
        with self._vitals.timings.of("commit"):
            await self._patience.until_done(lambda: write_commit(self._database, commit))
        self._vitals.commits += 1
        self._vitals.last_commit_us = now_us
        if commit.outgoing:
            self.relay.wake()
