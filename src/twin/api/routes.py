"""One row a route: what it answers, which errors it may give, what it takes.

Resources list their routes as `Endpoint` rows; `register` puts them on the application, each
behind the guard of its row in `roles.MATRIX`. There is no other way onto the application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import Depends, FastAPI
from starlette.responses import Response
from starlette.websockets import WebSocket

from twin.api.auth import guard, person_of, served_of
from twin.api.problems import MEDIA_TYPE, Problem, ProblemView, problem_response
from twin.api.roles import API, EVERY_ROLE, Allowed, allowed
from twin.units import SECOND_US

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
REF: Final = "#/components/schemas/{name}"
IMMUTABLE: Final = "private, max-age=31536000, immutable"

POLICY_VIOLATION: Final = 1008

Schema = dict[str, Any]
_WAYS_IN: Final[list[Schema]] = [{"key": []}, {"token": []}, {"session": []}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a route takes. `schema` overrides the type's; `types` are put into the components."""

    types: tuple[Any, ...]
    schema: Schema | None = None
    media: tuple[str, ...] = (JSON,)
    required: bool = True
    examples: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route. `path` stands without the prefix unless `prefix` is empty."""

    method: str
    path: str
    handler: Callable[..., Any]
    summary: str
    tag: str
    answer: Any = None
    status: int = 200
    media: str = JSON
    also: Mapping[int, tuple[str, Any]] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    body: Body | None = None
    prefix: str = API
    documented: bool = True

    @property
    def full_path(self) -> str:
        """The path as the table of roles has it."""
        return self.prefix + self.path


def json_answer(
    value: Any, status: int = 200, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a view (or a list of views) as JSON; never cached unless `headers` says so."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(
        body, status, headers={"Cache-Control": "no-store", **(headers or {})}, media_type=JSON
    )


def register(app: FastAPI, endpoints: Iterable[Endpoint]) -> None:
    """Put the rows on the application. Raises KeyError when a row has no roles."""
    for endpoint in endpoints:
        roles = allowed(endpoint.method, endpoint.full_path)
        if endpoint.method == "WS":
            app.add_api_websocket_route(endpoint.full_path, _guarded(endpoint.handler, roles))
            continue
        app.add_api_route(
            endpoint.full_path,
            endpoint.handler,
            methods=[endpoint.method],
            dependencies=[Depends(guard(roles))],
            summary=endpoint.summary,
            tags=[endpoint.tag],
            status_code=endpoint.status,
            response_class=Response,
            response_model=None,
            responses=_responses(endpoint, guarded=roles is not None),
            openapi_extra=_extra(endpoint, open_to_all=roles is None),
            operation_id=endpoint.handler.__name__,
            include_in_schema=endpoint.documented,
        )


def types_of(endpoints: Iterable[Endpoint]) -> list[Any]:
    """Return every type that the document must describe."""
    types: list[Any] = [ProblemView]
    for endpoint in endpoints:
        types += [endpoint.answer, *(answer for _, answer in endpoint.also.values())]
        types += endpoint.body.types if endpoint.body else ()
    return [kind for kind in types if kind is not None and not isinstance(kind, dict)]


def schema_of(kind: Any) -> Schema:
    """Return the schema of a type: a reference into the components where it has a name."""
    return dict(_schema_of(kind))


@cache
def _schema_of(kind: Any) -> Schema:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REF)
    return schema


def _guarded(
    handler: Callable[[WebSocket], Awaitable[None]], roles: Allowed
) -> Callable[[WebSocket], Awaitable[None]]:
    check = guard(roles)

    async def guarded(socket: WebSocket) -> None:
        try:
            await check(socket)
        except Problem as problem:
            if "websocket.http.response" in socket.scope.get("extensions", {}):
                await socket.send_denial_response(problem_response(socket.scope, problem))
            else:
                await socket.close(POLICY_VIOLATION)
            return
        await _until_over(handler, socket)

    return guarded


async def _until_over(handler: Callable[[WebSocket], Awaitable[None]], socket: WebSocket) -> None:
    """Serve a socket; one that a token opened ends with it."""
    until_us = person_of(socket).until_us
    if until_us is None:
        await handler(socket)
        return
    left_s = (until_us - served_of(socket).wall.now_us()) / SECOND_US
    try:
        async with asyncio.timeout(left_s):
            await handler(socket)
    except TimeoutError:
        await socket.close(POLICY_VIOLATION, "the token is over")


def _responses(endpoint: Endpoint, *, guarded: bool) -> dict[int | str, dict[str, Any]]:
    answers: dict[int | str, dict[str, Any]] = {
        endpoint.status: _answer(endpoint.summary, endpoint.media, endpoint.answer)
    }
    for status, (description, kind) in endpoint.also.items():
        answers[status] = _answer(description, endpoint.media, kind)
    errors = {*endpoint.errors, 500, *((401, 403, 503) if guarded else ())}
    for status in sorted(errors - answers.keys()):
        phrase = HTTPStatus(status).phrase
        answers[status] = _answer(phrase, MEDIA_TYPE, ProblemView)
    if 503 in errors and 503 in answers:
        answers[503].setdefault("headers", {})["Retry-After"] = {
            "description": "seconds to wait",
            "schema": {"type": "string"},
        }
    return answers


def _answer(description: str, media: str, kind: Any) -> dict[str, Any]:
    if kind is None:
        return {"description": description}
    schema = kind if isinstance(kind, dict) else schema_of(kind)
    return {"description": description, "content": {media: {"schema": schema}}}


def _extra(endpoint: Endpoint, *, open_to_all: bool) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "security": [] if open_to_all else [{"key": []}, {"token": []}, {"session": []}]
    }
    body = endpoint.body
    roles = allowed(endpoint.method, endpoint.full_path)
    if roles is not None:
        names = "every role" if roles == EVERY_ROLE else ", ".join(sorted(roles))
        extra["description"] = f"{endpoint.handler.__doc__ or ''}\n\nFor: {names}."
    if body is not None:
        schema = body.schema or schema_of(body.types[0])
        examples = {name: {"value": value} for name, value in body.examples.items()}
        content = {media: {"schema": schema} for media in body.media}
        if examples:
            content[body.media[0]]["examples"] = examples
        extra["requestBody"] = {
            "required": body.required,
            "description": body.description,
            "content": content,
        }
    return extra
