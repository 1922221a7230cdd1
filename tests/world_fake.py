"""A service of cardboard for the tests of the outside party, and a tiny city."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from twin.clock import ManualClock
from twin.ids import GroupId, JunctionId, NodeId, PlanId, StageId
from twin.network.model import Junction, SignalGroup, SignalPlan, Stage

CORRIDOR = Path(__file__).resolve().parents[1] / "scenarios" / "corridor"


@dataclass
class FakeService:
    """Remembers what was posted. `away` says how many requests fail first, `status` how."""

    away: int = 0
    status: int = 503
    rejected: int = 0
    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)
    requests: int = 0
    commands: list[tuple[int, list[dict[str, Any]]]] = field(default_factory=list)
    polls: list[dict[str, list[str]]] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        """Make a client that talks to this service in the same process."""
        routes = [
            Route("/api/v1/street/commands", self._commands, methods=["GET"]),
            Route("/api/v1/{path:path}", self._take, methods=["POST"]),
        ]
        transport = httpx.ASGITransport(Starlette(routes=routes))
        return httpx.AsyncClient(transport=transport, base_url="http://service")

    def _fails(self) -> bool:
        self.requests += 1
        if self.away > 0:
            self.away -= 1
            return True
        return False

    async def _take(self, request: Request) -> Response:
        if self._fails():
            return JSONResponse({"title": "away"}, status_code=self.status)
        path = request.path_params["path"]
        received = json.loads(await request.body())
        self.items.setdefault(path, []).extend(received)
        self.keys.setdefault(path, set()).add(request.headers["authorization"])
        answer = {
            "received": len(received),
            "accepted": len(received) - self.rejected,
            "rejected": self.rejected,
            "items": [],
        }
        return JSONResponse(answer, status_code=202)

    async def _commands(self, request: Request) -> Response:
        if self._fails():
            return JSONResponse({"title": "away"}, status_code=self.status)
        self.polls.append(
            {name: request.query_params.getlist(name) for name in request.query_params}
        )
        after, commands = self.commands.pop(0) if self.commands else (0, [])
        return JSONResponse({"after": after, "commands": commands})


class Waiting:
    """A pause that moves a clock instead of waiting, and ends everything after `most` pauses."""

    def __init__(self, clock: ManualClock, *, step_us: int, most: int = 100_000) -> None:
        """Move `clock` by `step_us` at every pause."""
        self.clock = clock
        self.step_us = step_us
        self.left = most
        self.asked_s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Pause."""
        self.asked_s.append(seconds)
        self.left -= 1
        if self.left < 0:
            raise EnoughWaitingError
        self.clock.advance_to(self.clock.now_us() + self.step_us)
        await asyncio.sleep(0)


class EnoughWaitingError(Exception):
    """The test has seen enough."""


def crossing(*, extra: tuple[tuple[str, str], ...] = ()) -> Junction:
    """Make a junction of three stages: main road, side road, people on foot."""
    return Junction(
        id=JunctionId("J"),
        node=NodeId("N"),
        groups=(
            SignalGroup(GroupId("main"), (), min_green_s=8.0, yellow_s=3.0),
            SignalGroup(GroupId("side"), (), min_green_s=6.0, yellow_s=3.0),
            SignalGroup(GroupId("foot"), (), min_green_s=7.0, yellow_s=0.0, pedestrian=True),
        ),
        stages=(
            Stage(StageId("1"), (GroupId("main"),)),
            Stage(StageId("2"), (GroupId("side"),)),
            Stage(StageId("3"), (GroupId("foot"),)),
        ),
        intergreen_s=tuple(
            (GroupId(a), GroupId(b), seconds)
            for a, b, seconds in (
                ("main", "side", 5.0),
                ("side", "main", 4.0),
                ("main", "foot", 6.0),
                ("foot", "main", 9.0),
                ("side", "foot", 6.5),
                ("foot", "side", 9.0),
            )
        ),
        plans=(
            SignalPlan(
                PlanId("base"),
                60.0,
                0.0,
                ((StageId("1"), 28.0), (StageId("2"), 16.0), (StageId("3"), 16.0)),
            ),
            SignalPlan(PlanId("peak"), 90.0, 0.0, ((StageId("1"), 70.0), (StageId("2"), 20.0))),
        ),
        extra=extra,
    )
