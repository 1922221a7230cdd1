"""What the street is asked to do: issued decisions, for devices that poll."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from twin.api.auth import House
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import CommandsView
from twin.network.devices import road_devices

LONGEST_WAIT_S: Final = 30.0


async def street_commands(
    served: House,
    device: Annotated[
        list[str] | None,
        Query(
            description="ids of junctions, gates, ramp meters, signs; all without it",
            max_length=500,
        ),
    ] = None,
    after: Annotated[
        int, Query(ge=0, le=2**62, description="from the last answer; 0 at first")
    ] = 0,
    wait_s: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT_S, description="for the first, service s")
    ] = 0.0,
) -> Response:
    """Give issued decisions that still hold, and which orders ended; waits for one, or `wait_s`."""
    beside = [one.id for one in road_devices(served.network)] if not device else []
    devices = device or [*served.network.junction_rows, *beside]
    found = await served.board.commands.wait(devices, after, wait_s)
    return json_answer(CommandsView(after=found.after, commands=list(found.commands)))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/street/commands",
        handler=street_commands,
        summary="Commands for devices, by long poll",
        tag="street",
        answer=CommandsView,
        errors=(422,),
    ),
)
