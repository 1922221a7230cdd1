"""Any bytes: one fault list or one event a record, and never an exception."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest_city import START_US, passage, reading, small_city
from twin.errors import Fault
from twin.events import Topic
from twin.ingest.answer import check_items
from twin.ingest.check import Checker
from twin.ingest.decode import TYPES, decode, decode_readings
from twin.ingest.sealing import kept_payload, seal_items
from twin.keys import KeyRing

CITY = small_city()
KEYS = KeyRing.fresh("test")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.just("2026-06-16T08:00:00Z")
    | st.datetimes().map(lambda moment: moment.isoformat() + "+10:00")
)
FIELDS = st.sampled_from(
    sorted({name for kind in TYPES.values() for name in kind.__struct_fields__})
)
DOCUMENTS = st.dictionaries(FIELDS | st.text(max_size=5), SCALARS, max_size=8).map(
    msgspec.json.encode
)
CHANGED = st.dictionaries(FIELDS, SCALARS, max_size=2).map(lambda change: reading(**change))
DEEP = st.sampled_from(
    (
        b"[" * 20_000,
        b'{"id":"q","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"id":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_000 + b"}",
    )
)
CONTROL = st.sampled_from(
    (reading(id="a\x00b"), reading("S1\x00"), reading(source="\x1b[2J"), passage(id="\x00"))
)
ENDS = st.sampled_from(("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"))
RECORDS = (
    st.binary(max_size=30)
    | DOCUMENTS
    | CHANGED
    | DEEP
    | CONTROL
    | ENDS.map(lambda moment: reading(time=moment))
    | st.just(b'{"id":"1","count":1e999}')
)


@given(st.lists(RECORDS, max_size=6), st.sampled_from(sorted(TYPES)))
def test_any_bytes_give_events_or_faults(values: list[bytes], topic: Topic) -> None:
    decoded = decode(topic, values)
    assert len(decoded.events) == len(values)
    assert [row for row, event in enumerate(decoded.events) if event is None] == sorted(
        decoded.faults
    )
    found = check_items(topic, values, network=CITY, now_us=START_US)
    assert set(decoded.faults) <= {row for row, _ in found}
    assert all(isinstance(fault, Fault) and fault.rule for _, fault in found)
    assert not any(ord(letter) < 32 for _, fault in found for letter in str(fault))


@given(st.lists(RECORDS, max_size=6))
def test_a_row_without_fault_is_finite_and_possible(values: list[bytes]) -> None:
    decoded = decode_readings(values, CITY.sensor_rows)
    arrival_us = np.full(len(values), START_US, np.int64)
    faults = Checker(CITY).readings(decoded, arrival_us)
    good = np.ones(len(values), np.bool_)
    good[list(faults)] = False
    batch = decoded.batch.take(good)
    assert (batch.sensor >= 0).all()
    assert (batch.time_us <= START_US + 30_000_000).all()
    for column in (batch.count, batch.speed_mps, batch.occupancy_frac):
        measured = column[~np.isnan(column)]
        assert ((measured >= 0) & (measured < 1e9)).all()


@given(st.lists(RECORDS | st.just(passage()), max_size=6))
def test_a_batch_and_its_records_alone_say_the_same(values: list[bytes]) -> None:
    together = check_items(Topic.READING, values, network=CITY, now_us=START_US)
    alone = [
        (row, fault)
        for row, value in enumerate(values)
        for _, fault in check_items(Topic.READING, [value], network=CITY, now_us=START_US)
    ]
    assert together == alone


@given(RECORDS | st.builds(lambda extra: passage(**extra), st.dictionaries(FIELDS, SCALARS)))
def test_sealing_takes_anything_and_its_result_may_be_kept(item: bytes) -> None:
    (sealed,) = seal_items([item], KEYS)
    kept = kept_payload(sealed, KEYS)
    assert kept is not None
    assert b"1234BCD" not in kept
    assert seal_items([sealed], KEYS)[0].count(b"1234BCD") == 0
