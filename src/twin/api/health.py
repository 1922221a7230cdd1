"""Is the process there, and does it do its work?"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response

from twin.api.auth import House
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import LiveView, ReadyView
from twin.api.served import Served
from twin.errors import TwinError
from twin.events import Topic

PROBE_S: Final = 2.0


async def health_live() -> Response:
    """Say that the process answers. Restart it when this fails."""
    return json_answer(LiveView(status="alive"))


async def health_ready(served: House) -> Response:
    """Say whether the service does its work; if not, every reason in words."""
    reasons = await not_ready(served)
    view = ReadyView(ready=not reasons, reasons=reasons)
    return json_answer(view, 503 if reasons else 200)


async def not_ready(served: Served) -> list[str]:
    """Return why the service does not do its work; empty when it does."""
    reasons = [reason for reason in await asyncio.gather(_log(served), _database(served)) if reason]
    worker = served.worker_health()
    if worker is None:
        reasons.append("the worker has not started")
    elif worker.problem is not None:
        reasons.append(f"worker: {worker.problem}")
    elif served.board.picture is None:
        reasons.append("there is no picture yet")
    return reasons


async def _log(served: Served) -> str | None:
    try:
        async with asyncio.timeout(PROBE_S):
            await served.log.end_offsets([served.topics.place(Topic.ACT)])
    except TimeoutError:
        return f"the log does not answer within {PROBE_S:g} s"
    except TwinError as error:
        return f"the log is away: {error}"
    return None


async def _database(served: Served) -> str | None:
    try:
        async with asyncio.timeout(PROBE_S), served.database.read() as connection:
            await connection.exec_driver_sql("SELECT 1")
    except TimeoutError:
        return f"the database does not answer within {PROBE_S:g} s"
    except TwinError as error:
        return f"the database is away: {error}"
    return None


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/health/live",
        handler=health_live,
        summary="The process answers",
        tag="service",
        answer=LiveView,
        prefix="",
    ),
    Endpoint(
        method="GET",
        path="/health/ready",
        handler=health_ready,
        summary="The service does its work",
        tag="service",
        answer=ReadyView,
        also={503: ("It does not; the reasons", ReadyView)},
        prefix="",
    ),
)
