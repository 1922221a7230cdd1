"""What an access decision carries, what it never carries, and what it does without rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from access_city import KEY, authorisation, moment_us, old_town, passage
from twin.columns import PassageFact
from twin.control.access.decide import AccessControl
from twin.control.access.groups import ReadGroups
from twin.control.access.identity import canonical, tokens
from twin.control.access.rules import AccessRules, read_rules
from twin.control.explain import sentence
from twin.errors import InputError
from twin.events import DecisionKind

RULES_FILE = Path(__file__).parents[1] / "golden" / "access" / "rules.json"
RESIDENT = {
    "authorisation": "R-1",
    "profile": "RESIDENT",
    "zone": "OLD",
    "plates": [["ES", "1234BCD"]],
    "valid_from": "2026-01-01T00:00:00Z",
}
MORNING = "2026-06-16T06:30:00Z"


def rules(**changes: Any) -> AccessRules:
    return read_rules({**json.loads(RULES_FILE.read_text()), **changes})


def control(**changes: Any) -> AccessControl:
    made = AccessControl(old_town(), rules(**changes))
    made.learn(authorisation(RESIDENT, "a1"))
    return made


def read(name: str = "p1", **changes: Any) -> PassageFact:
    event = {
        "time": MORNING,
        "gate": "G1",
        "direction": "in",
        "country": "ES",
        "plate": "1234BCD",
        "confidence": 0.98,
    }
    return passage({**event, **changes}, name)


NOW_US = moment_us(MORNING) + 400_000


def test_a_decision_carries_its_inputs_and_its_lease() -> None:
    decided, issued = control().decide(read(), NOW_US)
    assert decided.kind is DecisionKind.ACCESS
    assert decided.automatic
    assert decided.lease_until is None
    assert issued.lease_until is not None
    assert (issued.lease_until - issued.time).total_seconds() == 30
    facts = {fact.name: fact for fact in issued.facts}
    assert facts["rules"].value == "RS-1-cases"
    assert facts["authorisation"].value == "R-1"
    assert facts["passed"].age_s == 0.4
    assert facts["direction"].value == "in"
    assert issued.map_version == "a" * 32
    assert sentence(issued) == (
        f"{facts['vehicle'].value} at gate G1 is admitted: "
        "resident may enter in its hours, daily 08:00-11:00."
    )


def test_neither_plate_nor_token_is_in_a_decision() -> None:
    token, _ = tokens(canonical("1234BCD", "ES"), key=KEY)
    for events in (control().decide(read(), NOW_US), control().decide(read(plate="9BCD"), NOW_US)):
        body = msgspec.json.encode(events).decode()
        assert "BCD" not in body
        assert token not in body
        assert token[:8] not in body


def test_the_word_for_a_vehicle_lasts_a_local_day() -> None:
    made = control()

    def vehicle(time: str) -> object:
        issued = made.decide(read(name=time, time=time), moment_us(time))[1]
        return {fact.name: fact.value for fact in issued.facts}["vehicle"]

    morning = vehicle("2026-06-16T06:30:00Z")
    assert morning == vehicle("2026-06-16T21:59:00Z")
    assert morning != vehicle("2026-06-16T22:00:00Z")
    assert str(morning).startswith("v·")


def test_without_rules_entries_are_looked_at_and_exits_open() -> None:
    made = AccessControl(old_town(), None)
    assert made.decide(read(), NOW_US)[1].reason == "NO_RULES"
    assert made.decide(read("p2", gate="G2"), NOW_US)[1].command == {"gate": "intercom"}
    out = made.decide(read("p3", direction="out"), NOW_US)[1]
    assert (out.reason, out.command) == ("EXIT_ALWAYS", {"gate": "open"})


def test_a_gate_or_profile_without_rules_is_left_to_a_person() -> None:
    elsewhere = control(zones={"OLD": {"gates": ["G2"]}})
    assert elsewhere.decide(read(), NOW_US)[1].reason == "NO_RULES"
    strange = control()
    strange.learn(authorisation({**RESIDENT, "profile": "CIRCUS"}, "a2"))
    issued = strange.decide(read(), NOW_US)[1]
    assert {fact.name: fact.value for fact in issued.facts}["state"] == "REVIEW"


def test_a_gate_of_the_rules_that_the_map_lacks_is_named() -> None:
    with pytest.raises(InputError, match=r"zones\.OLD\.gates = G9: is no gate of map old town"):
        AccessControl(old_town(), rules(zones={"OLD": {"gates": ["G1", "G9"]}}))


def test_every_zone_of_a_gate_must_let_in() -> None:
    both = {"OLD": {"gates": ["G1"]}, "LOW": {"gates": ["G1"]}}
    made = control(zones=both)
    assert made.decide(read(), NOW_US)[1].reason == "NO_AUTHORISATION"
    made.learn(authorisation({**RESIDENT, "authorisation": "R-2", "zone": "LOW"}, "a2"))
    assert made.decide(read("p2", time="2026-06-16T06:45:00Z"), NOW_US)[1].reason == (
        "RESIDENT_WINDOW"
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newest_version_of_an_authorisation_counts_in_any_order(order: tuple[int, int]) -> None:
    versions = [
        authorisation(RESIDENT, "a1"),
        authorisation(
            {**RESIDENT, "time": "2026-06-01T00:00:00Z", "plates": [["ES", "2345CDF"]]}, "a2"
        ),
    ]
    made = AccessControl(old_town(), rules())
    for at in order:
        made.learn(versions[at])
    assert made.decide(read(), NOW_US)[1].reason == "NO_AUTHORISATION"
    assert made.decide(read("p2", plate="2345CDF"), NOW_US)[1].reason == "RESIDENT_WINDOW"


def test_among_failed_authorisations_the_one_that_ends_last_gives_the_reason() -> None:
    made = AccessControl(old_town(), rules())
    gone = {**RESIDENT, "authorisation": "R-0", "valid_to": "2026-02-01T00:00:00Z"}
    early = {**RESIDENT, "authorisation": "R-9", "valid_from": "2027-01-01T00:00:00Z"}
    made.learn(authorisation(gone, "a1"))
    made.learn(authorisation(early, "a2"))
    assert made.decide(read(), NOW_US)[1].reason == "AUTH_NOT_YET_VALID"


@pytest.mark.parametrize(
    ("later_s", "same"),
    [(0.0, True), (10.0, True), (10.000001, False), (-10.0, True), (-11.0, False)],
)
def test_ten_seconds_make_one_passage(later_s: float, same: bool) -> None:
    made = control()
    made.decide(read(), NOW_US)
    fact = read("p2")
    second = PassageFact(**{**as_fields(fact), "time_us": fact.time_us + round(later_s * 1e6)})
    assert (made.decide(second, NOW_US) == ()) is same


def as_fields(fact: PassageFact) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in PassageFact.__slots__}


@pytest.mark.parametrize("changes", [{"gate": "G7"}, {"direction": "out"}, {"plate": "2345CDF"}])
def test_another_gate_direction_or_vehicle_is_another_passage(changes: dict[str, str]) -> None:
    made = control()
    made.decide(read(), NOW_US)
    assert made.decide(read("p2", **changes), NOW_US) != ()


def test_the_correction_names_what_it_replaces() -> None:
    made = control()
    first = made.decide(read(plate="1234BGD", confidence=0.91, track="t"), NOW_US)
    second = made.decide(read("p2", track="t"), NOW_US)
    assert second[0].predecessor == first[0].id
    assert second[0].id != first[0].id
    assert made.decide(read("p3", confidence=0.99, track="t"), NOW_US) == ()


def test_memory_of_passages_is_bounded_in_time() -> None:
    groups = ReadGroups(10.0)
    for row in range(1000):
        fact = read(f"p{row}")
        moved = {**as_fields(fact), "time_us": fact.time_us + row * 1_000_000, "token": f"t{row}"}
        groups.start(PassageFact(**moved), "d")
    assert len(groups) == 301
    assert len(groups._by_key) == 301


def test_the_same_inputs_make_the_same_id_and_other_rules_another() -> None:
    first = control().decide(read(), NOW_US)[0]
    assert control().decide(read(), NOW_US)[0] == first
    assert control(version="RS-2").decide(read(), NOW_US)[0].id != first.id
