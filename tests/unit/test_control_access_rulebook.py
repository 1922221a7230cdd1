"""Rule sets as data: what is refused, with a name; and that nothing of one city is in the code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from access_days import BOOK, FOLDER, decide, final_decisions, final_quotas, read, right
from twin.control.access.casebook.rulebook import load_rulebook
from twin.errors import InputError

Form = dict[str, Any]


def form() -> Form:
    document: Form = json.loads((FOLDER / "rs-1.json").read_text(encoding="utf-8"))
    return document


def written(folder: Path, *forms: Form) -> Path:
    for number, one in enumerate(forms):
        (folder / f"{number}.json").write_text(json.dumps(one), encoding="utf-8")
    return folder


def overlap(rules: Form) -> None:
    window = {"days": ["mon"], "from": "10:59", "to": "12:00"}
    rules["profiles"]["RESIDENT"]["windows"].append(window)


def overlap_over_midnight(rules: Form) -> None:
    rules["profiles"]["NIGHT_WORKS"]["windows"] = [
        {"days": ["sun"], "from": "22:00", "to": "06:00"},
        {"days": ["mon"], "from": "05:59", "to": "07:00"},
    ]


def text_gone(rules: Form) -> None:
    del rules["texts"]["eu"]["HOLIDAY_EXCLUDED"]


def sign_gone(rules: Form) -> None:
    rules["zones"]["NEW"] = {"gates": ["G40"]}


def calendar_gap(rules: Form) -> None:
    rules["calendar"]["first"] = "2026-02-01"


def late_publication(rules: Form) -> None:
    rules["published"] = "2026-03-01T00:00:00Z"


def unknown_field(rules: Form) -> None:
    rules["profiles"]["TAXI"]["stay_min"] = 30


def unknown_kind(rules: Form) -> None:
    rules["profiles"]["GOODS"]["windows"][0]["day_types"] = ["FAIR"]


def wrong_pair(rules: Form) -> None:
    rules["reading"]["repair_pairs"].append("OD")


def unknown_list(rules: Form) -> None:
    rules["open_offline"].append("FIRE")


FAULTS: dict[Callable[[Form], None], str] = {
    overlap: "windows[0] = 08:00-11:00: overlaps windows[3]",
    overlap_over_midnight: "windows[0] = 22:00-06:00: overlaps windows[1]",
    text_gone: "texts.eu.HOLIDAY_EXCLUDED",
    sign_gone: "texts.en.sign.NEW",
    calendar_gap: "the days between have no type",
    late_publication: "a rule is not in force before it is known",
    unknown_field: "unknown field `stay_min` - at `$.profiles[...]`",
    unknown_kind: "FAIR: is no kind of day of the calendar",
    wrong_pair: "OD: must be a letter and a digit",
    unknown_list: "FIRE: is no profile of this rule set",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda one: one.__name__)
def test_a_wrong_rule_set_is_refused_by_name(tmp_path: Path, spoil: Callable[[Form], None]) -> None:
    rules = form()
    spoil(rules)
    with pytest.raises(InputError) as caught:
        load_rulebook(written(tmp_path, rules))
    assert FAULTS[spoil] in str(caught.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    rules = form()
    overlap(rules)
    text_gone(rules)
    with pytest.raises(InputError) as caught:
        load_rulebook(written(tmp_path, rules, form() | {"valid_from": "yesterday"}))
    assert len(caught.value.faults) == 3


def test_two_versions_may_not_begin_together(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="begins at the same moment as RS-2"):
        load_rulebook(written(tmp_path, form(), form() | {"version": "RS-2"}))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no rule set"):
        load_rulebook(tmp_path)


def test_the_version_in_force_at_the_event_decides(tmp_path: Path) -> None:
    second = form() | {"version": "RS-2", "valid_from": "2026-06-16T06:30:00Z"}
    second["profiles"]["RESIDENT"]["windows"] = [{"days": ["tue"], "from": "12:00", "to": "13:00"}]
    book = load_rulebook(written(tmp_path, form(), second))
    world = {"authorisations": [right("R1", "RESIDENT")]}
    events = [read("e1", "G1", "in", "06:29:59"), read("e2", "G1", "in", "06:30:30")]
    found = final_decisions(decide(world, events, book))
    assert [(one.rules, one.reason) for one in found.values()] == [
        ("RS-1", "RESIDENT_WINDOW"),
        ("RS-2", "OUTSIDE_WINDOW"),
    ]


def test_before_the_first_version_a_person_decides() -> None:
    found = final_decisions(decide({}, [read("e1", "G1", "in", "2025-06-16T06:30:00")]))
    assert (found["e1"].state, found["e1"].reason) == ("REVIEW", "NO_RULES")


def test_a_day_beyond_the_table_of_days_is_for_a_person() -> None:
    found = final_decisions(decide({}, [read("e1", "G1", "in", "2028-06-16T06:30:00")]))
    assert (found["e1"].state, found["e1"].reason) == ("REVIEW", "NO_RULES")


def test_two_zones_that_share_a_gate_must_both_let_in(tmp_path: Path) -> None:
    rules = form()
    rules["zones"]["NEW"] = {"gates": ["G1", "G40"]}
    for texts in rules["texts"].values():
        texts["sign.NEW"] = "NEW"
    book = load_rulebook(written(tmp_path, rules))
    both = [right("R1", "GARAGE"), right("R2", "GARAGE", zone="NEW")]
    events = [read("e1", "G1", "in", "06:30:00"), read("e2", "G2", "in", "07:30:00")]
    one = final_decisions(decide({"authorisations": both[:1]}, events, book))
    two = final_decisions(decide({"authorisations": both}, events, book))
    assert [row.state for row in one.values()] == ["DENY", "ADMIT"]
    assert [row.state for row in two.values()] == ["ADMIT", "ADMIT"]


def test_another_city_with_day_passes_is_the_same_form(tmp_path: Path) -> None:
    rules = form()
    allday = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00"}
    rules["profiles"] = {
        "CLEAN": {"windows": "always"},
        "DAY_PASS": {"windows": [allday | {"to": "24:00"}], "quota": {"month": 1}},
    }
    rules["zones"] = {"LEZ": {"gates": ["G1"]}}
    rules["open_offline"] = []
    for texts in rules["texts"].values():
        texts |= {"CLEAN": "x", "DAY_PASS_WINDOW": "x", "sign.LEZ": "x"}
        for name in [one for one in texts if one.removesuffix("_WINDOW") in form()["profiles"]]:
            del texts[name]
        del texts["sign.OLD"], texts["HOLIDAY_EXCLUDED"]
    book = load_rulebook(written(tmp_path, rules))
    world = {"authorisations": [right("P1", "DAY_PASS", zone="LEZ")]}
    rows = decide(
        world, [read("e1", "G1", "in", "06:30:00"), read("e2", "G1", "in", "07:30:00")], book
    )
    assert [one.reason for one in final_decisions(rows).values()] == [
        "DAY_PASS_WINDOW",
        "QUOTA_MONTH",
    ]
    assert final_quotas(rows) == {("P1", "2026-06"): 1}


def test_the_practice_rules_have_a_text_for_every_reason_in_four_languages() -> None:
    texts = BOOK.versions[0].form.texts
    assert {language: len(rows) for language, rows in texts.items()} == dict.fromkeys(
        ("en", "es", "eu", "zh"), len(texts["en"])
    )
