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
from twin.ingest.roles import ProcessRole
from twin.units import SECOND_US

PROBE_S: Final = 2.0
SILENT_S: Final = 15.0
"""A worker whose last beat is longer ago, by the machine's clock, does not keep up."""


async def health_live() -> Response:
    """Say that the process answers. Restart it when this fails."""
    return json_answer(LiveView(status="alive"))


async def health_ready(served: House) -> Response:
    """Say whether the service does its work; if not, every reason in words."""
    reasons = await not_ready(served)
    health = served.worker_health()
    view = ReadyView(
        ready=not reasons,
        reasons=reasons,
        waiting=sum(health.lag.values()) if health is not None else 0,
        behind_s=round(health.behind_s, 1) if health is not None else 0.0,
    )
    return json_answer(view, 503 if reasons else 200)


async def not_ready(served: Served) -> list[str]:
    """Return why the service does not do its work; empty when it does."""
    reasons = [reason for reason in await asyncio.gather(_log(served), _database(served)) if reason]
    reasons += _worker(served)
    if not reasons and served.role.serves and served.board.picture is None:
        reasons.append("there is no picture yet")
    return reasons


def _worker(served: Served) -> list[str]:
    health = served.worker_health()
    if health is None:
        return ["the worker has not started"]
    if health.problem is not None:
        return [f"the worker waits: {health.problem}"]
    if health.state not in {"running", "standby"}:
        return [f"the worker is {health.state}"]
    if health.last_tick_us is None:
        return []
    silent_s = (served.clock.now_us() - health.last_tick_us) / SECOND_US
    if served.clock.wall_seconds(silent_s) > SILENT_S and served.role is ProcessRole.API:
        return [
            f"the newest picture is {silent_s:.0f} s of the service old: no forecaster sends one"
        ]
    if served.clock.wall_seconds(silent_s) > SILENT_S:
        return [f"the worker is behind: its last beat was {silent_s:.0f} s of the service ago"]
    return []


async def _log(served: Served) -> str | None:
    try:
        async with asyncio.timeout(PROBE_S):
            await served.log.end_offsets([served.topics.place(Topic.ACT)])
    except TimeoutError:
        return f"the log is away: {served.log.where}: no answer within {PROBE_S:g} s"
    except TwinError as error:
        return f"the log is away: {error}"
    return None


async def _database(served: Served) -> str | None:
    try:
        async with asyncio.timeout(PROBE_S), served.database.read() as connection:
            await connection.exec_driver_sql("SELECT 1")
    except TimeoutError:
        return f"the database is away: {served.database.where}: no answer within {PROBE_S:g} s"
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
