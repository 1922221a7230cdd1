"""Versions of the map: which are stored, which is in use, and going over to another one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from fastapi import Path, Request
from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import Asking, House
from twin.api.bodies import decoded_body, reason_of
from twin.api.problems import Problem, not_found
from twin.api.routes import Body, Endpoint, json_answer
from twin.clock import datetime_from_us
from twin.control.decision import REASON_CHARS
from twin.errors import Fault
from twin.events import Act, OperatorAct, Topic
from twin.ids import derived_id
from twin.store import audit, map_changes, maps
from twin.store.records import MapChange, MapChangeState

Version = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="hash of the content")]


class VersionView(Struct, frozen=True, kw_only=True):
    """One stored version of the map."""

    version: Version
    name: str
    timezone: str
    stored: datetime
    counts: dict[str, Annotated[int, Meta(ge=0)]]
    in_use: bool


class ChangeView(Struct, frozen=True, kw_only=True):
    """One change of the map: asked, and then done or refused.

    `report` of a change that is done counts what was carried over (`carried`) and what was not
    (`dropped`), names the first 500 of those with the reason, and lists the decisions that were
    withdrawn; of one that was refused it says `why`.
    """

    id: str
    version: Version
    before: Annotated[str, Meta(description="version in use until then; empty while asked")]
    person: str
    reason: str
    asked: datetime
    state: MapChangeState
    settled: datetime | None
    report: dict[str, Any]


class ActivateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why another version of the map is to be used."""

    reason: Annotated[str, Meta(min_length=REASON_CHARS, max_length=2000)]


async def versions(served: House) -> Response:
    """List the stored versions of the map, oldest first."""
    return json_answer(
        [
            VersionView(
                version=one.version,
                name=one.name,
                timezone=one.timezone,
                stored=datetime_from_us(one.stored_us),
                counts=dict(one.counts),
                in_use=one.version == served.network.version,
            )
            for one in await maps.list_versions(served.database)
        ]
    )


async def changes(served: House) -> Response:
    """List the newest changes of the map, newest first."""
    return json_answer(
        [change_view(one) for one in await map_changes.list_changes(served.database)]
    )


async def activate(
    request: Request,
    served: House,
    person: Asking,
    version: Annotated[str, Path(description="a stored one, from GET /network/versions")],
) -> Response:
    """Ask for another version; answers when the act is durable on the log, before it is done."""
    body = await decoded_body(request, ActivateBody)
    reason = reason_of(body.reason)
    if version not in {one.version for one in await maps.list_versions(served.database)}:
        raise not_found("version", version, "is a version of GET /network/versions")
    if version == served.network.version:
        fault = Fault("version", version, "is in use already", "conflict")
        raise Problem(HTTPStatus.CONFLICT, "Nothing is to be changed.", fault)
    now_us = served.clock.now_us()
    act = activation(version, person=person.name, reason=reason, now_us=now_us)
    await audit.record(
        served.database,
        time_us=served.wall.now_us(),
        person=person.name,
        act="map.activate",
        target=version,
        detail={"reason": act.reason, "before": str(served.network.version)},
    )
    await served.append(served.topics.place(Topic.ACT), [msgspec.json.encode(act)], source="api")
    asked = MapChange(
        id=act.id, version=version, person=act.person, reason=act.reason, asked_us=now_us
    )
    return json_answer(change_view(asked), HTTPStatus.ACCEPTED)


def activation(version: str, *, person: str, reason: str, now_us: int) -> OperatorAct:
    """Write the act by which a person asks for another version of the map."""
    return OperatorAct(
        id=derived_id("act", person, version, 0, str(Act.ACTIVATE_MAP), now_us),
        time=datetime_from_us(now_us),
        person=person,
        act=Act.ACTIVATE_MAP,
        target=version,
        seen_version=0,
        reason=reason,
    )


def change_view(change: MapChange) -> ChangeView:
    """Show a change as the API does."""
    report: Mapping[str, Any] = change.report
    settled_us = change.settled_us
    return ChangeView(
        id=change.id,
        version=change.version,
        before=change.before,
        person=change.person,
        reason=change.reason,
        asked=datetime_from_us(change.asked_us),
        state=change.state,
        settled=None if settled_us is None else datetime_from_us(settled_us),
        report=dict(report),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/network/versions",
        handler=versions,
        summary="Stored versions of the map",
        tag="network",
        answer=list[VersionView],
    ),
    Endpoint(
        method="GET",
        path="/network/changes",
        handler=changes,
        summary="Changes of the map",
        tag="network",
        answer=list[ChangeView],
    ),
    Endpoint(
        method="POST",
        path="/network/versions/{version}/activate",
        handler=activate,
        summary="Go over to another version of the map",
        tag="network",
        answer=ChangeView,
        status=202,
        body=Body(
            types=(ActivateBody,),
            description="why the map is changed",
            examples={"opened": {"reason": "the third lane of the A1 is open"}},
        ),
        errors=(400, 404, 409, 413, 415, 422),
    ),
)
