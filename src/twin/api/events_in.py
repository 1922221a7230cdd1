"""Events from outside over HTTP: readings, passages, incidents, signal status, acknowledgements.

Everything that comes goes onto the log, good or not; the worker judges there. The answer counts
and tells at once what will be refused, and it is given only when all of it is durable.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from fastapi import Request
from starlette.responses import Response

from twin import tracing
from twin.api.auth import Asking, House
from twin.api.bodies import MOST_ITEM_BYTES, MOST_ITEMS, body_bytes, no_json, too_large
from twin.api.problems import Broken, Problem
from twin.api.routes import JSON, NDJSON, Body, Endpoint, Schema, json_answer, schema_of
from twin.api.schemas import ItemFaults, TakenView
from twin.api.served import Served
from twin.errors import Fault
from twin.events import (
    Acknowledgement,
    Incident,
    Passage,
    Reading,
    SignalStatus,
    Topic,
)
from twin.ingest.answer import check_items
from twin.ingest.decode import UNREADABLE
from twin.ingest.sealing import envelope_faults, hidden, seal_items
from twin.ingest.topics import group_by_place

_HIDDEN: Final = "(not shown)"


class _Named(msgspec.Struct):
    id: str = ""
    sensor: str = ""


_NAMES: Final = msgspec.json.Decoder(_Named)
_MARKS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},]')
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


async def send_readings(request: Request, served: House, person: Asking) -> Response:
    """Take readings of detectors: one object, an array, or one object a line."""
    return await _take(request, served, person.name, Topic.READING)


async def send_passages(request: Request, served: House, person: Asking) -> Response:
    """Take passages at gates; every plate is sealed before anything is written."""
    return await _take(request, served, person.name, Topic.ANPR_READ)


async def send_incidents(request: Request, served: House, person: Asking) -> Response:
    """Take incidents: something on a link that takes capacity away."""
    return await _take(request, served, person.name, Topic.INCIDENT)


async def send_status(request: Request, served: House, person: Asking) -> Response:
    """Take what signal controllers show."""
    return await _take(request, served, person.name, Topic.STATUS)


async def send_acknowledgements(request: Request, served: House, person: Asking) -> Response:
    """Take devices' answers to decisions."""
    return await _take(request, served, person.name, Topic.ACKNOWLEDGEMENT)


async def _take(request: Request, served: Served, source: str, topic: Topic) -> Response:
    body = await body_bytes(request, (JSON, NDJSON))
    with tracing.accepted(topic):
        return await _accept(body, request, served, source, topic)


async def _accept(
    body: bytes, request: Request, served: Served, source: str, topic: Topic
) -> Response:
    lines = request.headers["content-type"].strip().lower().startswith(NDJSON)
    private = topic is Topic.ANPR_READ
    items = split_lines(body) if lines else split_json(body, private=private)
    _check_sizes(items)
    faults = check_items(
        topic,
        items,
        network=served.network,
        now_us=served.clock.now_us(),
        future_s=served.future_s,
    )
    names = [_Named() if private else _named(item) for item in items]
    values = items
    if private:
        faults = [(index, hidden(fault)) for index, fault in faults]
        faults += envelope_faults(items, served.keys)
        values = seal_items(items, served.keys, refused={index for index, _ in faults})
    keyed = zip((name.sensor for name in names), values, strict=True)
    for place, records in group_by_place(served.topics, topic, keyed).items():
        await served.append(place, records, source=source)
    # a refused passage may hold a plate anywhere, its id included: only its index is answered
    refused = _by_item(faults, [name.id for name in names])
    view = TakenView(
        received=len(items),
        accepted=len(items) - len(refused),
        rejected=len(refused),
        items=refused,
    )
    return json_answer(view, 202)


