"""Who leads when a leader dies, sleeps or lets go: one at a time, none with holes in its state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from ingest_city import START_US, reading
from ingest_group_house import owner_of_state, until
from ingest_house import House
from log_stuck import Fault, StuckLog
from past_house import City
from twin.errors import BackendError, FencedError
from twin.events import DecisionEvent, DecisionKind, Topic
from twin.ingest import recovery
from twin.ingest.health import WorkerHealth
from twin.ingest.leading import LEADER, Leading
from twin.ingest.worker import Worker
from twin.log.contract import Place
from twin.log.embedded import EmbeddedLog
from twin.store import database as database_module
from twin.store import roles, tables
from twin.store.commit import assign
from twin.store.database import Database
from twin.store.roles import Lease, release_lease, take_lease
from twin.store.tables import observation
from twin.store.tables_roles import lease
from twin.units import SECOND_US


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    made = House(EmbeddedLog(tmp_path / "twin.db"), sqlite_database)
    await made.open()
    yield made
    await made.log.close()


async def written(database: Database) -> tuple[int, int]:
    """Return how many versions of decisions are stored, and how many records wait to go out."""
    async with database.read() as connection:
        counts = [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (tables.decision, tables.outbox)
        ]
    return counts[0], counts[1]


async def test_a_leader_that_slept_renews_no_signal(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wakes up full of decisions whose leases run out, and the street hears none of them."""
    city = City(EmbeddedLog(tmp_path / "twin.db"), sqlite_database)
    await city.open()
    await city.live_through(0, 40)
    sleeper = city.worker
    assert sleeper is not None
    issued = [one for one in city.decisions if one.kind is DecisionKind.SIGNAL_STAGE]
    assert issued, "an automatic junction is controlled"
    await city.start()  # another leads
    before, told = await written(sqlite_database), len(city.decisions)
    wanted: list[DecisionEvent] = []
    decide = sleeper.live.decide

    def watched(now_us: int, **given: Any) -> tuple[DecisionEvent, ...]:
        found = decide(now_us, **given)
        wanted.extend(found)
        return found

    monkeypatch.setattr(sleeper.live, "decide", watched)
    for _ in range(5):  # a lease of 15 s goes by
        city.clock.advance_to(city.clock.now_us() + 4 * SECOND_US)
        with pytest.raises(FencedError):
            await sleeper._tick(city.clock.now_us())
        for _ in range(4):
            city.street.advance()
    assert (await written(sqlite_database), len(city.decisions)) == (before, told)
    assert wanted, "it had something to say"
    heir = city.worker
    assert isinstance(heir, Worker)
    assert heir is not sleeper
    await city.live_through(60, 80)
    assert len(city.decisions) > told, "the one that leads decides on"
    await sleeper.close()
    await heir.close()
    await city.log.close()


