"""What the street is asked to do: issued decisions, for devices that poll."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from twin.api.auth import House
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import CommandsView

LONGEST_WAIT_S: Final = 30.0


async def street_commands(
    served: House,
    device: Annotated[
        list[str] | None,
        Query(description="ids of junctions and gates; all without it", max_length=500),
    ] = None,
    after: Annotated[
        int, Query(ge=0, le=2**62, description="from the last answer; 0 at first")
    ] = 0,
    wait_s: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT_S, description="for the first, service s")
    ] = 0.0,
) -> Response:
    """Give issued decisions that still hold; waits until there is one or `wait_s` is over."""
    devices = device or [*served.network.junction_rows, *served.network.gate_rows]
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
