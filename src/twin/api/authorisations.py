"""Rights to enter zones: plates come in clear over this door, tokens go on the log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from fastapi import Request
from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import Asking, House
from twin.api.bodies import decoded_body
from twin.api.problems import Broken
from twin.api.routes import Body, Endpoint, json_answer
from twin.api.schemas import ItemFaults, TakenView
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.control.access.identity import canonical, tokens
from twin.errors import Fault
from twin.events import Authorisation, Topic
from twin.ids import derived_id
from twin.ingest.check import moment_faults
from twin.ingest.texts import CONTROL_RULE, has_control, text_faults
from twin.keys import Purpose
from twin.store import audit

_HIDDEN: Final = "(not shown)"


class PlateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number plate with its country."""

    country: Annotated[str, Meta(min_length=1, max_length=3, description="ISO 3166 code")]
    plate: Annotated[str, Meta(min_length=1, max_length=16)]


class AuthorisationBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A right to enter a zone; a later one of the same name replaces it."""

    authorisation: Annotated[str, Meta(min_length=1, max_length=128, description="its name")]
    profile: Annotated[str, Meta(min_length=1, max_length=128, description="of the rule set")]
    zone: Annotated[str, Meta(min_length=1, max_length=128, description="id in the map")]
    plates: Annotated[list[PlateBody], Meta(min_length=1, max_length=100)]
    valid_from: Annotated[datetime, Meta(tz=True)]
    valid_to: Annotated[datetime, Meta(tz=True)] | None = None
    revoked: bool = False


async def send_authorisations(request: Request, served: House, person: Asking) -> Response:
    """Take rights to enter zones; their plates become tokens before anything is written."""
    bodies = await decoded_body(request, list[AuthorisationBody], private=True)
    faults = {index: found for index, body in enumerate(bodies) if (found := _faults(served, body))}
    good = [body for index, body in enumerate(bodies) if index not in faults]
    now_us = served.clock.now_us()
    events = [_event(served, body, person.name, now_us) for body in good]
    if events:
        await audit.record(
            served.database,
            time_us=served.wall.now_us(),
            person=person.name,
            act="authorisation.send",
            target=events[0].authorisation,
            detail={"count": len(events)},
        )
        values = [msgspec.json.encode(event) for event in events]
        await served.append(served.topics.place(Topic.AUTHORISATION), values, source=person.name)
    view = TakenView(
        received=len(bodies),
        accepted=len(good),
        rejected=len(faults),
        items=[
            ItemFaults(index=index, id=bodies[index].authorisation, errors=errors)
            for index, errors in faults.items()
        ],
    )
    return json_answer(view, 202)


def _faults(served: Served, body: AuthorisationBody) -> list[Broken]:
    faults = []
    if body.zone not in {zone.id for zone in served.network.zones}:
        rule = "is a zone of the map (GET /zones)"
        faults.append(Broken(field="zone", value=body.zone, rule=rule, reason="unknown"))
    faults += [Broken.of(fault) for fault in text_faults(body, shown=_HIDDEN)]
    for name, moment in (("valid_from", body.valid_from), ("valid_to", body.valid_to)):
        faults += [Broken.of(fault) for fault in moment_faults(name, moment)]
    if body.valid_to is not None and body.valid_to <= body.valid_from:
        value = body.valid_to.isoformat()
        rule = "is after valid_from"
        faults.append(Broken(field="valid_to", value=value, rule=rule, reason="invalid"))
    for index, plate in enumerate(body.plates):
        if has_control(plate.plate + plate.country):
            name = f"plates[{index}]"
            faults.append(Broken.of(Fault(name, _HIDDEN, CONTROL_RULE)))
        if not canonical(plate.plate, plate.country).plates:
            rule = "holds at least one letter or digit"
            name = f"plates[{index}].plate"
            faults.append(Broken(field=name, value=_HIDDEN, rule=rule, reason="invalid"))
    return faults


def _event(served: Served, body: AuthorisationBody, by: str, now_us: int) -> Authorisation:
    key = served.keys[Purpose.ACCESS]
    found: list[str] = []
    for plate in body.plates:
        token, candidates = tokens(canonical(plate.plate, plate.country), key=key)
        found += candidates or (token,)
    return Authorisation(
        id=derived_id("authorisation", body.authorisation, by, now_us, *found),
        time=datetime_from_us(now_us),
        authorisation=body.authorisation,
        profile=body.profile,
        zone=body.zone,
        tokens=tuple(dict.fromkeys(found)),
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        revoked=body.revoked,
        by=by,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/authorisations",
        handler=send_authorisations,
        summary="Send rights to enter zones",
        tag="access",
        answer=TakenView,
        status=202,
        body=Body(
            types=(list[AuthorisationBody],),
            description="all of the right form, or none is taken",
            examples={
                "resident": [
                    {
                        "authorisation": "R-1204",
                        "profile": "RESIDENT",
                        "zone": "OLD",
                        "plates": [{"country": "ES", "plate": "0000AAA"}],
                        "valid_from": "2026-01-01T00:00:00+01:00",
                    }
                ]
            },
        ),
        errors=(400, 413, 415, 422),
    ),
)
