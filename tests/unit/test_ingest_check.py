"""Range checks: everything impossible is refused by name, the merely odd is not."""

from __future__ import annotations

from typing import Any

import pytest

from ingest_city import START_US, passage, reading, small_city
from twin.events import Topic
from twin.ingest.answer import check_items, item_ids
from twin.ingest.decode import TYPES

CITY = small_city()


def faults(topic: Topic, value: bytes) -> list[tuple[str, str, str]]:
    found = check_items(topic, [value], network=CITY, now_us=START_US)
    return [(fault.field, fault.value, fault.reason) for _, fault in found]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"count": 0, "speed_kph": ..., "occupancy_pct": 0},
        {"speed_kph": 250, "count": ..., "occupancy_pct": ...},
        {"occupancy_pct": 100},
        {"count": 242},
        {"time": "2026-06-16T08:00:30Z"},
        {"time": "2000-01-01T00:00:00Z"},
        {"latitude": 40.4, "longitude": -3.7},
    ],
)
def test_a_possible_reading_has_no_fault(fields: dict[str, Any]) -> None:
    assert faults(Topic.READING, reading(**fields)) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"speed_kph": -3}, ("speed_kph", "-3.0", "invalid")),
        ({"speed_kph": 250.1}, ("speed_kph", "250.1", "invalid")),
        ({"speed_kph": 1e308}, ("speed_kph", "1e+308", "invalid")),
        ({"occupancy_pct": 140}, ("occupancy_pct", "140.0", "invalid")),
        ({"occupancy_pct": -0.1}, ("occupancy_pct", "-0.1", "invalid")),
        ({"count": 243}, ("count", "243.0", "invalid")),
        ({"sensor": "S9"}, ("sensor", "S9", "unknown_sensor")),
        ({"time": "2026-06-16T08:10:00Z"}, ("time", "2026-06-16T08:10:00Z", "future")),
        ({"time": "2026-06-16T08:00:30.000001Z"}, None),
        ({"time": "1999-12-31T23:59:59Z"}, ("time", "1999-12-31T23:59:59Z", "invalid")),
        ({"time": "9999-12-31T23:59:59Z"}, ("time", "9999-12-31T23:59:59Z", "future")),
        ({"period_s": 0.0001}, ("period_s", "0.0001", "invalid")),
        ({"latitude": 168}, ("latitude", "168", "invalid")),
    ],
)
def test_an_impossible_reading_is_refused_by_name(
    fields: dict[str, Any], expected: tuple[str, str, str] | None
) -> None:
    found = faults(Topic.READING, reading(**fields))
    assert found
    assert expected is None or expected in found


def test_a_reading_without_any_value_is_refused() -> None:
    value = reading(count=..., speed_kph=..., occupancy_pct=...)
    assert faults(Topic.READING, value) == [("count", "(missing)", "invalid")]


def test_every_fault_of_a_reading_is_told_at_once() -> None:
    value = reading("S9", speed_kph=-3, occupancy_pct=140, time="2026-06-16T08:10:00Z")
    assert {field for field, _, _ in faults(Topic.READING, value)} == {
        "sensor",
        "speed_kph",
        "occupancy_pct",
        "time",
    }


def test_the_bound_of_a_count_follows_lanes_and_period() -> None:
    assert faults(Topic.READING, reading("S2", count=121)) == []
    assert faults(Topic.READING, reading("S2", count=122)) == [("count", "122.0", "invalid")]


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"gate": "G9"}, "gate", "unknown_gate"),
        ({"confidence": 1.01}, "confidence", "invalid"),
        ({"confidence": -0.01}, "confidence", "invalid"),
        ({"country": "es"}, "country", "invalid"),
        ({"country": "E1"}, "country", "invalid"),
        ({"time": "2026-06-16T08:10:00Z"}, "time", "future"),
        ({"direction": "up"}, "direction", "invalid"),
    ],
)
def test_an_impossible_passage_is_refused_without_its_plate(
    fields: dict[str, Any], field: str, reason: str
) -> None:
    found = check_items(Topic.ANPR_READ, [passage(**fields)], network=CITY, now_us=START_US)
    assert [(fault.field, fault.reason) for _, fault in found] == [(field, reason)]
    assert "1234BCD" not in repr(found)


INCIDENT = b'{"id":"i1","link":"%s","time":"2026-06-16T08:00:00Z","kind":"crash","position_m":%d%s}'
STATUS = (
    b'{"id":"s1","junction":"%s","time":"2026-06-16T08:00:00Z","stage":"%s",'
    b'"since":"2026-06-16T%s:00Z","mode":"own_plan"}'
)
GRANT = (
    b'{"id":"a1","time":"2026-06-16T08:00:00Z","authorisation":"A","profile":"RESIDENT",'
    b'"zone":"%s","tokens":["%s"],"valid_from":"2026-06-01T00:00:00Z"%s}'
)
TOKEN = b"0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("topic", "value", "expected"),
    [
        (Topic.INCIDENT, INCIDENT % (b"L1", 850, b""), None),
        (Topic.INCIDENT, INCIDENT % (b"L9", 0, b""), "unknown_link"),
        (Topic.INCIDENT, INCIDENT % (b"L1", 900, b""), "invalid"),
        (Topic.INCIDENT, INCIDENT % (b"L1", 0, b',"until":"2026-06-16T07:00:00Z"'), "invalid"),
        (Topic.INCIDENT, INCIDENT % (b"L1", 0, b',"longitude":181'), "invalid"),
        (Topic.STATUS, STATUS % (b"J1", b"1", b"08:00"), None),
        (Topic.STATUS, STATUS % (b"J9", b"1", b"08:00"), "unknown_junction"),
        (Topic.STATUS, STATUS % (b"J1", b"7", b"08:00"), "unknown_stage"),
        (Topic.STATUS, STATUS % (b"J1", b"1", b"08:01"), "invalid"),
        (Topic.AUTHORISATION, GRANT % (b"Z1", TOKEN, b""), None),
        (Topic.AUTHORISATION, GRANT % (b"Z9", TOKEN, b""), "unknown_zone"),
        (Topic.AUTHORISATION, GRANT % (b"Z1", b"1234BCD", b""), "invalid"),
        (
            Topic.AUTHORISATION,
            GRANT % (b"Z1", TOKEN, b',"valid_to":"2026-06-01T00:00:00Z"'),
            "invalid",
        ),
    ],
)
def test_events_of_the_other_topics(topic: Topic, value: bytes, expected: str | None) -> None:
    found = faults(topic, value)
    assert [reason for _, _, reason in found] == ([] if expected is None else [expected])
    assert "1234BCD" not in repr(found)


