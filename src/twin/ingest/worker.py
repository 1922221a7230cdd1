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

import msgspec
import numpy as np

from twin import tracing
from twin.clock import Clock, datetime_from_us
from twin.columns import Ints, ReadingBatch
from twin.control.devices.orders import DeviceControl
from twin.control.signals.controller import SignalControl
from twin.errors import BackendError
from twin.events import DecisionEvent, Tick, Topic
from twin.forecast.first import make_forecast
from twin.ingest.ahead import Ahead
from twin.ingest.applied import AppliedStage, Mark
from twin.ingest.backlog import Backlog
from twin.ingest.check import Checker
from twin.ingest.forecasting import ForecastCycle, Swap
from twin.ingest.health import Vitals, WorkerHealth
from twin.ingest.journal import Journal
from twin.ingest.judging import Judge, newest_arrival_us
from twin.ingest.lag import LagProbe, count_lost
from twin.ingest.map_change import MapSwitch, Turn, map_in_use, snapshot_of
from twin.ingest.order import NEVER_US
from twin.ingest.patience import Patience
from twin.ingest.policy import WorkerPolicy
from twin.ingest.recovery import Recovery, Start
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
from twin.store.records import Commit, MinutePicture, Outgoing, Snapshot
from twin.units import SECOND_US

