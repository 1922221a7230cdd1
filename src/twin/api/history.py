"""What was: speeds, flows and travel times of chosen links in any stored minutes."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from fastapi import Query
from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import House
from twin.api.columns_out import shown, shown_rows
from twin.api.moments import MomentText, moment_us
from twin.api.problems import not_found
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import Moment
from twin.api.served import Served
from twin.clock import datetime_from_us, iso_from_us
from twin.errors import Fault, InputError, MapError
from twin.network.model import SingleMap
from twin.store import maps
from twin.store.minutes import LinkMinutes, minutes_of_links, versions_between
from twin.units import SECOND_US, kph_from_mps, vph_from_vps

MINUTE_US: Final = 60 * SECOND_US
MOST_VALUES: Final = 100_000
"""Minutes times links of one answer: a day of 69 links."""
_NO_ROW: Final = -1

From = Annotated[MomentText, Query(alias="from", description="first minute, RFC 3339")]
To = Annotated[MomentText, Query(alias="to", description="last minute, RFC 3339")]
Links = Annotated[
    list[str],
    Query(alias="link", min_length=1, max_length=500, description="link ids, in driving order"),
]
Rows = list[list[float | None]]


class LinkHistoryView(Struct, frozen=True, kw_only=True):
    """Minutes of chosen links. Each table has a row a minute and a value a link."""

    links: list[str]
    time: Annotated[list[Moment], Meta(description="end of each minute")]
    map_version: Annotated[list[str], Meta(description="map that the minute was estimated on")]
    speed_kph: Rows
    flow_vph: Annotated[Rows, Meta(description="vehicles per hour")]
    travel_time_s: Annotated[Rows, Meta(description="length of the link through its speed")]
    total_travel_time_s: Annotated[
        list[float | None],
        Meta(description="sum over the links at that minute; null if one is unknown"),
    ]
    source: Annotated[
        list[list[int]],
        Meta(description="as speed_kph: 0 none, 1 measured, 2 neighbours, 3 profile"),
    ]


@dataclass(frozen=True, slots=True)
class _Past:
    """Stored minutes of links with their travel times, (minutes, links) s."""

    links: list[str]
    minutes: LinkMinutes
    travel_time_s: npt.NDArray[np.float64]


async def link_history(served: House, begin: From, end: To, link: Links) -> Response:
    """Give speeds, flows and travel times of links minute by minute, as they were estimated.

    Minutes of earlier map versions count; a link that a version did not have is null there.
    """
    past = await _past(served, begin, end, link)
    minutes = past.minutes
    view = LinkHistoryView(
        links=past.links,
        time=[datetime_from_us(time_us) for time_us in minutes.time_us],
        map_version=minutes.map_version,
        speed_kph=shown_rows(kph_from_mps(minutes.speed_mps), 1),
        flow_vph=shown_rows(vph_from_vps(minutes.flow_vps), 0),
        travel_time_s=shown_rows(past.travel_time_s, 1),
        total_travel_time_s=shown(past.travel_time_s.sum(axis=1), 1),
        source=minutes.source.tolist(),
    )
    return json_answer(view)


async def link_history_csv(served: House, begin: From, end: To, link: Links) -> Response:
    """Give the same as CSV, a line a minute and link; what is not known is empty."""
    past = await _past(served, begin, end, link)
    minutes = past.minutes
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    names = ("time", "map_version", "link", "speed_kph", "flow_vph", "travel_time_s", "source")
    writer.writerow(names)
    tables = (
        shown_rows(kph_from_mps(minutes.speed_mps), 1),
        shown_rows(vph_from_vps(minutes.flow_vps), 0),
        shown_rows(past.travel_time_s, 1),
        minutes.source.tolist(),
    )
    for number, (time_us, version) in enumerate(
        zip(minutes.time_us, minutes.map_version, strict=True)
    ):
        columns = zip(past.links, *(table[number] for table in tables), strict=True)
        writer.writerows((iso_from_us(time_us), version, *values) for values in columns)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": 'attachment; filename="links.csv"',
    }
    return Response(text.getvalue(), headers=headers, media_type="text/csv")


async def _past(served: Served, begin: str, end: str, links: list[str]) -> _Past:
    from_us, to_us = moment_us(begin, "from"), moment_us(end, "to")
    networks = await networks_between(served, from_us, to_us)
    for name in links:
        if not any(name in network.link_rows for network in networks.values()):
            raise not_found("link", name[:80], "is a link of the map, now or in these minutes")
    if to_us < from_us:
        raise InputError(Fault("to", end[:80], "is before `from`"))
    values = ((to_us - from_us) // MINUTE_US + 1) * len(links)
    if values > MOST_VALUES:
        rule = f"asks for {values} values (minutes times links), {MOST_VALUES} at most"
        raise InputError(Fault("to", end[:80], rule))
    rows_of = {
        version: np.array([network.link_rows.get(name, _NO_ROW) for name in links], np.int64)
        for version, network in networks.items()
    }
    minutes = await minutes_of_links(served.database, from_us, to_us, rows_of)
    length_m = {version: lengths_of(networks[version], links) for version in networks}
    lengths = np.array([length_m[version] for version in minutes.map_version])
    with np.errstate(divide="ignore"):  # a speed of zero has no travel time
        travel_time_s = lengths.reshape(minutes.speed_mps.shape) / minutes.speed_mps
    return _Past(links, minutes, travel_time_s)


async def networks_between(served: Served, from_us: int, to_us: int) -> dict[str, SingleMap]:
    """Return the map of now and those that the minutes were made on, by version."""
    networks = {served.network.version: served.network}
    for version in await versions_between(served.database, from_us, to_us):
        if version in networks:
            continue
        try:
            networks[version] = await maps.load_map(served.database, version)
        except MapError:  # its minutes came by an import without the map: rows without names
            continue
    return networks


def lengths_of(network: SingleMap, links: list[str]) -> list[float]:
    known = {str(link.id): link.length_m for link in network.links}
    return [known.get(name, np.nan) for name in links]


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/history/links",
        handler=link_history,
        summary="Links minute by minute, of any stored day",
        tag="history",
        answer=LinkHistoryView,
        errors=(404, 422),
    ),
    Endpoint(
        method="GET",
        path="/history/links.csv",
        handler=link_history_csv,
        summary="The same as CSV",
        tag="history",
        answer={"type": "string"},
        media="text/csv",
        errors=(404, 422),
    ),
)
