"""Controllers and gates as parties: what they post, what they acknowledge, how they come back."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from twin.clock import ManualClock, datetime_from_us
from twin.errors import InputError
from twin.events import (
    Acknowledgement,
    ControlMode,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    SignalStatus,
)
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.world.controllers import SignalControllers
from twin.world.gates import Gates
from twin.world.service import Service
from world_fake import CORRIDOR, EnoughWaitingError, FakeService, Waiting

START_US = 1_781_600_000_000_000
SECOND = 1_000_000


@pytest.fixture(scope="module")
def network() -> SingleMap:
    return read_gmns(CORRIDOR / "network")[0]


def command(target: str, kind: DecisionKind, what: dict[str, str], **changes: Any) -> DecisionEvent:
    values: dict[str, Any] = {
        "id": f"decision-{target}-{what}",
        "version": 2,
        "kind": kind,
        "state": DecisionState.ISSUED,
        "target": target,
        "time": datetime_from_us(START_US),
        "reason": "test",
        "command": what,
        "lease_until": datetime_from_us(START_US + 150 * SECOND),
    }
    return DecisionEvent(**(values | changes))


def controllers(network: SingleMap, fake: FakeService, *, most: int = 400) -> SignalControllers:
    clock = ManualClock(START_US)
    waiting = Waiting(clock, step_us=SECOND // 2, most=most)
    asking = Service(fake.client(), key="twk_s_1", pause=waiting)
    return SignalControllers(network, service=asking, clock=clock, pause=waiting)


def statuses(fake: FakeService) -> list[SignalStatus]:
    return msgspec.convert(fake.items["street/status"], list[SignalStatus])


def answers(fake: FakeService) -> list[Acknowledgement]:
    return msgspec.convert(fake.items["street/acknowledgements"], list[Acknowledgement])


async def test_controllers_tell_every_change_and_every_five_seconds(network: SingleMap) -> None:
    fake = FakeService()
    with pytest.raises(EnoughWaitingError):
        await controllers(network, fake).run()
    told = [status for status in statuses(fake) if status.junction == "J1"]
    assert {status.stage for status in told} == {"1", "2", "3"}
    assert {status.mode for status in told} == {ControlMode.OWN_PLAN}
    gaps = [
        (after.time - before.time).total_seconds() for before, after in itertools.pairwise(told)
    ]
    assert 0 < max(gaps) <= 6
    assert all(status.since <= status.time for status in told)
    assert len({status.id for status in told}) == len(told)
    changes = [status.changing for status in told]
    assert True in changes
    assert False in changes


async def test_a_request_is_acknowledged_and_obeyed(network: SingleMap) -> None:
    fake = FakeService()
    party = controllers(network, fake)
    asked = command("J2", DecisionKind.SIGNAL_STAGE, {"stage": "2"})
    lost = command("J2", DecisionKind.SIGNAL_STAGE, {"stage": "7"})
    fake.commands = [(41, msgspec.to_builtins([asked, lost]))]
    with pytest.raises(EnoughWaitingError):
        await party.run()
    by_decision = {answer.decision: answer for answer in answers(fake)}
    assert by_decision[asked.id].accepted
    assert by_decision[asked.id].device == "J2"
    assert not by_decision[lost.id].accepted
    assert by_decision[lost.id].reason == "no such stage"
    assert [poll["after"] for poll in fake.polls[:2]] == [["0"], ["41"]]
    assert fake.polls[0]["device"] == ["J1", "J2", "J3", "J4"]
    leased = [s for s in statuses(fake) if s.mode is ControlMode.LEASED]
    assert leased
    assert {status.junction for status in leased} == {"J2"}
    assert any(status.stage == "2" and not status.changing for status in leased)
    assert party.acknowledged == 2


async def test_a_repeated_command_has_the_same_acknowledgement(network: SingleMap) -> None:
    fake = FakeService()
    party = controllers(network, fake)
    asked = command("J2", DecisionKind.SIGNAL_STAGE, {"stage": "2"})
    await party.obey([asked])
    await party.obey([asked, command("G1", DecisionKind.ACCESS, {"gate": "open"})])
    first, second = answers(fake)
    assert first.id == second.id


async def test_controllers_run_on_while_the_service_is_away(network: SingleMap) -> None:
    fake = FakeService(away=60)
    party = controllers(network, fake)
    with pytest.raises(EnoughWaitingError):
        await party.run()
    assert all(cabinet.shown.mode is ControlMode.OWN_PLAN for cabinet in party.cabinets.values())
    assert statuses(fake)[0].time > datetime_from_us(START_US)
    assert fake.polls


async def test_a_wrong_key_ends_the_party(network: SingleMap) -> None:
    with pytest.raises(InputError, match="403"):
        await controllers(network, FakeService(away=10, status=403)).run()
    service = Service(FakeService(away=1, status=401).client(), key="k")
    with pytest.raises(InputError, match="401"):
        await Gates(network, service=service, clock=ManualClock(START_US)).run()


async def test_gates_open_what_may_open_and_acknowledge_all(network: SingleMap) -> None:
    fake = FakeService(away=2)
    clock = ManualClock(START_US)
    waiting = Waiting(clock, step_us=SECOND, most=4)
    party = Gates(
        network,
        service=Service(fake.client(), key="k", pause=waiting),
        clock=clock,
        pause=waiting,
    )
    opened = command("G3", DecisionKind.ACCESS, {"gate": "open"})
    recorded = command("G1", DecisionKind.ACCESS, {"gate": "record"})
    strange = command("G2", DecisionKind.SIGNAL_STAGE, {"stage": "1"})
    other = command("J1", DecisionKind.SIGNAL_STAGE, {"stage": "1"})
    fake.commands = [(7, msgspec.to_builtins([opened, recorded, strange, other]))]
    with pytest.raises(EnoughWaitingError):
        await party.run()
    said = {answer.device: (answer.accepted, answer.reason) for answer in answers(fake)}
    assert said == {
        "G1": (True, ""),
        "G2": (False, "not an access decision"),
        "G3": (True, ""),
    }
    assert party.open_until_us["G3"] == START_US + 2 * SECOND + 8 * SECOND
    assert set(party.open_until_us) == {"G3"}
    assert fake.polls[0]["device"] == ["G1", "G2", "G3", "G4"]


def order(target: str, kind: DecisionKind, what: dict[str, str], **changes: Any) -> DecisionEvent:
    return command(target, kind, what, id=f"order-{target}", **changes)


async def test_a_gate_obeys_orders_and_answers_every_renewal_anew(network: SingleMap) -> None:
    fake = FakeService()
    clock = ManualClock(START_US)
    party = Gates(network, service=Service(fake.client(), key="twk_g_1"), clock=clock)
    closed = order("G3", DecisionKind.GATE, {"gate": "closed", "except": "EMERGENCY"})
    await party.obey([closed])
    assert party.ordered("G3", START_US) == "closed"
    later = datetime_from_us(START_US + 250 * SECOND)
    await party.obey([msgspec.structs.replace(closed, version=4, lease_until=later)])
    taken = answers(fake)
    assert [one.accepted for one in taken] == [True, True]
    assert len({one.id for one in taken}) == 2, "the second is not taken for a repetition"
    assert party.ordered("G3", START_US + 249 * SECOND) == "closed"
    assert party.ordered("G3", START_US + 250 * SECOND) == "by_rule"
    ended = msgspec.structs.replace(closed, version=5, state=DecisionState.RELEASED)
    await party.obey([msgspec.structs.replace(ended, id="another order")])
    assert party.ordered("G3", START_US) == "closed"
    await party.obey([ended])
    assert party.ordered("G3", START_US) == "by_rule"
    assert len(answers(fake)) == 2, "an end needs no answer"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lease_until": datetime_from_us(START_US)}, "lease is over"),
        ({"lease_until": datetime_from_us(START_US + 301 * SECOND)}, "lease is too long"),
        ({"lease_until": None}, "lease is over"),
        ({"command": {"rate_vph": "600"}}, "cannot do rate_vph"),
        ({"command": {}}, "cannot do nothing"),
    ],
)
async def test_an_order_that_a_gate_cannot_carry_out_is_refused(
    network: SingleMap, changes: dict[str, Any], reason: str
) -> None:
    fake = FakeService()
    clock = ManualClock(START_US)
    party = Gates(network, service=Service(fake.client(), key="twk_g_1"), clock=clock)
    given = order("G3", DecisionKind.GATE, {"gate": "open"})
    await party.obey([msgspec.structs.replace(given, **changes)])
    (answer,) = answers(fake)
    assert (answer.accepted, answer.reason) == (False, reason)
    assert party.ordered("G3", START_US) == "by_rule"
