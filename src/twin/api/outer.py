"""The outermost layer round every request: its id, its security headers, and the last catch."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.api.problems import RETRY_AFTER_S, Problem, problem_response

REQUEST_ID: Final = "X-Request-ID"
CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "style-src 'self' 'unsafe-inline'",  # the map library sets style attributes
        "worker-src 'self' blob:",  # and starts its worker from a blob
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_SECURITY: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

logger: Final = logging.getLogger(__name__)


class Outer:
    """ASGI middleware: names every request, guards every answer, catches what nobody caught."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand round `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection through."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._http(scope, receive, send, request_id)

    async def _http(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except ClientDisconnect:  # in the middle of its request: there is nobody to answer
            logger.info("client_left", extra={"request_id": request_id})
        except asyncio.CancelledError:
            if started or not _stopping(scope):
                raise
            response = problem_response(scope, _cut_off())
            await response(scope, receive, with_headers)
        except Exception as error:
            logger.exception("request_failed", extra={"request_id": request_id})
            if started:
                raise
            detail = f"Something failed here ({type(error).__name__}); the log has it by this id."
            response = problem_response(scope, Problem(500, detail))
            await response(scope, receive, with_headers)


def _stopping(scope: Scope) -> bool:
    """Say whether the process is ending: only then does somebody cancel a request."""
    return bool(scope["app"].state.served.board.closed)


def _cut_off() -> Problem:
    detail = "The service is stopping; what was sent may not have been taken. Send it again."
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})
