"""Bodies of requests: bounded while they arrive, then JSON of the right type or a clear problem."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from fastapi import Request

from twin.api.problems import Problem, shown
from twin.api.routes import JSON
from twin.control.decision import REASON_CHARS
from twin.errors import Fault

Decoded = TypeVar("Decoded")

MOST_BYTES: Final = 4 * 1024 * 1024
MOST_ITEM_BYTES: Final = 64 * 1024
MOST_ITEMS: Final = 50_000
_HIDDEN: Final = "(not shown)"
_AT: Final = re.compile(r"^(?P<rule>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD: Final = re.compile(r"field `(?P<name>[^`]*)`")


async def body_bytes(request: Request, media: tuple[str, ...] = (JSON,)) -> bytes:
    """Read the body. Raises Problem 415 for another media type, 413 above `MOST_BYTES`."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in media:
        rule = f"is one of {', '.join(media)}"
        fault = Fault("Content-Type", shown(given) or "(missing)", rule, "media_type")
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON.", fault)
    if request.headers.get("content-encoding", "identity") != "identity":
        fault = Fault("Content-Encoding", request.headers["content-encoding"], "is left out")
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send it uncompressed.", fault)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise too_large("the body", f"above {MOST_BYTES} bytes", f"has at most {MOST_BYTES}")
    return bytes(body)


async def decoded_body(request: Request, kind: type[Decoded], *, private: bool = False) -> Decoded:
    """Read the body as JSON of a type; `private` bodies are never quoted.

    Raises Problem 400 when it is no JSON, 422 naming the field and the rule when it is another.
    """
    return decode_body(await body_bytes(request), kind, private=private)


def decode_body(body: bytes, kind: type[Decoded], *, private: bool = False) -> Decoded:
    """Decode bytes as JSON of a type, as `decoded_body` does."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        fault = _fault(body, str(error), private=private)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The body breaks a rule.", fault) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise no_json(error, private=private) from error


def no_json(error: Exception, *, private: bool = False) -> Problem:
    """Make a 400 that says where the JSON breaks (`private`: only that it does)."""
    rule = "is JSON in UTF-8" if private else f"is JSON in UTF-8 ({error})"
    fault = Fault("$", _HIDDEN, rule, "undecodable")
    return Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON.", fault)


def too_large(what: str, value: str, rule: str) -> Problem:
    """Make a 413 that names the limit."""
    fault = Fault(what, value, rule, "too_large")
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Send it in smaller parts.", fault)


def _fault(body: bytes, message: str, *, private: bool) -> Fault:
    match = _AT.match(message)
    rule, path = (match["rule"], match["path"] or "") if match else (message, "")
    named = _FIELD.search(rule)
    name = ".".join(part for part in (path, named["name"] if named else "") if part) or "$"
    if "missing required" in rule:
        return Fault(name, "(missing)", rule, "missing")
    if private:
        safe = "an unknown field" if "unknown field" in rule else rule
        return Fault(path or "$", _HIDDEN, f"has {safe}" if safe != rule else rule)
    return Fault(name, shown(_dig(body, name)), rule)


def _dig(body: bytes, path: str) -> object:
    """Fetch the value at a dotted path, as far as it can be followed."""
    try:
        found: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _HIDDEN  # the type was refused before the whole of it was read
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            break
        found = found[name]
    return found


def reason_of(text: str) -> str:
    """Return why a person does something. Raises Problem 422 when too little is said."""
    reason = text.strip()
    if len(reason) < REASON_CHARS:
        rule = f"a reason of at least {REASON_CHARS} characters is needed"
        fault = Fault("reason", text, rule, "reason_too_short")
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The request breaks a rule.", fault)
    return reason
