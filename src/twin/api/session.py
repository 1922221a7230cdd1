"""Coming in by a one-time link, and going out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from twin.api.auth import SESSION_COOKIE, House
from twin.api.problems import Problem
from twin.api.routes import Endpoint
from twin.clock import us_from_seconds
from twin.store import people

SESSION_S: Final = 12 * 3600


async def login(
    served: House,
    code: Annotated[str, Query(min_length=1, max_length=200, description="of the one-time link")],
) -> Response:
    """Turn a one-time link into a session cookie and go to the console."""
    now_us = served.wall.now_us()
    opened = await people.use_login_link(
        served.database, code, now_us=now_us, session_until_us=now_us + us_from_seconds(SESSION_S)
    )
    if opened is None:
        raise Problem(401, "This link was used or is over. `twin keys login` prints a fresh one.")
    await people.tidy(served.database, now_us=now_us)
    secret, _ = opened
    answer = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=served.secure_cookies,
    )
    return answer


async def logout(request: Request, served: House) -> Response:
    """End the session."""
    secret = request.cookies.get(SESSION_COOKIE)
    if secret:
        await people.end_session(served.database, secret)
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/login",
        handler=login,
        summary="Come in by a one-time link",
        tag="people",
        status=303,
        errors=(401, 422, 503),
    ),
    Endpoint(
        method="POST",
        path="/logout",
        handler=logout,
        summary="End the session",
        tag="people",
        status=204,
    ),
)
