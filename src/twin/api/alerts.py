"""Alerts as server-sent events: decisions, events at gates, and the clock as a heartbeat."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.responses import Response, StreamingResponse

from twin.api.auth import Asking, House, Person
from twin.api.clock import clock_view
from twin.api.decision_views import decision_view, sees_vehicles
from twin.api.gates import gate_event_view
from twin.api.routes import Endpoint
from twin.api.served import Served
from twin.api.slots import ALERT_PLACES
from twin.events import DecisionEvent, DecisionKind

HEARTBEAT_S: Final = 5.0
EVENT_STREAM: Final = "text/event-stream"


async def alerts_stream(served: House, person: Asking) -> Response:
    """Stream `decision`, `gate` and `clock` events; `missed` says to read the lists again."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(served, person), headers=headers, media_type=EVENT_STREAM)


async def _events(served: Served, person: Person) -> AsyncIterator[bytes]:
    yield _clock(served)
    told = 0
    gates_told: OrderedDict[str, None] = OrderedDict()
    with served.board.alerts() as slot:
        while not served.board.closed and not person.over(served.wall.now_us()):
            taken = await slot.take(HEARTBEAT_S)
            if slot.dropped > told:
                yield _event("missed", msgspec.json.encode({"decisions": slot.dropped - told}))
                told = slot.dropped
            for event in taken:
                if event.kind is DecisionKind.ACCESS and not _is_new(event, gates_told):
                    continue
                shown = _shown(served, person, event)
                if shown is not None:
                    yield shown
            if not taken:
                yield _clock(served)


def _is_new(event: DecisionEvent, told: OrderedDict[str, None]) -> bool:
    """Say whether a passage was not told yet: its later versions change nothing that is shown."""
    if event.id in told:
        return False
    told[event.id] = None
    if len(told) > ALERT_PLACES:
        told.popitem(last=False)
    return True


def _shown(served: Served, person: Person, event: DecisionEvent) -> bytes | None:
    if event.kind is DecisionKind.ACCESS:
        if not sees_vehicles(person):
            return None
        return _event("gate", msgspec.json.encode(gate_event_view(event)))
    view = decision_view(
        event,
        person=person,
        now_us=served.clock.now_us(),
        made_us=served.board.made_us(event.id),
    )
    return _event("decision", msgspec.json.encode(view))


def _clock(served: Served) -> bytes:
    return _event("clock", msgspec.json.encode(clock_view(served)))


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


_EVENT_SCHEMA: Final = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["decision", "gate", "clock", "missed"]},
        "data": {"type": "string", "description": "JSON of the view of that name"},
    },
}

ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/alerts/stream",
        handler=alerts_stream,
        summary="Decisions and gate events as they happen (SSE)",
        tag="decisions",
        answer=_EVENT_SCHEMA,
        media=EVENT_STREAM,
    ),
)
