"""What the detectors show unasked: incidents that nobody reported, and tails of queues."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import House
from twin.api.picture import newest_picture
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import Kph, Moment
from twin.clock import datetime_from_us
from twin.network.model import SingleMap
from twin.perceive.incident_watch import IncidentAlert
from twin.perceive.queue_tails import QueueTail
from twin.units import kph_from_mps, pct_from_frac


class IncidentAlertView(Struct, frozen=True, kw_only=True):
    """An incident between two stations that nobody has reported."""

    id: str
    road: str
    link: str
    position_m: float
    before: Annotated[str, Meta(description="link of the station before it")]
    behind: Annotated[str, Meta(description="link of the station behind it")]
    since: Moment
    seen: Annotated[Moment, Meta(description="the last minute that showed it")]
    confidence: Annotated[float, Meta(ge=0, le=1)]
    reason: Annotated[str, Meta(description="queue or piled")]
    text: Annotated[str, Meta(description="the reason in one sentence, with its numbers")]
    vehicles: Annotated[float, Meta(description="that went in and did not come out")]
    speed_before_kph: Kph
    speed_behind_kph: Kph
    load_pct: Annotated[float, Meta(description="flow behind, share of the capacity, %")]


class QueueTailView(Struct, frozen=True, kw_only=True):
    """The upstream end of a queue."""

    road: str
    link: str
    position_m: float
    growth_kph: Annotated[
        float | None, Meta(description="against the traffic; below 0 it dissolves")
    ]
    length_m: float
    queue_kph: Kph
    approach_kph: Annotated[Kph, Meta(description="of those who drive into it")]
    warn: Annotated[bool, Meta(description="fast traffic meets it")]
    text: str


class AlertsView(Struct, frozen=True, kw_only=True):
    """What stands now; cleared when it is over."""

    time: Moment
    incidents: list[IncidentAlertView]
    queue_tails: list[QueueTailView]


async def alerts(served: House) -> Response:
    """Give incidents that the detectors show and tails of queues, as in the newest picture."""
    shown = newest_picture(served)
    view = AlertsView(
        time=datetime_from_us(shown.time_us),
        incidents=[_incident(served.network, one) for one in shown.alerts.incidents],
        queue_tails=[_tail(one) for one in shown.alerts.tails],
    )
    return json_answer(view)


def _incident(network: SingleMap, alert: IncidentAlert) -> IncidentAlertView:
    def kph(link: str, share: float) -> float:
        return round(kph_from_mps(share * network.links[network.link_rows[link]].free_speed_mps), 1)

    before_kph = kph(alert.before, alert.speed_before)
    behind_kph = kph(alert.behind, alert.speed_behind)
    load_pct = round(pct_from_frac(alert.load), 1)
    if alert.reason == "queue":
        why = f"a queue at {before_kph:.0f} km/h, behind it free road at {behind_kph:.0f} km/h"
    else:
        why = f"{alert.piled:.0f} vehicles went in and did not come out"
    return IncidentAlertView(
        id=alert.id,
        road=alert.road,
        link=alert.link,
        position_m=round(alert.position_m, 1),
        before=alert.before,
        behind=alert.behind,
        since=datetime_from_us(alert.since_us),
        seen=datetime_from_us(alert.seen_us),
        confidence=alert.confidence,
        reason=alert.reason,
        text=f"{alert.road}, {alert.before} to {alert.behind}: {why}; {load_pct:.0f} % of capacity",
        vehicles=alert.piled,
        speed_before_kph=before_kph,
        speed_behind_kph=behind_kph,
        load_pct=load_pct,
    )


def _tail(tail: QueueTail) -> QueueTailView:
    growth = None if tail.growth_mps != tail.growth_mps else round(kph_from_mps(tail.growth_mps), 1)
    moving = (
        "" if growth is None else f", {'grows' if growth >= 0 else 'shrinks'} {abs(growth):.0f}"
    )
    return QueueTailView(
        road=tail.road,
        link=tail.link,
        position_m=tail.position_m,
        growth_kph=growth,
        length_m=tail.length_m,
        queue_kph=round(kph_from_mps(tail.queue_mps), 1),
        approach_kph=round(kph_from_mps(tail.approach_mps), 1),
        warn=tail.warn,
        text=(
            f"{tail.road}: queue of {tail.length_m / 1000.0:.1f} km ends in {tail.link}"
            f"{moving + ' km/h' if moving else ''}; "
            f"{kph_from_mps(tail.approach_mps):.0f} km/h meets {kph_from_mps(tail.queue_mps):.0f}"
        ),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/alerts",
        handler=alerts,
        summary="Incidents and tails of queues that the detectors show",
        tag="picture",
        answer=AlertsView,
        errors=(),
    ),
)
