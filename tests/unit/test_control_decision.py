"""The book of decisions: what a person, a device and time do to one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from control_city import START_US, later
from twin.clock import datetime_from_us
from twin.control.decision import GATED, DecisionBook, act_refusal, check_move, step
from twin.errors import InputError
from twin.events import (
    Acknowledgement,
    Act,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    OperatorAct,
)

NOW = datetime_from_us(START_US)


def proposal(name: str = "d1", junction: str = "J") -> DecisionEvent:
    return DecisionEvent(
        id=name,
        version=1,
        kind=DecisionKind.SIGNAL_CONTROL,
        state=DecisionState.PROPOSED,
        target=junction,
        time=NOW,
        reason="DELAY_SAVED",
        command={"control": "adaptive", "for_s": "1800"},
        expires=NOW + timedelta(seconds=600),
    )


def stage(name: str = "s1", *, checks: tuple[str, ...] = ("known",)) -> tuple[DecisionEvent, ...]:
    decided = DecisionEvent(
        id=name,
        version=1,
        kind=DecisionKind.SIGNAL_STAGE,
        state=DecisionState.DECIDED,
        target="J",
        time=NOW,
        reason="HOLD",
        command={"stage": "1"},
        lease_until=NOW + timedelta(seconds=15),
    )
    issued = replace(decided, version=2, state=DecisionState.ISSUED, checks=checks)
    return decided, issued


def act(what: Act = Act.APPROVE, *, seen: int = 1, reason: str = "queue is real") -> OperatorAct:
    return OperatorAct(
        id="a1", time=NOW, person="ana", act=what, target="d1", seen_version=seen, reason=reason
    )


def answer(decision: str = "s1", *, accepted: bool = True, device: str = "J") -> Acknowledgement:
    return Acknowledgement(
        id="k1", decision=decision, device=device, time=NOW, accepted=accepted, reason="in test"
    )


def test_approved_by_a_person_it_lasts_for_the_time_of_the_grant() -> None:
    book = DecisionBook()
    book.add(proposal())
    now_us = later(proposal(), 60)
    (approved,) = book.apply_act(act(), now_us)
    assert (approved.version, approved.state) == (2, DecisionState.APPROVED)
    assert (approved.by, approved.note) == ("ana", "queue is real")
    assert approved.expires == NOW + timedelta(seconds=60 + 1800)
    assert book.grant("J") == approved
    assert book.proposal("J") is None
    assert book.open() == (approved,)


def test_an_act_on_an_old_version_says_what_changed() -> None:
    book = DecisionBook()
    book.add(proposal())
    book.apply_act(act(), START_US)
    assert book.apply_act(act(Act.REJECT), START_US) == ()
    ((_, fault),) = book.refusals
    assert fault.reason == "conflict"
    assert "version 2" in fault.rule
    assert "approved" in fault.rule
    assert "ana" in fault.rule


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (act(reason="too short "), "reason_too_short"),
        (act(seen=3), "conflict"),
        (act(Act.RELEASE), "impossible_move"),
        (act(Act.CLEAR_INCIDENT), "not_an_act"),
    ],
)
def test_an_act_is_refused_with_its_reason(wrong: OperatorAct, reason: str) -> None:
    fault = act_refusal(proposal(), wrong, START_US)
    assert fault is not None
    assert fault.reason == reason


def test_a_proposal_that_lapsed_cannot_be_approved() -> None:
    fault = act_refusal(proposal(), act(), later(proposal(), 600))
    assert fault is not None
    assert fault.reason == "expired"
    assert act_refusal(proposal(), act(), later(proposal(), 599.999999)) is None


def test_an_act_on_nothing_or_on_an_incident_changes_nothing() -> None:
    book = DecisionBook()
    assert book.apply_act(act(), START_US) == ()
    assert [fault.reason for _, fault in book.refusals] == ["unknown"]
    assert book.apply_act(act(Act.CLEAR_INCIDENT), START_US) == ()
    assert len(book.refusals) == 1


def test_a_grant_is_released_by_a_person() -> None:
    book = DecisionBook()
    book.add(proposal())
    book.apply_act(act(), START_US)
    (released,) = book.apply_act(act(Act.RELEASE, seen=2), START_US)
    assert released.state is DecisionState.RELEASED
    assert book.grant("J") is None
    assert book.open() == ()


def test_a_device_answers_once() -> None:
    book = DecisionBook()
    for event in stage():
        book.add(event)
    (taken,) = book.apply_acknowledgement(answer(), START_US)
    assert (taken.version, taken.state, taken.by) == (3, DecisionState.ACKNOWLEDGED, "J")
    assert book.apply_acknowledgement(answer(accepted=False), START_US) == ()
    assert book.open() == (taken,)


def test_a_refusal_closes_the_command_and_stays_the_newest_of_the_junction() -> None:
    book = DecisionBook()
    for event in stage():
        book.add(event)
    (refused,) = book.apply_acknowledgement(answer(accepted=False), START_US)
    assert refused.state is DecisionState.REFUSED
    assert refused.note == "in test"
    assert book.open() == ()
    assert book.newest(DecisionKind.SIGNAL_STAGE, "J") == refused


def test_another_device_cannot_answer() -> None:
    book = DecisionBook()
    for event in stage():
        book.add(event)
    assert book.apply_acknowledgement(answer(device="K"), START_US) == ()
    assert book.refusals[0][1].field == "device"


def test_time_closes_what_nobody_answered() -> None:
    book = DecisionBook()
    book.add(proposal())
    for event in stage():
        book.add(event)
    assert book.expire(later(proposal(), 14.9)) == ()
    (silent,) = book.expire(later(proposal(), 15))
    assert (silent.state, silent.version) == (DecisionState.UNANSWERED, 3)
    (lapsed,) = book.expire(later(proposal(), 600))
    assert (lapsed.state, lapsed.version) == (DecisionState.EXPIRED, 2)
    assert book.open() == ()


def test_an_acknowledged_command_leaves_with_its_lease() -> None:
    book = DecisionBook()
    for event in stage():
        book.add(event)
    book.apply_acknowledgement(answer(), START_US)
    assert book.expire(later(proposal(), 15)) == ()
    assert book.open() == ()


def test_a_silent_earlier_command_does_not_hide_the_newest() -> None:
    book = DecisionBook()
    for event in stage("s1"):
        book.add(event)
    newer = [
        replace(one, time=NOW + timedelta(seconds=8), lease_until=NOW + timedelta(seconds=23))
        for one in stage("s2")
    ]
    for event in newer:
        book.add(event)
    assert [one.id for one in book.expire(later(proposal(), 15))] == ["s1"]
    newest = book.newest(DecisionKind.SIGNAL_STAGE, "J")
    assert newest is not None
    assert newest.id == "s2"


def test_adding_twice_is_adding_once_also_after_it_closed() -> None:
    book = DecisionBook()
    for event in (*stage(), *stage()):
        book.add(event)
    book.apply_acknowledgement(answer(accepted=False), START_US)
    for event in stage():
        book.add(event)
    assert book.open() == ()


def test_a_version_cannot_be_skipped() -> None:
    book = DecisionBook()
    with pytest.raises(InputError, match="version 1 of decision s1 must come next"):
        book.add(stage()[1])


def test_an_issued_stage_without_checks_is_not_taken_in() -> None:
    book = DecisionBook()
    decided, issued = stage(checks=())
    book.add(decided)
    with pytest.raises(InputError, match="safety checks"):
        book.add(issued)


def test_only_the_gate_issues_a_stage() -> None:
    with pytest.raises(InputError, match="only the safety gate"):
        step(stage()[0], DecisionState.ISSUED, now_us=START_US)


def test_an_impossible_move_names_state_and_move() -> None:
    fault = check_move(DecisionKind.ACCESS, DecisionState.REFUSED, DecisionState.ISSUED)
    assert fault is not None
    assert str(fault) == (
        "state = issued: a access decision that is refused can become: nothing: its life is over"
    )


def test_restored_from_stored_versions_it_goes_on() -> None:
    decided, issued = stage()
    closed = replace(proposal("d0", "K"), version=2, state=DecisionState.REJECTED)
    book = DecisionBook()
    book.restore(
        [issued, closed, decided, proposal()],
        rules=dict.fromkeys(GATED, ("known",)),
        map_version="",
    )
    assert {one.id: one.version for one in book.open()} == {"s1": 2, "d1": 1}
    (taken,) = book.apply_acknowledgement(answer(), START_US)
    assert taken.version == 3


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({}, False),
        ({"state": DecisionState.ACKNOWLEDGED}, False),
        ({"checks": ()}, True),
        ({"checks": ("known",)}, True),
        ({"checks": ("known", "fresh", "lease")}, True),
        ({"checks": (), "state": DecisionState.ACKNOWLEDGED}, True),
        ({"map_version": "b"}, True),
        ({"map_version": "b", "checks": (), "state": DecisionState.DECIDED}, True),
        ({"checks": (), "state": DecisionState.DECIDED}, False),
    ],
)
def test_a_stored_stage_that_nobody_vouches_for_does_not_come_back(
    fields: dict[str, Any], dropped: bool
) -> None:
    good = replace(stage(checks=("known", "fresh"))[1], map_version="a")
    book = DecisionBook()
    book.restore(
        [replace(good, **fields)], rules=dict.fromkeys(GATED, ("known", "fresh")), map_version="a"
    )
    assert book.dropped == dropped
    assert bool(book.open()) is not dropped
    assert (book.newest(DecisionKind.SIGNAL_STAGE, "J") is None) is dropped


def test_memory_of_closed_decisions_is_bounded() -> None:
    book = DecisionBook(remembered=3)
    for row in range(10):
        for event in stage(f"s{row}"):
            book.add(event)
        book.apply_acknowledgement(answer(f"s{row}", accepted=False), START_US)
    assert len(book._closed) == 3
    assert book.open() == ()
