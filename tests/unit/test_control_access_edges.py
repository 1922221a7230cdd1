"""Each rule of the practice set at its boundary: one side, the other side."""

from __future__ import annotations

from typing import Any

import pytest

from access_days import (
    BOOK,
    decide,
    final_cases,
    final_decisions,
    final_quotas,
    moment,
    read,
    right,
)
from twin.clock import iso_from_us, us_from_datetime
from twin.control.access.casebook.moments import months_end_us
from twin.control.access.casebook.rows import DecisionRow, RefusedRow, Row, SessionRow

Form = dict[str, Any]
RESIDENT = {"authorisations": [right("R1", "RESIDENT"), right("R2", "RESIDENT", "1204BCD")]}
GOODS = {"authorisations": [right("D1", "GOODS")]}
TRAVEL = {"travel": [{"gates": ["G1", "G7"], "shortest_s": 180}]}
EXACT = {"gates": {name: {"uncertainty_s": 0} for name in ("G1", "G7")}}


def verdicts(world: Form, *events: Form) -> list[tuple[str, str]]:
    return [(one.state, one.reason) for one in final_decisions(decide(world, [*events])).values()]


def reasons(rows: list[Row]) -> list[str]:
    return [fact.reason for case in final_cases(rows).values() for fact in case.facts]


def stays(rows: list[Row]) -> list[tuple[str, float | None]]:
    return [(one.state, one.stay_s) for one in rows if isinstance(one, SessionRow) and one.final]


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-01-31T12:00:00", 1, "2026-02-28T23:00:00Z"),
        ("2028-01-31T12:00:00", 1, "2028-02-29T23:00:00Z"),
        ("2028-02-29T12:00:00", 12, "2029-02-28T23:00:00Z"),
        ("2026-12-31T22:59:59", 3, "2027-03-31T22:00:00Z"),
        ("2026-12-31T23:00:00", 3, "2027-04-01T22:00:00Z"),
        ("2026-06-16T10:00:00", 3, "2026-09-16T22:00:00Z"),
    ],
)
def test_a_term_of_months_ends_with_the_same_day(start: str, months: int, end: str) -> None:
    zone = BOOK.versions[0].zone_info
    assert iso_from_us(months_end_us(us_from_datetime(moment(start)), months, zone)) == end


def test_a_country_that_nobody_read() -> None:
    french = {"authorisations": [right("P1", "GARAGE", plates=["FR AB123CD"])]}
    one = read("e1", "G1", "in", "06:30:00", "AB123CD", country="")
    rows = decide(french, [one])
    assert verdicts(french, one) == [("ADMIT_FLAG", "COUNTRY_UNKNOWN")]
    assert verdicts({}, one) == [("REVIEW", "COUNTRY_UNKNOWN")]
    assert not final_cases(decide({}, [one]))
    italian = {"type": "country", "id": "c1", "read": "e1", "country": "IT"}
    told = decide(french, [one, italian | {"arrived": "2026-06-16T09:00:00Z"}])
    assert final_decisions(told)["e1"].reason == "NO_AUTHORISATION"
    assert len(final_cases(told)) == 1
    assert not final_cases(rows)


@pytest.mark.parametrize(("others", "state"), [(0, "ADMIT_FLAG"), (49_990, "REVIEW")])
def test_likeness_counts_only_while_few_are_listed(others: int, state: str) -> None:
    many = [f"ES {number:05d}AA" for number in range(others)]
    world = {
        "authorisations": [
            right("R1", "RESIDENT", "1204BYX"),
            right("R2", "TAXI", plates=many),
        ]
    }
    found = verdicts(world, read("e1", "G1", "in", "06:30:00", "1204BVX"))
    assert found == [(state, "FUZZY_FAVOUR" if others == 0 else "FUZZY_LIMIT")]


@pytest.mark.parametrize(
    ("confidence", "plate", "expected"),
    [
        (0.90, "9999ZZZ", ("DENY", "NO_AUTHORISATION")),
        (0.89, "9999ZZZ", ("REVIEW", "LOW_CONFIDENCE")),
        (0.89, "1234BCD", ("ADMIT", "RESIDENT_WINDOW")),
        (0.89, "12O4BCD", ("REVIEW", "LOW_CONFIDENCE")),
        (0.90, "12O4BCD", ("ADMIT", "RESIDENT_WINDOW")),
        (0.90, "", ("UNREAD", "UNREAD")),
        (0.95, "1B2C", ("REVIEW", "UNUSUAL_PLATE")),
    ],
)
def test_a_poor_read_accuses_nobody(
    confidence: float, plate: str, expected: tuple[str, str]
) -> None:
    one = read("e1", "G1", "in", "06:30:00", plate, confidence=confidence)
    assert verdicts(RESIDENT, one) == [expected]


