"""A worker on real parts (embedded log, SQLite or what a test gives), for the tests of ingest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest_city import START_US, small_city
from twin.clock import ManualClock
from twin.events import DecisionEvent, Topic
from twin.ingest.policy import WorkerPolicy
from twin.ingest.topics import Topics
from twin.ingest.worker import Worker
from twin.keys import KeyRing
from twin.live import Live
from twin.log.contract import Log, Place
from twin.network.model import SingleMap
from twin.picture import Picture
from twin.store import accounting
from twin.store.database import Database
from twin.store.records import Tally
from twin.units import SECOND_US

KEYS = KeyRing.fresh("test")
QUIET = WorkerPolicy(
    tick_us=3600 * SECOND_US, forecasts=False, minutes=False, first_pause_s=0.0, max_records=7
)


def fresh_live(network: SingleMap) -> Live:
    """Make a live state that knows nothing but the map."""
    return Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone="Europe/Madrid")


@dataclass
class House:
    """Log, database, and workers one after the other."""

    log: Log
    database: Database
    network: SingleMap = field(default_factory=small_city)
    policy: WorkerPolicy = QUIET
    clock: ManualClock = field(default_factory=lambda: ManualClock(START_US))
    pictures: list[Picture] = field(default_factory=list)
    decisions: list[DecisionEvent] = field(default_factory=list)

    @property
    def topics(self) -> Topics:
        """Names of the topics."""
        return Topics(self.network)

    async def open(self) -> None:
        """Make the topics."""
        await self.log.start()
        await self.log.create_topics(self.topics.specs())

    async def send(
        self,
        values: Sequence[bytes],
        *,
        topic: Topic = Topic.READING,
        place: Place | None = None,
        source: str = "probe",
        at_us: int = START_US,
    ) -> None:
        """Append records, as the API would."""
        await self.log.append(
            place or self.topics.place(topic),
            values,
            arrival_us=at_us,
            headers={"source": source},
        )

    def worker(self) -> tuple[Worker, Live]:
        """Make a worker over a fresh live state."""
        live = fresh_live(self.network)
        worker = Worker(
            network=self.network,
            live=live,
            log=self.log,
            database=self.database,
            clock=self.clock,
            policy=self.policy,
            keys=KEYS,
            on_picture=self.pictures.append,
            on_decisions=self.decisions.extend,
        )
        return worker, live

    async def work(self) -> Live:
        """Let a new worker take everything that is on the log, and close it."""
        worker, live = self.worker()
        await worker.run_until(await self.ends(), on_batch=self.clock.advance_to)
        await worker.close()
        return live

    async def ends(self) -> dict[Place, int]:
        """Return where the incoming partitions end."""
        places = [
            Place(topic.value, partition)
            for topic in Topic
            if topic not in {Topic.DECISION, Topic.TICK}
            for partition in range(self.topics.partitions(topic))
        ]
        return await self.log.end_offsets(places)

    async def totals(self) -> dict[tuple[str, str], Tally]:
        """Return the accounting by source and topic."""
        return {
            (tally.source, tally.topic): tally for tally in await accounting.totals(self.database)
        }
