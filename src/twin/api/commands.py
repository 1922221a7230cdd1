"""What an operator orders of ramp meters, signs and gates, and what those show."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import Query, Request
from starlette.responses import Response

from twin.api.auth import Asking, House
from twin.api.bodies import decoded_body
from twin.api.decision_views import decision_view
from twin.api.device_views import CommandBody, DevicesView, device_view
from twin.api.problems import Problem, not_found
from twin.api.routes import Body, Endpoint, json_answer
from twin.api.schemas import DecisionView
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.control.devices.orders import ordered, unsafe_fault
from twin.control.devices.safety import DeviceSafety
from twin.errors import Fault, UnsafePlan
from twin.events import (
    DEVICE_KINDS,
    Act,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    DeviceOrder,
    OperatorAct,
    Topic,
)
from twin.ids import derived_id
from twin.network.devices import DeviceKind, RoadDevice, road_devices
from twin.store import audit

_STANDING: Final = frozenset(
    {DecisionState.APPROVED, DecisionState.ISSUED, DecisionState.ACKNOWLEDGED}
)


async def devices(
    served: House,
    kind: Annotated[DeviceKind | None, Query(description="only this kind")] = None,
) -> Response:
    """List ramp meters, signs and gates with the commands in force."""
    commands = {(str(one.kind), one.target): one for one in _standing(served)}
    now_us, limits = served.clock.now_us(), _safety(served).limits
    found = [
        device_view(one, commands.get((str(one.kind), one.id)), limits=limits, now_us=now_us)
        for one in _devices(served).values()
        if kind in (None, one.kind)
    ]
    return json_answer(DevicesView(devices=found))


async def command_device(request: Request, served: House, person: Asking) -> Response:
    """Order something of a device; answers when the command went out, or was refused."""
    body = await decoded_body(request, CommandBody)
    if (str(body.kind), body.target) not in _devices(served):
        raise not_found(str(body.kind), body.target, "is a device of GET /devices")
    now_us = served.clock.now_us()
    act = OperatorAct(
        id=derived_id("act", person.name, str(body.kind), body.target, now_us),
        time=datetime_from_us(now_us),
        person=person.name,
        act=Act.COMMAND,
        target=body.target,
        seen_version=0,
        reason=body.reason,
        order=DeviceOrder(
            kind=DecisionKind(body.kind), command=dict(body.command), for_s=body.for_s
        ),
    )
    made = _checked(served, act, now_us)
    await audit.record(
        served.database,
        time_us=served.wall.now_us(),
        person=person.name,
        act="device.command",
        target=body.target,
        detail={"kind": str(body.kind), "reason": body.reason, **made.command},
    )
    await served.append(served.topics.place(Topic.ACT), [msgspec.json.encode(act)], source="api")
    await served.board.wait_decision(made.id, beyond=1, timeout_s=served.approve_wait_s)
    known = served.board.decision(made.id)
    view = decision_view(known or made, person=person, now_us=now_us)
    return json_answer(view, HTTPStatus.ACCEPTED if known is None else HTTPStatus.CREATED)


def _checked(served: Served, act: OperatorAct, now_us: int) -> DecisionEvent:
    """Return the decision that the order asks for. Raises Problem 422 when it may not be made.

    The worker asks the same again, from its own state, before anything goes out.
    """
    made = ordered(act, now_us=now_us, map_version=served.network.version)
    fault: Fault
    if isinstance(made, DecisionEvent):
        try:
            _safety(served).examine(made, standing=_standing(served), now_us=now_us)
        except UnsafePlan as problem:
            fault = unsafe_fault(problem)
        else:
            return made
    else:
        fault = made
    raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"Not ordered: {fault}.", fault)


def _devices(served: Served) -> dict[tuple[str, str], RoadDevice]:
    return served.once(
        "devices",
        served.network.version,
        lambda: {(str(one.kind), one.id): one for one in road_devices(served.network)},
    )


def _safety(served: Served) -> DeviceSafety:
    return served.once(
        "device_safety", served.network.version, lambda: DeviceSafety(served.network)
    )


def _standing(served: Served) -> list[DecisionEvent]:
    """Return the commands to devices in force, as their newest versions say."""
    picture = served.board.picture
    found = [one for one in (picture.decisions if picture else ()) if one.kind in DEVICE_KINDS]
    newest = [served.board.decision(one.id) or one for one in found]
    return [one for one in newest if one.state in _STANDING]


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/devices",
        handler=devices,
        summary="Ramp meters, signs and gates, and what they were told",
        tag="street",
        answer=DevicesView,
        errors=(422,),
    ),
    Endpoint(
        method="POST",
        path="/commands",
        handler=command_device,
        summary="Command a ramp meter, a sign or a gate",
        tag="street",
        answer=DecisionView,
        status=201,
        also={202: ("On the log; it has not taken effect yet", DecisionView)},
        body=Body(
            types=(CommandBody,),
            description="what, why and for how long",
            examples={
                "limit": {
                    "kind": "sign",
                    "target": "PMV-N5",
                    "command": {"limit_kph": "80"},
                    "reason": "queue before the viaduct",
                    "for_s": 1800,
                }
            },
        ),
        errors=(400, 404, 413, 415, 422),
    ),
)
