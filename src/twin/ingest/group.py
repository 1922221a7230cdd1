"""A worker of many: judges and commits the readings of the partitions that its group gives it.

Membership in the group on topic `reading` says who owns partition k, and with it `reading.columns`
k. Owning begins with a raised epoch and with what the database knows of the partition; it ends
with the batch that is under way. Whoever is late to notice is fenced: his commit changes nothing,
and he begins anew. What a commit applied leaves through the outbox, once, for the owner of the
live state. A worker that dies loses nothing: all that it was is in the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol

from twin.clock import Clock
from twin.errors import BackendError, FencedError
from twin.ingest.applied import encode_applied
from twin.ingest.check import Checker
from twin.ingest.health import Vitals, WorkerHealth
from twin.ingest.judging import Judge
from twin.ingest.lag import LagProbe, count_lost
from twin.ingest.map_change import map_in_use
from twin.ingest.patience import Patience
from twin.ingest.policy import WorkerPolicy
from twin.ingest.relay import Relay
from twin.ingest.topics import OF_READINGS, applied_place
from twin.ingest.watchdog import WatchedReader
from twin.keys import KeyRing
from twin.live import LiveBatch
from twin.log.contract import Log, Place, Records
from twin.network.model import SingleMap
from twin.store import keys as stored_keys
from twin.store import observations
from twin.store.commit import KnownKeyError, assign, write_commit
from twin.store.database import Database
from twin.store.map_changes import active_version
from twin.store.outbox import Share
from twin.store.records import Commit, Outgoing
from twin.units import SECOND_US

_LOG: Final = logging.getLogger(__name__)
_FETCH_S: Final = 0.5
_LET_GO_S: Final = 3.0
"""So long others wait for the batch under way; epochs make a longer one harmless."""
_STOP_S: Final = 3.0
_CHECK_S: Final = 2.0
_RELAYED_AT_ONCE: Final = 64  # records of up to 800 kB


class Membership(Protocol):
    """Belongs to the group that shares the partitions out (`log/kafka_group.py`)."""

    async def join(self) -> None:
        """Become a member. Raises BackendError."""
        ...

    async def check(self) -> None:
        """Raise BackendError when the membership has failed for good."""
        ...

    async def leave(self) -> None:
        """Leave the group."""
        ...


Given = Callable[[frozenset[int]], None]
Taken = Callable[[], Awaitable[None]]
Join = Callable[[Given, Taken], Membership]
"""Makes a membership from whom to tell: what is ours from now on, and let go now."""


class GroupWorker:
    """Judges readings beside others of its kind. Use `run`."""

    def __init__(
        self,
        *,
        network: SingleMap,
        log: Log,
        database: Database,
        clock: Clock,
        policy: WorkerPolicy,
        keys: KeyRing,
        join: Join,
    ) -> None:
        """Own nothing yet; `join` makes the membership of the group."""
        self._log = log
        self._database = database
        self._clock = clock
        self._policy = policy
        self._network = network
        self._other_map = False
        self._sensor_ids = [str(sensor.id) for sensor in network.sensors]
        self._judge = Judge(
            database=database,
            checker=Checker(network, policy.future_us / SECOND_US),
            keys=keys,
            lateness_reading_us=policy.lateness_reading_us,
            lateness_passage_us=policy.lateness_passage_us,
        )
        self._patience = Patience("worker", policy.first_pause_s)
        self._group = self._patience.beside("group")
        self._fetching = self._patience.beside("fetch")
        self.relay = Relay(log=log, database=database, share=self._share, at_once=_RELAYED_AT_ONCE)
        self._membership = join(self._given, self._let_go)
        self._vitals = Vitals()
        self._lag = LagProbe(log, self._vitals)
        self._wanted: frozenset[int] = frozenset()
        self._wanted_changed = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self._held: frozenset[int] = frozenset()
        self._reader: WatchedReader | None = None
        self._rebuilt = 0
        self._positions: dict[Place, int] = {}
        self._epochs: dict[Place, int] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that are owned now."""
        return self._held

    @property
    def map_version(self) -> str:
        """The version of the map by which readings are judged now."""
        return self._network.version

    def health(self) -> WorkerHealth:
        """Say how the worker is at this moment."""
        waits = (self._patience, self._group, self._fetching, self.relay.patience)
        return replace(
            self._vitals.told(self._positions, waits),
            published=self.relay.published,
            rebuilt=self._rebuilt + (self._reader.rebuilt if self._reader is not None else 0),
        )

    def stop(self) -> None:
        """Ask `run` to finish its batch, publish what was committed, and return."""
        self._patience.stopping.set()
        self._wanted_changed.set()

    async def run(self) -> None:
        """Work until `stop` or a cancellation; then finish the batch, publish, leave the group."""
        tasks = [
            asyncio.create_task(self._work(), name="group worker"),
            asyncio.create_task(self._belong(), name="group membership"),
            asyncio.create_task(self.relay.run(), name="ingest relay"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.stop()
            await self._finish(tasks)

    async def _finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        work, belong, relay = tasks
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await asyncio.gather(work, return_exceptions=True)
                self.relay.stop()
                await asyncio.gather(relay, return_exceptions=True)
        for task in (work, relay):
            task.cancel()
        await asyncio.gather(belong, return_exceptions=True)
        self._vitals.state = "stopped"
        await self._release()
        await self._membership.leave()
        await self._lag.close()

    async def _belong(self) -> None:
        """Be a member of the group for as long as we work; join again when that fails."""
        while not self._patience.stopping.is_set():
            try:
                await self._membership.join()
                self._group.went_well()
                self._vitals.state = "running"
                while not await self._stopping_within(_CHECK_S):
                    await self._membership.check()
                    await self._look_at_map()
            except BackendError as error:
                self._group.failed(error)
                await self._membership.leave()
                self._given(frozenset())
                await self._group.rest()

    async def _look_at_map(self) -> None:
        """See whether the service has gone over to another version of the map."""
        with suppress(BackendError):  # a database that is away costs no membership
            version = await active_version(self._database)
            self._other_map = version is not None and version != self._network.version

    async def _stopping_within(self, timeout_s: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._patience.stopping.wait(), timeout_s)
        return self._patience.stopping.is_set()

    def _given(self, partitions: frozenset[int]) -> None:
        self._wanted = partitions
        self._wanted_changed.set()

    async def _let_go(self) -> None:
        """Own nothing any more before this returns, or be fenced later."""
        self._given(frozenset())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._free.wait(), _LET_GO_S)

    def _share(self) -> Share:
        """Return whose outgoing records are ours to publish: those of our partitions."""
        return Share(frozenset(map(applied_place, self._held)))

    async def _work(self) -> None:
        while not self._patience.stopping.is_set():
            try:
                if self._wanted != self._held or (self._held and self._other_map):
                    await self._change()
                elif self._held:
                    await self._once()
                else:
                    await self._wait_for_partitions()
            except FencedError as error:
                _LOG.warning("partitions_lost", extra={"problem": str(error)})
                await self._release()
                await self._stopping_within(self._policy.first_pause_s)

    async def _wait_for_partitions(self) -> None:
        self._wanted_changed.clear()
        if self._wanted == self._held and not self._patience.stopping.is_set():
            await self._wanted_changed.wait()

    async def _change(self) -> None:
        """Let go of everything, and take over what the group gives now."""
        await self._release()
        wanted = self._wanted
        if not wanted:
            return
        self._free.clear()
        self._held = wanted
        if not await self._patience.until_done(lambda: self._take_over(wanted)):
            return
        self.relay.wake()  # what the owner before left unpublished is ours to publish
        extra = {"partitions": ",".join(map(str, sorted(wanted)))}
        _LOG.info("partitions_taken", extra=extra)

    async def _take_over(self, partitions: frozenset[int]) -> bool:
        """Raise the epochs, know what the database knows, read on at the stored offsets.

        False, nothing done, when the partitions went to others while a server was away.
        """
        if self._wanted != partitions:
            return False
        places = [
            Place(topic.value, number)
            for topic in sorted(OF_READINGS)
            for number in sorted(partitions)
        ]
        network = await map_in_use(self._database, self._network)
        if network is not None:
            self._stand_on(network)
        self._other_map = False
        self._positions, self._epochs = await assign(self._database, places, self._policy.owner)
        await self._remember()
        if self._reader is not None:
            await self._reader.close()
        self._reader = await WatchedReader.open(
            self._log, self._positions, stall_s=self._policy.stall_s
        )
        return True

    def _stand_on(self, network: SingleMap) -> None:
        """Judge by another version of the map from now on."""
        self._network = network
        self._sensor_ids = [str(sensor.id) for sensor in network.sensors]
        checker = Checker(network, self._policy.future_us / SECOND_US)
        self._judge.stand_on(checker)

    async def _remember(self) -> None:
        """Stand where the last commits of our partitions stood, whoever wrote them."""
        newest_us = await observations.newest_by_sensor(self._database, self._sensor_ids)
        watermarks = await stored_keys.stored_watermarks(self._database)
        ours = {place: us for place, us in watermarks.items() if place in self._epochs}
        self._judge.resume(ours, newest_us)

    async def _release(self) -> None:
        reader, self._reader = self._reader, None
        self._held = frozenset()
        self._positions, self._epochs = {}, {}
        if reader is not None:
            self._rebuilt += reader.rebuilt
            await reader.close()
        self._free.set()

    async def _once(self) -> None:
        """Fetch once, and commit what came, partition by partition."""
        assert self._reader is not None
        try:
            fetched = await self._reader.fetch(
                max_records=self._policy.max_records, timeout_s=_FETCH_S
            )
        except BackendError as error:
            self._fetching.failed(error)
            await self._fetching.rest()
            return
        self._fetching.went_well()
        for number in sorted({records.place.partition for records in fetched}):
            await self._take([one for one in fetched if one.place.partition == number])
        self._lag.ask(self._positions)

    async def _take(self, fetched: Sequence[Records]) -> None:
        """Judge and commit what came of one partition; anew when others were quicker."""
        count_lost(self._vitals, fetched)
        try:
            await self._commit(fetched)
        except KnownKeyError:  # once: whoever kept them has committed, and history is asked in full
            await self._patience.until_done(self._remember)
            await self._commit(fetched, everything=True)
        self._vitals.commits += 1
        self._vitals.records += sum(len(records) for records in fetched)
        self._vitals.last_commit_us = self._clock.now_us()
        self.relay.wake()

    async def _commit(self, fetched: Sequence[Records], *, everything: bool = False) -> None:
        with self._vitals.timings.of("judge"):
            judged = await self._patience.until_done(
                lambda: self._judge.judge(fetched, everything=everything)
            )
        moved = {records.place: records.next_offset for records in fetched}
        commit = Commit(
            epochs={place: self._epochs[place] for place in moved},
            positions=moved,
            watermarks=judged.watermarks,
            observations=judged.readings.observations,
            dead_letters=judged.dead_letters,
            tallies=sorted(judged.tallies),  # one order for all workers, or they wait in a ring
            outgoing=self._handed_on(judged.live, moved),
            observed=False,
        )
        with self._vitals.timings.of("commit"):
            await self._patience.until_done(lambda: write_commit(self._database, commit))
        self._positions.update(moved)

    def _handed_on(self, live: LiveBatch, moved: Mapping[Place, int]) -> list[Outgoing]:
        """Put what was applied into records for the owner of the live state."""
        (number,) = {place.partition for place in moved}
        after = {**self._positions, **moved}
        mark = sum(after[place] for place in after if place.partition == number)
        ranges = tuple(
            (str(place), self._positions.get(place, 0), end) for place, end in sorted(moved.items())
        )
        values = encode_applied(live.readings, self._sensor_ids, mark=mark, ranges=ranges)
        return [Outgoing(applied_place(number), value, live.now_us) for value in values]
