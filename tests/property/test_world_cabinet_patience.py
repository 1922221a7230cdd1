"""However long a service holds a stage and whenever it falls silent, nobody is red too long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenario_city import CITY
from twin.clock import datetime_from_us, us_from_datetime
from twin.events import ControlMode, DecisionEvent, DecisionKind, DecisionState
from twin.network.gmns import read_gmns
from twin.network.model import Junction
from twin.world.cabinet import Aspect, Cabinet
from twin.world.monitor import Monitor, Rules

NETWORK = read_gmns(CITY / "network")[0]
PEAK = datetime(2026, 6, 16, 5, 0, tzinfo=UTC)  # in Madrid: from here on the peak plan
LEASE_S = 15
LETTER = {Aspect.GREEN: "G", Aspect.YELLOW: "y", Aspect.RED: "r"}


@dataclass(frozen=True)
class Held:
    """For `seconds` the service asks for one stage, a second later for the next."""

    stage: int
    seconds: int


def rules(junction: Junction) -> Rules:
    """One link a group, with the map's own matrix: what the watch on the street judges by."""
    at = {group.id: number for number, group in enumerate(junction.groups)}
    gaps = {(at[a], at[b]): seconds for a, b, seconds in junction.intergreen_s}
    both = {(b, a): seconds for (a, b), seconds in gaps.items()} | gaps
    return Rules(
        links=len(at),
        foes=frozenset(both),
        together=frozenset(),
        clearance_s=both,
        protected_s={},
        yellow_s={at[one.id]: one.yellow_s for one in junction.groups},
        least_green_s={at[one.id]: one.min_green_s for one in junction.groups},
        longest_red_s={at[one.id]: one.max_red_s for one in junction.groups},
        crossings=frozenset(at[one.id] for one in junction.groups if one.pedestrian),
    )


def request(junction: Junction, stage: str, now_us: int) -> DecisionEvent:
    now = datetime_from_us(now_us)
    return DecisionEvent(
        id="d",
        version=1,
        kind=DecisionKind.SIGNAL_STAGE,
        state=DecisionState.ISSUED,
        target=junction.id,
        time=now,
        reason="test",
        command={"stage": stage},
        lease_until=now + timedelta(seconds=LEASE_S),
    )


def played(junction: Junction, story: list[Held], begin_s: int, alone_s: int) -> Monitor:
    """Run a controller through the story and then alone, and return what the watch noted."""
    asked = [held.stage for held in story for _ in range(held.seconds)]
    begin_us = us_from_datetime(PEAK + timedelta(seconds=begin_s))
    cabinet = Cabinet(junction, timezone="Europe/Madrid", now_us=begin_us - 150_000_000)
    monitor = Monitor({"J": rules(junction)})
    for second in range(-150, len(asked) + LEASE_S + alone_s):
        now_us = begin_us + second * 1_000_000
        cabinet.advance(now_us)
        if 0 <= second < len(asked):
            stage = junction.stages[asked[second] % len(junction.stages)].id
            cabinet.take(request(junction, stage, now_us), now_us)
        aspects = cabinet.aspects()
        state = "".join(LETTER[aspects[group.id]] for group in junction.groups)
        monitor.watch(float(second), {"J": state})
    assert cabinet.shown.mode is ControlMode.OWN_PLAN
    return monitor


held = st.builds(Held, st.integers(0, 3), st.integers(1, 150))


@given(
    junction=st.sampled_from(NETWORK.junctions),
    story=st.lists(held, max_size=6),
    begin_s=st.integers(-300, 300),
)
@settings(max_examples=60, deadline=None)
def test_no_story_of_requests_leaves_a_group_red_too_long(
    junction: Junction, story: list[Held], begin_s: int
) -> None:
    assert played(junction, story, begin_s, 300).violations == []


@pytest.mark.parametrize("junction", NETWORK.junctions, ids=lambda one: str(one.id))
def test_a_stage_held_for_as_long_as_is_taken_and_then_silence(junction: Junction) -> None:
    for stage in range(len(junction.stages)):
        for begin_s in range(7 * stage, 100 + 7 * stage, 37):
            seen = played(junction, [Held(stage, 40 + begin_s)], begin_s, 240)
            assert seen.violations == [], f"stage {stage} asked for from {begin_s} s on"