@pytest.mark.parametrize(("second", "passages"), [("06:30:10", 1), ("06:30:10.001", 2)])
def test_reads_within_ten_seconds_are_one_passage(second: str, passages: int) -> None:
    rows = decide(RESIDENT, [read("e1", "G1", "in", "06:30:00"), read("e2", "G1", "in", second)])
    assert len(final_decisions(rows)) == passages
    assert final_quotas(rows) == {("R1", "2026-06"): passages}


@pytest.mark.parametrize(("leaves", "found"), [("07:03:01", []), ("07:03:01.001", ["OVERSTAY"])])
def test_a_stay_is_too_long_beyond_the_tolerance(leaves: str, found: list[str]) -> None:
    rows = decide(RESIDENT, [read("e1", "G1", "in", "06:30:00"), read("e2", "G1", "out", leaves)])
    assert reasons(rows) == found


@pytest.mark.parametrize(("leaves", "found"), [("07:43:02", []), ("07:43:02.001", ["DAY_TOTAL"])])
def test_the_day_total_adds_provable_stays(leaves: str, found: list[str]) -> None:
    events = [
        read("e1", "G1", "in", "06:30:00"),
        read("e2", "G1", "out", "06:50:00"),
        read("e3", "G1", "in", "07:30:00"),
        read("e4", "G1", "out", leaves),
    ]
    assert reasons(decide(GOODS, events)) == found


@pytest.mark.parametrize(
    ("leaves", "found"), [("06:39:58.999", ["TRANSIT_FORBIDDEN"]), ("06:39:59", [])]
)
def test_a_crossing_is_shorter_than_ten_minutes(leaves: str, found: list[str]) -> None:
    rows = decide(GOODS, [read("e1", "G1", "in", "06:30:00"), read("e2", "G7", "out", leaves)])
    assert reasons(rows) == found


@pytest.mark.parametrize(("second", "state"), [("06:32:22.999", "REVIEW"), ("06:32:23", "ADMIT")])
def test_travel_is_impossible_below_its_share(second: str, state: str) -> None:
    events = [read("e1", "G1", "in", "06:30:00"), read("e2", "G7", "in", second)]
    assert {state for state, _ in verdicts(RESIDENT | TRAVEL, *events)} == {state}


def test_a_missed_exit_proves_nothing_after_a_day() -> None:
    events = [
        read("e1", "G1", "in", "06:30:00"),
        read("e2", "G1", "out", "2026-06-17T06:30:00.001"),
    ]
    rows = decide(RESIDENT, events)
    assert sorted(stays(rows), key=str) == [("ENTRY_MISSED", None), ("EXIT_MISSED", None)]
    assert reasons(rows) == []


def test_a_partner_that_was_deleted_is_a_missing_leg() -> None:
    entry = read("e1", "G1", "in", "06:30:00")
    kept = read("e2", "G1", "out", "07:45:00", delay_s=46 * 3600.0)
    gone = read("e2", "G1", "out", "07:45:00", delay_s=47 * 3600.0)
    assert reasons(decide(RESIDENT, [entry, kept])) == ["OVERSTAY"]
    rows = decide(RESIDENT, [entry, gone])
    assert reasons(rows) == []
    assert sorted(stays(rows), key=str) == [("ENTRY_MISSED", None), ("EXIT_MISSED", None)]


def test_of_several_rights_the_one_without_quota_counts() -> None:
    world = {"authorisations": [right("A1", "RESIDENT"), right("Z9", "PRM")]}
    rows = decide(world, [read("e1", "G1", "in", "06:30:00")])
    assert final_decisions(rows)["e1"].authorisation == "Z9"
    assert final_quotas(rows) == {}
    same = {"authorisations": [right("B2", "PRM", valid_to="2026-12-01T00:00:00Z"),
                               right("C3", "PRM", valid_to="2026-11-01T00:00:00Z"),
                               right("B1", "PRM", valid_to="2026-12-01T00:00:00Z")]}  # fmt: skip
    rows = decide(same, [read("e1", "G1", "in", "06:30:00")])
    assert final_decisions(rows)["e1"].authorisation == "B1"


@pytest.mark.parametrize(
    ("profile", "recorded", "state"),
    [
        ("HOTEL_GUEST", "2026-06-16T21:59:59", "ADMIT"),
        ("HOTEL_GUEST", "2026-06-16T22:00:00", "DENY"),
        ("PRM", "2026-06-18T06:30:00", "ADMIT"),
        ("PRM", "2026-06-18T06:30:01", "DENY"),
        ("TAXI", "2026-06-16T06:30:01", "DENY"),
    ],
)
def test_back_dating_has_its_limits(profile: str, recorded: str, state: str) -> None:
    when = moment(recorded).isoformat()
    late = {"type": "authorisation", "id": "a1", "recorded": when, "arrived": when}
    events = [read("e1", "G1", "in", "06:30:00"), late | {"authorisation": right("X1", profile)}]
    assert [one for one, _ in verdicts({}, *events)] == [state]
    office = right("X1", profile, correction="the office forgot to enter it")
    assert [one for one, _ in verdicts({}, events[0], late | {"authorisation": office})] == [
        "ADMIT"
    ]


