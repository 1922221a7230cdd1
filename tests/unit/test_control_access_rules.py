"""Rules are read whole or refused with the name of every field that is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twin.control.access.rules import load_rules, read_rules
from twin.errors import InputError

GOOD: dict[str, Any] = {
    "version": "RS-1-demo",
    "timezone": "Europe/Madrid",
    "confidence_min": 0.9,
    "zones": {"OLD": {"gates": ["G1", "G2"]}, "HIGH": {"gates": ["G2"]}},
    "profiles": {
        "RESIDENT": {
            "windows": [
                {"days": ["mon", "tue", "wed", "fri"], "from": "08:00", "to": "11:00"},
                {"days": ["sun"], "from": "18:00", "to": "24:00"},
            ]
        },
        "TAXI": {"windows": "always"},
    },
}


def test_good_rules_are_frozen_into_profiles_and_zones_of_gates(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(GOOD))
    rules = load_rules(file)
    assert rules.version == "RS-1-demo"
    assert str(rules.timezone) == "Europe/Madrid"
    assert rules.zones_by_gate == {"G1": ("OLD",), "G2": ("OLD", "HIGH")}
    assert rules.profiles["TAXI"].always
    assert rules.profiles["RESIDENT"].text() == "mon-wed,fri 08:00-11:00; sun 18:00-24:00"


def drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda rules: rules.pop(name)


def put(value: object, *path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(rules: dict[str, Any]) -> None:
        inner: Any = rules
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (drop("version"), "version"),
        (drop("timezone"), "timezone"),
        (drop("zones"), "zones"),
        (drop("profiles"), "profiles"),
        (put("", "version"), "version"),
        (put("Europe/Atlantis", "timezone"), "timezone"),
        (put(1.5, "confidence_min"), "confidence_min"),
        (put([], "confidence_min"), "confidence_min"),
        (put("high", "confidence_min"), "confidence_min"),
        (put(1, "colour"), "colour"),
        (put({}, "zones", "OLD"), "zones.OLD.gates"),
        (put(["G1", "G1"], "zones", "OLD", "gates"), "zones.OLD.gates"),
        (put("no", "zones", "OLD", "colour"), "zones.OLD.colour"),
        (put("sometimes", "profiles", "TAXI", "windows"), "profiles.TAXI.windows"),
        (put([], "profiles", "TAXI", "windows"), "profiles.TAXI.windows"),
        (put(3, "profiles", "TAXI", "quota"), "profiles.TAXI.quota"),
        (
            put(["monday"], "profiles", "RESIDENT", "windows", 0, "days"),
            "profiles.RESIDENT.windows[0].days",
        ),
        (
            put("8:00", "profiles", "RESIDENT", "windows", 0, "from"),
            "profiles.RESIDENT.windows[0].from",
        ),
        (
            put("24:01", "profiles", "RESIDENT", "windows", 1, "to"),
            "profiles.RESIDENT.windows[1].to",
        ),
        (
            put("08:00", "profiles", "RESIDENT", "windows", 0, "to"),
            "profiles.RESIDENT.windows[0]",
        ),
        (
            put("x", "profiles", "RESIDENT", "windows", 0, "zone"),
            "profiles.RESIDENT.windows[0].zone",
        ),
    ],
)
def test_a_wrong_field_is_named(change: Callable[[dict[str, Any]], None], field: str) -> None:
    rules = copy.deepcopy(GOOD)
    change(rules)
    with pytest.raises(InputError) as caught:
        read_rules(rules)
    assert [fault.field for fault in caught.value.faults] == [field]


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        read_rules([])
    assert {fault.field for fault in caught.value.faults} == {
        "rules",
        "version",
        "timezone",
        "zones",
        "profiles",
    }


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_rules(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(InputError, match=r"broken\.json: is not JSON"):
        load_rules(broken)