EARLY, FAR = b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00"


@pytest.mark.parametrize("moment", [EARLY, FAR, b"1999-12-31T23:59:59Z", b"2200-01-01T00:00:00Z"])
@pytest.mark.parametrize(
    ("topic", "value", "field"),
    [
        (Topic.INCIDENT, INCIDENT.replace(b"%d%s", b'0,"until":"%s"') % (b"L1", b"*"), "until"),
        (Topic.STATUS, (STATUS % (b"J1", b"1", b"#")).replace(b"2026-06-16T#:00Z", b"*"), "since"),
        (
            Topic.AUTHORISATION,
            (GRANT % (b"Z1", TOKEN, b"")).replace(b"2026-06-01T00:00:00Z", b"*"),
            "valid_from",
        ),
        (Topic.AUTHORISATION, GRANT % (b"Z1", TOKEN, b',"valid_to":"*"'), "valid_to"),
    ],
)
def test_every_moment_is_bounded(topic: Topic, value: bytes, field: str, moment: bytes) -> None:
    found = check_items(topic, [value.replace(b"*", moment)], network=CITY, now_us=START_US)
    rules = [fault.rule for _, fault in found if fault.field == field]
    assert "must be in the years 2000 to 2199" in rules
    assert " us" not in repr(found)


@pytest.mark.parametrize("moment", [EARLY, FAR])
def test_the_time_of_an_event_at_an_end_of_the_calendar_is_told_in_words(moment: bytes) -> None:
    incident = (INCIDENT % (b"L1", 0, b"")).replace(b"2026-06-16T08:00:00Z", moment)
    for topic, value in (
        (Topic.READING, reading(time=moment.decode())),
        (Topic.INCIDENT, incident),
    ):
        ((field, shown, _),) = faults(topic, value)
        assert (field, shown) == ("time", moment.decode())


@pytest.mark.parametrize(
    ("topic", "value", "field"),
    [
        (Topic.READING, reading(id="a\x00b"), "id"),
        (Topic.READING, reading(source="x\x1b[2J"), "source"),
        (Topic.READING, reading(classes={"car\x00": 1.0}), "classes"),
        (Topic.INCIDENT, INCIDENT % (b"L1", 0, b',"description":"a\\u0000b"'), "description"),
        (Topic.INCIDENT, INCIDENT % (b"L1", 0, b',"source":"\\u007f"'), "source"),
        (Topic.AUTHORISATION, GRANT.replace(b'"A"', b'"\\u0001"') % (b"Z1", TOKEN, b""), None),
        (Topic.ANPR_READ, passage(plate="1234\x00BCD"), "plate"),
        (Topic.ANPR_READ, passage(id="1234BCD\x00"), "id"),
        (Topic.ANPR_READ, passage(track="\x00"), "track"),
    ],
)
def test_control_characters_are_refused(topic: Topic, value: bytes, field: str | None) -> None:
    ((_, fault),) = check_items(topic, [value], network=CITY, now_us=START_US)
    assert (fault.field, fault.rule) == (
        field or "authorisation",
        "must not hold control characters",
    )
    assert str(fault).isprintable()
    assert "1234" not in str(fault)


def test_a_fault_never_holds_a_control_character() -> None:
    (found,) = faults(Topic.READING, b'{"a\x00')
    assert all(part.isprintable() for part in found)
    unknown = reading(**{"x\x00": 1})
    assert all(part.isprintable() for part in faults(Topic.READING, unknown)[0])


@pytest.mark.parametrize("topic", sorted(TYPES))
def test_a_record_nested_too_deeply_is_a_fault(topic: Topic) -> None:
    deep = b'{"id":"q","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    found = faults(topic, deep)
    assert [(field, reason) for field, _, reason in found] == [("$", "undecodable")]


def test_the_bound_of_the_future_is_an_argument() -> None:
    value = reading(time="2026-06-16T08:01:00Z")
    assert check_items(Topic.READING, [value], network=CITY, now_us=START_US)
    assert not check_items(Topic.READING, [value], network=CITY, now_us=START_US, future_s=60.0)


def test_the_answer_keeps_the_order_of_the_items() -> None:
    items = [reading("S9"), reading("S1"), b"{", reading("S2", speed_kph=-1)]
    found = check_items(Topic.READING, items, network=CITY, now_us=START_US)
    assert [row for row, _ in found] == [0, 2, 3]
    assert item_ids(Topic.READING, items) == ["S9-0", "S1-0", "", "S2-0"]