@pytest.mark.parametrize(
    ("limits", "state"),
    [({"mass_kg": 5500, "height_m": 2.899}, "ADMIT"), ({"mass_kg": 5501}, "DENY"),
     ({"height_m": 2.9}, "DENY"), ({}, "ADMIT")],
)  # fmt: skip
def test_goods_vehicles_by_the_register(limits: Form, state: str) -> None:
    world = GOODS | {"vehicles": [{"plate": "ES 1234BCD"} | limits]}
    assert [one for one, _ in verdicts(world, read("e1", "G1", "in", "06:30:00"))] == [state]


@pytest.mark.parametrize(
    ("past", "kind"),
    [("2025-06-16T10:00:00", "SANCTION"), ("2025-06-15T21:59:59", "WARNING")],
)
def test_history_lasts_twelve_months(past: str, kind: str) -> None:
    row = {"plate": "ES 1234BCD", "zone": "OLD", "time": moment(past).isoformat()}
    rows = decide({"past_cases": [row]}, [read("e1", "G1", "in", "06:30:00")])
    assert [one.kind for one in final_cases(rows).values()] == [kind]


def act(name: str, when: str, **more: Any) -> Form:
    own = {"type": "officer", "id": name, "passage": "e1", "officer": "O1", "act": "confirm"}
    return own | {"arrived": moment(when).isoformat()} | more


def refusals(rows: list[Row]) -> list[str]:
    return [one.reason for one in rows if isinstance(one, RefusedRow)]


def test_only_an_officer_who_types_the_plate_confirms() -> None:
    entry = read("e1", "G1", "in", "06:30:00")
    events = [
        entry,
        act("o1", "2026-06-17T08:00:00", typed="1234BCD"),
        act("o2", "2026-06-20T08:00:00", typed="1234BCB"),
    ]
    rows = decide({}, events)
    assert refusals(rows) == ["NOT_PROPOSED", "TYPED_DIFFERS"]
    assert [one.state for one in final_cases(rows).values()] == ["PROPOSED"]
    rows = decide({}, [entry, act("o3", "2026-06-20T08:00:00", typed="1234 bcd")])
    assert [one.state for one in final_cases(rows).values()] == ["CONFIRMED"]


@pytest.mark.parametrize(
    ("notified", "state"),
    [("2026-09-16T21:59:59", "NOTIFIED"), ("2026-09-16T22:00:00", "EXPIRED")],
)
def test_a_case_that_is_not_notified_in_three_months_expires(notified: str, state: str) -> None:
    told = {"type": "notified", "id": "n1", "passage": "e1"}
    events = [
        read("e1", "G1", "in", "06:30:00"),
        act("o1", "2026-06-20T08:00:00", typed="1234BCD"),
        told | {"arrived": moment(notified).isoformat()},
    ]
    assert [one.state for one in final_cases(decide({}, events)).values()] == [state]


def test_a_rejected_case_is_no_history() -> None:
    events = [
        read("e1", "G1", "in", "06:30:00"),
        read("e2", "G1", "in", "2026-06-19T06:30:00"),
        act("o1", "2026-06-20T08:00:00", act="reject"),
    ]
    before = final_cases(decide({}, events[:2]))
    assert [one.kind for one in before.values()] == ["WARNING", "SANCTION"]
    after = final_cases(decide({}, events))
    assert [one.kind for one in after.values()] == ["WARNING", "WARNING"]


def test_no_case_is_shown_before_the_watermark_or_in_the_exercise() -> None:
    entry = read("e1", "G1", "in", "06:30:00")
    assert not final_cases(decide({"until": "2026-06-16T06:31:59Z"}, [entry]))
    assert final_cases(decide({"until": "2026-06-16T06:32:00Z"}, [entry]))
    assert not final_cases(decide({"mode": "pre_exercise"}, [entry]))


def test_one_id_with_two_payloads() -> None:
    true = read("e1", "G1", "in", "06:30:00", recorded="2026-06-16T06:30:00.1Z")
    false = read("e1", "G1", "in", "06:30:00", "9999ZZZ", recorded="2026-06-16T06:30:00.2Z")
    for events in ([true, false], [false, true]):
        rows = decide(RESIDENT, events)
        assert final_decisions(rows)["e1"].reason == "RESIDENT_WINDOW"
        assert refusals(rows) == ["CONFLICTING_DUPLICATE"]
    assert refusals(decide(RESIDENT, [true, true])) == []


