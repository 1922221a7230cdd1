"""The time of the service, and who is asking for it."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from twin.api.auth import Asking, House
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import ClockView, MeView
from twin.api.served import Served
from twin.clock import datetime_from_us


def clock_view(served: Served) -> ClockView:
    """Show the clock of the service: `rate` service seconds pass in one of the machine's."""
    waits_s = served.clock.wall_seconds(1.0)
    return ClockView(
        now=datetime_from_us(served.clock.now_us()),
        timezone=served.timezone,
        rate=round(1.0 / waits_s, 6) if waits_s > 0 else 0.0,
        mode=str(served.mode),
        note=served.note,
    )


async def clock(served: House) -> Response:
    """Give the time of the service, and whether it is the street's."""
    return json_answer(clock_view(served))


async def me(person: Asking) -> Response:
    """Say who is asking, and in which role."""
    return json_answer(MeView(name=person.name, role=str(person.role)))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/clock",
        handler=clock,
        summary="The time of the service",
        tag="service",
        answer=ClockView,
    ),
    Endpoint(
        method="GET",
        path="/me",
        handler=me,
        summary="Who is asking",
        tag="people",
        answer=MeView,
    ),
)
