"""Event time: which records are late, which revise, which were seen before.

Everything is evaluated record by record, although it is computed in columns: cutting the same
records into other batches changes no verdict (`tests/property/test_ingest_order.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.columns import Bools, Ints, ReadingBatch, Rows

NEVER_US: Final = np.iinfo(np.int64).min // 2
"""An event time before all others: nothing was accepted yet."""

Verdicts = npt.NDArray[np.uint8]


class Verdict(IntEnum):
    """What became of a record; exactly one a record."""

    REJECTED = 0
    APPLIED = 1
    DUPLICATE = 2
    CONFLICT = 3  # rejected too: a known key with another content
    LATE = 4


@dataclass(slots=True)
class Watermark:
    """The largest accepted event time of one partition, and the allowed lateness behind it."""

    lateness_us: int
    time_us: int = NEVER_US

    def pass_record(self, time_us: int) -> bool:
        """Advance over one accepted record and say whether it came too late."""
        late = time_us < self.time_us - self.lateness_us
        self.time_us = max(self.time_us, time_us)
        return late

    def pass_records(self, time_us: Ints) -> Bools:
        """Advance over accepted records in order, (n,) int64, and return which came too late."""
        if len(time_us) == 0:
            return np.empty(0, np.bool_)
        upto = np.maximum.accumulate(np.concatenate(([self.time_us], time_us)))
        self.time_us = int(upto[-1])
        late: Bools = time_us < upto[:-1] - self.lateness_us
        return late


def repeats(batch: ReadingBatch) -> tuple[Ints, Bools]:
    """Find equal natural keys (sensor, time, period) within one batch.

    Returns, both (n,): the row of the first record with the same key (its own row if it is the
    first), and whether a row is a repetition.
    """
    rows = np.arange(len(batch), dtype=np.int64)
    if _strictly_rising(batch):
        return rows, np.zeros(len(batch), np.bool_)
    order = np.lexsort((rows, batch.period_ms, batch.time_us, batch.sensor))
    start = np.ones(len(batch), np.bool_)
    same = np.ones(max(len(batch) - 1, 0), np.bool_)
    for column in (batch.sensor, batch.time_us, batch.period_ms):
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    start[1:] = ~same
    first = np.empty(len(batch), np.int64)
    first[order] = order[np.maximum.accumulate(np.where(start, rows, 0))]
    return first, first != rows


def revisions(sensor: Rows, time_us: Ints, newest_us: Ints) -> Bools:
    """Say which rows are older than their sensor's newest at that point, (n,) bool.

    newest_us  (sensors,) int64, as it stood before the batch; written: advanced over the rows.
    """
    if len(time_us) and bool((time_us[1:] >= time_us[:-1]).all()):
        # times that never fall: no row of the batch itself can be newer than a later one
        older: Bools = time_us < newest_us[sensor]
        np.maximum.at(newest_us, sensor, time_us)
        return older
    before: Bools = time_us < newest_before(sensor, time_us, newest_us)
    return before


def newest_before(sensor: Rows, time_us: Ints, newest_us: Ints) -> Ints:
    """Return (n,) the newest event time of each row's sensor before that row.

    newest_us  (sensors,) int64, as it stood before the batch; written: advanced over the rows.
    """
    if len(sensor) == 0:
        return np.empty(0, np.int64)
    order = np.argsort(sensor, kind="stable")
    by_sensor = sensor[order]
    start = np.concatenate(([True], by_sensor[1:] != by_sensor[:-1]))
    group = np.cumsum(start) - 1
    # ranks instead of times: (group, rank) fits one integer, and one running maximum serves all
    known_us, rank = np.unique(
        np.concatenate((newest_us[by_sensor], time_us[order])), return_inverse=True
    )
    before_rank, own_rank = np.split(rank.astype(np.int64), 2)
    base = group * np.int64(len(known_us))
    after = np.maximum.accumulate(base + np.maximum(own_rank, before_rank))
    shifted = np.concatenate(([0], after[:-1]))
    before = np.where(start, before_rank, shifted - base)
    out = np.empty(len(sensor), np.int64)
    out[order] = known_us[before]
    last = np.concatenate((start[1:], [True]))
    newest_us[by_sensor[last]] = known_us[(after - base)[last]]
    return out


def _strictly_rising(batch: ReadingBatch) -> bool:
    """Most feeds send one row a sensor and step, in order: no key can repeat then."""
    if len(batch) < 2:
        return True
    step = np.diff(batch.time_us)
    rising = (step > 0) | ((step == 0) & (np.diff(batch.sensor) > 0))
    return bool(rising.all())
