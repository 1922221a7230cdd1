"""A person's word that an incident is over."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import Path, Request
from starlette.responses import Response

from twin.api.auth import Asking, House
from twin.api.bodies import decoded_body, reason_of
from twin.api.problems import not_found
from twin.api.routes import Body, Endpoint, json_answer
from twin.api.schemas import ClearBody
from twin.clock import datetime_from_us
from twin.events import Act, Incident, OperatorAct, Topic
from twin.ids import derived_id
from twin.store import audit


async def clear_incident(
    request: Request,
    served: House,
    person: Asking,
    incident_id: Annotated[str, Path(description="of an incident of the picture")],
) -> Response:
    """End an incident that lasts; answers when the act is durable on the log."""
    body = await decoded_body(request, ClearBody)
    reason = reason_of(body.reason)
    picture = served.board.picture
    known = {incident.id: incident for incident in (picture.incidents if picture else ())}
    if incident_id not in known:
        raise not_found("incident", incident_id, "is an incident of GET /picture")
    now_us = served.clock.now_us()
    act = OperatorAct(
        id=derived_id("act", person.name, incident_id, 0, str(Act.CLEAR_INCIDENT), now_us),
        time=datetime_from_us(now_us),
        person=person.name,
        act=Act.CLEAR_INCIDENT,
        target=incident_id,
        seen_version=0,
        reason=reason,
    )
    await audit.record(
        served.database,
        time_us=served.wall.now_us(),
        person=person.name,
        act="incident.clear",
        target=incident_id,
        detail={"reason": reason},
    )
    await served.append(served.topics.place(Topic.ACT), [msgspec.json.encode(act)], source="api")
    return json_answer(known[incident_id], HTTPStatus.ACCEPTED)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/incidents/{incident_id}/clear",
        handler=clear_incident,
        summary="End an incident",
        tag="incidents",
        answer=Incident,
        status=202,
        body=Body(
            types=(ClearBody,),
            description="why it is over",
            examples={"reason": {"reason": "the lane is free again, says the patrol"}},
        ),
        errors=(400, 404, 413, 415, 422),
    ),
)
