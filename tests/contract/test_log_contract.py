"""What both engines of the log promise, checked on each: the embedded one and a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from twin.errors import BackendError, InputError
from twin.log import open_log
from twin.log.contract import Log, LogReader, Place, Records, TopicSpec
from twin.log.limits import MAX_RECORD_BYTES

ONE = Place("readings", 0)
OTHER = Place("readings", 1)
ARRIVAL_US = 1_780_000_000_123_456


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def log(
    request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[Log]:
    """Give a started log with the topic `readings` of two partitions."""
    url = "embedded"
    if request.param == "kafka":
        url = f"kafka://{request.getfixturevalue('kafka_bootstrap')}"
    opened = open_log(url, tmp_path / "log.db", topic_prefix)
    await opened.start()
    await opened.create_topics([TopicSpec("readings", partitions=2)])
    yield opened
    await opened.close()


async def drain(reader: LogReader, count: int, *, max_records: int = 1000) -> list[Records]:
    """Fetch until `count` records came."""
    found: list[Records] = []
    while sum(map(len, found)) < count:
        fetched = await reader.fetch(max_records=max_records, timeout_s=5.0)
        assert fetched, f"only {sum(map(len, found))} of {count} records came"
        found += fetched
    return found


async def test_what_was_appended_is_read_in_order(log: Log) -> None:
    """Values, offsets, exact arrival times and headers come back as they were given."""
    last = await log.append(ONE, [b"a", b"b"], arrival_us=ARRIVAL_US, headers={"source": "city"})
    assert last == 1
    assert await log.append(ONE, [b"c"], arrival_us=ARRIVAL_US + 7) == 2
    reader = await log.reader({ONE: 0})
    found = await drain(reader, 3)
    await reader.close()
    assert [value for records in found for value in records.values] == [b"a", b"b", b"c"]
    assert [n for records in found for n in records.offsets.tolist()] == [0, 1, 2]
    times = [time for records in found for time in records.arrival_us.tolist()]
    assert times == [ARRIVAL_US, ARRIVAL_US, ARRIVAL_US + 7]
    headers = [dict(entry) for records in found for entry in records.headers]
    assert headers == [{"source": "city"}, {"source": "city"}, {}]
    assert found[-1].next_offset == 3
    assert all(records.place == ONE and records.skipped == 0 for records in found)


async def test_each_record_may_have_its_own_arrival_time(log: Log) -> None:
    """A sequence of times is spread over the records, exact to the microsecond."""
    times = [ARRIVAL_US + 3 * row for row in range(5)]
    await log.append(ONE, [b"x"] * 5, arrival_us=times)
    reader = await log.reader({ONE: 0})
    found = await drain(reader, 5)
    await reader.close()
    assert [time for records in found for time in records.arrival_us.tolist()] == times
    with pytest.raises(ValueError, match="2 arrival times for 1 records"):
        await log.append(ONE, [b"x"], arrival_us=[1, 2])


async def test_a_large_append_is_read_in_small_pieces(log: Log) -> None:
    """Ten thousand records come back whole through fetches of 700; none is twice or missing."""
    values = [b"%05d" % row + b"x" * 100 for row in range(10_000)]
    assert await log.append(ONE, values, arrival_us=ARRIVAL_US) == 9_999
    reader = await log.reader({ONE: 0})
    found = await drain(reader, 10_000, max_records=700)
    await reader.close()
    assert [value for records in found for value in records.values] == values
    assert max(map(len, found)) <= 700
    ends = [records.next_offset for records in found]
    assert ends == sorted(ends)
    assert ends[-1] == 10_000


async def test_a_reader_starts_where_it_is_told_and_seeks(log: Log) -> None:
    """The log remembers no position: the reader's start and seeks decide."""
    await log.append(ONE, [b"%d" % row for row in range(10)], arrival_us=ARRIVAL_US)
    reader = await log.reader({ONE: 6})
    assert [value for records in await drain(reader, 4) for value in records.values] == [
        b"6", b"7", b"8", b"9",
    ]  # fmt: skip
    await reader.seek(ONE, 9)
    assert [value for records in await drain(reader, 1) for value in records.values] == [b"9"]
    await reader.close()


