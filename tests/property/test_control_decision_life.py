"""Whatever people, devices and time do in whatever order, a decision's life stays a life."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from control_city import START_US
from twin.clock import datetime_from_us
from twin.control.decision import CLOSED, GATED, MOVES, DecisionBook
from twin.events import (
    DEVICE_KINDS,
    Acknowledgement,
    Act,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    OperatorAct,
)
from twin.units import SECOND_US

FIRST = {
    DecisionKind.SIGNAL_CONTROL: DecisionState.PROPOSED,
    DecisionKind.SIGNAL_STAGE: DecisionState.DECIDED,
    DecisionKind.ACCESS: DecisionState.DECIDED,
    **dict.fromkeys(DEVICE_KINDS, DecisionState.APPROVED),
}


class LifeOfDecisions(RuleBasedStateMachine):
    """Keeps every version that came out, and compares the book with them."""

    def __init__(self) -> None:
        super().__init__()
        self.book = DecisionBook()
        self.now_us = START_US
        self.versions: dict[str, list[DecisionEvent]] = {}

    def note(self, events: tuple[DecisionEvent, ...]) -> None:
        for event in events:
            self.book.add(event)  # the book already has it: adding again changes nothing
            self.versions.setdefault(event.id, []).append(event)

    @rule(kind=st.sampled_from(list(DecisionKind)), junction=st.sampled_from("JKL"))
    def make(self, kind: DecisionKind, junction: str) -> None:
        now = datetime_from_us(self.now_us)
        first = DecisionEvent(
            id=f"d{len(self.versions)}",
            version=1,
            kind=kind,
            state=FIRST[kind],
            target=junction,
            time=now,
            reason="WHY",
            command={"for_s": "100"},
            expires=now + timedelta(seconds=40),
            lease_until=now + timedelta(seconds=20),
        )
        made = [first]
        if kind is not DecisionKind.SIGNAL_CONTROL:
            made.append(replace(first, version=2, state=DecisionState.ISSUED, checks=("known",)))
        self.note(tuple(made))

    @rule(
        at=st.integers(0, 30),
        what=st.sampled_from(list(Act)),
        behind=st.integers(0, 1),
        reason=st.sampled_from(["short", "a reason long enough"]),
    )
    def act(self, at: int, what: Act, behind: int, reason: str) -> None:
        current = self.book.get(f"d{at}")
        seen = current.version - behind if current else 1
        act = OperatorAct(
            id=f"a{self.now_us}",
            time=datetime_from_us(self.now_us),
            person="ana",
            act=what,
            target=f"d{at}",
            seen_version=seen,
            reason=reason,
        )
        made = self.book.apply_act(act, self.now_us)
        renewed = what is Act.RELEASE and current is not None and current.kind in DEVICE_KINDS
        if (behind and not renewed) or reason == "short":
            assert made == ()
        self.note(made)

    @rule(at=st.integers(0, 30), accepted=st.booleans(), device=st.sampled_from("JKL"))
    def answer(self, at: int, accepted: bool, device: str) -> None:
        self.note(
            self.book.apply_acknowledgement(
                Acknowledgement(
                    id="k",
                    decision=f"d{at}",
                    device=device,
                    time=datetime_from_us(self.now_us),
                    accepted=accepted,
                ),
                self.now_us,
            )
        )

    @rule(at=st.integers(0, 30))
    def renew(self, at: int) -> None:
        """Do what the safety gate does for a command whose lease is half used up."""
        current = self.book.get(f"d{at}")
        if current is None or current.kind not in DEVICE_KINDS:
            return
        if current.state is not DecisionState.ACKNOWLEDGED:
            return
        now = datetime_from_us(self.now_us)
        lease_until = now + timedelta(seconds=20)
        self.note(
            (
                replace(
                    current,
                    version=current.version + 1,
                    state=DecisionState.ISSUED,
                    time=now,
                    lease_until=lease_until,
                ),
            )
        )

    @rule(seconds=st.sampled_from([0.001, 5.0, 20.0, 40.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now_us += int(seconds * SECOND_US)
        self.note(self.book.expire(self.now_us))

    @rule()
    def restart(self) -> None:
        newest = [versions[-1] for versions in self.versions.values()]
        before = self.book.open()
        self.book = DecisionBook()
        self.book.restore(newest, rules=dict.fromkeys(GATED, ("known",)), map_version="")
        self.book.expire(self.now_us)
        assert self.book.open() == before

    @invariant()
    def versions_rise_by_one_and_every_move_is_allowed(self) -> None:
        for versions in self.versions.values():
            assert [event.version for event in versions] == list(range(1, len(versions) + 1))
            state: DecisionState | None = None
            for event in versions:
                assert event.state in MOVES[event.kind].get(state, frozenset())
                state = event.state

    @invariant()
    def open_are_the_newest_that_are_not_closed(self) -> None:
        for event in self.book.open():
            assert event == self.versions[event.id][-1]
            assert event.state not in CLOSED
        for junction in "JKL":
            grant = self.book.grant(junction)
            assert grant is None or grant.state in {DecisionState.APPROVED, DecisionState.ISSUED}


TestLifeOfDecisions = LifeOfDecisions.TestCase
TestLifeOfDecisions.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True
)
