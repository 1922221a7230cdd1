"""Orders to ramp meters, signs and gates: what is taken, what is refused, how long it lasts."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from device_road import START_US, device_road, order
from twin.clock import datetime_from_us, us_from_datetime
from twin.control.decision import DecisionBook, step
from twin.control.devices.orders import DeviceControl, ordered
from twin.control.devices.safety import DEVICE_RULES, DeviceSafety, ReleasedCommand
from twin.errors import InputError, UnsafePlan
from twin.events import Acknowledgement, Act, DecisionEvent, DecisionState, OperatorAct
from twin.network.devices import governed_links, road_devices
from twin.units import SECOND_US

ROAD = device_road()


class Desk:
    """A control with its book, and a street that answers what it is told to."""

    def __init__(self) -> None:
        self.control = DeviceControl(ROAD)
        self.book = DecisionBook()
        self.now_us = START_US
        self.seen: list[DecisionEvent] = []

    def add(self, events: tuple[DecisionEvent, ...]) -> tuple[DecisionEvent, ...]:
        for event in events:
            self.book.add(event)
        self.seen.extend(events)
        return events

    def order(self, kind: str, target: str, command: dict[str, str], **more: Any) -> Any:
        asked = order(kind, target, command, now_us=self.now_us, **more)
        return self.add(self.control.take(asked, self.now_us, book=self.book))

    def beat(self, seconds: float = 1.0) -> tuple[DecisionEvent, ...]:
        self.now_us += int(seconds * SECOND_US)
        self.seen.extend(lapsed := self.book.expire(self.now_us))
        return lapsed + self.add(
            self.control.decide(self.now_us, book=self.book, offsets={"act/0": 7})
        )

    def answer(self, event: DecisionEvent, *, accepted: bool = True) -> DecisionEvent:
        said = Acknowledgement(
            id="k",
            decision=event.id,
            device=event.target,
            time=datetime_from_us(self.now_us),
            accepted=accepted,
            reason="" if accepted else "lamp broken",
        )
        (made,) = self.book.apply_acknowledgement(said, self.now_us)
        self.seen.append(made)
        return made

    def in_force(self, kind: str, target: str, command: dict[str, str]) -> DecisionEvent:
        self.order(kind, target, command)
        (issued,) = self.beat()
        return self.answer(issued)


def test_an_order_is_approved_issued_and_acknowledged_with_who_and_why() -> None:
    desk = Desk()
    (approved,) = desk.order("ramp_meter", "RM", {"rate_vph": "600"})
    assert (approved.state, approved.by) == (DecisionState.APPROVED, "ana")
    (issued,) = desk.beat()
    assert issued.state is DecisionState.ISSUED
    assert issued.checks == DEVICE_RULES
    assert issued.offsets == {"act/0": 7}
    assert issued.lease_until == datetime_from_us(desk.now_us + 120 * SECOND_US)
    taken = desk.answer(issued)
    assert (taken.state, taken.by, taken.note) == (DecisionState.ACKNOWLEDGED, "ana", approved.note)


def test_the_lease_is_renewed_at_half_and_never_past_the_end() -> None:
    desk = Desk()
    taken = desk.in_force("sign", "S2", {"limit_kph": "80"})
    assert desk.beat(30) == ()
    ends = []
    while desk.book.get(taken.id):
        for event in desk.beat(10):
            if event.state is DecisionState.ISSUED:
                ends.append(us_from_datetime(event.lease_until or event.time))
                desk.answer(event)
    assert len(ends) >= 10
    assert ends == sorted(ends)
    assert max(ends) == START_US + 900 * SECOND_US
    assert desk.seen[-1].state is DecisionState.EXPIRED


def test_silence_of_the_device_ends_the_command_with_its_lease() -> None:
    desk = Desk()
    desk.order("sign", "S2", {"limit_kph": "80"})
    desk.beat()
    assert desk.beat(119) == ()
    (silent,) = desk.beat(1)
    assert silent.state is DecisionState.UNANSWERED


def test_a_refusal_of_the_device_names_it() -> None:
    desk = Desk()
    desk.order("sign", "S2", {"limit_kph": "80"})
    refused = desk.answer(desk.beat()[0], accepted=False)
    assert (refused.state, refused.by, refused.note) == (
        DecisionState.REFUSED,
        "S2",
        "lamp broken",
    )


def test_a_later_order_replaces_the_standing_one() -> None:
    desk = Desk()
    first = desk.in_force("gate", "GI", {"gate": "closed"})
    ended, approved = desk.order("gate", "GI", {"gate": "open"})
    assert (ended.id, ended.state, ended.reason) == (first.id, DecisionState.RELEASED, "REPLACED")
    assert approved.predecessor == first.id
    assert [one.target for one in desk.book.open()] == ["GI"]


def test_release_takes_effect_although_the_lease_was_renewed_meanwhile() -> None:
    desk = Desk()
    taken = desk.in_force("sign", "S2", {"limit_kph": "80"})
    (renewed,) = desk.beat(70)
    assert renewed.version > taken.version
    act = OperatorAct(
        id="r",
        time=datetime_from_us(desk.now_us),
        person="ben",
        act=Act.RELEASE,
        target=taken.id,
        seen_version=taken.version,
        reason="the queue is gone",
    )
    (released,) = desk.book.apply_act(act, desk.now_us)
    assert (released.state, released.by) == (DecisionState.RELEASED, "ben")
    later = replace(act, seen_version=released.version + 1)
    assert desk.book.apply_act(later, desk.now_us) == ()


BAD = [
    ("ramp_meter", "RM", {"rate_vph": "239"}, "rate"),
    ("ramp_meter", "RM", {"rate_vph": "901"}, "rate"),
    ("ramp_meter", "RM", {"rate_vph": "many"}, "form"),
    ("ramp_meter", "RM", {"rate_vph": "nan"}, "form"),
    ("ramp_meter", "RM", {"rate": "on"}, "rate"),
    ("ramp_meter", "RM", {}, "form"),
    ("ramp_meter", "S1", {"rate_vph": "600"}, "known"),
    ("sign", "S2", {"limit_kph": "85"}, "speed"),
    ("sign", "S2", {"limit_kph": "20"}, "speed"),
    ("sign", "S2", {"limit_kph": "120"}, "speed"),
    ("sign", "S2", {"limit_kph": "60"}, "neighbours"),
    ("sign", "S2", {"close_lane": "4"}, "lane"),
    ("sign", "S2", {"close_lane": "1.5"}, "lane"),
    ("sign", "S2", {"text": " "}, "text"),
    ("sign", "S2", {"text": "x" * 61}, "text"),
    ("sign", "S2", {"text": "a\x00b"}, "text"),
    ("sign", "S2", {"text": "slow", "limit_kph": "80"}, "form"),
    ("gate", "GO", {"gate": "closed"}, "gate"),
    ("gate", "GC", {"gate": "closed"}, "gate"),
    ("gate", "GI", {"gate": "ajar"}, "gate"),
    ("gate", "GI", {"gate": "open", "except": "EMERGENCY"}, "gate"),
    ("gate", "G9", {"gate": "open"}, "known"),
]


@pytest.mark.parametrize(("kind", "target", "command", "rule"), BAD)
def test_an_unsafe_order_makes_nothing_and_says_why(
    kind: str, target: str, command: dict[str, str], rule: str
) -> None:
    desk = Desk()
    assert desk.order(kind, target, command) == ()
    ((_, problem),) = desk.control.unsafe
    assert problem.rule == rule
    ((_, fault),) = desk.book.refusals
    assert fault.reason == "unsafe"
    assert rule in fault.rule
    assert desk.beat() == ()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"expires": None}, "duration"),
        ({"expires": datetime_from_us(START_US)}, "duration"),
        ({"expires": datetime_from_us(START_US + 14_401 * SECOND_US)}, "duration"),
        ({"by": " "}, "ordered"),
        ({"note": "too short"}, "ordered"),
        ({"map_version": "another"}, "known"),
        ({"state": DecisionState.PROPOSED}, "known"),
        ({"state": DecisionState.RELEASED}, "known"),
    ],
)
def test_the_gate_believes_nothing_that_a_command_says(changes: dict[str, Any], rule: str) -> None:
    made = ordered(order("sign", "S2", {"limit_kph": "80"}), now_us=START_US, map_version="")
    assert isinstance(made, DecisionEvent)
    good = replace(made, map_version=ROAD.version)
    safety = DeviceSafety(ROAD)
    safety.examine(good, standing=(), now_us=START_US)
    with pytest.raises(UnsafePlan) as caught:
        safety.release(replace(good, **changes), standing=(), now_us=START_US)
    assert caught.value.rule == rule


def test_nothing_is_issued_past_the_gate() -> None:
    desk = Desk()
    (approved,) = desk.order("gate", "GI", {"gate": "closed"})
    with pytest.raises(InputError, match="only the safety gate issues"):
        step(approved, DecisionState.ISSUED, now_us=START_US)
    forged = replace(approved, version=2, state=DecisionState.ISSUED)
    with pytest.raises(InputError, match="safety checks"):
        desk.book.add(forged)
    with pytest.raises(UnsafePlan, match="made elsewhere"):
        ReleasedCommand(forged, permit=object())


def test_a_control_that_goes_round_the_gate_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the control on purpose: it issues what it likes, with all checks claimed."""

    def issue(_: DeviceControl, event: DecisionEvent, *_rest: object) -> DecisionEvent:
        wild = {"rate_vph": "3600"}
        state = DecisionState.ISSUED
        return replace(event, version=2, state=state, command=wild, checks=DEVICE_RULES)

    desk = Desk()
    desk.order("ramp_meter", "RM", {"rate_vph": "600"})
    monkeypatch.setattr(DeviceControl, "_issue", issue)
    with pytest.raises(UnsafePlan, match="issued past the gate"):
        desk.beat()
    assert [one.state for one in desk.seen] == [DecisionState.APPROVED]


