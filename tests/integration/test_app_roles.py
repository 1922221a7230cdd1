"""A service of several processes on Kafka and PostGIS: restarted one by one, and killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app_process import CORRIDOR, Sender
from fleet import Fleet, Traffic, fleet
from ingest_house import KEYS
from twin.clock import WallClock
from twin.ingest.decode import decode_readings
from twin.ingest.policy import WorkerPolicy
from twin.ingest.roles import ProcessRole
from twin.ingest.worker import Worker
from twin.live import Live, LiveBatch
from twin.log import open_log
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.store.database import Database

pytestmark = [pytest.mark.kafka, pytest.mark.postgis, pytest.mark.timeout(400)]

NAMES = ("worker1", "worker2", "forecaster1", "forecaster2", "api1", "api2")
RESTARTED = ("worker1", "worker2", "forecaster1", "api1")


def live_of(network: SingleMap) -> Live:
    return Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone=network.timezone)


def oracle_hash(network: SingleMap, sent: list[dict[str, Any]]) -> str:
    """Compute the state that one thread makes of everything that was sent, all at once."""
    live = live_of(network)
    decoded = decode_readings([msgspec.json.encode(one) for one in sent], network.sensor_rows)
    live.observe(LiveBatch(0, readings=decoded.batch))
    return live.state_hash()


async def recovered_hash(network: SingleMap, database_url: str, log_url: str, prefix: str) -> str:
    """Take the service's state up, as the next leader would, and hash it."""
    database = await Database.open(database_url)
    log = open_log(log_url, None, prefix)
    await log.start()
    live = live_of(network)
    worker = Worker(
        network=network,
        live=live,
        log=log,
        database=database,
        clock=WallClock(),
        policy=WorkerPolicy(owner="heir", forecasts=False, steps=False),
        keys=KEYS,
        on_picture=lambda _: None,
        on_decisions=lambda _: None,
        role=ProcessRole.FORECASTER,
    )
    try:
        await worker.start()
        ends = await log.end_offsets(list(worker.positions))
        await worker.run_until(ends)
        return live.state_hash()
    finally:
        await worker.close()
        await log.close()
        await database.close()


def restart(ships: Fleet, name: str) -> None:
    assert ships[name].stop() == 0, "\n".join(ships[name].lines[-30:])
    ships[name].start().wait_ready()


def kill_the_leader(ships: Fleet) -> None:
    """End the leader without a word; another must lead, and pictures go on."""
    before = ships.until(ships.leader, "nobody leads")
    said = ships.ask("/api/v1/picture")["sequence"]
    ships[before].kill()
    ships.until(lambda: ships.leader() not in {"", before}, "nobody took over")
    ships.until(lambda: ships.ask("/api/v1/picture")["sequence"] > said + 1, "no newer picture")


def check_owners(ships: Fleet) -> None:
    """Every partition of readings has one owner, both workers have some."""
    said = ships.ask("/api/v1/processes")
    running = {one["name"] for one in said["processes"] if one["role"] == "worker"}
    owned = [one for one in said["partitions"] if one["topic"] == "reading"]
    assert len(owned) == 6
    assert {one["owner"] for one in owned} == running


def shared_out(ships: Fleet) -> bool:
    said = ships.ask("/api/v1/processes")
    running = {one["name"] for one in said["processes"] if one["role"] == "worker"}
    owners = {one["owner"] for one in said["partitions"] if one["topic"] == "reading"}
    return len(running) == 2 and owners == running


def test_restarted_in_turn_and_leader_killed(
    tmp_path: Path, postgis_ready_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Under traffic: nothing is lost or counted twice, and the state is that of one thread."""
    log = f"kafka://{kafka_bootstrap}"
    settings = {
        "TWIN_LOG": log,
        "TWIN_TOPIC_PREFIX": topic_prefix,
        "TWIN_READING_PARTITIONS": "6",
        "TWIN_LEADER_S": "2",
    }
    with fleet(tmp_path, postgis_ready_url, NAMES, **settings) as ships:
        ships.until(lambda: shared_out(ships), "the partitions are not shared out")
        traffic = Traffic(ships)
        for name in RESTARTED:  # the other forecaster leads then, and is killed
            restart(ships, name)
        kill_the_leader(ships)
        traffic.end()
        sender: Sender = traffic.sender
        sender.check_books(ships["api1"])
        ships.until(lambda: shared_out(ships), "the partitions are not shared out")
        check_owners(ships)
        assert traffic.sequences == sorted(traffic.sequences), "the number of a picture fell"
        for twin in (twin for twin in ships.twins.values() if twin.runs):
            assert not [line for line in twin.lines if "Traceback" in line]
            assert twin.stop() == 0
    network, _ = read_gmns(CORRIDOR / "network")
    found = asyncio.run(recovered_hash(network, postgis_ready_url, log, topic_prefix))
    assert found == oracle_hash(network, sender.acknowledged)
