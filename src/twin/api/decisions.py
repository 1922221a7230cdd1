"""The decisions, and a person's answer to them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import Path, Query, Request
from starlette.responses import Response

from twin.api.auth import Asking, House, Person
from twin.api.bodies import decoded_body
from twin.api.decision_views import decision_view, sees_vehicles
from twin.api.problems import Problem, not_found
from twin.api.routes import Body, Endpoint, json_answer
from twin.api.schemas import ActBody, DecisionHistoryView, DecisionsView, DecisionView
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.control.decision import act_refusal
from twin.errors import Fault
from twin.events import (
    DEVICE_KINDS,
    Act,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    OperatorAct,
    Topic,
)
from twin.ids import derived_id
from twin.store import audit
from twin.store import decisions as kept

MOST: Final = 500
_RUNNING: Final = frozenset({DecisionState.ISSUED, DecisionState.ACKNOWLEDGED})
_MADE: Final = {
    Act.APPROVE: frozenset({DecisionState.APPROVED, DecisionState.ISSUED}),
    Act.REJECT: frozenset({DecisionState.REJECTED}),
    Act.RELEASE: frozenset({DecisionState.RELEASED}),
}


class Which(StrEnum):
    """Which decisions are listed."""

    OPEN = "open"
    ALL = "all"


DecisionId = Annotated[str, Path(description="of the decision")]


async def decisions(
    served: House,
    person: Asking,
    kind: Annotated[DecisionKind | None, Query(description="only this kind")] = None,
    state: Annotated[Which, Query(description="open: those that may still change")] = Which.OPEN,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Response:
    """List decisions, newest first: those still open, or all that are kept."""
    if state is Which.OPEN:
        picture = served.board.picture
        found = list(picture.decisions) if picture else []
        found = [served.board.decision(event.id) or event for event in found]
        found = [event for event in found if kind in (None, event.kind)]
        found.sort(key=lambda event: event.time, reverse=True)
    else:
        found = list(await kept.list_decisions(served.database, kind=kind, limit=limit))
    if not sees_vehicles(person):
        found = [event for event in found if event.kind is not DecisionKind.ACCESS]
    return json_answer(DecisionsView(decisions=await _views(served, found[:limit], person)))


async def decision(served: House, person: Asking, decision_id: DecisionId) -> Response:
    """Give one decision with all its versions."""
    history = list(await kept.history(served.database, decision_id))
    newest = served.board.decision(decision_id)
    if newest is not None and (not history or history[-1].version < newest.version):
        history.append(newest)
    if not history or (history[-1].kind is DecisionKind.ACCESS and not sees_vehicles(person)):
        raise not_found("decision", decision_id, "is an id of GET /decisions")
    (shown,) = await _views(served, history[-1:], person)
    return json_answer(DecisionHistoryView(decision=shown, history=history))


async def approve_decision(
    request: Request, served: House, person: Asking, decision_id: DecisionId
) -> Response:
    """Approve a proposal, as the version that was seen; answers when it took effect."""
    return await _act(request, served, person, decision_id, Act.APPROVE)


async def reject_decision(
    request: Request, served: House, person: Asking, decision_id: DecisionId
) -> Response:
    """Reject a proposal, as the version that was seen; answers when it took effect."""
    return await _act(request, served, person, decision_id, Act.REJECT)


async def release_decision(
    request: Request, served: House, person: Asking, decision_id: DecisionId
) -> Response:
    """End a grant or a command in force, as it was seen; answers when it took effect."""
    return await _act(request, served, person, decision_id, Act.RELEASE)


async def _act(
    request: Request, served: Served, person: Person, decision_id: str, kind: Act
) -> Response:
    body = await decoded_body(request, ActBody)
    seen_version = int(body.seen_version)
    current = await _current(served, decision_id)
    now_us = served.clock.now_us()
    act = OperatorAct(
        id=derived_id("act", person.name, decision_id, seen_version, str(kind), now_us),
        time=datetime_from_us(now_us),
        person=person.name,
        act=kind,
        target=decision_id,
        seen_version=seen_version,
        reason=body.reason,
    )
    refusal = act_refusal(current, act, now_us)
    if refusal is not None:
        raise _conflict(refusal)
    await _note(served, act, f"decision.{kind}", {})
    await served.append(served.topics.place(Topic.ACT), [msgspec.json.encode(act)], source="api")
    beyond = current.version if current.kind in DEVICE_KINDS else seen_version
    after = await _after(served, act, beyond)
    if after is None:
        (view,) = await _views(served, [current], person)
        return json_answer(view, HTTPStatus.ACCEPTED)
    if not (_took_effect(after, act) and served.board.claim(decision_id, seen_version)):
        by = f" by {after.by}" if after.by else ""
        rule = f"is version {after.version} now: {after.state}{by}"
        await _note(served, act, f"decision.{kind}.refused", {"stands": rule})
        raise _conflict(Fault("seen_version", str(seen_version), rule, "conflict"))
    (view,) = await _views(served, [after], person)
    return json_answer(view)


async def _after(served: Served, act: OperatorAct, beyond: int) -> DecisionEvent | None:
    """Wait for what follows an act; a command whose lease was renewed meanwhile still runs."""
    while True:
        after = await served.board.wait_decision(
            act.target, beyond=beyond, timeout_s=served.approve_wait_s
        )
        if after is None or after.kind not in DEVICE_KINDS or after.state not in _RUNNING:
            return after
        beyond = after.version


async def _note(served: Served, act: OperatorAct, what: str, more: dict[str, str]) -> None:
    """Write an act, or that it did nothing, into the audit."""
    await audit.record(
        served.database,
        time_us=served.wall.now_us(),
        person=act.person,
        act=what,
        target=act.target,
        detail={"reason": act.reason, "seen_version": act.seen_version, **more},
    )


async def _current(served: Served, decision_id: str) -> DecisionEvent:
    known = served.board.decision(decision_id)
    if known is not None:
        return known
    history = await kept.history(served.database, decision_id)
    if not history:
        raise not_found("decision", decision_id, "is an id of GET /decisions")
    return history[-1]


def _conflict(fault: Fault) -> Problem:
    if fault.reason == "reason_too_short":
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The request breaks a rule.", fault)
    return Problem(HTTPStatus.CONFLICT, f"Not done: {fault}.", fault)


def _took_effect(after: DecisionEvent, act: OperatorAct) -> bool:
    """Say whether what stands now came of this act: its state, its person and its reason."""
    mine = (after.by, after.note) == (act.person, act.reason.strip())
    return mine and after.state in _MADE[act.act]


async def _views(
    served: Served, events: Sequence[DecisionEvent], person: Person
) -> list[DecisionView]:
    """Show decisions; when a later version's facts were true, the board or the store knows."""
    made = {event.id: served.board.made_us(event.id) for event in events if event.version > 1}
    unknown = [name for name, made_us in made.items() if made_us is None]
    stored = await kept.made_us(served.database, unknown) if unknown else {}
    now_us = served.clock.now_us()
    return [
        decision_view(
            event, person=person, now_us=now_us, made_us=made.get(event.id) or stored.get(event.id)
        )
        for event in events
    ]


