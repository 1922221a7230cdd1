"""Fixed plans as capacities of turns: green and red, or the mean where one link has both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.ids import GroupId, LinkId, MovementId, NodeId, PlanId, StageId
from twin.network.model import Movement, SignalPlan, TurnKind
from twin.scenario.signals import Signals, signals_of
from twin.scenario.study import PlanRun, Study
from twin.simulate.roads import Turns, turns_of
from what_if_town import town

START_S = 7 * 3600.0  # a whole number of cycles of 80 s


def laid(study: Study) -> tuple[Signals, Turns]:
    turns = turns_of(study.network, np.array([0]))
    return signals_of(study, turns, start_s=START_S), turns


def turn_row(turns: Turns, study: Study, first: str, second: str) -> int:
    rows = study.network.link_rows
    pair = (turns.approach == rows[first]) & (turns.link == rows[second])
    return int(np.flatnonzero(pair)[0])


def greens(signals: Signals, row: int, turns: int, until_s: int = 160) -> float:
    """Return for how many seconds a turn is not red."""
    return float(sum(signals.at(float(time), turns)[row] > 0 for time in range(until_s)))


def test_stages_follow_each_other_and_yellow_carries_nobody() -> None:
    study = Study(town())
    signals, turns = laid(study)
    size = len(turns.link)
    north, south = (turn_row(turns, study, first, "EF") for first in ("NE", "SE"))
    assert greens(signals, north, size) == 2 * (45 - 3)
    assert greens(signals, south, size) == 2 * (35 - 3)
    both = [signals.at(float(t), size) for t in range(80)]
    assert not any(vps[north] > 0 and vps[south] > 0 for vps in both)
    assert signals.moments(80.0) == [0.0, 42.0, 45.0, 77.0]
    assert (signals.staged, signals.averaged) == (("JE",), ())


def test_an_edited_plan_holds_in_its_hours_only() -> None:
    plan = SignalPlan(PlanId("x"), 60.0, START_S, ((StageId("1"), 15.0), (StageId("2"), 45.0)))
    study = Study(town(), plans=(PlanRun("JE", plan, 160.0, 280.0),))
    signals, turns = laid(study)
    row, size = turn_row(turns, study, "NE", "EF"), len(turns.link)

    def green_s(start: int, end: int) -> int:
        return sum(signals.at(float(t), size)[row] > 0 for t in range(start, end))

    assert green_s(0, 160) == 84
    assert green_s(160, 280) == 24
    assert green_s(320, 480) == 84
    assert 160.0 in signals.moments(400.0)
    assert 280.0 in signals.moments(400.0)


def test_turns_of_one_link_with_greens_apart_get_their_mean() -> None:
    network = town()
    back = Movement(MovementId("NE>back"), NodeId("E"), LinkId("NE"), LinkId("EF2"), TurnKind.LEFT)
    link = replace(network.links[-1], id=LinkId("EF2"))
    (junction,) = network.junctions
    groups = (
        junction.groups[0],
        replace(junction.groups[1], movements=(MovementId("SE>EF"), back.id)),
    )
    network = replace(
        network,
        links=(*network.links, link),
        movements=(*network.movements, back),
        junctions=(replace(junction, groups=groups),),
    )
    study = Study(network)
    signals, turns = laid(study)
    vps = signals.at(0.0, len(turns.link))
    assert vps[turn_row(turns, study, "NE", "EF")] == pytest.approx(0.4 * 42 / 80)
    assert vps[turn_row(turns, study, "NE", "EF2")] == pytest.approx(0.4 * 32 / 80)
    assert vps[turn_row(turns, study, "SE", "EF")] == 0.0  # alone on its link: red in stage 1
    assert signals.averaged == ("JE",)
    assert groups[0].id == GroupId("NE")
