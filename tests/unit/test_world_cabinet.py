"""A signal controller on its own: its plan by the second, and what it does with requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from scenario_city import CITY
from twin.clock import datetime_from_us, us_from_datetime
from twin.errors import MapError
from twin.events import ControlMode, DecisionEvent, DecisionKind, DecisionState
from twin.ids import GroupId, StageId
from twin.network.gmns import read_gmns
from twin.network.model import SignalPlan, Stage
from twin.world.cabinet import Aspect, Cabinet
from world_fake import crossing

START_US = us_from_datetime(datetime(2026, 6, 16, 3, 0, tzinfo=UTC))  # a whole hour: cycle start
SECOND = 1_000_000


def at(second: float) -> int:
    return START_US + round(second * SECOND)


def request(stage: str, *, until_s: float, kind: str = "signal_stage") -> DecisionEvent:
    return DecisionEvent(
        id="d",
        version=1,
        kind=DecisionKind(kind),
        state=DecisionState.ISSUED,
        target="J",
        time=datetime_from_us(START_US),
        reason="test",
        command={"stage": stage},
        lease_until=datetime_from_us(at(until_s)),
    )


def started(extra: tuple[tuple[str, str], ...] = ()) -> Cabinet:
    return Cabinet(crossing(extra=extra), timezone="Europe/Madrid", now_us=START_US)


def greens(cabinet: Cabinet) -> set[str]:
    return {group for group, aspect in cabinet.aspects().items() if aspect is Aspect.GREEN}


def mode(cabinet: Cabinet) -> ControlMode:
    return cabinet.shown.mode


def test_it_starts_from_all_red_and_clears_first() -> None:
    cabinet = started()
    assert set(cabinet.aspects().values()) == {Aspect.RED}
    assert cabinet.shown.changing
    cabinet.advance(at(8.5))  # foot may have been green: 9 s before the main road may go
    assert not greens(cabinet)
    cabinet.advance(at(9))
    assert greens(cabinet) == {"main"}
    assert (cabinet.shown.stage, cabinet.shown.since_us) == ("1", at(9))


def test_the_plan_runs_by_the_second() -> None:
    cabinet = started()
    seen: list[tuple[float, tuple[frozenset[str], Aspect]]] = []
    for half in range(240, 361):  # the third minute
        cabinet.advance(at(half / 2))
        state = (frozenset(greens(cabinet)), cabinet.aspects()["main"])
        if not seen or seen[-1][1] != state:
            seen.append((half / 2 - 120, state))
    changes = [(second, "".join(sorted(green)), str(main)) for second, (green, main) in seen]
    assert changes == [
        (0.0, "", "red"),  # foot has just ended, 9 s to clear
        (9.0, "main", "green"),
        (28.0, "", "yellow"),
        (31.0, "", "red"),
        (33.0, "side", "red"),
        (44.0, "", "red"),
        (50.5, "foot", "red"),
        (60.0, "", "red"),
    ]


def test_the_beat_of_the_questions_does_not_matter() -> None:
    often, seldom = started(), started()
    for half in range(1, 1001):
        often.advance(at(half / 2))
    seldom.advance(at(500))
    assert often.shown == seldom.shown
    assert often.aspects() == seldom.aspects()


def test_the_clock_does_not_run_back() -> None:
    cabinet = started()
    cabinet.advance(at(40))
    shown = cabinet.shown
    cabinet.advance(at(10))
    assert cabinet.shown == shown


def test_the_peak_plan_runs_in_its_local_hours() -> None:
    cabinet = started((("peak_hours", "05:00-06:00"),))  # 03:00 UTC is 05:00 in Madrid
    cabinet.advance(
        at(65)
    )  # second 65: base would be in stage 1 again after stage 3, peak still is
    assert (cabinet.shown.stage, cabinet.shown.since_us) == ("1", at(9))


def test_a_request_is_obeyed_and_held_while_its_lease_runs() -> None:
    cabinet = started()
    cabinet.advance(at(20))
    assert cabinet.take(request("3", until_s=50), at(20)).accepted
    cabinet.advance(at(26))
    assert greens(cabinet) == set()
    cabinet.advance(at(26.5))  # asked at 20, begun at the next half second, 6 s to clear
    assert greens(cabinet) == {"foot"}
    assert mode(cabinet) is ControlMode.LEASED
    cabinet.advance(at(49.5))
    assert greens(cabinet) == {"foot"}
    cabinet.advance(at(50))
    assert mode(cabinet) is ControlMode.OWN_PLAN
    assert greens(cabinet) == {"foot"}  # at second 50 the plan itself wants stage 3


def test_the_own_plan_returns_after_the_lease() -> None:
    cabinet = started()
    cabinet.advance(at(10))
    cabinet.take(request("2", until_s=24), at(10))
    cabinet.advance(at(60))
    assert mode(cabinet) is ControlMode.OWN_PLAN
    assert cabinet.shown.stage == "1"  # second 60 is second 0 of the plan


def test_minimum_green_comes_before_a_request() -> None:
    cabinet = started()
    cabinet.advance(at(10))  # main is green since 9 s, for at least 8
    cabinet.take(request("2", until_s=40), at(10))
    cabinet.advance(at(16.5))
    assert greens(cabinet) == {"main"}
    cabinet.advance(at(17))
    assert cabinet.aspects()["main"] is Aspect.YELLOW


def test_a_change_under_way_is_finished_first() -> None:
    cabinet = started()
    cabinet.advance(at(28.5))  # on the way to stage 2
    cabinet.take(request("1", until_s=60), at(28.5))
    cabinet.advance(at(33))
    assert greens(cabinet) == {"side"}
    cabinet.advance(at(38.5))
    assert greens(cabinet) == {"side"}  # its minimum is 6 s
    cabinet.advance(at(43))
    assert greens(cabinet) == {"main"}


def test_a_group_finishes_its_yellow_before_it_is_green_again() -> None:
    quick = crossing()
    hasty = replace(
        quick,
        groups=tuple(replace(group, min_green_s=0.5) for group in quick.groups),
        intergreen_s=tuple((a, b, 0.5) for a, b, _ in quick.intergreen_s),
    )
    cabinet = Cabinet(hasty, timezone="UTC", now_us=START_US)
    cabinet.advance(at(10))
    cabinet.take(request("2", until_s=40), at(10))
    cabinet.advance(at(10.5))  # main turns yellow for 3 s
    cabinet.advance(at(11))
    assert greens(cabinet) == {"side"}
    cabinet.take(request("1", until_s=40), at(11))
    cabinet.advance(at(13))
    assert cabinet.aspects()["main"] is Aspect.YELLOW
    cabinet.advance(at(13.5))
    assert greens(cabinet) == {"main"}


def test_a_lease_cannot_starve_a_group() -> None:
    cabinet = started()
    cabinet.advance(at(10))
    cabinet.take(request("1", until_s=250), at(10))
    cabinet.advance(at(121))
    assert mode(cabinet) is ControlMode.OWN_PLAN  # side and foot were red for 120 s


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (request("9", until_s=30), "no such stage"),
        (request("1", until_s=10), "lease is over"),
        (request("1", until_s=1000), "lease is too long"),
        (request("1", until_s=30, kind="access"), "not a stage request"),
    ],
)
def test_what_is_not_taken(command: DecisionEvent, reason: str) -> None:
    cabinet = started()
    cabinet.advance(at(10))
    reply = cabinet.take(command, at(10))
    assert (reply.accepted, reply.reason) == (False, reason)
    assert mode(cabinet) is ControlMode.OWN_PLAN


def test_after_a_day_of_silence_it_begins_again() -> None:
    cabinet = started()
    cabinet.advance(at(3 * 86_400))
    assert set(cabinet.aspects().values()) == {Aspect.RED}


def test_impossible_junctions_are_refused() -> None:
    sound = crossing()
    with pytest.raises(MapError, match="no plan"):
        Cabinet(replace(sound, plans=()), timezone="UTC", now_us=0)
    both = Stage(StageId("1"), (GroupId("main"), GroupId("side")))
    with pytest.raises(MapError, match="joins main and side"):
        Cabinet(replace(sound, stages=(both, *sound.stages[1:])), timezone="UTC", now_us=0)
    lost = SignalPlan(sound.plans[0].id, 10.0, 0.0, ((StageId("9"), 10.0),))
    with pytest.raises(MapError, match="unknown stage 9"):
        Cabinet(replace(sound, plans=(lost,)), timezone="UTC", now_us=0)


@pytest.mark.parametrize("name", ["J09", "G04G"])
def test_who_was_red_under_a_lease_is_not_red_for_another_cycle(name: str) -> None:
    network = read_gmns(CITY / "network")[0]
    junction = network.junctions[network.junction_rows[name]]
    law = {str(group.id): group.max_red_s for group in junction.groups}
    seven = us_from_datetime(datetime(2026, 6, 16, 5, 0, tzinfo=UTC))  # in Madrid: the peak plan
    for lost_s in range(200, 300, 7):
        cabinet = Cabinet(junction, timezone="Europe/Madrid", now_us=seven)
        red_s = dict.fromkeys(cabinet.aspects(), 0)
        for second in range(450):
            now_us = seven + second * SECOND
            if lost_s - 40 <= second < lost_s:
                until_s = (now_us - START_US) / SECOND + 1.0
                cabinet.take(request(junction.stages[0].id, until_s=until_s), now_us)
            cabinet.advance(now_us)
            for group, aspect in cabinet.aspects().items():
                red_s[group] = 0 if aspect is Aspect.GREEN else red_s[group] + 1
                assert red_s[group] <= law[group], f"{group}, lease lost at {lost_s} s"
