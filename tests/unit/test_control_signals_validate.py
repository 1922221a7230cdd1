"""A junction whose data cannot be trusted is found before it is ever controlled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_city import INTERGREEN, crossing, crossing_junction
from twin.control.signals.validate import validate_junctions
from twin.ids import MovementId, StageId
from twin.network.model import Junction

SOUND = crossing_junction()


def with_group(**changes: object) -> Junction:
    first, *rest = SOUND.groups
    return replace(SOUND, groups=(replace(first, **changes), *rest))  # type: ignore[arg-type]


def plan(*steps: tuple[str, float]) -> Junction:
    named = tuple((StageId(stage), seconds) for stage, seconds in steps)
    return replace(SOUND, plans=(replace(SOUND.plans[0], steps=named),))


def test_a_sound_junction_has_no_findings() -> None:
    assert validate_junctions(crossing()) == ()


@pytest.mark.parametrize(
    ("junction", "rule"),
    [
        (replace(SOUND, stages=()), "stages name groups"),
        (crossing_junction(stages=(("NS",), ("EW",), ("X",))), "stages name groups"),
        (crossing_junction(stages=(("NS",), ("EW",), ())), "stages name groups"),
        (with_group(movements=(MovementId("nowhere"),)), "groups name movements"),
        (crossing_junction(stages=(("NS",), ("EW",)), lengths=(40, 40)), "every group is served"),
        (crossing_junction(stages=(("NS", "EW"), ("EW",), ("P",))), "stages free of conflicts"),
        (with_group(min_green_s=0.0), "minimum greens"),
        (with_group(min_green_s=-1.0), "minimum greens"),
        (with_group(yellow_s=0.0), "yellow"),
        (crossing_junction(intergreen=INTERGREEN[1:]), "intergreens complete"),
        (
            crossing_junction(intergreen=(("NS", "EW", 2.0), *INTERGREEN[1:])),
            "intergreens complete",
        ),
        (
            crossing_junction(intergreen=(("P", "EW", 0.0), *INTERGREEN[:-1])),
            "intergreens complete",
        ),
        (crossing_junction(intergreen=(("Q", "EW", 5.0), *INTERGREEN)), "intergreens complete"),
        (crossing_junction(intergreen=()), "intergreens complete"),
        (plan(("1", 16.9), ("2", 13.0), ("3", 14.0)), "plan steps long enough"),
        (plan(("1", 30.0), ("7", 30.0)), "plan steps long enough"),
        (plan(), "plan steps long enough"),
    ],
)
def test_each_rule_is_seen_to_fire(junction: Junction, rule: str) -> None:
    findings = validate_junctions(crossing(junction))
    assert {finding.rule for finding in findings} == {rule}
    assert str(findings[0]).startswith(f"junction J: {rule}: ")


def test_a_plan_at_the_limit_is_long_enough() -> None:
    assert validate_junctions(crossing(plan(("1", 17.0), ("2", 13.0), ("3", 14.0)))) == ()