async def test_a_log_that_is_slow_to_answer_makes_no_state_with_holes(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events between the snapshot and the last commit are read again until all of them came."""
    monkeypatch.setattr(recovery, "_WAIT_S", 0.01)
    log = StuckLog(EmbeddedLog(tmp_path / "twin.db"))
    house = House(log, sqlite_database)
    await house.open()
    event = b'{"id":"I1","link":"%s","time":"2026-06-16T07:00:00Z","kind":"crash"}'
    link = str(house.network.links[0].id).encode()
    await house.send([reading()])
    await house.work()  # writes a snapshot, too
    await house.send([event % link], topic=Topic.INCIDENT, at_us=START_US + SECOND_US)
    whole = (await house.work()).state_hash()
    log.faults = [Fault.IS_SILENT]  # the first reader of the next start
    worker, live = house.worker()
    await worker.start()
    assert live.state_hash() == whole
    await worker.close()
    await log.close()


async def test_two_leaders_cannot_both_write(house: House) -> None:
    """The one before is stopped by the epochs at its next beat, whatever the lease says."""
    before, _ = owner_of_state(house)
    await before.start()
    heir, _ = owner_of_state(house)
    await heir.start()
    house.clock.advance_to(house.clock.now_us() + 2 * house.policy.tick_us)
    with pytest.raises(FencedError):
        await before._tick(house.clock.now_us())
    assert house.pictures == []
    await heir._tick(house.clock.now_us())
    assert len(house.pictures) == 1
    await before.close()
    await heir.close()


class FakeTerm:
    """A term that ends as it is told to."""

    def __init__(self, made: list[FakeTerm], held: Lease) -> None:
        self.lease = held
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        made.append(self)

    async def run(self) -> None:
        await self.over

    def stop(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def health(self) -> WorkerHealth:
        return WorkerHealth(state="running")


async def test_one_leads_and_the_others_stand_by(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    terms: list[FakeTerm] = []
    leaders = [
        Leading(
            database=house.database,
            owner=owner,
            lease_s=0.3,
            begin=lambda held: FakeTerm(terms, held),
        )
        for owner in ("A", "B")
    ]
    first, second = leaders
    tasks = [asyncio.create_task(first.run())]
    await first.led.wait()
    tasks.append(asyncio.create_task(second.run()))
    assert (first.health().state, second.health().state) == ("running", "standby")
    first.stop()  # in good order: the lease is given back
    await second.led.wait()
    assert [(term.lease.owner, term.lease.epoch) for term in terms] == [("A", 1), ("B", 2)]
    terms[1].over.set_exception(FencedError("somebody else"))  # stands by, and leads again
    await until(lambda: _count(terms, 3))
    assert "leadership_lost" in caplog.text
    async with house.database.write() as connection:  # the lease goes to another
        await connection.execute(update(lease).values(owner="C", epoch=9, until_us=2**62))
    await until(lambda: _stands_by(second))
    second.stop()
    await asyncio.gather(*tasks)
    assert second.health().state == "stopped"


async def _count(terms: list[FakeTerm], wanted: int) -> bool:
    return len(terms) == wanted


async def _stands_by(leading: Leading) -> bool:
    return leading.health().state == "standby"


@pytest.fixture(params=["sqlite", pytest.param("postgis", marks=pytest.mark.postgis)])
def database(request: pytest.FixtureRequest) -> Database:
    """Give each engine: their clocks and their words for a lease differ."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


async def test_a_lease_is_one_owners_until_it_ends(database: Database) -> None:
    mine = await take_lease(database, LEADER, "A", for_s=600)
    assert mine is not None
    assert await take_lease(database, LEADER, "B", for_s=600) is None
    again = await take_lease(database, LEADER, "A", for_s=600)
    assert again is not None
    assert (again.epoch, again.until_us >= mine.until_us) == (1, True)
    async with database.write() as connection:  # its owner has been silent
        await connection.execute(update(lease).values(until_us=1))
    heir = await take_lease(database, LEADER, "B", for_s=600)
    assert heir is not None
    assert heir.epoch == 2
    await release_lease(database, mine)  # not his any more
    assert await take_lease(database, LEADER, "A", for_s=600) is None
    assert [(held.owner, runs) for held, runs in await roles.leases(database)] == [("B", True)]
    async with database.write() as connection:
        await connection.execute(delete(lease))
        kept = await connection.execute(select(func.count()).select_from(observation))
        assert kept.scalar_one() == 0


@pytest.mark.postgis
async def test_who_sleeps_in_a_transaction_does_not_keep_the_heir_out(
    postgis_ready_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks go with its session; what it had begun is undone."""
    monkeypatch.setattr(database_module, "_IDLE_S", 0.2)
    sleeper, heir = [await Database.open(postgis_ready_url) for _ in range(2)]
    place = Place("reading", 0)
    await assign(sleeper, [place], "sleeper")
    asleep, taken = asyncio.Event(), asyncio.Event()

    async def sleep() -> None:
        async with sleeper.write() as connection:
            await connection.execute(update(tables.partition_offset).values(next_offset=9))
            asleep.set()
            await taken.wait()

    sleeping = asyncio.create_task(sleep())
    await asleep.wait()
    positions, epochs = await assign(heir, [place], "heir")
    taken.set()
    with pytest.raises(BackendError):
        await sleeping
    assert (positions, epochs) == ({place: 0}, {place: 2})
    await sleeper.close()
    await heir.close()
