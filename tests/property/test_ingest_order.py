"""Verdicts of time: any cutting of the records into batches gives the same ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.columns import Ints, ReadingBatch
from twin.ingest.order import NEVER_US, Watermark, newest_before, repeats

LATENESS_US = 7
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 30), st.sampled_from((1, 2))), max_size=40
)
CUTS = st.lists(st.integers(1, 8), min_size=1, max_size=20)


def batch_of(rows: list[tuple[int, int, int]]) -> ReadingBatch:
    nothing = np.full(len(rows), np.nan)
    columns = np.array(rows, np.int64).reshape(len(rows), 3)
    return ReadingBatch(
        sensor=columns[:, 0].astype(np.int32),
        time_us=columns[:, 1],
        period_ms=columns[:, 2],
        count=nothing,
        speed_mps=nothing,
        occupancy_frac=nothing,
    )


def in_pieces(
    rows: list[tuple[int, int, int]], cuts: list[int], judge: Callable[[ReadingBatch], Ints]
) -> list[int]:
    found: list[int] = []
    start = 0
    while start < len(rows):
        size = cuts[start % len(cuts)]
        found.extend(judge(batch_of(rows[start : start + size])).tolist())
        start += size
    return found


@given(ROWS, CUTS)
def test_late_is_judged_record_by_record(rows: list[tuple[int, int, int]], cuts: list[int]) -> None:
    one_by_one = Watermark(LATENESS_US)
    expected = [one_by_one.pass_record(time_us) for _, time_us, _ in rows]
    watermark = Watermark(LATENESS_US)
    found = in_pieces(
        rows, cuts, lambda batch: watermark.pass_records(batch.time_us).astype(np.int64)
    )
    assert found == [int(late) for late in expected]
    assert watermark.time_us == one_by_one.time_us
    assert watermark.time_us == max((time_us for _, time_us, _ in rows), default=NEVER_US)


def test_exactly_the_lateness_is_not_late() -> None:
    watermark = Watermark(LATENESS_US)
    assert watermark.pass_records(np.array([100, 93, 92])).tolist() == [False, False, True]


@given(ROWS, CUTS)
def test_newest_before_is_each_sensor_s_own(
    rows: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    newest = dict.fromkeys(range(4), NEVER_US)
    expected = []
    for sensor, time_us, _ in rows:
        expected.append(newest[sensor])
        newest[sensor] = max(newest[sensor], time_us)
    state = np.full(4, NEVER_US, np.int64)
    found = in_pieces(rows, cuts, lambda batch: newest_before(batch.sensor, batch.time_us, state))
    assert found == expected
    assert state.tolist() == [newest[sensor] for sensor in range(4)]


@given(ROWS)
def test_a_repetition_points_at_the_first_of_its_key(rows: list[tuple[int, int, int]]) -> None:
    first, again = repeats(batch_of(rows))
    assert first.tolist() == [rows.index(row) for row in rows]
    assert again.tolist() == [rows.index(row) != at for at, row in enumerate(rows)]


@given(ROWS)
def test_a_sorted_feed_takes_the_short_way_to_the_same_answer(
    rows: list[tuple[int, int, int]],
) -> None:
    ordered = sorted({(time_us, sensor) for sensor, time_us, _ in rows})
    first, again = repeats(batch_of([(sensor, time_us, 1) for time_us, sensor in ordered]))
    assert first.tolist() == list(range(len(ordered)))
    assert not again.any()
