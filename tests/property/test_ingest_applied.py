"""Readings handed on: to the bit, once, in order, however often and in whatever cuts they come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from twin.columns import Floats, ReadingBatch
from twin.errors import InputError
from twin.ingest import applied
from twin.ingest.applied import AppliedStage, Mark, decode_applied, encode_applied
from twin.ingest.topics import applied_place
from twin.log.contract import Records

IDS = tuple(f"sensor {row}" for row in range(7))
ROWS = {name: row for row, name in enumerate(IDS)}


@st.composite
def batches(draw: st.DrawFn, least: int = 0) -> ReadingBatch:
    rows = draw(st.integers(least, 30))

    def floats() -> st.SearchStrategy[Floats]:
        return arrays.arrays(np.float64, rows, elements=st.floats(allow_nan=True))

    whole = st.integers(-(2**62), 2**62)
    return ReadingBatch(
        sensor=draw(arrays.arrays(np.int32, rows, elements=st.integers(0, len(IDS) - 1))),
        time_us=draw(arrays.arrays(np.int64, rows, elements=whole)),
        period_ms=draw(arrays.arrays(np.int64, rows, elements=whole)),
        count=draw(floats()),
        speed_mps=draw(floats()),
        occupancy_frac=draw(floats()),
    )


def same(one: ReadingBatch, other: ReadingBatch) -> bool:
    """Compare bits: NaN is like NaN, and -0 is not like 0."""
    names = ("sensor", "time_us", "period_ms", "count", "speed_mps", "occupancy_frac")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in names)


def records_of(values: Sequence[bytes], first: int = 0) -> Records:
    count = len(values)
    return Records(
        place=applied_place(2),
        offsets=np.arange(first, first + count),
        arrival_us=np.zeros(count, np.int64),
        values=values,
        next_offset=first + count,
    )


@settings(max_examples=40)
@given(batches(), st.integers(1, 9))
def test_what_is_encoded_comes_out_to_the_bit(batch: ReadingBatch, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applied, "MOST_ROWS", most)
        values = encode_applied(batch, IDS, mark=5)
    assert len(values) == -(-len(batch) // most)
    found = [decode_applied(value, ROWS) for value in values]
    assert [(record.part, record.parts) for record, _ in found] == [
        (part, len(values)) for part in range(len(values))
    ]
    assert same(ReadingBatch.concatenate([rows for _, rows in found]), batch)


@settings(max_examples=40)
@given(st.lists(batches(least=1), min_size=1, max_size=5), st.data())
def test_repetitions_count_once(commits: list[ReadingBatch], data: st.DataObject) -> None:
    """A relay that dies sends a piece of the past again; its heir does so, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applied, "MOST_ROWS", 4)
        sent = [
            value
            for number, batch in enumerate(commits)
            for value in encode_applied(batch, IDS, mark=10 * (number + 1))
        ]
    log: list[bytes] = []
    published = 0
    while published < len(sent):
        back = data.draw(st.integers(0, published))
        until = data.draw(st.integers(published + 1, len(sent)))
        log += sent[back:until]
        published = until
    stage = AppliedStage(ROWS)
    taken: list[ReadingBatch] = []
    first = 0
    while first < len(log):
        count = data.draw(st.integers(1, len(log) - first))
        rows, marks = stage.take([records_of(log[first : first + count], first)])
        taken.append(rows)
        first += count
        if data.draw(st.booleans()):  # the process dies, and another goes on from the marks
            stage = AppliedStage(ROWS)
            stage.resume(marks)
    assert same(ReadingBatch.concatenate(taken), ReadingBatch.concatenate(commits))
    assert marks[2].mark == 10 * len(commits)


@given(batches(least=1))
def test_sensors_that_the_map_does_not_have_are_left_out(batch: ReadingBatch) -> None:
    (value,) = encode_applied(batch, IDS, mark=1)
    _, rows = decode_applied(value, {"sensor 3": 0})
    assert len(rows) == int((batch.sensor == 3).sum())
    assert not rows.sensor.any()


@given(st.binary(max_size=60))
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match=r"reading\.applied"):
        decode_applied(body, ROWS)


def test_a_refused_record_leaves_the_stage_as_it_was() -> None:
    stage = AppliedStage(ROWS)
    stage.resume({2: Mark(7, 0)})
    batch = ReadingBatch.empty()
    with pytest.raises(InputError):
        stage.take([records_of([*encode_applied(batch, IDS, mark=9), b"?"])])
    assert stage.take([records_of([])])[1] == {2: Mark(7, 0)}


def test_long_ids_make_smaller_records() -> None:
    names = [f"{row:0128}" for row in range(12_000)]
    count = len(names)
    batch = ReadingBatch(
        sensor=np.arange(count, dtype=np.int32),
        time_us=np.zeros(count, np.int64),
        period_ms=np.zeros(count, np.int64),
        count=np.zeros(count),
        speed_mps=np.zeros(count),
        occupancy_frac=np.zeros(count),
    )
    values = encode_applied(batch, names, mark=1)
    assert len(values) == 3
    assert max(map(len, values)) < 900_000
