"""A service of several processes on Kafka and PostGIS: killed, restarted and put to sleep.

Its processes are forks of one that has imported the program. The long form is `make faults`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fault_service import Launcher

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


def begin_again(ships: Fleet, name: str, *, kill: bool) -> None:
    """End one process, as a power cut would or in good order, and start it again."""
    if kill:
        ships[name].kill()
    else:
        assert ships[name].stop() == 0, "\n".join(ships[name].lines[-30:])
    ships[name].start().wait_ready()


def newer_everywhere(ships: Fleet, than: int) -> bool:
    """Say whether every process that serves shows a newer picture than the one of this number."""
    answers = [twin.get("/api/v1/picture") for twin in ships.apis() if twin.runs]
    return all(answer.is_success and answer.json()["sequence"] > than for answer in answers)


def end_the_leader(ships: Fleet, *, freeze: bool) -> str:
    """End the leader without a word, or let it sleep; another must lead, and pictures go on."""
    before: str = ships.until(ships.leader, "nobody leads")
    said = ships.ask("/api/v1/picture")["sequence"]
    if freeze:
        ships[before].freeze()
    else:
        ships[before].kill()
    ships.until(lambda: ships.leader() not in {"", before}, "nobody took over")
    ships.until(lambda: newer_everywhere(ships, said + 1), "no newer picture")
    return before


def shared_out(ships: Fleet) -> bool:
    """Say whether every partition of readings has an owner that is there, and both have some."""
    said = ships.ask("/api/v1/processes")
    workers = [one for one in said["processes"] if one["role"] == "worker"]
    there = {one["name"] for one in workers if one["state"] != "silent"}  # the killed one is
    owners = [one["owner"] for one in said["partitions"] if one["topic"] == "reading"]
    return (len(owners), len(there), set(owners)) == (6, 2, there)


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    """Give what starts processes quickly."""
    started = Launcher(CORRIDOR / "network")
    yield started
    started.close()


def test_a_leader_a_worker_and_a_server_end_at_once(
    tmp_path: Path,
    postgis_ready_url: str,
    kafka_bootstrap: str,
    topic_prefix: str,
    launcher: Launcher,
) -> None:
    """Under traffic: nothing is lost or counted twice, and the state is that of one thread.

    Then the second leader sleeps until the first one leads again, and wakes up.
    """
    log = f"kafka://{kafka_bootstrap}"
    settings = {
        "TWIN_LOG": log,
        "TWIN_TOPIC_PREFIX": topic_prefix,
        "TWIN_READING_PARTITIONS": "6",
        "TWIN_LEADER_S": "2",
    }
    with fleet(tmp_path, postgis_ready_url, NAMES, launcher=launcher, **settings) as ships:
        ships.until(lambda: shared_out(ships), "the partitions are not shared out")
        traffic = Traffic(ships)
        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(end_the_leader, ships, freeze=False)
            others = [
                pool.submit(begin_again, ships, "worker1", kill=True),
                pool.submit(begin_again, ships, "api1", kill=False),
            ]
            for one in others:
                one.result()
        ships[first.result()].start().wait_ready()
        sleeper = ships[end_the_leader(ships, freeze=True)]
        sleeper.thaw()
        words = "leadership_lost"
        ships.until(lambda: any(words in line for line in sleeper.lines), "it leads in its dreams")
        traffic.end()
        sender: Sender = traffic.sender
        sender.check_books(ships["api1"])
        ships.until(lambda: shared_out(ships), "the partitions are not shared out")
        assert traffic.sequences == sorted(traffic.sequences), "the number of a picture fell"
        for twin in (twin for twin in ships.twins.values() if twin.runs):
            assert not [line for line in twin.lines if "Traceback" in line]
        with ThreadPoolExecutor(len(NAMES)) as pool:
            assert set(pool.map(lambda twin: twin.stop(), ships.twins.values())) == {0}
    network, _ = read_gmns(CORRIDOR / "network")
    found = asyncio.run(recovered_hash(network, postgis_ready_url, log, topic_prefix))
    assert found == oracle_hash(network, sender.acknowledged)
