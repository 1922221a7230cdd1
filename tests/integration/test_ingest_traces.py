"""One reading's way from its request to the frame that shows it, as a chain of spans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ingest_city import START_US, reading
from ingest_house import QUIET, House
from twin import tracing
from twin.api.board import Board
from twin.errors import SettingsError
from twin.events import Topic
from twin.log.embedded import EmbeddedLog
from twin.log.kafka import KafkaLog
from twin.store.database import Database
from twin.units import SECOND_US

STEPS = ["accepted", "log append", "judged", "committed", "picture", "frame"]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Trace everything, into memory."""
    exporter = InMemorySpanExporter()
    assert tracing.start_traces(1.0, {}, processor=lambda: SimpleSpanProcessor(exporter))
    yield exporter
    tracing.stop_traces()


@pytest.fixture
async def house(sqlite_ready_url: str) -> AsyncIterator[House]:
    database = await Database.open(sqlite_ready_url)
    assert database.path is not None
    log = EmbeddedLog(database.path)
    found = House(log, database, policy=replace(QUIET, tick_us=SECOND_US))
    await found.open()
    yield found
    await log.close()
    await database.close()


def chain(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """Follow the only trace from its root to its end."""
    found = list(spans.get_finished_spans())
    by_parent = {span.parent.span_id if span.parent else None: span for span in found}
    assert len(by_parent) == len(found), "a chain has no forks"
    assert len({span.context.trace_id for span in found if span.context}) == 1
    ordered: list[ReadableSpan] = []
    parent = None
    while parent in by_parent:
        ordered.append(by_parent[parent])
        assert ordered[-1].context is not None
        parent = ordered[-1].context.span_id
    assert len(ordered) == len(found)
    return ordered


async def send(house: House, value: bytes) -> None:
    """Append a reading as the API does."""
    with tracing.accepted(Topic.READING), tracing.appending(Topic.READING, 1) as traced:
        await house.log.append(
            house.topics.place(Topic.READING),
            [value],
            arrival_us=START_US,
            headers={"source": "probe", **traced},
        )


async def seen(house: House) -> Board:
    """Work until the reading is in a picture, and let a client take its frame."""
    board = Board(house.network, house.clock)
    worker, _ = house.worker()
    worker._on_picture = board.publish
    await worker.run_until({house.topics.place(Topic.READING): 1})
    with board.stream() as slot:
        await slot.next_frame()
    await worker.close()
    return board


async def test_the_chain_is_whole_and_in_order(house: House, spans: InMemorySpanExporter) -> None:
    await send(house, reading())
    board = await seen(house)
    found = chain(spans)
    assert [span.name for span in found] == STEPS
    assert all(
        earlier.start_time is not None
        and later.start_time is not None
        and earlier.start_time <= later.start_time
        for earlier, later in pairwise(found)
    )
    assert board.picture is not None
    assert found[-1].attributes == {"sequence": board.picture.sequence}


@pytest.mark.kafka
async def test_the_context_travels_through_a_broker(
    house: House, spans: InMemorySpanExporter, kafka_bootstrap: str, topic_prefix: str
) -> None:
    log = KafkaLog(kafka_bootstrap, topic_prefix)
    real = replace(house, log=log)
    await real.open()
    await send(real, reading())
    await seen(real)
    await log.close()
    assert [span.name for span in chain(spans)] == STEPS


async def test_nothing_that_was_sent_stands_in_a_span(
    house: House, spans: InMemorySpanExporter
) -> None:
    await send(house, reading(id="secret-1234BCD", sensor="1234BCD"))
    await seen(house)
    text = "".join(span.to_json() for span in spans.get_finished_spans())
    assert "1234BCD" not in text
    assert "probe" not in text


async def test_off_costs_nothing_and_writes_no_header(house: House) -> None:
    await send(house, reading())
    await seen(house)
    reader = await house.log.reader({house.topics.place(Topic.READING): 0})
    (records,) = await reader.fetch(max_records=5, timeout_s=1.0)
    await reader.close()
    assert set(records.headers[0]) == {"source"}
    assert tracing.taken([records.headers]) is None


@pytest.mark.parametrize(
    "text",
    ["", "x", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "00-" + "1" * 32 + "-" + "1" * 16 + "-00"],
)
def test_a_strange_or_unsampled_header_is_passed_over(
    text: str, spans: InMemorySpanExporter
) -> None:
    assert tracing.taken([[{"traceparent": text}]]) is None
    many = [[{"traceparent": f"00-{n:032x}-{n:016x}-01"}] for n in range(1, 100)]
    journey = tracing.taken(many)
    assert journey is not None
    assert len(journey.spans) == tracing.MOST_OF_A_FETCH


async def test_what_no_client_takes_is_bounded(spans: InMemorySpanExporter) -> None:
    for n in range(1, 3 * tracing.MOST_WAITING):
        tracing.committed(tracing.taken([[{"traceparent": f"00-{n:032x}-{n:016x}-01"}]]))
        tracing.pictured(n)
    spans.clear()
    tracing.framed(10**6)
    assert len(spans.get_finished_spans()) == tracing.MOST_WAITING
    await asyncio.sleep(0)


def test_when_it_is_on() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert not tracing.start_traces(None, {})
    assert not tracing.start_traces(0.0, endpoint)
    for share, environ in ((0.5, {}), (None, endpoint)):
        exporter = InMemorySpanExporter()
        make = lambda kept=exporter: SimpleSpanProcessor(kept)  # noqa: E731
        assert tracing.start_traces(share, environ, processor=make)
        tracing.stop_traces()


def test_a_missing_extra_is_said_plainly() -> None:
    def absent() -> SimpleSpanProcessor:
        raise ModuleNotFoundError("opentelemetry")

    with pytest.raises(SettingsError, match=r"TWIN_TRACES = 1: needs .*twin\[otel\]"):
        tracing.start_traces(1.0, {}, processor=absent)
