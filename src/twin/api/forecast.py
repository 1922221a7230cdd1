"""The next hour of every link."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from starlette.responses import Response

from twin.api.auth import House
from twin.api.columns_out import shown_rows
from twin.api.picture import Links, chosen_rows, encoded
from twin.api.problems import Problem
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import ForecastView, LinkForecastView
from twin.clock import datetime_from_us
from twin.columns import Floats
from twin.forecast.learned.blend import Expert
from twin.forecast.result import Forecast, Method
from twin.network.model import SingleMap
from twin.perceive.state import Codes
from twin.units import SECOND_US, kph_from_mps, vph_from_vps, vpkm_from_vpm

INTERVAL: Final = 0.8
_METHODS: Final = [method.name.lower() for method in Method]


async def forecast(served: House, link: Links = None) -> Response:
    """Give the newest forecast of all or of chosen links, with its interval and its age."""
    rows = chosen_rows(served.network, link)
    found = served.board.picture.forecast if served.board.picture else None
    if found is None:
        detail = "There is no forecast yet; the first follows the start within about a minute."
        raise Problem(503, detail, headers={"Retry-After": "30"})

    scores = served.board.picture.scores if served.board.picture else None
    distrusted = np.zeros(len(served.network.links), np.uint8)
    distrusted = distrusted if scores is None else scores.distrusted

    def links() -> list[LinkForecastView]:
        return _links(served.network, found, rows, distrusted)

    age_s = round((served.clock.now_us() - found.made_us) / SECOND_US, 1)
    view = ForecastView(
        id=found.id,
        made=datetime_from_us(found.made_us),
        age_s=age_s,
        step_s=found.step_s,
        interval=INTERVAL,
        links=served.once("forecast", found.id, encoded(links)) if rows is None else links(),
    )
    return json_answer(view)


def _links(
    network: SingleMap, found: Forecast, rows: list[int] | None, distrusted: Codes
) -> list[LinkForecastView]:
    wanted = np.arange(len(network.links)) if rows is None else np.array(rows, np.int64)

    def by_link(values: Floats, decimals: int) -> list[list[Any]]:
        return shown_rows(values[:, wanted].T, decimals)

    columns = zip(
        wanted.tolist(),
        by_link(kph_from_mps(found.speed_mps), 1),
        by_link(kph_from_mps(found.speed_lo_mps), 1),
        by_link(kph_from_mps(found.speed_hi_mps), 1),
        by_link(vph_from_vps(found.flow_vps), 0),
        by_link(vpkm_from_vpm(found.density_vpm), 1),
        strict=True,
    )
    return [
        LinkForecastView(
            row=row,
            id=network.links[row].id,
            method=_METHODS[found.method[row]],
            speed_kph=speed,
            speed_lo_kph=low,
            speed_hi_kph=high,
            flow_vph=flow,
            density_vpkm=density,
            blend=_blend(found, row),
            trusted=not distrusted[row],
        )
        for row, speed, low, high, flow, density in columns
    ]


def _blend(found: Forecast, row: int) -> dict[str, float] | None:
    """Return who weighs how much in a blended link, without those who say nothing."""
    if found.method[row] != Method.BLEND:
        return None
    shares = zip(Expert, found.weights[row].tolist(), strict=True)
    return {one.name.lower(): round(share, 3) for one, share in shares if share >= 0.0005}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/forecast",
        handler=forecast,
        summary="The next hour",
        tag="forecast",
        answer=ForecastView,
        errors=(404, 422),
    ),
)