async def test_partitions_are_apart(log: Log) -> None:
    """Offsets count a partition each, and one fetch may bring several."""
    await log.append(ONE, [b"a"], arrival_us=ARRIVAL_US)
    await log.append(OTHER, [b"b", b"c"], arrival_us=ARRIVAL_US)
    assert await log.end_offsets([ONE, OTHER]) == {ONE: 1, OTHER: 2}
    reader = await log.reader({ONE: 0, OTHER: 1})
    found = await drain(reader, 2)
    await reader.close()
    assert {records.place: list(records.values) for records in found} == {
        ONE: [b"a"],
        OTHER: [b"c"],
    }


async def test_a_waiting_reader_is_woken(log: Log) -> None:
    """A fetch that waits returns with the first record, long before its timeout."""
    reader = await log.reader({ONE: 0})
    waiting = asyncio.create_task(reader.fetch(max_records=10, timeout_s=60.0))
    await asyncio.sleep(0)
    await log.append(ONE, [b"now"], arrival_us=ARRIVAL_US)
    async with asyncio.timeout(10.0):
        found = await waiting
    await reader.close()
    assert [list(records.values) for records in found] == [[b"now"]]


async def test_an_empty_log_gives_nothing(log: Log) -> None:
    """A fetch without records returns an empty list, and ends are zero."""
    reader = await log.reader({ONE: 0, OTHER: 0})
    assert await reader.fetch(max_records=10, timeout_s=0.01) == []
    await reader.close()
    assert await log.end_offsets([ONE]) == {ONE: 0}


async def test_appends_of_many_callers_are_all_kept_in_their_own_order(log: Log) -> None:
    """Fifty callers at once: every record is there once, each caller's in its order."""

    async def send(caller: int) -> None:
        for step in range(4):
            values = [b"%d:%d" % (caller, step)]
            await log.append(ONE, values, arrival_us=ARRIVAL_US)

    await asyncio.gather(*(send(caller) for caller in range(50)))
    reader = await log.reader({ONE: 0})
    found = [value for records in await drain(reader, 200) for value in records.values]
    await reader.close()
    assert len(set(found)) == len(found) == 200
    for caller in range(50):
        mine = [value for value in found if value.startswith(b"%d:" % caller)]
        assert mine == [b"%d:%d" % (caller, step) for step in range(4)]


async def test_topics_are_made_once(log: Log) -> None:
    """A topic that exists stays as it is; one that does not has no partitions."""
    await log.append(ONE, [b"kept"], arrival_us=ARRIVAL_US)
    await log.create_topics([TopicSpec("readings", partitions=7), TopicSpec("act")])
    assert await log.partitions("readings") == 2
    assert await log.partitions("act") == 1
    assert await log.partitions("nothing") == 0
    assert await log.end_offsets([ONE]) == {ONE: 1}


async def test_an_unknown_partition_is_named(log: Log) -> None:
    """Reading and asking for the end of what is not there says which partition that is."""
    with pytest.raises(BackendError, match="no partition readings/2"):
        await log.reader({Place("readings", 2): 0})
    with pytest.raises(BackendError, match="no partition nothing/0"):
        await log.end_offsets([Place("nothing", 0)])


async def test_a_position_behind_the_end_is_another_log(log: Log) -> None:
    """A stored position that the log has never had is reported, not waited for."""
    await log.append(ONE, [b"a"], arrival_us=ARRIVAL_US)
    reader = await log.reader({ONE: 100})
    with pytest.raises(BackendError, match=r"readings/0 ends at offset 1, .* is 100"):
        await reader.fetch(max_records=10, timeout_s=10.0)
    await reader.close()


async def test_a_record_too_large_is_refused_with_its_size(log: Log) -> None:
    """Both engines take the same largest record and refuse the next byte in the same words."""
    await log.append(ONE, [b"x" * MAX_RECORD_BYTES], arrival_us=ARRIVAL_US)
    with pytest.raises(InputError, match=f"{MAX_RECORD_BYTES + 1} bytes"):
        await log.append(ONE, [b"x" * (MAX_RECORD_BYTES + 1)], arrival_us=ARRIVAL_US)
    assert await log.end_offsets([ONE]) == {ONE: 1}


async def test_nothing_appended_changes_nothing(log: Log) -> None:
    """An empty append returns the last offset there is."""
    assert await log.append(ONE, [], arrival_us=ARRIVAL_US) == -1
    await log.append(ONE, [b"a"], arrival_us=ARRIVAL_US)
    assert await log.append(ONE, [], arrival_us=ARRIVAL_US) == 0
