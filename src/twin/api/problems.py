"""Errors as RFC 9457 problem documents that name the field, the value and the rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException
from starlette.responses import Response

from twin.errors import BackendError, Fault, InputError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
_SHOWN_CHARACTERS: Final = 80
_HIDDEN: Final = "(not shown)"
_PRIVATE_WORDS: Final = ("plate", "code", "secret", "token")


class Broken(Struct, frozen=True, kw_only=True):
    """One rule that was broken."""

    field: Annotated[str, Meta(description="the field or parameter; $ is the whole body")]
    value: Annotated[str, Meta(description="what stood there, cut; never a number plate")]
    rule: Annotated[str, Meta(description="what it must be, in words")]
    reason: Annotated[str, Meta(description="the same as a stable word, for programs")]

    @classmethod
    def of(cls, fault: Fault) -> Broken:
        """Show a fault."""
        return cls(field=fault.field, value=fault.value, rule=fault.rule, reason=fault.reason)


class ProblemView(Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """An error, after RFC 9457. `errors` names every rule that was broken."""

    kind: str = "about:blank"
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    instance: Annotated[str, Meta(description="the path of the request")]
    request_id: Annotated[str, Meta(description="stands in the service's log too")]
    errors: list[Broken] = []


class Problem(Exception):
    """An answer other than success, raised by a route."""

    def __init__(
        self,
        status: int,
        detail: str,
        *faults: Fault,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Say the status, one sentence for a person, and which rules were broken."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = faults
        self.headers = dict(headers or {})


def not_found(what: str, name: str, hint: str) -> Problem:
    """Make a 404 that names what was asked for and where to look."""
    fault = Fault(what, shown(name), hint, "not_found")
    return Problem(HTTPStatus.NOT_FOUND, f"There is no {what} {shown(name)}.", fault)


def shown(value: object) -> str:
    """Cut a value for an answer; a container is named, not quoted."""
    if isinstance(value, dict | list | tuple | bytes):
        return f"({type(value).__name__})"
    text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def problem_response(request_scope: Mapping[str, Any], problem: Problem) -> Response:
    """Write a problem as the answer to the request of an ASGI scope."""
    view = ProblemView(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        instance=str(request_scope.get("path", "")),
        request_id=str(request_scope.get("state", {}).get("request_id", "")),
        errors=[Broken.of(fault) for fault in problem.faults],
    )
    return Response(
        msgspec.json.encode(view), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def away(error: BackendError) -> Problem:
    """Say that the log or the database cannot be reached and when to try again."""
    detail = f"A server behind this one is away; nothing was taken. Try again. ({error})"
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def wrong_input(error: InputError) -> Problem:
    """Say which rules the sender broke."""
    return Problem(422, "The request breaks a rule.", *error.faults)


def install(app: FastAPI) -> None:
    """Answer every error that routes raise with a problem document."""

    def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(request.scope, error)

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(request.scope, _of_http(request, error))

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = list(_parameter_faults(error.errors()))
        found = Problem(422, "A parameter breaks a rule.", *faults)
        return problem_response(request.scope, found)

    def backend(request: Request, error: Exception) -> Response:
        assert isinstance(error, BackendError)
        return problem_response(request.scope, away(error))

    def sender(request: Request, error: Exception) -> Response:
        assert isinstance(error, InputError)
        return problem_response(request.scope, wrong_input(error))

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(BackendError, backend)
    app.add_exception_handler(InputError, sender)


def _of_http(request: Request, error: HTTPException) -> Problem:
    details = {
        404: "There is nothing at this address; /api/v1/openapi.json lists what there is.",
        405: f"{request.method} is not possible here.",
    }
    detail = details.get(error.status_code, error.detail)
    return Problem(error.status_code, detail, headers=error.headers)


def _parameter_faults(errors: Iterable[Any]) -> Iterable[Fault]:
    for error in errors:
        name = ".".join(str(part) for part in error["loc"][1:]) or "$"
        private = any(word in name for word in _PRIVATE_WORDS)
        value = _HIDDEN if private else shown(error.get("input"))
        if error["type"] == "missing":
            value = "(missing)"
        yield Fault(name, value, str(error["msg"]), str(error["type"]))
