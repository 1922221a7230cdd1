"""Readings as arrays are judged as the same readings one by one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_city import START_US, small_city
from ingest_house import House
from twin.clock import datetime_from_us
from twin.columns import Bools, Ints, ReadingBatch
from twin.events import Reading, ReadingColumns, Topic
from twin.ingest.check import Checker
from twin.ingest.columnar import ColumnReader, encode_columns
from twin.ingest.readings import ReadingStage
from twin.log.contract import Place, Records
from twin.log.embedded import EmbeddedLog
from twin.store import deadletters
from twin.store.database import Database
from twin.units import SECOND_US

NAMES = ("S1", "S2", "S3", "nobody")
ROWS = st.lists(
    st.tuples(
        st.integers(0, len(NAMES) - 1),
        st.sampled_from((-900, -30, 0, 0, 1, 30, 31, 60)),  # seconds around the arrival
        st.sampled_from((float("nan"), -1.0, 0.0, 7.0, 1e6, float("inf"))),
        st.sampled_from((float("nan"), -0.0, 50.5, 251.0)),
        st.sampled_from((float("nan"), 12.5, 100.0, 101.0)),
    ),
    min_size=1,
    max_size=12,
)
Row = tuple[int, int, float, float, float]


def columns(rows: list[Row], **other: Any) -> ReadingColumns:
    fields: dict[str, Any] = {
        "id": "c",
        "sensors": NAMES,
        "sensor": np.array([row[0] for row in rows], "<i4").tobytes(),
        "time_us": np.array([START_US + row[1] * SECOND_US for row in rows], "<i8").tobytes(),
        "period_ms": np.array([60_000], "<i8").tobytes(),
    }
    for at, name in enumerate(("count", "speed_kph", "occupancy_pct"), start=2):
        fields[name] = np.array([row[at] for row in rows], "<f8").tobytes()
    return ReadingColumns(**fields | other)


def singles(rows: list[Row]) -> list[bytes]:
    """The same rows as JSON, written as a sender would (JSON has no infinity: left to columns)."""

    def value(number: float) -> float | None:
        return None if np.isnan(number) else number

    return [
        msgspec.json.encode(
            Reading(
                id=f"c#{k}",
                sensor=NAMES[sensor],
                time=datetime_from_us(START_US + at_s * SECOND_US),
                period_s=60.0,
                count=value(count),
                speed_kph=value(speed),
                occupancy_pct=value(occupancy),
            )
        )
        for k, (sensor, at_s, count, speed, occupancy) in enumerate(rows)
    ]


def judged(sent: list[tuple[Topic, list[bytes]]]) -> tuple[list[int], list[Any], list[Any]]:
    """What becomes of it: counts by verdict, what is refused and why, what is applied."""
    network = small_city()
    stage = ReadingStage(Checker(network), lateness_us=600 * SECOND_US, lookup=nothing_known)
    fetched = [
        Records(
            place=Place(topic.value, 0),
            offsets=np.arange(len(values)),
            arrival_us=np.full(len(values), START_US),
            values=values,
            next_offset=len(values),
            headers=[{"source": "probe"}] * len(values),
        )
        for topic, values in sent
    ]
    found = asyncio.run(stage.judge(fetched))
    counts = np.zeros(6, np.int64)
    for tally in found.tallies:
        counts += np.array(tally[2:8], np.int64)
    refused = [tuple(fault[0] for fault in letter.faults) for letter in found.dead_letters]
    batch = found.applied
    applied = [
        np.nan_to_num(part, nan=-1.0).tolist()
        for part in (
            batch.sensor,
            batch.time_us,
            batch.period_ms,
            batch.count,
            batch.speed_mps,
            batch.occupancy_frac,
        )
    ]
    return counts.tolist(), refused, applied


async def nothing_known(batch: ReadingBatch) -> tuple[Bools, Ints]:
    return np.zeros(len(batch), np.bool_), np.zeros(len(batch), np.int64)


@given(rows=ROWS.filter(lambda rows: not any(np.isinf(row[2]) for row in rows)))
def test_arrays_and_single_readings_are_judged_alike(rows: list[Row]) -> None:
    one = judged([(Topic.READING_COLUMNS, [encode_columns(columns(rows))])])
    two = judged([(Topic.READING, singles(rows))])
    assert one[0] == two[0]
    # the type of JSON refuses a negative count before any rule is asked
    assert [fields[0] if "count" not in fields else "count" for fields in one[1]] == [
        fields[0] if "count" not in fields else "count" for fields in two[1]
    ]
    assert one[2] == two[2]


def test_the_same_reading_in_both_forms_of_one_fetch_counts_once() -> None:
    rows: list[Row] = [(0, 0, 7.0, 50.5, 12.5), (1, 0, 7.0, 50.5, 12.5)]
    packed = encode_columns(columns(rows))
    sent = [(Topic.READING, singles(rows)), (Topic.READING_COLUMNS, [packed, packed])]
    counts, refused, applied = judged(sent)
    assert counts == [6, 2, 0, 4, 0, 0]
    assert refused == []
    assert applied[0] == [0, 1]


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"sensor": b"\0\0\0"}, "sensor"),
        ({"sensor": b""}, "sensor"),
        ({"sensor": np.array([9], "<i4").tobytes()}, "sensor"),
        ({"sensor": np.array([-1], "<i4").tobytes()}, "sensor"),
        ({"time_us": np.array([START_US // 1000], "<i8").tobytes()}, "time_us"),
        ({"time_us": b"\0" * 24}, "time_us"),
        ({"period_ms": np.array([0], "<i8").tobytes()}, "period_ms"),
        ({"count": b"\0" * 24}, "count"),
        ({"sensors": ("S1\0", "S2")}, "sensors"),
        ({"id": "a\x1b"}, "id"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused_whole(other: dict[str, Any], field: str) -> None:
    rows: list[Row] = [(0, 0, 7.0, 50.5, 12.5), (1, 0, 7.0, 50.5, 12.5)]
    reader = ColumnReader({"S1": 0})
    good = encode_columns(columns(rows))
    decoded = reader.decode([good, encode_columns(columns(rows, **other)), good])
    assert [fault.field for fault in decoded.readings.faults[2]] == [field]
    assert decoded.within.tolist() == [0, 1, -1, 0, 1]
    assert decoded.readings.batch.sensor.tolist() == [0, -1, -1, 0, -1]


@given(value=st.binary(max_size=60))
def test_any_bytes_are_one_refused_record(value: bytes) -> None:
    decoded = ColumnReader({}).decode([value])
    assert list(decoded.readings.faults) == [0]


async def test_whole_records_and_single_rows_are_kept_so_that_they_can_be_sent_again(
    tmp_path: Path,
) -> None:
    database = await Database.open(f"sqlite:///{tmp_path / 'twin.db'}")
    await database.prepare()
    house = House(EmbeddedLog(tmp_path / "twin.db"), database)
    await house.open()
    row: Row = (1, 0, 7.0, -3.0, 12.5)
    await house.send([b"nonsense", encode_columns(columns([row]))], topic=Topic.READING_COLUMNS)
    await house.work()
    letters = await deadletters.list_letters(database, reason=None, limit=9)
    payloads = {one.letter.payload for one in letters}
    assert b"nonsense" in payloads
    (alone,) = payloads - {b"nonsense"}
    assert alone is not None
    mended = msgspec.json.decode(alone) | {"speed_kph": 30.0}
    assert mended["sensor"] == "S2"
    await house.send([msgspec.json.encode(mended)])
    await house.work()
    totals = await house.totals()
    assert totals["probe", "reading"].applied == 1
    assert totals["probe", "reading.columns"].rejected == 2
    await house.log.close()
    await database.close()
