"""Who is asking, and may they? A key or token in the header, a session in the cookie; the table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from twin.api.problems import RETRY_AFTER_S, Problem
from twin.api.roles import Allowed, Role, may
from twin.api.served import Served
from twin.api.tokens import Tokens, is_token
from twin.errors import BackendError, InputError
from twin.store import people

SESSION_COOKIE: Final = "twin_session"
TOKEN_NAMES: Final = "oidc:"
"""Stands before the subject of a token: no API key can be mistaken for it."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="twin"'}


@dataclass(frozen=True, slots=True)
class Person:
    """A known person or program. `until_us`: when its token ends, microseconds; None: open."""

    name: str
    role: Role
    until_us: int | None = None

    def over(self, now_us: int) -> bool:
        """Say whether the token has ended since the person came in."""
        return self.until_us is not None and now_us >= self.until_us


def served_of(connection: HTTPConnection) -> Served:
    """Return what the running application serves."""
    return cast(Served, connection.app.state.served)


def person_of(connection: HTTPConnection) -> Person:
    """Return who passed the guard of this request."""
    return cast(Person, connection.state.person)


House = Annotated[Served, Depends(served_of)]
Asking = Annotated[Person, Depends(person_of)]


def guard(allowed: Allowed) -> Callable[[HTTPConnection], Awaitable[None]]:
    """Make the check that stands before a route: 401 without a person, 403 with the wrong role."""

    async def check(connection: HTTPConnection) -> None:
        if allowed is None:
            return
        person = await identify(connection)
        if person is None:
            detail = "A key or token is needed (Authorization: Bearer …), or a session."
            raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers=_CHALLENGE)
        if not may(person.role, allowed):
            names = ", ".join(sorted(allowed)) or "nobody"
            detail = f"The role {person.role} may not do this; {names} may."
            raise Problem(HTTPStatus.FORBIDDEN, detail)
        connection.state.person = person

    return check


async def identify(connection: HTTPConnection) -> Person | None:
    """Say who sends this request, None if nobody says.

    Raises Problem 401 for a key or session that is not (any more) good, and 403 for a cookie on
    an unsafe request that another site's page sent.
    """
    header = connection.headers.get("authorization")
    if header is not None:
        return await _by_key(connection, header)
    secret = connection.cookies.get(SESSION_COOKIE)
    if secret is None:
        return None
    _check_origin(connection)
    return await _by_session(connection, secret)


async def _by_key(connection: HTTPConnection, header: str) -> Person:
    scheme, _, text = header.partition(" ")
    served = served_of(connection)
    if scheme.lower() == "bearer":
        if served.tokens is not None and is_token(text.strip()):
            return await _by_token(served, served.tokens, text.strip())
        found = await people.find_key(served.database, text.strip(), now_us=served.wall.now_us())
        if found is not None:
            return Person(found.name, Role(found.role))
    raise Problem(HTTPStatus.UNAUTHORIZED, "This key is not good.", headers=_CHALLENGE)


async def _by_token(served: Served, tokens: Tokens, text: str) -> Person:
    """Ask the identity provider's keys. Its subject is the name in audit and accounting."""
    try:
        found = await tokens.person(text, served.wall.now_us())
    except InputError as error:
        reason = error.faults[0].reason
        if reason == "no_role":
            detail = "The token is good, but gives no role here."
            raise Problem(HTTPStatus.FORBIDDEN, detail, *error.faults) from error
        challenge = f'{_CHALLENGE["WWW-Authenticate"]}, error="invalid_token"'
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "This token is not good.",
            *error.faults,
            headers={"WWW-Authenticate": f'{challenge}, error_description="{reason}"'},
        ) from error
    except BackendError as error:
        detail = "The identity provider is away; API keys and sessions go on working."
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers) from error
    return Person(f"{TOKEN_NAMES}{found.subject}", found.role, found.until_us)


async def _by_session(connection: HTTPConnection, secret: str) -> Person:
    served = served_of(connection)
    found = await people.find_session(served.database, secret, now_us=served.wall.now_us())
    if found is None:
        detail = "The session is over. Open a login link; `twin keys login` prints one."
        raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers=_CHALLENGE)
    return Person(found.name, Role(found.role))


def _check_origin(connection: HTTPConnection) -> None:
    """Refuse what another site's page sends with our cookie, WebSocket handshakes included.

    SameSite=Strict already keeps the cookie at home; this is the second lock.
    """
    socket = connection.scope["type"] == "websocket"
    if not socket and connection.scope.get("method", "GET") in _SAFE:
        return
    origin = connection.headers.get("origin", "")
    _, _, host = origin.partition("://")
    if not host or host != connection.headers.get("host"):
        detail = "A session may be used from the console's own pages only (Origin)."
        raise Problem(HTTPStatus.FORBIDDEN, detail)
