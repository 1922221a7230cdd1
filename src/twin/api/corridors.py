"""Corridors, and the time-space diagram: speed over distance and time, with the next hour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import numpy as np
from fastapi import Path, Query
from starlette.responses import Response

from twin.api.auth import House
from twin.api.columns_out import shown_rows
from twin.api.problems import not_found
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import (
    CellView,
    CorridorLinkView,
    CorridorNodeView,
    CorridorView,
    TimespaceForecastView,
    TimespaceView,
)
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.columns import Ints
from twin.forecast.result import Forecast
from twin.network.corridors import Corridor
from twin.network.corridors import corridors as corridors_of
from twin.network.model import SingleMap
from twin.store.minutes import minutes as stored_minutes
from twin.store.records import MinutePicture
from twin.units import SECOND_US, kph_from_mps

MINUTE_S: Final = 60
MINUTE_US: Final = MINUTE_S * SECOND_US
LONGEST_MINUTES: Final = 24 * 60


async def corridors(served: House) -> Response:
    """List the corridors with their links and nodes in driving order."""
    return json_answer([_corridor(served.network, one) for one in corridors_of(served.network)])


def _corridor(network: SingleMap, corridor: Corridor) -> CorridorView:
    links = [network.links[network.link_rows[link]] for link in corridor.links]
    places = list(zip(links, corridor.start_m, strict=True))
    nodes: dict[str, float] = {}
    for link, start_m in places:
        nodes.setdefault(link.from_node, start_m)
        nodes.setdefault(link.to_node, start_m + link.length_m)
    return CorridorView(
        road=corridor.road,
        name=corridor.name,
        length_m=round(corridor.length_m, 1),
        links=[
            CorridorLinkView(
                id=link.id,
                row=network.link_rows[link.id],
                start_m=round(start_m, 1),
                end_m=round(start_m + link.length_m, 1),
                name=link.name,
                free_speed_kph=round(kph_from_mps(link.free_speed_mps), 1),
            )
            for link, start_m in places
        ],
        nodes=[
            CorridorNodeView(
                id=node, name=network.nodes[network.node_rows[node]].name, at_m=round(at_m, 1)
            )
            for node, at_m in nodes.items()
        ],
    )


async def timespace(
    served: House,
    road: Annotated[str, Path(description="of the corridor, from GET /corridors")],
    minutes: Annotated[int, Query(ge=1, le=LONGEST_MINUTES, description="how far back")] = 120,
) -> Response:
    """Give the speeds of a corridor minute by minute up to now, and the forecast after it."""
    corridor = next((one for one in corridors_of(served.network) if one.road == road), None)
    if corridor is None:
        raise not_found("road", road, "is a road of GET /corridors")
    network = served.network
    rows = np.array([network.link_rows[link] for link in corridor.links], np.int64)
    end_us = served.clock.now_us() // MINUTE_US * MINUTE_US
    start_us = end_us - minutes * MINUTE_US
    stored = await stored_minutes(served.database, start_us, end_us)
    speed, source = _grid(stored, network=network, rows=rows, start_us=start_us, minutes=minutes)
    links = [network.links[row] for row in rows]
    view = TimespaceView(
        road=road,
        start=datetime_from_us(start_us),
        end=datetime_from_us(end_us),
        step_s=MINUTE_S,
        cells=[
            CellView(
                link=link.id,
                row=row,
                start_m=round(start_m, 1),
                end_m=round(start_m + link.length_m, 1),
                free_speed_kph=round(kph_from_mps(link.free_speed_mps), 1),
            )
            for link, row, start_m in zip(links, rows.tolist(), corridor.start_m, strict=True)
        ],
        speed_kph=shown_rows(kph_from_mps(speed), 1),
        source=source.tolist(),
        forecast=_forecast(served, rows),
    )
    return json_answer(view)


def _grid(
    stored: Sequence[MinutePicture],
    *,
    network: SingleMap,
    rows: Ints,
    start_us: int,
    minutes: int,
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], Ints]:
    """Put stored minutes into (minutes, cells) tables of m/s and sources; gaps are NaN and 0.

    Row k is the minute that ends at start + (k + 1) minutes. Pictures of other maps are left out:
    their rows are other links.
    """
    speed = np.full((minutes, len(rows)), np.nan)
    source = np.zeros((minutes, len(rows)), np.int64)
    for minute in stored:
        step = (minute.time_us - start_us + MINUTE_US - 1) // MINUTE_US - 1
        if minute.map_version != network.version or not 0 <= step < minutes:
            continue
        speed[step] = np.frombuffer(minute.speed_mps, np.float32)[rows]
        source[step] = np.frombuffer(minute.source, np.uint8)[rows]
    return speed, source


def _forecast(served: Served, rows: Ints) -> TimespaceForecastView | None:
    newest: Forecast | None = served.board.picture.forecast if served.board.picture else None
    if newest is None or newest.map_version != served.network.version:
        return None
    return TimespaceForecastView(
        id=newest.id,
        start=datetime_from_us(newest.made_us),
        step_s=newest.step_s,
        speed_kph=shown_rows(kph_from_mps(newest.speed_mps[:, rows]), 1),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/corridors",
        handler=corridors,
        summary="The corridors",
        tag="corridors",
        answer=list[CorridorView],
    ),
    Endpoint(
        method="GET",
        path="/corridors/{road}/timespace",
        handler=timespace,
        summary="Speed over distance and time",
        tag="corridors",
        answer=TimespaceView,
        errors=(404, 422),
    ),
)
