"""Travel times between gates, from vehicles that were seen at both; nothing about single ones."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import House
from twin.api.picture import newest_picture
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import Kph, Moment, Seconds
from twin.clock import datetime_from_us
from twin.perceive.trips import TripTime
from twin.units import SECOND_US, kph_from_mps


class GateTravelTimeView(Struct, frozen=True, kw_only=True):
    """One way between two gates in its newest interval of five minutes."""

    origin: Annotated[str, Meta(description="gate")]
    destination: Annotated[str, Meta(description="gate")]
    links: Annotated[list[str], Meta(description="of the way, in driving order")]
    length_m: float
    travel_time_s: Annotated[float, Meta(description="median of those who drove through, s")]
    travel_time_sd_s: Annotated[float, Meta(description="standard deviation of that median, s")]
    free_time_s: Annotated[float, Meta(description="at free speed, without signals, s")]
    speed_kph: Annotated[Kph, Meta(description="mean over the way")]
    speed_sd_kph: Kph
    vehicles: Annotated[int, Meta(ge=10, description="to the nearest five")]
    interval_end: Annotated[Moment, Meta(description="of the five minutes in which they arrived")]
    age_s: Seconds


class GateTravelTimesView(Struct, frozen=True, kw_only=True):
    """What is told now: a way with fewer than ten vehicles in an interval is not there."""

    time: Moment
    travel_times: list[GateTravelTimeView]


async def gate_travel_times(served: House) -> Response:
    """Give the newest travel time of every way between gates that may be told."""
    shown = newest_picture(served)
    now_us = served.clock.now_us()
    view = GateTravelTimesView(
        time=datetime_from_us(shown.time_us),
        travel_times=[_view(one, now_us) for one in shown.trips],
    )
    return json_answer(view)


def _view(trip: TripTime, now_us: int) -> GateTravelTimeView:
    speed_mps = trip.way.length_m / trip.median_s
    return GateTravelTimeView(
        origin=trip.way.origin,
        destination=trip.way.destination,
        links=list(trip.way.links),
        length_m=round(trip.way.length_m, 1),
        travel_time_s=round(trip.median_s, 1),
        travel_time_sd_s=round(trip.sd_s, 1),
        free_time_s=round(trip.way.free_s, 1),
        speed_kph=round(kph_from_mps(speed_mps), 1),
        speed_sd_kph=round(kph_from_mps(speed_mps * trip.sd_s / trip.median_s), 1),
        vehicles=trip.vehicles,
        interval_end=datetime_from_us(trip.end_us),
        age_s=round((now_us - trip.end_us) / SECOND_US, 1),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/travel-times",
        handler=gate_travel_times,
        summary="Travel times between gates",
        tag="picture",
        answer=GateTravelTimesView,
    ),
)
