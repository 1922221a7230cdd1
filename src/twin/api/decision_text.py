"""Decisions as a person reads them: one sentence, how long they hold, what may be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.api.auth import Person
from twin.api.roles import API, allowed, may
from twin.api.schemas import DecisionView
from twin.clock import us_from_datetime
from twin.events import DecisionEvent, DecisionKind, DecisionState
from twin.network.model import SingleMap
from twin.units import SECOND_US

_APPROVE = f"{API}/decisions/{{decision_id}}/approve"


def decision_view(
    event: DecisionEvent, *, network: SingleMap, person: Person, now_us: int
) -> DecisionView:
    """Show a decision to a person, with what that person may do about it now."""
    why_not = _why_not(event, person, now_us)
    fields: dict[str, Any] = {name: getattr(event, name) for name in event.__struct_fields__}
    return DecisionView(
        **fields,
        text=decision_text(event, network),
        valid_for_s=valid_for_s(event, now_us),
        can_approve=not why_not,
        why_not=why_not,
    )


def decision_text(event: DecisionEvent, network: SingleMap) -> str:
    """Say in one sentence what a decision asks, of whom, and where it stands."""
    place = place_name(event, network)
    wish = _WISHES[event.kind](event.command)
    how = ", automatically" if event.automatic else ""
    by = f" by {event.by}" if event.by and event.state is not DecisionState.PROPOSED else ""
    return f"{place}: {wish} ({event.state}{by}{how})."


def place_name(event: DecisionEvent, network: SingleMap) -> str:
    """Return the name of the junction or gate, its id where it has none."""
    if event.kind is DecisionKind.ACCESS:
        row = network.gate_rows.get(event.target)
        return (network.gates[row].name if row is not None else "") or event.target
    row = network.junction_rows.get(event.target)
    return (network.junctions[row].name if row is not None else "") or event.target


def valid_for_s(event: DecisionEvent, now_us: int) -> float | None:
    """Return the seconds until the decision lapses, 0 when it has, None when it has no end."""
    end = event.lease_until or event.expires
    if event.kind is DecisionKind.SIGNAL_CONTROL:
        end = event.expires
    if end is None:
        return None
    return max(0.0, round((us_from_datetime(end) - now_us) / SECOND_US, 1))


def _why_not(event: DecisionEvent, person: Person, now_us: int) -> str:
    if event.kind is not DecisionKind.SIGNAL_CONTROL:
        return "Decisions of this kind are carried out without a person."
    if event.state is not DecisionState.PROPOSED:
        return f"It is {event.state} already."
    if valid_for_s(event, now_us) == 0.0:
        return "It has expired; a fresh proposal follows while the need lasts."
    if not may(person.role, allowed("POST", _APPROVE)):
        return f"The role {person.role} may not approve; an operator may."
    return ""


def _control_wish(command: Mapping[str, str]) -> str:
    seconds = command.get("for_s", "")
    spell = f" for {float(seconds) / 60:.0f} min" if seconds.replace(".", "", 1).isdigit() else ""
    return f"let the service choose the stages{spell}, inside the safety limits"


def _stage_wish(command: Mapping[str, str]) -> str:
    return f"show stage {command.get('stage', '?')}"


def _access_wish(command: Mapping[str, str]) -> str:
    wishes = {"open": "open the gate", "record": "record only", "intercom": "call the operator"}
    return wishes.get(command.get("gate", ""), "record only")


_WISHES = {
    DecisionKind.SIGNAL_CONTROL: _control_wish,
    DecisionKind.SIGNAL_STAGE: _stage_wish,
    DecisionKind.ACCESS: _access_wish,
}


def sees_vehicles(person: Person) -> bool:
    """Say whether a person may see decisions about single passages."""
    return may(person.role, allowed("GET", f"{API}/gates/events"))
