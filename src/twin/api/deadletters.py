"""Refused events: list, read, mend, replay."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import Path, Query, Request
from starlette.responses import Response

from twin.api.auth import Asking, House
from twin.api.bodies import decode_body, decoded_body
from twin.api.book_views import DeadLettersView, DeadLetterView, FaultView, ReplayBody
from twin.api.problems import Problem, not_found
from twin.api.routes import Body, Endpoint, json_answer
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.errors import Fault
from twin.events import Topic
from twin.ingest.sealing import seal_items
from twin.ingest.topics import group_by_place, topic_again
from twin.store import audit
from twin.store import deadletters as letters
from twin.store.deadletters import LetterState, StoredLetter

LetterId = Annotated[str, Path(description="of the dead letter")]


class _Sensor(msgspec.Struct):
    sensor: str = ""


async def deadletters(
    served: House,
    reason: Annotated[str | None, Query(description="only this reason", max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """List refused events, newest first."""
    found = await letters.list_letters(served.database, reason=reason, limit=limit)
    return json_answer(DeadLettersView(deadletters=[_view(one) for one in found]))


async def deadletter(served: House, letter_id: LetterId) -> Response:
    """Give one refused event with every rule that it broke."""
    return json_answer(_view(await _letter(served, letter_id)))


async def replay_deadletter(
    request: Request, served: House, person: Asking, letter_id: LetterId
) -> Response:
    """Append a refused event again, mended or as it was kept; it is judged like any other."""
    body = await decoded_body(request, ReplayBody, private=True)
    stored = await _letter(served, letter_id)
    if stored.state not in (LetterState.OPEN, LetterState.MENDED):
        raise _conflict("state", str(stored.state), "is open or mended")
    topic = Topic(stored.letter.place.topic)
    now_us = served.clock.now_us()
    value = stored.to_replay
    if body.payload is not None:
        value = msgspec.json.encode(body.payload)
        value = seal_items([value], served.keys)[0] if topic is Topic.ANPR_READ else value
        await letters.mend(served.database, letter_id, value, by=person.name, now_us=now_us)
    if value is None:
        raise _conflict("payload", "(not kept)", "is given: a record with a plate is not kept")
    await audit.record(
        served.database,
        time_us=served.wall.now_us(),
        person=person.name,
        act="deadletter.replay",
        target=letter_id,
        detail={"mended": body.payload is not None},
    )
    again = topic_again(topic, value)
    (place,) = group_by_place(served.topics, again, [(_sensor(value), value)])
    await served.append(place, [value], source=stored.letter.source)
    await letters.mark_replayed(served.database, [letter_id], by=person.name, now_us=now_us)
    return json_answer(_view(await _letter(served, letter_id)), HTTPStatus.ACCEPTED)


def _sensor(value: bytes) -> str:
    try:
        return decode_body(value, _Sensor, private=True).sensor
    except Problem:
        return ""


async def _letter(served: Served, letter_id: str) -> StoredLetter:
    found = await letters.get_letter(served.database, letter_id)
    if found is None:
        raise not_found("letter", letter_id, "is an id of GET /deadletters")
    return found


def _conflict(field: str, value: str, rule: str) -> Problem:
    fault = Fault(field, value, rule, "conflict")
    return Problem(HTTPStatus.CONFLICT, f"Not replayed: {fault}.", fault)


def _view(stored: StoredLetter) -> DeadLetterView:
    letter = stored.letter
    payload = stored.to_replay
    return DeadLetterView(
        id=letter.id,
        topic=letter.place.topic,
        partition=letter.place.partition,
        offset=letter.offset,
        arrived=datetime_from_us(letter.arrival_us),
        source=letter.source,
        reason=letter.reason,
        errors=[
            FaultView(field=name, value=value, rule=rule) for name, value, rule in letter.faults
        ],
        payload=None if payload is None else payload.decode("utf-8", "replace"),
        state=str(stored.state),
        changed=None if stored.changed_us is None else datetime_from_us(stored.changed_us),
        changed_by=stored.changed_by,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/deadletters",
        handler=deadletters,
        summary="Refused events",
        tag="dead letters",
        answer=DeadLettersView,
        errors=(422,),
    ),
    Endpoint(
        method="GET",
        path="/deadletters/{letter_id}",
        handler=deadletter,
        summary="One refused event",
        tag="dead letters",
        answer=DeadLetterView,
        errors=(404, 422),
    ),
    Endpoint(
        method="POST",
        path="/deadletters/{letter_id}/replay",
        handler=replay_deadletter,
        summary="Replay a refused event, mended or as kept",
        tag="dead letters",
        answer=DeadLetterView,
        status=202,
        body=Body(
            types=(ReplayBody,),
            description="`payload`: the mended event; left out: the event as it was kept",
            examples={"as kept": {}, "mended": {"payload": {"id": "d17-0630", "sensor": "D17"}}},
        ),
        errors=(400, 404, 409, 413, 415, 422),
    ),
)
