"""Decoding: columns in SI, and what is said about a record that is no event."""

from __future__ import annotations

import numpy as np
import pytest

from ingest_city import START_US, passage, reading
from twin.events import Topic
from twin.ingest.decode import HIDDEN, content_hash, decode, decode_readings, hash_bytes
from twin.units import SECOND_US

SENSORS = {"S1": 0, "S2": 1, "S3": 2}


def test_a_reading_becomes_columns_in_si() -> None:
    decoded = decode_readings([reading("S2", at_s=1.25, count=3)], SENSORS)
    assert decoded.faults == {}
    batch = decoded.batch
    assert batch.sensor.tolist() == [1]
    assert batch.time_us.tolist() == [START_US + 1_250_000]
    assert batch.period_ms.tolist() == [60_000]
    assert batch.count.tolist() == [3.0]
    assert batch.speed_mps.tolist() == [20.0]
    assert batch.occupancy_frac.tolist() == [0.065]
    assert decoded.events[0].id == "S2-1.25"


def test_what_was_not_measured_is_nan() -> None:
    batch = decode_readings([reading(count=..., occupancy_pct=...)], SENSORS).batch
    assert np.isnan(batch.count[0])
    assert np.isnan(batch.occupancy_frac[0])
    assert batch.speed_mps[0] == 20.0


def test_an_offset_from_utc_is_taken_into_account() -> None:
    decoded = decode_readings([reading(time="2026-06-16T10:00:00.000001+02:00")], SENSORS)
    assert decoded.batch.time_us[0] == START_US + 1


@pytest.mark.parametrize(
    ("value", "field", "shown", "reason"),
    [
        (b"", "$", "", "undecodable"),
        (b"{", "$", "{", "undecodable"),
        (b"\xff\xfe", "$", "��", "undecodable"),
        (b"[]", "$", "[]", "undecodable"),
        (reading(time="2026-06-16T08:00:00"), "time", "2026-06-16T08:00:00", "invalid"),
        (reading(time="yesterday"), "time", "yesterday", "invalid"),
        (reading(period_s=-5), "period_s", "-5", "invalid"),
        (reading(count="many"), "count", "many", "invalid"),
        (reading(latitude=168), "latitude", "168", "invalid"),
        (reading(sensor=...), "sensor", "(missing)", "invalid"),
        (reading(colour="red"), "colour", "red", "invalid"),
        (reading(classes={"car": -1}), "classes[...]", '{"car":-1}', "invalid"),
    ],
)
def test_a_bad_record_is_named_by_field_value_and_rule(
    value: bytes, field: str, shown: str, reason: str
) -> None:
    decoded = decode_readings([reading(), value, reading("S2")], SENSORS)
    (fault,) = decoded.faults[1]
    assert (fault.field, fault.value, fault.reason) == (field, shown, reason)
    assert fault.rule
    assert decoded.good().tolist() == [True, False, True]


def test_two_halves_never_make_one_reading() -> None:
    whole = reading()
    cut = whole.index(b",")
    decoded = decode_readings([whole[:cut], whole[cut + 1 :]], SENSORS)
    assert sorted(decoded.faults) == [0, 1]


@pytest.mark.parametrize(
    "value",
    [
        b"1234BCD",
        passage(confidence="1234BCD"),
        passage(country="1234BCD"),
        passage(direction="1234BCD"),
        passage(**{"1234BCD": 1}),
        passage(licence="1234BCD"),
        passage(plate=["1234BCD"]),
    ],
)
def test_no_fault_of_a_passage_quotes_what_may_be_a_plate(value: bytes) -> None:
    faults = decode(Topic.ANPR_READ, [value]).faults[0]
    assert faults
    assert "1234BCD" not in repr(faults)
    assert {fault.value for fault in faults} == {HIDDEN}


def test_equal_values_have_equal_content_whoever_sends_them() -> None:
    one = decode_readings([reading(id="a", source="x")], SENSORS).content
    two = decode_readings([reading(id="b", source="y", speed_kph=72)], SENSORS).content
    assert one.tolist() == two.tolist()


@pytest.mark.parametrize(
    "other",
    [
        {"count": 13},
        {"count": ...},
        {"speed_kph": 72.000001},
        {"occupancy_pct": ...},
        {"classes": {"car": 12}},
        {"count": 72, "speed_kph": 12},
    ],
)
def test_other_values_have_another_content(other: dict[str, object]) -> None:
    content = decode_readings([reading(), reading(**other)], SENSORS).content
    assert content[0] != content[1]


def test_content_is_the_same_on_every_machine() -> None:
    three = [np.array([value]) for value in (12.0, -0.0, np.nan)]
    assert (
        content_hash(*three).tolist()
        == content_hash(np.array([12.0]), np.array([0.0]), np.array([np.nan])).tolist()
    )
    assert hash_bytes(b"a") == hash_bytes(b"a") != hash_bytes(b"b")
    assert -(2**63) <= hash_bytes(b"a") < 2**63


def test_times_are_exact_to_the_microsecond() -> None:
    values = [reading(time=f"2026-06-16T08:00:00.{n:06d}Z") for n in range(0, 1_000_000, 9973)]
    times_us = decode_readings(values, SENSORS).batch.time_us
    assert times_us.tolist() == [START_US + n for n in range(0, SECOND_US, 9973)]
