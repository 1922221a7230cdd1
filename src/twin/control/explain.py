"""One plain English sentence for every version of every decision.

The sentence is made from the state, the reason code and the facts whenever it is shown; it is
never stored as the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twin.clock import iso_from_us, us_from_datetime
from twin.control.access.reasons import AccessReason, AccessState
from twin.control.signals.reasons import SignalReason
from twin.events import DEVICE_KINDS, DecisionEvent, DecisionKind, DecisionState

_ACCESS: Final[dict[str, str]] = {
    AccessReason.EXIT_ALWAYS: "the way out is always open",
    AccessReason.COUNTRY_UNKNOWN: "the country of the plate is not known",
    AccessReason.UNREAD: "no plate was read",
    AccessReason.LOW_CONFIDENCE: "the plate was read too poorly to decide on",
    AccessReason.NO_AUTHORISATION: "it has no authorisation for this zone",
    AccessReason.AUTH_EXPIRED: "its authorisation has ended",
    AccessReason.AUTH_NOT_YET_VALID: "its authorisation has not begun yet",
    AccessReason.AUTH_REVOKED: "its authorisation was revoked",
    AccessReason.OUTSIDE_WINDOW: "it came outside the hours of its profile",
    AccessReason.NO_RULES: "no rule covers this gate or profile",
}
_STAGE: Final[dict[str, str]] = {
    SignalReason.MORE_PRESSURE: "more vehicles wait there",
    SignalReason.RED_TOO_LONG: "a group there would wait at red for too long",
    SignalReason.HOLD: "it still serves best",
}
_LET_GO: Final[dict[str, str]] = {
    SignalReason.INPUT_TOO_OLD: "a measurement of an approach is missing or too old",
    SignalReason.FORECAST_MISSING: "there is no recent forecast",
    SignalReason.STATUS_MISSING: "the controller has not said lately what it shows",
    SignalReason.DEVICE_FAULT: "the controller reports a fault",
    SignalReason.GRANT_ENDED: "the grant for this junction has ended",
}
_VERDICTS: Final[dict[str, str]] = {
    AccessState.ADMIT: "admitted",
    AccessState.ADMIT_FLAG: "admitted and flagged",
    AccessState.REVIEW: "left to a person",
    AccessState.DENY: "not admitted",
    AccessState.UNREAD: "not decided",
}
_AFTER: Final[dict[DecisionState, str]] = {
    DecisionState.ACKNOWLEDGED: " The device took it.",
    DecisionState.REFUSED: " The device refused it{note}.",
    DecisionState.UNANSWERED: " The device did not answer in time.",
}
_S = DecisionState
_DEVICE: Final[dict[tuple[DecisionState, str], str]] = {
    (_S.PROPOSED, ""): "Proposed: {what} until {until}.",
    (_S.APPROVED, ""): "{by} ordered that {what} until {until}{note}.",
    (_S.ISSUED, ""): "Sent: {what} until {until}. The device has not answered yet.",
    (_S.ACKNOWLEDGED, ""): "The device took it: {what} until {until}{note}.",
    (_S.RELEASED, "REPLACED"): "A later order by {by} took the place of this one: {what}.",
    (_S.RELEASED, ""): "{by} ended that {what}{note}.",
    (_S.REJECTED, ""): "{by} rejected that {what}{note}.",
    (_S.REFUSED, "NOT_SAFE"): "Not sent, it is not safe that {what}{note}.",
    (_S.REFUSED, ""): "The device refused that {what}{note}.",
    (_S.UNANSWERED, ""): "No device answered in time that {what}; its own programme runs.",
    (_S.EXPIRED, ""): "The time is over for which {what}; its own programme runs.",
}


def sentence(event: DecisionEvent) -> str:
    """Say one version of a decision in one plain sentence, or two where a device answered."""
    return _SAY[event.kind](event)


def _value(event: DecisionEvent, name: str) -> str:
    for fact in event.facts:
        if fact.name == name:
            return fact.value if isinstance(fact.value, str) else f"{fact.value:g}"
    return ""


def _after(event: DecisionEvent) -> str:
    note = f": {event.note}" if event.note else ""
    return _AFTER.get(event.state, "").format(note=note)


def _time(event: DecisionEvent, *, lease: bool) -> str:
    moment = event.lease_until if lease else event.expires
    if moment is None:
        return "its end"
    return iso_from_us(us_from_datetime(moment.replace(microsecond=0)))


def _say_control(event: DecisionEvent) -> str:
    what = f"adaptive control of junction {event.target}"
    by = event.by or "a person"
    note = f": {event.note}" if event.note else ""
    match event.state:
        case DecisionState.PROPOSED:
            saved, now = _value(event, "delay saved"), _value(event, "delay now")
            return (
                f"Hand junction {event.target} to adaptive control: it would save about {saved} "
                f"of {now} vehicle-hours an hour."
            )
        case DecisionState.APPROVED:
            return f"{by} approved {what} until {_time(event, lease=False)}{note}."
        case DecisionState.REJECTED:
            return f"{by} rejected {what}{note}."
        case DecisionState.ISSUED:
            until = _time(event, lease=True)
            return f"Junction {event.target} is under adaptive control until {until}."
        case DecisionState.RELEASED:
            return f"{by} ended {what}{note}."
        case DecisionState.EXPIRED if event.version > 2:
            return f"The time granted for {what} is over."
        case _:
            return f"Nobody answered the proposal of {what} in time."


def _say_stage(event: DecisionEvent) -> str:
    stage = event.command.get("stage", "")
    if event.state is DecisionState.RELEASED:
        why = _LET_GO.get(event.reason, event.reason)
        return (
            f"Junction {event.target} goes back to its own plan when its lease ends at "
            f"{_time(event, lease=True)}: {why}."
        )
    why = _STAGE.get(event.reason, event.reason)
    verb = "keeps" if stage == _value(event, "stage shown") else "changes to"
    return f"Junction {event.target} {verb} stage {stage}: {why}.{_after(event)}"


def _say_access(event: DecisionEvent) -> str:
    profile, window = _value(event, "profile"), _value(event, "window")
    verdict = _VERDICTS.get(_value(event, "state"), "decided")
    why = _ACCESS.get(event.reason)
    if why is None:
        hours = "at any time" if window == "always" else f"in its hours, {window}"
        why = f"{profile.replace('_', ' ').lower()} may enter {hours}"
    elif event.reason == AccessReason.OUTSIDE_WINDOW:
        why = f"{why} ({profile.replace('_', ' ').lower()}: {window})"
    vehicle = _value(event, "vehicle") or "A vehicle"
    return f"{vehicle} at gate {event.target} is {verdict}: {why}.{_after(event)}"


def _command_words(event: DecisionEvent) -> str:
    command, target = event.command, event.target
    match event.kind:
        case DecisionKind.RAMP_METER if "rate_vph" in command:
            return f"ramp meter {target} lets {command['rate_vph']} vehicles an hour in"
        case DecisionKind.RAMP_METER:
            return f"ramp meter {target} is off"
        case DecisionKind.SIGN if "limit_kph" in command:
            return f"sign {target} shows a limit of {command['limit_kph']} km/h"
        case DecisionKind.SIGN if "close_lane" in command:
            return f"sign {target} closes lane {command['close_lane']}"
        case DecisionKind.SIGN:
            return f"sign {target} says “{command.get('text', '')}”"
        case _ if command.get("gate") == "closed":
            return f"gate {target} is closed to all but emergency vehicles"
        case _ if command.get("gate") == "open":
            return f"gate {target} is open to all"
    return f"gate {target} follows its rule"


def _say_device(event: DecisionEvent) -> str:
    template = _DEVICE.get((event.state, event.reason)) or _DEVICE[event.state, ""]
    return template.format(
        what=_command_words(event),
        by=event.by or "the service",
        note=f": {event.note}" if event.note else "",
        until=_time(event, lease=False),
    )


_SAY: Final[dict[DecisionKind, Callable[[DecisionEvent], str]]] = {
    DecisionKind.SIGNAL_CONTROL: _say_control,
    DecisionKind.SIGNAL_STAGE: _say_stage,
    DecisionKind.ACCESS: _say_access,
    **dict.fromkeys(DEVICE_KINDS, _say_device),
}
