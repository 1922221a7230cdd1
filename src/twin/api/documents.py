"""The two descriptions of this API, for programs: OpenAPI and AsyncAPI."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import Response

from twin.api.asyncapi import asyncapi_document
from twin.api.auth import House
from twin.api.routes import Endpoint, json_answer


async def openapi_json(request: Request) -> Response:
    """Give this API as an OpenAPI 3.1 document."""
    return json_answer(request.app.openapi())


async def asyncapi_json(served: House) -> Response:
    """Give the event log as an AsyncAPI 3 document."""
    return json_answer(asyncapi_document(served.topic_prefix))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/openapi.json",
        handler=openapi_json,
        summary="This document",
        tag="service",
        answer={"type": "object"},
    ),
    Endpoint(
        method="GET",
        path="/asyncapi.json",
        handler=asyncapi_json,
        summary="The event log as AsyncAPI 3",
        tag="service",
        answer={"type": "object"},
    ),
)
