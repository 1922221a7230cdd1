"""The service as an outsider meets it: requests with a key, waiting and trying again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec

from twin.errors import Fault, InputError
from twin.events import DecisionEvent

Pause = Callable[[float], Awaitable[None]]

API: Final = "/api/v1"
FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 8.0
_TIMEOUT: Final = httpx.Timeout(10.0, read=45.0)  # a long poll waits up to 30 s for its answer
_KEY_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_TRY_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said about one batch. `retries` is how often it was sent in vain before."""

    accepted: int
    rejected: int
    refused: int
    retries: int


class _Commands(msgspec.Struct):
    after: int
    commands: list[DecisionEvent]


_COMMANDS: Final = msgspec.json.Decoder(_Commands)


def connect(base_url: str) -> httpx.AsyncClient:
    """Make a client for a service at `base_url` (`http://127.0.0.1:8000`); the caller closes it."""
    return httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT)


async def together(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs side by side until all are done; the first error, or a cancel, ends all of them.

    The error is raised as it is (a task group would wrap it).
    """
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Service:
    """One running service, spoken to with one key. `pause` waits so many seconds of the machine."""

    def __init__(
        self, client: httpx.AsyncClient, *, key: str, pause: Pause = asyncio.sleep
    ) -> None:
        """Use `client`, whose base URL is the service's."""
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}
        self._pause = pause

    async def send(self, path: str, items: Sequence[bytes], *, tries: int = 0) -> Answer | None:
        """Post the items as one array; wait and try again while the service is away.

        None after `tries` attempts in vain (0: never give up). A batch that the service will never
        take (another 4xx) counts as refused. Raises InputError when it does not know the key.
        """
        body = b"[" + b",".join(items) + b"]"
        headers = {**self._headers, "Content-Type": "application/json"}
        attempt = 0
        while True:
            response = await self._ask("POST", path, content=body, headers=headers)
            if response is not None:
                return _answer(response, len(items), attempt)
            attempt += 1
            if attempt == tries:
                return None
            await self._pause(wait_s(attempt))

    async def commands(
        self, devices: Sequence[str], *, after: int, wait_s: float
    ) -> tuple[int, list[DecisionEvent]] | None:
        """Poll commands for devices after a sequence number; None when the service is away.

        Raises InputError when it does not know the key.
        """
        response = await self._ask(
            "GET",
            "/street/commands",
            params={"device": list(devices), "after": after, "wait_s": wait_s},
            headers=self._headers,
        )
        if response is None or response.is_error:
            return None
        decoded = _COMMANDS.decode(response.content)
        return decoded.after, decoded.commands

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Ask once. None: away, or overloaded, or broken for the moment."""
        try:
            response = await self._client.request(method, f"{API}{path}", **options)
        except httpx.TransportError as error:
            _log.info("service_away", extra={"path": path, "error": type(error).__name__})
            return None
        if response.status_code in _KEY_REFUSED:
            rule = f"the service answers {response.status_code} to {method} {path}"
            raise InputError(Fault("key", "(not shown)", rule, "key_refused"))
        if response.is_server_error or response.status_code in _TRY_AGAIN:
            _log.info("service_failing", extra={"path": path, "status": response.status_code})
            return None
        return response


def wait_s(attempt: int) -> float:
    """Return how long to wait after the `attempt`-th failure: doubling, at most 8 s."""
    return min(FIRST_WAIT_S * 2.0 ** min(attempt - 1, 16), LONGEST_WAIT_S)


def _answer(response: httpx.Response, count: int, retries: int) -> Answer:
    if response.is_error:
        _log.warning("batch_refused", extra={"status": response.status_code, "items": count})
        return Answer(0, 0, count, retries)
    try:
        said = response.json()
        rejected = int(said.get("rejected", 0))
    except (ValueError, TypeError, AttributeError):
        rejected = 0  # a 2xx whose body says nothing about items took all of them
    return Answer(count - rejected, rejected, 0, retries)
