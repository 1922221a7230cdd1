"""Every version of every decision can be said in a plain sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from control_city import START_US
from twin.clock import datetime_from_us
from twin.control.access.reasons import AccessReason, AccessState
from twin.control.decision import MOVES
from twin.control.explain import sentence
from twin.control.signals.reasons import SignalReason
from twin.events import DecisionEvent, DecisionKind, DecisionState, Fact

NOW = datetime_from_us(START_US)


def event(kind: DecisionKind, state: DecisionState, **changes: object) -> DecisionEvent:
    fields: dict[str, object] = {
        "id": "d",
        "version": 2,
        "kind": kind,
        "state": state,
        "target": "J1",
        "time": NOW,
        "reason": "HOLD",
        "expires": NOW + timedelta(minutes=10),
        "lease_until": NOW + timedelta(seconds=15),
        "command": {"stage": "2"},
    }
    return DecisionEvent(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (
            event(
                DecisionKind.SIGNAL_CONTROL,
                DecisionState.PROPOSED,
                reason="DELAY_SAVED",
                facts=(
                    Fact(name="delay saved", value=4.25),
                    Fact(name="delay now", value=20.0),
                ),
            ),
            "Hand junction J1 to adaptive control: it would save about 4.25 of 20 vehicle-hours an "
            "hour.",
        ),
        (
            event(
                DecisionKind.SIGNAL_CONTROL, DecisionState.APPROVED, by="ana", note="queue is real"
            ),
            "ana approved adaptive control of junction J1 until 2026-06-16T08:10:00Z: "
            "queue is real.",
        ),
        (
            event(DecisionKind.SIGNAL_CONTROL, DecisionState.EXPIRED, version=2),
            "Nobody answered the proposal of adaptive control of junction J1 in time.",
        ),
        (
            event(DecisionKind.SIGNAL_CONTROL, DecisionState.EXPIRED, version=4),
            "The time granted for adaptive control of junction J1 is over.",
        ),
        (
            event(DecisionKind.SIGNAL_STAGE, DecisionState.ISSUED, reason="RED_TOO_LONG"),
            "Junction J1 changes to stage 2: a group there would wait at red for too long.",
        ),
        (
            event(
                DecisionKind.SIGNAL_STAGE,
                DecisionState.REFUSED,
                facts=(Fact(name="stage shown", value="2"),),
                note="door open",
            ),
            "Junction J1 keeps stage 2: it still serves best. The device refused it: door open.",
        ),
        (
            event(DecisionKind.SIGNAL_STAGE, DecisionState.RELEASED, reason="INPUT_TOO_OLD"),
            "Junction J1 goes back to its own plan when its lease ends at 2026-06-16T08:00:15Z: "
            "a measurement of an approach is missing or too old.",
        ),
        (
            event(
                DecisionKind.ACCESS,
                DecisionState.UNANSWERED,
                reason="OUTSIDE_WINDOW",
                facts=(
                    Fact(name="state", value="DENY"),
                    Fact(name="vehicle", value="v·7F3A"),
                    Fact(name="profile", value="NIGHT_WORKS"),
                    Fact(name="window", value="daily 22:00-06:00"),
                ),
            ),
            "v·7F3A at gate J1 is not admitted: it came outside the hours of its profile "
            "(night works: daily 22:00-06:00). The device did not answer in time.",
        ),
        (
            event(
                DecisionKind.ACCESS,
                DecisionState.ACKNOWLEDGED,
                reason="TAXI",
                facts=(
                    Fact(name="state", value="ADMIT"),
                    Fact(name="profile", value="TAXI"),
                    Fact(name="window", value="always"),
                ),
            ),
            "A vehicle at gate J1 is admitted: taxi may enter at any time. The device took it.",
        ),
        (
            event(
                DecisionKind.SIGN,
                DecisionState.ACKNOWLEDGED,
                command={"limit_kph": "80"},
                note="queue before the viaduct",
            ),
            "The device took it: sign J1 shows a limit of 80 km/h until 2026-06-16T08:10:00Z: "
            "queue before the viaduct.",
        ),
        (
            event(
                DecisionKind.GATE,
                DecisionState.RELEASED,
                command={"gate": "closed"},
                reason="REPLACED",
                by="ben",
            ),
            "A later order by ben took the place of this one: gate J1 is closed to all but "
            "emergency vehicles.",
        ),
        (
            event(DecisionKind.RAMP_METER, DecisionState.UNANSWERED, command={"rate": "off"}),
            "No device answered in time that ramp meter J1 is off; its own programme runs.",
        ),
    ],
)
def test_the_sentence(made: DecisionEvent, text: str) -> None:
    assert sentence(made) == text


@pytest.mark.parametrize("kind", list(DecisionKind))
def test_every_state_that_can_be_reached_has_its_own_sentence(kind: DecisionKind) -> None:
    states = {state for following in MOVES[kind].values() for state in following}
    states -= {DecisionState.DECIDED}
    said = {sentence(event(kind, state, by="ana", note="so it is")) for state in states}
    assert len(said) == len(states)
    assert all(text.endswith(".") and "{" not in text for text in said)


def test_every_reason_code_has_words() -> None:
    stage_reasons = set(SignalReason) - {SignalReason.DELAY_SAVED}
    for reason in stage_reasons:
        state = DecisionState.ISSUED
        said = {
            sentence(event(DecisionKind.SIGNAL_STAGE, one, reason=str(reason)))
            for one in (state, DecisionState.RELEASED)
        }
        assert any(str(reason) not in text for text in said), reason
    for code in AccessReason:
        for verdict in AccessState:
            facts = (Fact(name="state", value=str(verdict)),)
            made = event(DecisionKind.ACCESS, DecisionState.ISSUED, reason=str(code), facts=facts)
            assert str(code) not in sentence(made)
            assert "decided:" not in sentence(made) or verdict is AccessState.UNREAD
