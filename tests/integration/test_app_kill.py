"""kill -9 while readings are posted: everything acknowledged is counted, once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app_process import Sender, Twin, embedded, serving

_ENOUGH = 12 * 40  # twelve batches: some are committed, some only on the log

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def on_sqlite(tmp_path: Path, migrated_file: Path) -> Iterator[Twin]:
    """Give a service on an SQLite file, not started."""
    with serving(tmp_path, embedded(tmp_path, migrated_file)) as twin:
        yield twin


@pytest.fixture
def on_servers(
    tmp_path: Path, postgis_ready_url: str, kafka_bootstrap: str, topic_prefix: str
) -> Iterator[Twin]:
    """Give a service on Kafka and PostGIS, not started."""
    log = {"TWIN_LOG": f"kafka://{kafka_bootstrap}", "TWIN_TOPIC_PREFIX": topic_prefix}
    with serving(tmp_path, postgis_ready_url, **log) as twin:
        yield twin


def post_until_it_dies(twin: Twin, sender: Sender) -> None:
    with twin.client() as client:
        while sender.post(client) is not None:
            pass


def newest_of(sender: Sender) -> dict[str, dict[str, Any]]:
    """Return the newest acknowledged reading of each sensor, from the sender's own record."""
    newest: dict[str, dict[str, Any]] = {}
    for reading in sender.acknowledged:
        held = newest.get(reading["sensor"])
        if held is None or held["time"] < reading["time"]:
            newest[reading["sensor"]] = reading
    return newest


def check_measured(twin: Twin, sender: Sender) -> None:
    """Compare what the service says it measured with what was sent."""
    measured = twin.get("/api/v1/picture/measured").json()["sensors"]
    found = {
        row["id"]: (row["time"], row["count"], row["speed_kph"])
        for row in measured
        if row["id"] in newest_of(sender)
    }
    assert found == {
        name: (reading["time"], reading["count"], pytest.approx(reading["speed_kph"]))
        for name, reading in newest_of(sender).items()
    }


def killed_while_posting(twin: Twin) -> None:
    sender = Sender()
    twin.make_key()
    twin.start().wait_ready()
    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(post_until_it_dies, twin, sender)
        twin.until(lambda: len(sender.acknowledged) >= _ENOUGH, "too little is acknowledged")
        twin.kill()
        posting.result()
    assert sender.unanswered
    twin.start().wait_ready()
    with twin.client() as client:
        sender.send_again(client)
    books = sender.check_books(twin)
    assert books["received"] <= sender.posted
    check_measured(twin, sender)


def test_killed_on_sqlite(on_sqlite: Twin) -> None:
    killed_while_posting(on_sqlite)


@pytest.mark.kafka
@pytest.mark.postgis
def test_killed_on_kafka_and_postgis(on_servers: Twin) -> None:
    killed_while_posting(on_servers)
