"""The live state as JSON: what is believed of every link, and what the sensors measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec
import numpy as np
from fastapi import Query
from starlette.responses import Response

from twin.api.auth import House
from twin.api.classes import SpeedClass, link_classes, speed_ratio
from twin.api.columns_out import picked, shown
from twin.api.moments import MomentText, moment_us
from twin.api.problems import Problem, not_found
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import LinkView, MeasuredView, PictureView, SensorView, SignalView
from twin.api.served import Served
from twin.clock import datetime_from_us, us_from_datetime
from twin.network.model import SingleMap
from twin.perceive.state import Freshness, LinkState, Measured, Origin, Source
from twin.picture import Picture
from twin.store.observations import measured_at
from twin.units import SECOND_US, kph_from_mps, pct_from_frac, vph_from_vps, vpkm_from_vpm

Links = Annotated[
    list[str] | None, Query(description="ids of links; all without it", max_length=500)
]
Shown = TypeVar("Shown")
_SOURCES: Final = [source.name.lower() for source in Source]
_ORIGINS: Final = [
    [str(origin.name).lower() for origin in Origin if origin & bits] for bits in range(256)
]
_FRESHNESS: Final = [freshness.name.lower() for freshness in Freshness]


def newest_picture(served: Served) -> Picture:
    """Return the newest picture. Raises Problem 503 while there is none yet."""
    if served.board.picture is None:
        raise Problem(503, "There is no picture yet; the first follows the start within seconds.")
    return served.board.picture


def chosen_rows(network: SingleMap, links: list[str] | None) -> list[int] | None:
    """Return the rows of chosen links, None for all. Raises Problem 404 naming an unknown one."""
    if not links:
        return None
    for link in links:
        if link not in network.link_rows:
            raise not_found("link", link, "is an id of the layer links")
    return [network.link_rows[link] for link in links]


async def picture(served: House, link: Links = None) -> Response:
    """Give the live state of all or of chosen links, with its age and its sources."""
    newest = newest_picture(served)
    rows = chosen_rows(served.network, link)
    now_us = served.clock.now_us()
    classes, counts = served.once("classes", newest.sequence, lambda: _classes(served, newest))
    newest_age_s, freshest = _newest(newest.links)

    def links() -> list[LinkView]:
        return _links(served, newest.links, classes, rows)

    view = PictureView(
        time=datetime_from_us(newest.time_us),
        age_s=_age_s(newest.time_us, now_us),
        sequence=newest.sequence,
        map_version=newest.map_version,
        provisional=newest.provisional,
        forecast_id=newest.forecast.id if newest.forecast else "",
        newest_age_s=newest_age_s,
        newest_freshness=freshest.name.lower(),
        classes={str(name): counts[name] for name in SpeedClass},
        links=served.once("links", newest.sequence, encoded(links)) if rows is None else links(),
        signals=[
            SignalView(
                junction=status.junction,
                stage=status.stage,
                since=status.since,
                mode=status.mode,
                changing=status.changing,
                age_s=_age_s(us_from_datetime(status.time), now_us),
            )
            for status in newest.signals
        ],
        incidents=list(newest.incidents),
    )
    return json_answer(view)


def encoded(make: Callable[[], list[Shown]]) -> Callable[[], list[Shown]]:
    """Let a list be made as finished JSON: whoever encodes the view copies the bytes."""
    return lambda: cast(list[Shown], msgspec.Raw(msgspec.json.encode(make())))


def _classes(served: Served, newest: Picture) -> tuple[list[SpeedClass], Counter[SpeedClass]]:
    classes = link_classes(newest.links, served.board.free_speed_mps)
    return classes, Counter(classes)


def _newest(links: LinkState) -> tuple[float | None, Freshness]:
    """Return the age of the newest reading behind any link, and how fresh the freshest is."""
    known = links.freshness != Freshness.NO_DATA
    ages_s = links.age_s[known & np.isfinite(links.age_s)]
    if not ages_s.size:
        return None, Freshness.NO_DATA
    return round(float(ages_s.min()), 1), Freshness(int(links.freshness[known].min()))


def _links(
    served: Served, links: LinkState, classes: list[SpeedClass], rows: list[int] | None
) -> list[LinkView]:
    ratio = speed_ratio(links.speed_mps, served.board.free_speed_mps)
    columns: list[list[Any]] = [
        shown(kph_from_mps(links.speed_mps), 1),
        shown(kph_from_mps(links.speed_sd_mps), 1),
        shown(vph_from_vps(links.flow_vps), 0),
        shown(vph_from_vps(links.flow_sd_vps), 0),
        shown(vpkm_from_vpm(links.density_vpm), 1),
        shown(vpkm_from_vpm(links.density_sd_vpm), 1),
        shown(ratio, 4),
        [_SOURCES[code] for code in links.source.tolist()],
        [_FRESHNESS[code] for code in links.freshness.tolist()],
        shown(links.age_s, 1),
        links.closed.astype(bool).tolist(),
        [_ORIGINS[bits] for bits in links.origins.tolist()],
        links.detectors.tolist(),
    ]
    wanted = list(range(len(served.network.links))) if rows is None else rows
    return [
        LinkView(
            row=row,
            id=served.network.links[row].id,
            speed_kph=values[0],
            speed_sd_kph=values[1],
            flow_vph=values[2],
            flow_sd_vph=values[3],
            density_vpkm=values[4],
            density_sd_vpkm=values[5],
            ratio=values[6],
            speed_class=classes[row],
            source=values[7],
            freshness=values[8],
            age_s=values[9],
            closed=values[10],
            made_from=values[11],
            detectors=values[12],
        )
        for row, values in zip(
            wanted, zip(*(picked(column, rows) for column in columns), strict=True), strict=True
        )
    ]


async def picture_measured(
    served: House,
    at: Annotated[MomentText | None, Query(description="RFC 3339; now without it")] = None,
) -> Response:
    """Give the newest reading of every sensor at a moment, exactly as it was measured."""
    if at is None:
        newest = newest_picture(served)
        return json_answer(_measured(served.network, newest.measured, served.clock.now_us()))
    time_us = moment_us(at, "at")
    measured = await measured_at(served.database, served.network, time_us)
    return json_answer(_measured(served.network, measured, time_us))


def _measured(network: SingleMap, measured: Measured, time_us: int) -> MeasuredView:
    period_s = measured.period_ms / 1000.0
    flow_vps = measured.count / period_s.clip(1e-3)
    columns = zip(
        network.sensors,
        measured.time_us.tolist(),
        period_s.tolist(),
        shown(measured.count, 3),
        shown(vph_from_vps(flow_vps), 3),
        shown(kph_from_mps(measured.speed_mps), 3),
        shown(pct_from_frac(measured.occupancy_frac), 3),
        strict=True,
    )
    return MeasuredView(
        time=datetime_from_us(time_us),
        sensors=[
            SensorView(
                id=sensor.id,
                time=datetime_from_us(seen_us) if seen_us >= 0 else None,
                age_s=_age_s(seen_us, time_us) if seen_us >= 0 else None,
                period_s=period if seen_us >= 0 else None,
                count=count,
                flow_vph=flow,
                speed_kph=speed,
                occupancy_pct=occupancy,
            )
            for sensor, seen_us, period, count, flow, speed, occupancy in columns
        ],
    )


def _age_s(time_us: int, now_us: int) -> float:
    return round((now_us - time_us) / SECOND_US, 1)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/picture",
        handler=picture,
        summary="The live state",
        tag="picture",
        answer=PictureView,
        errors=(404, 422),
    ),
    Endpoint(
        method="GET",
        path="/picture/measured",
        handler=picture_measured,
        summary="What the sensors measured",
        tag="picture",
        answer=MeasuredView,
        errors=(422,),
    ),
)
