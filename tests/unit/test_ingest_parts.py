"""The small parts of the worker: topics, patience, relay, forecast cycle, offload."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from ingest_city import START_US, small_city
from ingest_house import fresh_live
from twin.errors import BackendError, SimulationError
from twin.events import Topic
from twin.forecast.result import Forecast
from twin.ingest.forecasting import ForecastCycle, Swap
from twin.ingest.patience import LONGEST_PAUSE_S, Patience
from twin.ingest.relay import Relay
from twin.ingest.topics import (
    PASSAGE_RETENTION_S,
    InnerTopic,
    Topics,
    group_by_place,
    partition_of,
    topic_specs,
)
from twin.log.contract import Place, TopicSpec
from twin.log.embedded import EmbeddedLog
from twin.offload import Offload
from twin.store.commit import write_commit
from twin.store.database import Database
from twin.store.records import Commit, Outgoing
from twin.units import SECOND_US


def test_a_reading_lands_in_its_region() -> None:
    topics = Topics(small_city())
    assert topics.reading_place("S1") == topics.reading_place("S2") == Place("reading", 0)
    assert topics.reading_place("S3") == Place("reading", 1)
    assert topics.reading_place("nowhere") == Place("reading", 0)
    groups = group_by_place(topics, Topic.READING, [("S3", b"a"), ("S1", b"b"), ("S3", b"c")])
    assert groups == {Place("reading", 1): [b"a", b"c"], Place("reading", 0): [b"b"]}
    assert group_by_place(topics, Topic.ACT, [("", b"a")]) == {Place("act", 0): [b"a"]}


def test_fewer_partitions_than_regions_are_shared() -> None:
    assert Topics(small_city(), reading_partitions=1).reading_place("S3") == Place("reading", 0)


def test_one_region_is_spread_by_the_hash_of_the_sensor() -> None:
    """The numbers are for ever: a sensor that moved would be judged by two workers."""
    placed = [partition_of(f"D{n}", 0, regions=1, partitions=6) for n in range(12)]
    assert placed == [4, 0, 2, 0, 1, 1, 5, 5, 2, 4, 4, 2]
    for region in range(3):
        found = {partition_of(f"D{n}", region, regions=3, partitions=8) for n in range(200)}
        assert found == set(range(region, 8, 3)), "a region keeps to its own partitions"


def test_every_topic_is_made_and_only_passages_and_inner_ones_expire() -> None:
    specs = topic_specs(small_city())
    inner = sorted(InnerTopic)
    assert sorted(spec.name for spec in specs) == sorted([*Topic, *inner])
    assert specs[0] == TopicSpec("reading", 2, None)
    expiring = [spec.name for spec in specs if spec.retention_s is not None]
    assert sorted(expiring) == sorted(["anpr.read", *inner])
    assert PASSAGE_RETENTION_S == 24 * 3600


async def test_patience_shows_the_problem_and_grows() -> None:
    patience = Patience("test", first_pause_s=0.0)
    seen: list[str | None] = []

    async def third_time_lucky() -> int:
        seen.append(patience.problem)
        if len(seen) < 3:
            raise BackendError(f"away {len(seen)}")
        return 7

    assert await patience.until_done(third_time_lucky) == 7
    assert seen == [None, "away 1", "away 2"]
    assert patience.problem is None


async def test_patience_ends_when_stopping() -> None:
    patience = Patience("test")
    patience.stopping.set()

    async def away() -> None:
        raise BackendError("away")

    with pytest.raises(BackendError):
        await patience.until_done(away)
    for _ in range(20):
        patience.failed(BackendError("away"))
    assert patience._pause_s == LONGEST_PAUSE_S


# --- relay ---------------------------------------------------------------------------------------


@pytest.fixture
async def log(sqlite_database: Database) -> AsyncIterator[EmbeddedLog]:
    assert sqlite_database.path is not None
    made = EmbeddedLog(sqlite_database.path)
    await made.start()
    await made.create_topics([TopicSpec("decision"), TopicSpec("tick")])
    yield made
    await made.close()


async def read(log: EmbeddedLog, topic: str) -> list[bytes]:
    reader = await log.reader({Place(topic, 0): 0})
    fetched = await reader.fetch(max_records=100, timeout_s=0.0)
    return [value for records in fetched for value in records.values]


async def put(database: Database, *entries: tuple[str, bytes]) -> None:
    outgoing = [Outgoing(Place(topic, 0), value, START_US) for topic, value in entries]
    await write_commit(database, Commit(epochs={}, outgoing=outgoing))


async def test_the_relay_publishes_in_order(log: EmbeddedLog, sqlite_database: Database) -> None:
    relay = Relay(log=log, database=sqlite_database)
    await put(sqlite_database, ("decision", b"1"), ("tick", b"2"), ("decision", b"3"))
    assert await relay.drain() == 3
    assert await read(log, "decision") == [b"1", b"3"]
    assert await read(log, "tick") == [b"2"]
    assert await relay.drain() == 0


async def test_the_relay_says_it_again_rather_than_never(
    log: EmbeddedLog, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(log=log, database=sqlite_database)
    await put(sqlite_database, ("decision", b"1"), ("tick", b"2"))
    real = log.append

    async def tick_refused(place: Place, values: list[bytes], *, arrival_us: list[int]) -> int:
        if place.topic == "tick":
            raise BackendError("the broker is away")
        return await real(place, values, arrival_us=arrival_us)

    monkeypatch.setattr(log, "append", tick_refused)
    with pytest.raises(BackendError):
        await relay.drain()
    monkeypatch.undo()
    assert await relay.drain() == 2
    assert await read(log, "decision") == [b"1", b"1"]
    assert await read(log, "tick") == [b"2"]


async def test_the_relay_publishes_the_rest_when_stopped(
    log: EmbeddedLog, sqlite_database: Database
) -> None:
    relay = Relay(log=log, database=sqlite_database)
    running = asyncio.create_task(relay.run())
    await put(sqlite_database, ("decision", b"1"))
    relay.stop()
    await running
    assert await read(log, "decision") == [b"1"]
    assert relay.published == 1


# --- forecast cycle and offload ------------------------------------------------------------------


def forecast(made_us: int, name: str) -> Forecast:
    nothing = np.full((12, 3), np.nan)
    return Forecast(
        id=name,
        made_us=made_us,
        map_version=small_city().version,
        step_s=300.0,
        speed_mps=nothing,
        speed_lo_mps=nothing,
        speed_hi_mps=nothing,
        flow_vps=nothing,
        density_vpm=nothing,
        method=np.zeros(3, np.uint8),
    )


async def test_one_forecast_at_a_time_and_a_late_one_is_dropped() -> None:
    live = fresh_live(small_city())
    offload, gate, made = Offload(), threading.Event(), list[str]()

    def make(_: object) -> Forecast:
        gate.wait(30)
        made.append("made")
        return forecast(START_US, f"f{len(made)}")

    cycle = ForecastCycle(live, offload, make=make, every_us=60 * SECOND_US)
    cycle.start(START_US)
    cycle.start(START_US + 60 * SECOND_US)  # the first is still running: nothing is queued
    assert cycle.take(START_US + SECOND_US) == Swap()
    gate.set()
    assert cycle._running is not None
    await cycle._running
    assert cycle.take(START_US + 2 * SECOND_US) == Swap(taken="f1")
    assert live.forecast is not None
    assert made == ["made"]
    cycle.start(START_US + 30 * SECOND_US)  # not due yet
    assert cycle._running is None
    cycle.start(START_US + 60 * SECOND_US)
    assert cycle._running is not None
    await cycle._running
    assert cycle.take(START_US + 3600 * SECOND_US) == Swap(dropped="f2")
    assert (cycle.made, cycle.dropped) == (1, 1)
    await cycle.close()
    offload.close()


async def test_a_forecast_that_fails_is_not_hidden() -> None:
    offload = Offload()

    def make(_: object) -> Forecast:
        raise SimulationError("a density below zero on link L1")

    cycle = ForecastCycle(fresh_live(small_city()), offload, make=make, every_us=1)
    cycle.start(START_US)
    assert cycle._running is not None
    await asyncio.wait({cycle._running})
    with pytest.raises(SimulationError, match="L1"):
        cycle.take(START_US)
    offload.close()


async def test_offload_runs_in_its_own_thread_and_passes_errors_on() -> None:
    offload = Offload()
    assert await offload.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await offload.run(divmod, 1, 0)
    offload.close()


async def test_offload_runs_in_another_process_and_names_its_death() -> None:
    offload = Offload()
    assert await offload.run_process(os.getpid) != os.getpid()
    with pytest.raises(SimulationError, match="_exit died"):
        await offload.run_process(os._exit, 1)
    assert await offload.run_process(divmod, 7, 2) == (3, 1)
    offload.close()