def test_neighbouring_signs_step_down() -> None:
    desk = Desk()
    assert desk.in_force("sign", "S1", {"limit_kph": "80"})
    assert desk.in_force("sign", "S2", {"limit_kph": "50"})
    assert desk.order("sign", "S3", {"limit_kph": "90"})
    assert desk.order("sign", "S1", {"limit_kph": "100"}) == ()
    ((_, problem),) = desk.control.unsafe
    assert problem.value == "50 km/h of difference to S2"


def test_a_limit_whose_sign_before_went_dark_is_not_renewed() -> None:
    desk = Desk()
    first = desk.in_force("sign", "S1", {"limit_kph": "80"})
    second = desk.in_force("sign", "S2", {"limit_kph": "50"})
    desk.add((step(first, DecisionState.RELEASED, now_us=desk.now_us),))
    (refused,) = desk.beat(100)
    assert (refused.id, refused.state) == (second.id, DecisionState.REFUSED)
    assert (refused.reason, refused.note[:10]) == ("NOT_SAFE", "neighbours")


def test_a_closed_gate_always_lets_emergencies_through() -> None:
    desk = Desk()
    (approved,) = desk.order("gate", "GI", {"gate": "closed"})
    assert approved.command == {"gate": "closed", "except": "EMERGENCY"}


@pytest.mark.parametrize("what", ["reason", "kind", "order"])
def test_what_is_no_order_is_refused(what: str) -> None:
    act = order("sign", "S2", {"limit_kph": "80"})
    broken = {
        "reason": replace(act, reason="   short    "),
        "kind": order("access", "S2", {"gate": "open"}),
        "order": replace(act, order=None),
    }[what]
    desk = Desk()
    assert desk.control.take(broken, START_US, book=desk.book) == ()
    assert len(desk.book.refusals) == 1


def test_devices_of_the_map_know_their_neighbours_and_their_links() -> None:
    found = {one.id: one for one in road_devices(ROAD)}
    assert set(found) == {"S1", "S2", "S3", "RM", "GI", "GO", "GC"}
    assert (found["S2"].before, found["S2"].after) == ("S1", "S3")
    assert (found["S1"].before, found["S3"].after) == ("", "")
    assert found["S1"].legal_kph == 110.0
    assert governed_links(ROAD, found["S1"]) == ("M1",)
    assert governed_links(ROAD, found["S2"]) == ("M2", "M3")
    assert governed_links(ROAD, found["S3"]) == ("M4",)
