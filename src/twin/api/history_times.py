"""What was: travel times of a way, every five minutes of any stored day."""

from __future__ import annotations

import asyncio
import csv
import io
from itertools import pairwise
from typing import Annotated, Final

import numpy as np
from fastapi import Query
from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import House
from twin.api.columns_out import shown
from twin.api.history import MINUTE_US, From, To, lengths_of, networks_between
from twin.api.moments import moment_us
from twin.api.problems import not_found
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import Moment
from twin.api.served import Served
from twin.clock import datetime_from_us, iso_from_us
from twin.errors import Fault, InputError
from twin.network.corridors import corridors
from twin.network.model import SingleMap
from twin.perceive.journeys import LONGEST_US, Journeys, journeys
from twin.store.minutes import minutes_of_links

PERIOD_US: Final = 5 * MINUTE_US
MOST_VALUES: Final = 1_000_000
"""Minutes times links of one answer: two days of a way of 300 links."""
Links = Annotated[
    list[str] | None,
    Query(alias="link", max_length=1000, description="link ids, in driving order"),
]
Road = Annotated[
    str, Query(max_length=128, description="a corridor by its road, in place of links")
]


class TravelTimesView(Struct, frozen=True, kw_only=True):
    """Travel times along a way; each list has a value a departure. null: a speed is not known."""

    links: list[str]
    length_m: Annotated[float, Meta(description="of the way, on the map in use")]
    time: Annotated[list[Moment], Meta(description="departure, every five minutes")]
    instantaneous_s: Annotated[
        list[float | None],
        Meta(description="the links' times of the same minute added up, mean of five minutes"),
    ]
    experienced_s: Annotated[
        list[float | None],
        Meta(description="of a vehicle that set out then, link by link as it came there"),
    ]
    measured_share: Annotated[
        list[float | None], Meta(description="share of the length that was measured, 0 to 1")
    ]


async def travel_times(
    served: House,
    begin: From,
    end: To,
    link: Links = None,
    road: Road = "",
) -> Response:
    """Give the travel times of a way for every five minutes: links in driving order, or a road."""
    links, length_m, found = await _found(served, begin, end, link or [], road)
    view = TravelTimesView(
        links=links,
        length_m=round(length_m, 1),
        time=[datetime_from_us(us) for us in found.depart_us.tolist()],
        instantaneous_s=shown(found.instantaneous_s, 1),
        experienced_s=shown(found.experienced_s, 1),
        measured_share=shown(found.measured_share, 3),
    )
    return json_answer(view)


async def travel_times_csv(
    served: House,
    begin: From,
    end: To,
    link: Links = None,
    road: Road = "",
) -> Response:
    """Give the same as CSV, a line a departure; what is not known is empty."""
    _, _, found = await _found(served, begin, end, link or [], road)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": 'attachment; filename="travel-times.csv"',
    }
    return Response(csv_of(found), headers=headers, media_type="text/csv")


def csv_of(found: Journeys) -> str:
    """Write travel times as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("time", "instantaneous_s", "experienced_s", "measured_share"))
    columns = (
        shown(found.instantaneous_s, 1),
        shown(found.experienced_s, 1),
        shown(found.measured_share, 3),
    )
    times = [iso_from_us(us) for us in found.depart_us.tolist()]
    writer.writerows(zip(times, *columns, strict=True))
    return text.getvalue()


async def _found(
    served: Served, begin: str, end: str, links: list[str], road: str
) -> tuple[list[str], float, Journeys]:
    from_us, to_us = moment_us(begin, "from"), moment_us(end, "to")
    if to_us < from_us:
        raise InputError(Fault("to", end[:80], "is before `from`"))
    networks = await networks_between(served, from_us, to_us)
    way = _way(served, links, road)
    for name in way:
        if not any(name in network.link_rows for network in networks.values()):
            raise not_found("link", name[:80], "is a link of the map, now or in these minutes")
    values = ((to_us - from_us) // MINUTE_US + 1) * len(way)
    if values > MOST_VALUES:
        rule = f"asks for {values} values (minutes times links), {MOST_VALUES} at most"
        raise InputError(Fault("to", end[:80], rule))
    rows_of = {
        version: np.array([network.link_rows.get(name, -1) for name in way], np.int64)
        for version, network in networks.items()
    }
    minutes = await minutes_of_links(served.database, from_us, to_us + LONGEST_US, rows_of)
    lengths = {version: np.array(lengths_of(network, way)) for version, network in networks.items()}
    length_m = np.array([lengths[version] for version in minutes.map_version])
    found = await asyncio.to_thread(
        journeys,
        np.array(minutes.time_us, np.int64),
        minutes.speed_mps,
        minutes.source,
        length_m=length_m.reshape(minutes.speed_mps.shape),
        depart_us=np.arange(from_us, to_us + 1, PERIOD_US, dtype=np.int64),
        period_us=PERIOD_US,
    )
    return way, float(np.nansum(lengths[served.network.version])), found


def _way(served: Served, links: list[str], road: str) -> list[str]:
    """Return the links that were named, or those of a corridor of the map in use."""
    if bool(links) == bool(road):
        raise InputError(Fault("link", "", "name links in driving order, or one road"))
    if links:
        return links
    for one in corridors(served.network):
        if one.road == road:
            return first_chain(served.network, [str(link) for link in one.links])
    raise not_found("road", road[:80], "is a road of the map; `GET /corridors` lists them")


def first_chain(network: SingleMap, links: list[str]) -> list[str]:
    """Return the links up to the first gap: a road that forks is its longest chain first."""
    known = [network.links[network.link_rows[name]] for name in links]
    for row, (one, following) in enumerate(pairwise(known), 1):
        if one.to_node != following.from_node:
            return links[:row]
    return links


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/history/travel-times",
        handler=travel_times,
        summary="Travel times of a way every five minutes, of any stored day",
        tag="history",
        answer=TravelTimesView,
        errors=(404, 422),
    ),
    Endpoint(
        method="GET",
        path="/history/travel-times.csv",
        handler=travel_times_csv,
        summary="The same as CSV",
        tag="history",
        answer={"type": "string"},
        media="text/csv",
        errors=(404, 422),
    ),
)
