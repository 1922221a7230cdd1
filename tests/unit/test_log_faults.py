"""What goes wrong with the log arrives as BackendError in one line that names it."""

from __future__ import annotations

import inspect
import random
from pathlib import Path

import aiokafka.errors
import pytest
from broker import free_port

from twin.errors import BackendError, SettingsError
from twin.log import open_log
from twin.log.contract import Place, TopicSpec
from twin.log.embedded import EmbeddedLog
from twin.log.kafka import KafkaLog
from twin.log.kafka_faults import mapped

ERRORS = [
    kind
    for _, kind in inspect.getmembers(aiokafka.errors, inspect.isclass)
    if issubclass(kind, Exception)
    and kind.__module__ == "aiokafka.errors"
    and kind is not aiokafka.errors.BrokerResponseError  # the root of those with a number
]
ONE = Place("readings", 0)


@pytest.mark.parametrize("kind", [*ERRORS, ConnectionRefusedError, BrokenPipeError, TimeoutError])
def test_every_error_is_mapped(kind: type[Exception]) -> None:
    """Each of aiokafka's errors, and the network's, becomes a BackendError with its cause."""
    error = kind.__new__(kind)
    error.args = ("something is\nwrong",)
    with pytest.raises(BackendError) as caught, mapped("broker:9092", "reading"):
        raise error
    assert caught.value.__cause__ is error
    message = str(caught.value)
    assert message.startswith("Kafka broker:9092: reading failed: ")
    assert "\n" not in message


def test_the_walk_found_the_errors() -> None:
    """The list above is not empty by accident."""
    assert len(ERRORS) > 90


async def test_no_broker_is_named_with_its_port() -> None:
    """A refused connection says where to."""
    port = free_port()
    log = open_log(f"kafka://127.0.0.1:{port}", None)
    with pytest.raises(BackendError, match=f"Kafka 127.0.0.1:{port}: connecting failed"):
        await log.start()
    await log.close()


async def test_a_log_that_was_not_started_says_so() -> None:
    """The order of calls is part of the message."""
    log = KafkaLog("127.0.0.1:1")
    with pytest.raises(BackendError, match="not connected yet"):
        await log.partitions("readings")
    await log.close()


@pytest.mark.parametrize("url", ["embedded", "amqp://somewhere", ""])
def test_other_urls_are_refused(url: str) -> None:
    """`embedded` needs a file, and there is no third engine."""
    with pytest.raises(SettingsError, match="TWIN_LOG"):
        open_log(url, None)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The embedded log says which folder is not there."""
    log = EmbeddedLog(tmp_path / "nowhere" / "twin.db")
    with pytest.raises(BackendError, match=f"the folder {tmp_path / 'nowhere'} does not exist"):
        await log.start()
    await log.close()


async def test_a_full_disk_fails_the_append_and_keeps_the_log_whole(tmp_path: Path) -> None:
    """What did not fit leaves no trace; what fits afterwards goes on without a hole."""
    log = EmbeddedLog(tmp_path / "twin.db")
    await log.start()
    await log.create_topics([TopicSpec("readings")])
    await log.append(ONE, [b"first"], arrival_us=1)
    pages = await log._writes.run(lambda sql: sql.execute("PRAGMA page_count").fetchone()[0])
    await log._writes.run(lambda sql: sql.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    noise = [bytes([number]) * 300_000 for number in range(3)]
    with pytest.raises(BackendError, match="the disk is full"):
        await log.append(ONE, [b"small", *noise, random.Random(1).randbytes(800_000)], arrival_us=2)
    assert await log.end_offsets([ONE]) == {ONE: 1}
    await log._writes.run(lambda sql: sql.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert await log.append(ONE, [b"second"], arrival_us=3) == 1
    await log.close()
