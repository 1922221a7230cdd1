"""Cases of the access reference: events in, decisions out, word for word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from access_city import authorisation, moment_us, old_town, passage
from twin.control.access.decide import AccessControl
from twin.control.access.rules import load_rules
from twin.events import DecisionEvent, DecisionState

FOLDER = Path(__file__).parent / "access"
CASES = sorted(path for path in FOLDER.glob("*.json") if path.stem != "rules")


def decided(case: dict[str, Any]) -> list[tuple[DecisionEvent, ...]]:
    control = AccessControl(old_town(), load_rules(FOLDER / "rules.json"))
    for row, one in enumerate(case["authorisations"]):
        control.learn(authorisation(one, f"a{row}"))
    return [
        control.decide(passage(event, f"{case['case']}-{row}"), moment_us(event["time"]))
        for row, event in enumerate(case["events"])
    ]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    made = decided(case)
    assert len(made) == len(case["expect"])
    for events, expected in zip(made, case["expect"], strict=True):
        if not expected:
            assert events == ()
            continue
        (wanted,) = expected
        assert [one.version for one in events] == [1, 2]
        assert [one.state for one in events] == [DecisionState.DECIDED, DecisionState.ISSUED]
        facts = {fact.name: fact.value for fact in events[1].facts}
        assert facts["state"] == wanted["state"]
        assert events[1].reason == wanted["reason"]
        assert events[1].command == {"gate": wanted["command"]}
        for name, value in wanted.get("facts", {}).items():
            assert facts[name] == value


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_decides_the_same_again(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert decided(case) == decided(case)


def test_there_are_cases() -> None:
    assert len(CASES) >= 15
