"""The two documents: self-contained, complete, and true to what the service answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from api_house import House
from twin.api.application import ENDPOINTS
from twin.api.asyncapi import CARRIES, asyncapi_document
from twin.api.roles import MATRIX
from twin.events import Topic
from twin.ingest.topics import InnerTopic


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def resolve(document: dict[str, Any], ref: str) -> Any:
    found: Any = document
    for part in ref.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/")]
    return found


def test_openapi_is_self_contained_and_complete(house: House) -> None:
    document = house.app.openapi()
    assert document["openapi"].startswith("3.1")
    for ref in refs(document):
        assert ref.startswith("#/"), ref
        assert resolve(document, ref) is not None
    documented = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    wanted = {
        (row.method, row.full_path) for row in ENDPOINTS if row.documented and row.method != "WS"
    }
    assert documented == wanted


def test_every_operation_is_described_with_its_errors_and_its_key(house: House) -> None:
    for path, methods in house.app.openapi()["paths"].items():
        for method, operation in methods.items():
            key = (method.upper(), path)
            assert operation["summary"], key
            assert operation["description"], key
            answers = operation["responses"]
            assert "500" in answers, key
            assert operation["security"] == (
                [] if MATRIX[key] is None else [{"key": []}, {"token": []}, {"session": []}]
            )
            if MATRIX[key] is not None:
                assert {"401", "403", "503"} <= answers.keys(), key
            for status, answer in answers.items():
                if int(status) >= 400 and path != "/health/ready":
                    assert list(answer["content"]) == ["application/problem+json"], (key, status)
            if "requestBody" in operation:
                assert {"400", "413", "415", "422"} <= answers.keys(), key
                assert operation["requestBody"]["content"]["application/json"]["examples"], key
            for parameter in operation.get("parameters", []):
                assert parameter["schema"], (key, parameter["name"])


async def test_the_documents_are_served_to_everybody(house: House) -> None:
    async with house.client() as client:
        openapi = (await client.get("/api/v1/openapi.json")).json()
        asyncapi = (await client.get("/api/v1/asyncapi.json")).json()
    assert openapi == json.loads(json.dumps(house.app.openapi()))
    assert asyncapi == json.loads(json.dumps(asyncapi_document()))


def test_asyncapi_has_every_topic_with_its_type() -> None:
    document = asyncapi_document(prefix="city.")
    assert document["asyncapi"].startswith("3.")
    topics = (*Topic, *InnerTopic)
    assert set(document["channels"]) == {str(topic) for topic in topics} == set(CARRIES)
    for ref in refs(document):
        assert resolve(document, ref) is not None, ref
    for topic in topics:
        channel = document["channels"][topic]
        assert channel["address"] == f"city.{topic}"
        (message,) = channel["messages"].values()
        payload = resolve(document, resolve(document, message["$ref"])["payload"]["$ref"])
        kind, incoming, _ = CARRIES[topic]
        if topic in set(InnerTopic):  # arrays, not objects
            assert len(payload["prefixItems"]) == len(kind.__struct_fields__)
        else:
            assert set(payload["properties"]) == set(kind.__struct_fields__)
        operation = document["operations"][("receive." if incoming else "send.") + topic]
        assert operation["channel"]["$ref"] == f"#/channels/{topic}"
    assert len(document["operations"]) == len(topics)
