"""The AsyncAPI 3 document: every topic of the log with the type that it carries."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from twin import __version__
from twin.api.routes import REF
from twin.events import (
    Acknowledgement,
    Authorisation,
    DecisionEvent,
    Incident,
    OperatorAct,
    Passage,
    Reading,
    ReadingColumns,
    SignalStatus,
    Tick,
    Topic,
)
from twin.ingest.applied import AppliedReadings
from twin.ingest.packing import Piece
from twin.ingest.topics import InnerTopic

AnyTopic = Topic | InnerTopic
TOPICS: Final[tuple[AnyTopic, ...]] = (*Topic, *InnerTopic)

CARRIES: Final[dict[AnyTopic, tuple[type[msgspec.Struct], bool, str]]] = {
    Topic.READING: (Reading, True, "what detectors measured; partition = region of the sensor"),
    Topic.READING_COLUMNS: (ReadingColumns, True, "many readings a record, as arrays"),
    Topic.ANPR_READ: (Passage, True, "vehicles at gates, plates sealed; kept 24 hours"),
    Topic.INCIDENT: (Incident, True, "what takes capacity away from a link"),
    Topic.STATUS: (SignalStatus, True, "what signal controllers show"),
    Topic.ACKNOWLEDGEMENT: (Acknowledgement, True, "devices' answers to decisions"),
    Topic.ACT: (OperatorAct, True, "what persons did: approve, reject, release"),
    Topic.AUTHORISATION: (Authorisation, True, "rights to enter zones, by token"),
    Topic.DECISION: (DecisionEvent, False, "every version of every decision"),
    Topic.TICK: (Tick, False, "the beats of the control loop, for replays"),
    InnerTopic.APPLIED: (
        AppliedReadings,
        False,
        "within the service: what workers applied; partition as reading",
    ),
    InnerTopic.PICTURE: (Piece, False, "within the service: key frames of pictures and changes"),
    InnerTopic.FORECAST: (Piece, False, "within the service: whole forecasts, in pieces"),
}
"""Type, whether the service reads it (else it writes it), and what it is."""
CONTENT: Final[dict[AnyTopic, str]] = dict.fromkeys(
    (Topic.READING_COLUMNS, *InnerTopic), "application/vnd.msgpack"
)
"""How the values of a topic are written, where that is not JSON."""


def asyncapi_document(prefix: str = "") -> dict[str, Any]:
    """Build the document; `prefix` stands before every topic name on the broker."""
    types = [kind for kind, _, _ in CARRIES.values()]
    _, schemas = msgspec.json.schema_components(types, ref_template=REF)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "twin events",
            "version": __version__,
            "description": (
                "The event log. Values are JSON in UTF-8, one event a record, unless the message "
                "names another content type. The record's "
                "timestamp is its arrival; the header `source` names the sender. Delivery is at "
                "least once: the event's own id tells a repetition."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {str(topic): _channel(topic, prefix) for topic in TOPICS},
        "operations": {_operation_name(topic): _operation(topic) for topic in TOPICS},
        "components": {
            "schemas": schemas,
            "messages": {str(topic): _message(topic) for topic in TOPICS},
        },
    }


def _channel(topic: AnyTopic, prefix: str) -> dict[str, Any]:
    kind, _, text = CARRIES[topic]
    return {
        "address": f"{prefix}{topic}",
        "title": kind.__name__,
        "description": text,
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{topic}"}},
    }


def _message(topic: AnyTopic) -> dict[str, Any]:
    kind, incoming, text = CARRIES[topic]
    headers: dict[str, Any] = {
        "type": "object",
        "properties": {"source": {"type": "string", "description": "who sent it"}},
    }
    message: dict[str, Any] = {
        "name": kind.__name__,
        "title": kind.__name__,
        "summary": text,
        "contentType": CONTENT.get(topic, "application/json"),
        "payload": {"$ref": REF.format(name=kind.__name__)},
    }
    return {**message, "headers": headers} if incoming else message


def _operation_name(topic: AnyTopic) -> str:
    verb = "receive" if CARRIES[topic][1] else "send"
    return f"{verb}.{topic}"


def _operation(topic: AnyTopic) -> dict[str, Any]:
    kind, incoming, text = CARRIES[topic]
    channel = f"#/channels/{topic}"
    return {
        "action": "receive" if incoming else "send",
        "channel": {"$ref": channel},
        "summary": text,
        "messages": [{"$ref": f"{channel}/messages/{kind.__name__}"}],
    }