_LOG: Final = logging.getLogger(__name__)
_ENCODER: Final = msgspec.json.Encoder()
_FETCH_S: Final = 0.5
"""Longest wait for records, wall time: a stop is noticed within it."""
_STOP_S: Final = 3.0
_STOP_AWAY_S: Final = 1.0
"""A stop waits so long for a batch that is under way while a server is known to be away."""
_MINUTE_US: Final = 60 * SECOND_US


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
        self._fetching = Patience("fetch", policy.first_pause_s, stopping=self._patience.stopping)
        self._maps = MapSwitch(
            database,
            Patience("map change", policy.first_pause_s, stopping=self._patience.stopping),
        )
        self._journal = Journal(database, on=policy.steps)
        self._vitals = Vitals()
        self._lag = LagProbe(log, self._vitals)
        self._backlog = Backlog()
        self._ahead = Ahead(log, self._checker)
        self._reader: WatchedReader | None = None
        self._positions: dict[Place, int] = {}
        self._epochs: dict[Place, int] = {}
        self._snapshot_due_us = NEVER_US
        self._minute_us = NEVER_US
        self._tick_due_us = NEVER_US
        self._refusals_told: dict[str, int] = {}

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
        if self._live.book.dropped:
            _LOG.warning("stored_stages_dropped", extra={"decisions": self._live.book.dropped})
        await self._begin_journal()
        if start.snapshot_us is not None:
            self._snapshot_due_us = start.snapshot_us + self._policy.snapshot_us
        self._reader = await self._patience.until_done(self._open_reader)
        if self._policy.forecasts:
            self._forecasts = ForecastCycle(
                self._live,
                self._offload,
                make=make_forecast,
                every_us=self._policy.forecast_us,
                timings=self._vitals.timings,
            )
        self._vitals.state = "running"
        for finding in self._live.signals.findings:
            _LOG.warning("junction_not_controlled", extra={"finding": str(finding)})
        _LOG.info("worker_started", extra={"partitions": len(self._positions)})

    async def _begin_journal(self) -> None:
        await self._patience.until_done(lambda: self._journal.resume(self._live))
        now_us = self._clock.now_us()
        written = self._journal.started(self._live, now_us, self._positions)
        if written:
            await self._store(Commit(epochs=self._epochs, **written), now_us)

    async def _open_reader(self) -> WatchedReader:
        return await WatchedReader.open(self._log, self._positions, stall_s=self._policy.stall_s)

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
        known = np.full(len(live.network.sensors), -1, np.int64)
        self._ahead.stand_on(self._checker)
        self._judge.stand_on(self._checker, known if newest_us is None else newest_us)
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
        vitals, cycle = self._vitals, self._forecasts
        now_us = self._clock.now_us()
        problems = (self._patience.problem, self._fetching.problem, self.relay.patience.problem)
        return WorkerHealth(
            state=vitals.state,
            positions={str(place): offset for place, offset in self._positions.items()},
            lag={str(place): count for place, count in vitals.lag.items()},
            last_commit_us=vitals.last_commit_us,
            last_tick_us=vitals.last_tick_us,
            problem=next((problem for problem in problems if problem is not None), None),
            lost={str(place): count for place, count in vitals.lost.items()},
            records=vitals.records,
            commits=vitals.commits,
            timings=vitals.timings.steps(),
            forecasts=cycle.made if cycle is not None else 0,
            forecasts_dropped=cycle.dropped if cycle is not None else 0,
            published=self.relay.published,
            requests_refused=self._live.signals.unsafe_count + self._live.devices.unsafe_count,
            junction_findings=len(self._live.signals.findings),
            decisions_dropped=self._live.book.dropped,
            rebuilt=self._reader.rebuilt if self._reader is not None else 0,
            behind_s=self._backlog.behind_s(vitals.lag, now_us),
            idle=tuple(str(place) for place in self._backlog.idle(vitals.lag, now_us)),
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
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        try:
            fetched = await self._reader.fetch(
                max_records=self._policy.max_records, timeout_s=timeout_s
            )
        except BackendError as error:
            self._fetching.failed(error)
            await self._fetching.rest(at_most_s=max(end_s - loop.time(), 0.001))
            return []
        self._fetching.went_well()
        return fetched

    async def _take(self, fetched: Sequence[Records]) -> None:
        """Judge, observe and commit one fetch."""
        count_lost(self._vitals, fetched)
        handed_on = [one for one in fetched if one.place.topic == InnerTopic.APPLIED]
        judging = [one for one in fetched if one.place.topic != InnerTopic.APPLIED]
        journey = tracing.taken(records.headers for records in fetched)
        with self._vitals.timings.of("judge"):
            judged = await self._patience.until_done(lambda: self._judge.judge(judging))
        journey = tracing.judged(journey, sum(len(records) for records in fetched))
        batch = judged.live
        marks: dict[int, Mark] = {}
        if handed_on:
            readings, marks = self._applied.take(handed_on)
            readings = ReadingBatch.concatenate([batch.readings, readings])
            batch = replace(batch, readings=readings, now_us=newest_arrival_us(fetched))
        with self._vitals.timings.of("observe"):
            decided = self._live.observe(batch)
        moved = {records.place: records.next_offset for records in fetched}
        now_us = batch.now_us
        await self._store(
            Commit(
                epochs={place: self._epochs[place] for place in moved},
                positions=moved,
                watermarks=judged.watermarks,
                marks=marks,
                event_keys=judged.event_keys,
                observations=judged.readings.observations,
                passages=judged.kept(Topic.ANPR_READ),
                authorisations=judged.kept(Topic.AUTHORISATION),
                decisions=decided,
                dead_letters=judged.dead_letters,
                tallies=judged.tallies,
                outgoing=self._decision_records(decided, now_us),
                snapshot=self._snapshot(now_us),
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
        self._tell_refused()
        with self._vitals.timings.of("picture"):
            picture = self._live.picture(now_us)
        beat = Tick(
            time=datetime_from_us(now_us),
            offsets=offsets,
            forecast=swap.taken,
            dropped=swap.dropped,
            map_version=picture.map_version,
        )
        outgoing = [
            *self._decision_records(decided, now_us),
            Outgoing(self._topics.place(Topic.TICK), _ENCODER.encode(beat), now_us),
        ]
        await self._store(
            Commit(
                epochs=self._epochs,
                decisions=decided,
                outgoing=outgoing,
                snapshot=turn.snapshot,
                minute=self._minute(picture),
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

    def _tell_refused(self) -> None:
        """Log what the safety gates refused since the last beat."""
        gates: dict[str, SignalControl | DeviceControl] = {
            "signal_request_refused": self._live.signals,
            "device_request_refused": self._live.devices,
        }
        for event, asked in gates.items():
            fresh = min(asked.unsafe_count - self._refusals_told.get(event, 0), len(asked.unsafe))
            self._refusals_told[event] = asked.unsafe_count
            for _, problem in list(asked.unsafe)[len(asked.unsafe) - fresh :]:
                _LOG.warning(
                    event,
                    extra={
                        "rule": problem.rule,
                        "junction": problem.junction,
                        "value": problem.value,
                        "limit": problem.limit,
                    },
                )

    async def _store(self, commit: Commit, now_us: int) -> None:
        with self._vitals.timings.of("commit"):
            await self._patience.until_done(lambda: write_commit(self._database, commit))
        self._vitals.commits += 1
        self._vitals.last_commit_us = now_us
        if commit.outgoing:
            self.relay.wake()

    def _decision_records(self, decided: Sequence[DecisionEvent], now_us: int) -> list[Outgoing]:
        place = self._topics.place(Topic.DECISION)
        return [Outgoing(place, _ENCODER.encode(event), now_us) for event in decided]

    def _snapshot(self, now_us: int) -> Snapshot | None:
        if now_us < self._snapshot_due_us:
            return None
        self._snapshot_due_us = now_us + self._policy.snapshot_us
        return snapshot_of(self._live, now_us)

    def _minute(self, picture: Picture) -> MinutePicture | None:
        minute_us = picture.time_us - picture.time_us % _MINUTE_US
        if not self._policy.minutes or minute_us == self._minute_us:
            return None
        self._minute_us = minute_us
        links = picture.links
        return MinutePicture(
            time_us=minute_us,
            map_version=picture.map_version,
            speed_mps=links.speed_mps.astype(np.float32).tobytes(),
            flow_vps=links.flow_vps.astype(np.float32).tobytes(),
            density_vpm=links.density_vpm.astype(np.float32).tobytes(),
            source=links.source.tobytes(),
        )