def split_json(body: bytes, *, private: bool = False) -> list[bytes]:
    """Cut a JSON object or an array into its items, each as the sender wrote it.

    Raises Problem 400 when it is no JSON, 422 when it is neither an object nor an array.
    """
    start = body.lstrip()[:1]
    try:
        if start == b"[":
            return [bytes(item) for item in _ITEMS.decode(body)]
        msgspec.json.decode(body)
    except RecursionError as error:
        if not _closed(body):
            raise no_json(error, private=private) from error
        # the item that is nested too deeply is refused alone, by `check_items`
        return _cut_array(body) if start == b"[" else [body.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise no_json(error, private=private) from error
    if start != b"{":
        fault = Fault("$", _HIDDEN, "is an object or an array of objects", "no_object")
        raise Problem(422, "The body breaks a rule.", fault)
    return [body.strip()]


def _closed(body: bytes) -> bool:
    """Say whether every bracket of a body that is too deep to decode is closed again."""
    marks = [found[0] for found in _MARKS.finditer(body)]
    return sum(mark in b"[{" for mark in marks) == sum(mark in b"]}" for mark in marks)


def _cut_array(body: bytes) -> list[bytes]:
    """Cut an array at its outer commas, however deep its items are nested."""
    items: list[bytes] = []
    depth = 0
    start = 0
    for found in _MARKS.finditer(body):
        mark = found[0]
        if mark in b"[{":
            depth += 1
            start = found.end() if depth == 1 else start
        elif depth == 1 and mark in b",]":
            items.append(body[start : found.start()].strip())
            start = found.end()
        if mark in b"]}":
            depth -= 1
        if depth == 0:
            break
    return items


def split_lines(body: bytes) -> list[bytes]:
    """Cut NDJSON into its lines; empty ones are passed over. A broken line is a refused item."""
    return [line.strip() for line in body.split(b"\n") if line.strip()]


def _check_sizes(items: list[bytes]) -> None:
    if len(items) > MOST_ITEMS:
        raise too_large("$", f"{len(items)} items", f"has at most {MOST_ITEMS} items")
    for index, item in enumerate(items):
        if len(item) > MOST_ITEM_BYTES:
            rule = f"has at most {MOST_ITEM_BYTES} bytes"
            raise too_large(f"$[{index}]", f"{len(item)} bytes", rule)


def _named(item: bytes) -> _Named:
    """Read id and sensor of an item as far as that goes: they only route and label it."""
    try:
        return _NAMES.decode(item)
    except UNREADABLE:
        return _Named()


def _by_item(faults: list[tuple[int, Fault]], ids: list[str]) -> list[ItemFaults]:
    grouped: dict[int, list[Broken]] = {}
    for index, fault in faults:
        grouped.setdefault(index, []).append(Broken.of(fault))
    return [
        ItemFaults(index=index, id=ids[index], errors=grouped[index]) for index in sorted(grouped)
    ]


def _body(kind: type, description: str, example: dict[str, Any]) -> Body:
    item = schema_of(kind)
    anything: Schema = {
        "type": "object",
        "description": "kept, counted as rejected, and answered with its reasons",
    }
    several: Schema = {"type": "array", "items": {"anyOf": [item, {}]}}
    return Body(
        types=(kind,),
        schema={"anyOf": [item, several, anything]},
        media=(JSON, NDJSON),
        description=description,
        examples={"one": example, "several": [example]},
    )


_ERRORS: Final = (400, 413, 415, 422)
_TIME: Final = "2026-06-16T06:30:00Z"

ENDPOINTS: Final = tuple(
    Endpoint(
        method="POST",
        path=path,
        handler=handler,
        summary=summary,
        tag="events in",
        answer=TakenView,
        status=202,
        errors=_ERRORS,
        body=_body(kind, "one event, an array, or NDJSON with an event a line", example),
    )
    for path, handler, summary, kind, example in (
        (
            "/readings",
            send_readings,
            "Send readings of detectors",
            Reading,
            {
                "id": "d17-0630",
                "sensor": "D17",
                "time": _TIME,
                "period_s": 60,
                "count": 21,
                "speed_kph": 87.4,
                "occupancy_pct": 9.1,
            },
        ),
        (
            "/passages",
            send_passages,
            "Send passages at gates",
            Passage,
            {
                "id": "g1-000421",
                "gate": "G1",
                "time": _TIME,
                "plate": "0000AAA",
                "country": "ES",
                "confidence": 0.98,
                "direction": "in",
            },
        ),
        (
            "/incidents",
            send_incidents,
            "Send incidents",
            Incident,
            {"id": "i-12", "link": "M4", "time": _TIME, "kind": "crash", "lanes_closed": 1},
        ),
        (
            "/street/status",
            send_status,
            "Send what signals show",
            SignalStatus,
            {
                "id": "j1-88",
                "junction": "J1",
                "time": _TIME,
                "stage": "2",
                "since": "2026-06-16T06:29:48Z",
                "mode": "own_plan",
            },
        ),
        (
            "/street/acknowledgements",
            send_acknowledgements,
            "Answer decisions",
            Acknowledgement,
            {
                "id": "j1-ack-88",
                "decision": "0f3a",
                "device": "J1",
                "time": _TIME,
                "accepted": True,
            },
        ),
    )
)
