"""The processes of the service: who is there, who leads, which worker owns which partition."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import House
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import Count, Moment
from twin.clock import datetime_from_us
from twin.store import roles

SILENT_S: Final = 10.0
"""Processes speak every two seconds; one that is silent for so long is shown as silent."""


class ProcessView(Struct, frozen=True, kw_only=True):
    """One process as it said last. `name` is of one start; `url` is where its probes answer."""

    name: str
    role: Annotated[str, Meta(description="api, worker, forecaster")]
    state: Annotated[str, Meta(description="starting, running, standby, stopped, silent")]
    url: str
    problem: Annotated[str, Meta(description="what it waits for; empty when all is well")]
    started: Moment
    age_s: Annotated[float, Meta(ge=0, description="since it spoke last")]
    leads: bool


class OwnedView(Struct, frozen=True, kw_only=True):
    """Who took a partition over last. `epoch` is one more with every owner."""

    topic: str
    partition: Count
    owner: str
    epoch: Count


class ProcessesView(Struct, frozen=True, kw_only=True):
    """All processes; empty where one process does all. `leader` is empty when nobody leads."""

    leader: str
    epoch: Annotated[int, Meta(ge=0, description="how many leaders there were")]
    processes: list[ProcessView]
    partitions: list[OwnedView]


async def processes(served: House) -> Response:
    """Give every process of the service, and who owns what."""
    held = [(lease, runs) for lease, runs in await roles.leases(served.database) if runs]
    leader = held[0][0].owner if held else ""
    found = await roles.processes(served.database)
    owners = await roles.owners(served.database)
    view = ProcessesView(
        leader=leader,
        epoch=held[0][0].epoch if held else 0,
        processes=[
            ProcessView(
                name=entry.name,
                role=entry.role,
                state=entry.state if entry.age_s < SILENT_S else "silent",
                url=entry.url,
                problem=entry.problem,
                started=datetime_from_us(entry.started_us),
                age_s=round(entry.age_s, 1),
                leads=entry.name == leader,
            )
            for entry in found
        ],
        partitions=[
            OwnedView(topic=place.topic, partition=place.partition, owner=owner, epoch=epoch)
            for place, (owner, epoch) in owners.items()
        ],
    )
    return json_answer(view)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/processes",
        handler=processes,
        summary="Who does what",
        tag="service",
        answer=ProcessesView,
    ),
)