@pytest.mark.parametrize(("offset_s", "flagged"), [(30.0, False), (30.001, True)])
def test_a_clock_is_believed_up_to_its_limit(offset_s: float, *, flagged: bool) -> None:
    world = {"gates": {"G1": {"offset_s": offset_s}}}
    rows = decide(world, [read("e1", "G1", "in", "06:30:00")])
    assert bool(final_decisions(rows)["e1"].flags) == flagged
    assert bool(final_cases(rows)) != flagged


def test_a_clock_that_nobody_knows_is_for_a_person() -> None:
    world = RESIDENT | {"gates": {"G1": {"offset_s": None}}}
    assert verdicts(world, read("e1", "G1", "in", "06:30:00")) == [("REVIEW", "CLOCK_UNTRUSTED")]


@pytest.mark.parametrize(("used", "reason"), [(47, "NIGHT_WORKS_WINDOW"), (48, "QUOTA_YEAR")])
def test_the_year_has_its_quota(used: int, reason: str) -> None:
    world = EXACT | {"authorisations": [right("N1", "NIGHT_WORKS", used={"2026-05": used})]}
    found = verdicts(world, read("e1", "G1", "in", "2026-12-31T22:59:59"))
    assert found[0][1] == reason
    after = verdicts(world, read("e1", "G1", "in", "2026-12-31T23:00:00"))
    assert after[0][1] == "NIGHT_WORKS_WINDOW"


def test_a_fact_beyond_the_horizon_replaces_no_violation_by_another() -> None:
    trader = {"authorisations": [right("T1", "TRADER")]}
    events = [read("e1", "G1", "in", "06:30:00"), read("e2", "G1", "out", "07:45:00")]
    assert reasons(decide(trader, events)) == ["OVERSTAY"]
    soon = [*events, read("e3", "G7", "out", "06:36:00", delay_s=3600.0)]
    late = [*events, read("e3", "G7", "out", "06:36:00", delay_s=80 * 3600.0)]
    assert reasons(decide(trader, soon)) == ["TRANSIT_FORBIDDEN"]
    assert [one.state for one in final_cases(decide(trader, late)).values()] == ["WITHDRAWN"]


@pytest.mark.parametrize(
    ("heard", "reason"),
    [("2026-06-19T08:59:50", "OUTSIDE_WINDOW"), ("2026-06-19T08:59:51", "GOODS_WINDOW")],
)
def test_a_clock_found_wrong_beyond_the_horizon_accuses_nobody(heard: str, reason: str) -> None:
    slow = {"type": "clock", "id": "k1", "gate": "G1", "offset_s": -20.0, "uncertainty_s": 0.5}
    span = {"time": "2026-06-16T06:00:00Z", "until": "2026-06-16T12:00:00Z"}
    told = slow | span | {"arrived": moment(heard).isoformat()}
    rows = decide(GOODS, [read("e1", "G1", "in", "08:59:50"), told])
    assert final_decisions(rows)["e1"].reason == reason


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        ("2026-06-15T06:30:00", ("ADMIT", "RESIDENT_WINDOW")),
        ("2026-06-15T06:29:59.999", ("REVIEW", "SNAPSHOT_EXPIRED")),
    ],
)
def test_a_gate_alone_uses_its_list_for_a_day(snapshot: str, expected: tuple[str, str]) -> None:
    back = moment("12:00:00").isoformat()
    outage = {"type": "outage", "id": "x1", "gate": "G1", "until": back, "arrived": back}
    when = moment(snapshot).isoformat()
    entry = read("e1", "G1", "in", "06:30:00", delay_s=6 * 3600.0)
    rows = decide(RESIDENT, [outage | {"time": when, "snapshot": when}, entry])
    alone = next(one for one in rows if isinstance(one, DecisionRow))
    assert (alone.degraded, alone.state, alone.reason) == (True, *expected)
    assert final_decisions(rows)["e1"].reason == "RESIDENT_WINDOW"
    assert not final_decisions(rows)["e1"].degraded


def test_a_gate_alone_opens_no_case_before_the_centre_decides() -> None:
    back = moment("12:00:00").isoformat()
    outage = {"type": "outage", "id": "x1", "gate": "G1", "until": back, "arrived": back}
    when = moment("06:00:00").isoformat()
    entry = read("e1", "G1", "in", "06:30:00", delay_s=6 * 3600.0)
    rows = decide({}, [outage | {"time": when, "snapshot": when}, entry])
    (case,) = final_cases(rows).values()
    assert case.known_at >= "2026-06-16T12:30:00"
