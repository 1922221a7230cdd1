"""`twin serve` while Kafka or PostgreSQL is away: at the start, later, and at the end."""

from __future__ import annotations

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from broker import Broker
from postgis import Server

from app_process import Sender, Twin, serving
from conftest import migrate

pytestmark = [pytest.mark.kafka, pytest.mark.postgis, pytest.mark.timeout(300)]


def city(server: Server) -> str:
    """Make a database with all tables."""
    url = server.create("city")
    asyncio.run(migrate(url))
    return url


def post(twin: Twin, sender: Sender) -> httpx.Response:
    """Post; there must be an answer."""
    with twin.client() as client:
        answer = sender.post(client)
    assert answer is not None
    return answer


def refused(twin: Twin, sender: Sender) -> None:
    """Post; it must be refused for now, not taken, and not fail."""
    answer = post(twin, sender)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1


def taken(twin: Twin, sender: Sender) -> None:
    """Post; all of it must be taken."""
    answer = post(twin, sender)
    assert answer.status_code == 202, answer.text


def test_servers_that_are_away(tmp_path: Path, lone_broker: Broker, lone_postgis: Server) -> None:
    """Away at the start, then come; stop and come back one after the other; away at the end."""
    sender = Sender()
    with serving(tmp_path, city(lone_postgis), TWIN_LOG=lone_broker.url) as twin:
        twin.make_key()
        lone_postgis.stop()
        lone_broker.stop()
        database, broker = f"127.0.0.1:{lone_postgis.port}", lone_broker.bootstrap

        twin.start()
        twin.wait_not_ready(database, broker)
        refused(twin, sender)

        lone_postgis.start()
        twin.wait_not_ready(broker)
        refused(twin, sender)

        lone_broker.start()
        twin.wait_ready()
        taken(twin, sender)

        lone_broker.kill()
        with ThreadPoolExecutor(1) as pool:
            posting = pool.submit(post, twin, sender)
            twin.wait_not_ready(broker)
            lone_broker.start()
            assert posting.result().status_code in (202, 503)
        twin.wait_ready()
        taken(twin, sender)

        lone_postgis.kill()
        twin.wait_not_ready(database)
        refused(twin, sender)
        lone_postgis.start()
        twin.wait_ready()
        taken(twin, sender)

        with twin.client() as client:
            sender.send_again(client)
        sender.check_books(twin)

        taken(twin, sender)
        lone_broker.kill()
        lone_postgis.kill()
        assert twin.stop(signal.SIGTERM) == 0
        assert not [line for line in twin.lines if "Traceback" in line]

        lone_postgis.start()
        lone_broker.start()
        twin.start().wait_ready()
        sender.check_books(twin)


def test_it_ends_while_it_waits_for_servers(tmp_path: Path) -> None:
    """Nothing was ever there."""
    url = "postgresql://twin@127.0.0.1:1/city"
    with serving(tmp_path, url, TWIN_LOG="kafka://127.0.0.1:2") as twin:
        twin.start()
        twin.wait_not_ready("127.0.0.1:1", "127.0.0.1:2")
        assert twin.stop(signal.SIGINT) == 0
        assert not [line for line in twin.lines if "Traceback" in line]