_ACT_BODY: Final = Body(
    types=(ActBody,),
    description="why, and the version of the decision that the person saw",
    examples={"reason": {"reason": "queue on the ramp reaches the motorway", "seen_version": 1}},
)
_ACT_ANSWERS: Final = {202: ("On the log; it has not taken effect yet", DecisionView)}

ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/decisions",
        handler=decisions,
        summary="Open or all decisions",
        tag="decisions",
        answer=DecisionsView,
        errors=(422,),
    ),
    Endpoint(
        method="GET",
        path="/decisions/{decision_id}",
        handler=decision,
        summary="One decision with its history",
        tag="decisions",
        answer=DecisionHistoryView,
        errors=(404, 422),
    ),
    Endpoint(
        method="POST",
        path="/decisions/{decision_id}/approve",
        handler=approve_decision,
        summary="Approve a proposal",
        tag="decisions",
        answer=DecisionView,
        also=_ACT_ANSWERS,
        body=_ACT_BODY,
        errors=(400, 404, 409, 413, 415, 422),
    ),
    Endpoint(
        method="POST",
        path="/decisions/{decision_id}/reject",
        handler=reject_decision,
        summary="Reject a proposal",
        tag="decisions",
        answer=DecisionView,
        also=_ACT_ANSWERS,
        body=_ACT_BODY,
        errors=(400, 404, 409, 413, 415, 422),
    ),
    Endpoint(
        method="POST",
        path="/decisions/{decision_id}/release",
        handler=release_decision,
        summary="Release a grant, or end a command to a device",
        tag="decisions",
        answer=DecisionView,
        also=_ACT_ANSWERS,
        body=_ACT_BODY,
        errors=(400, 404, 409, 413, 415, 422),
    ),
)
