"""Decisions as a person is shown them: how long they hold, and what may be done about them."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from twin.api.auth import Person
from twin.api.roles import API, allowed, may
from twin.api.schemas import DecisionView
from twin.clock import us_from_datetime
from twin.control.explain import sentence
from twin.events import DEVICE_KINDS, DecisionEvent, DecisionKind, DecisionState, Fact
from twin.units import SECOND_US

_APPROVE: Final = f"{API}/decisions/{{decision_id}}/approve"
_RELEASE: Final = f"{API}/decisions/{{decision_id}}/release"
_ASKED: Final = DEVICE_KINDS | {DecisionKind.SIGNAL_CONTROL}  # a person has a say in them
_IN_FORCE: Final = frozenset({DecisionState.APPROVED, DecisionState.ISSUED})


def decision_view(
    event: DecisionEvent, *, person: Person, now_us: int, made_us: int | None = None
) -> DecisionView:
    """Show a decision to a person, with what that person may do about it now.

    `made_us` is the time of its first version, for which its facts hold; a later version keeps
    the facts and has a time of its own. Without it their ages are not known and not shown.
    """
    why_not = _why_not(event, person, now_us)
    fields: dict[str, Any] = {name: getattr(event, name) for name in event.__struct_fields__}
    first_us = us_from_datetime(event.time) if event.version == 1 else made_us
    fields["facts"] = _aged(event, first_us, now_us)
    return DecisionView(
        **fields,
        text=sentence(event),
        valid_for_s=valid_for_s(event, now_us),
        can_approve=not why_not,
        why_not=why_not,
        can_release=_can_release(event, person, now_us),
    )


def _aged(event: DecisionEvent, made_us: int | None, now_us: int) -> tuple[Fact, ...]:
    """Return the facts with their ages as of now: the age when they counted, and since then."""
    since_s = None if made_us is None else max(0.0, (now_us - made_us) / SECOND_US)
    return tuple(
        fact
        if fact.age_s is None
        else replace(fact, age_s=None if since_s is None else round(fact.age_s + since_s, 1))
        for fact in event.facts
    )


def _can_release(event: DecisionEvent, person: Person, now_us: int) -> bool:
    """Say whether it is a grant or a command in force that this person may take back."""
    device = event.kind in DEVICE_KINDS and event.state in _IN_FORCE | {DecisionState.ACKNOWLEDGED}
    grant = device or (event.kind is DecisionKind.SIGNAL_CONTROL and event.state in _IN_FORCE)
    lasts = valid_for_s(event, now_us) != 0.0
    return grant and lasts and may(person.role, allowed("POST", _RELEASE))


def valid_for_s(event: DecisionEvent, now_us: int) -> float | None:
    """Return the seconds until the decision lapses, 0 when it has, None when it has no end."""
    end = event.lease_until or event.expires
    if event.kind in _ASKED:
        end = event.expires
    if end is None:
        return None
    return max(0.0, round((us_from_datetime(end) - now_us) / SECOND_US, 1))


def _why_not(event: DecisionEvent, person: Person, now_us: int) -> str:
    if event.kind not in _ASKED:
        return "Decisions of this kind are carried out without a person."
    if event.state is not DecisionState.PROPOSED:
        return f"It is {event.state} already."
    if valid_for_s(event, now_us) == 0.0:
        return "It has expired; a fresh proposal follows while the need lasts."
    if not may(person.role, allowed("POST", _APPROVE)):
        return f"The role {person.role} may not approve; an operator may."
    return ""


def sees_vehicles(person: Person) -> bool:
    """Say whether a person may see decisions about single passages."""
    return may(person.role, allowed("GET", f"{API}/gates/events"))
