"""The detectors of the map: which are believed, which are not and why, and what stands in."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import House
from twin.api.picture import newest_picture
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import Moment, Seconds
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.perceive.health.chains import Section, closed_sections
from twin.perceive.health.detectors import DetectorHealth, Fault, stand_ins
from twin.perceive.health.limits import detector_roles
from twin.perceive.layout import layout_of
from twin.picture import Picture
from twin.units import SECOND_US


class DetectorView(Struct, frozen=True, kw_only=True):
    """One detector and what is known against it."""

    id: str
    link: str
    road: str
    role: Annotated[str, Meta(description="mainline, exit, queue, merge or auxiliary")]
    lanes: int
    period_s: Seconds
    last_reading: Moment | None
    age_s: Seconds | None
    faults: Annotated[list[str], Meta(description="empty: nothing is known against it")]
    since: Annotated[Moment | None, Meta(description="by event time, where it can be told")]
    excluded: Annotated[bool, Meta(description="it takes no part in the estimate")]
    replaced_by: Annotated[
        list[str], Meta(description="sensors that speak for its link, or `profile`; else nothing")
    ]


class SectionView(Struct, frozen=True, kw_only=True):
    """A stretch of road on which every entry and exit is counted."""

    into: Annotated[list[str], Meta(description="links by which vehicles enter, the road first")]
    out: list[str]
    imbalance: Annotated[
        float | None,
        Meta(description="share of an hour's vehicles that went in and did not come out"),
    ]


class DetectorsView(Struct, frozen=True, kw_only=True):
    """All detectors, as in the newest picture."""

    time: Moment
    failed: int
    counts: Annotated[dict[str, int], Meta(description="detectors by fault")]
    detectors: list[DetectorView]
    sections: list[SectionView]


async def detectors(served: House) -> Response:
    """Give the health of every detector; a failed one says what replaces it."""
    shown = newest_picture(served)
    view = served.once("detectors", shown.sequence, lambda: _view(served, shown))
    return json_answer(view)


def _view(served: Served, shown: Picture) -> DetectorsView:
    network = served.network
    health = shown.detectors or _unknown(len(network.sensors))
    layout = served.once("layout", network.version, lambda: layout_of(network))
    sections = served.once("sections", network.version, lambda: closed_sections(network))
    roles = served.once("roles of detectors", network.version, lambda: detector_roles(network))
    replaced = stand_ins(
        network,
        layout,
        failed=health.failed,
        source=shown.links.source,
        freshness=shown.links.freshness,
    )
    views = []
    for row, sensor in enumerate(network.sensors):
        seen_us, since_us = int(shown.measured.time_us[row]), int(health.since_us[row])
        views.append(
            DetectorView(
                id=sensor.id,
                link=sensor.link,
                road=network.links[network.link_rows[sensor.link]].road,
                role=roles[row],
                lanes=sensor.lanes,
                period_s=sensor.period_s,
                last_reading=datetime_from_us(seen_us) if seen_us >= 0 else None,
                age_s=round((shown.time_us - seen_us) / SECOND_US, 1) if seen_us >= 0 else None,
                faults=fault_names(int(health.faults[row])),
                since=datetime_from_us(since_us) if since_us >= 0 else None,
                excluded=bool(health.faults[row]),
                replaced_by=list(replaced.get(row, ())),
            )
        )
    return DetectorsView(
        time=datetime_from_us(shown.time_us),
        failed=int(np.count_nonzero(health.faults)),
        counts={
            fault.name.lower(): int(np.count_nonzero(health.faults & fault))
            for fault in Fault
            if fault.name
        },
        detectors=views,
        sections=_sections(served, sections, health),
    )


def fault_names(bits: int) -> list[str]:
    """Return the faults of one detector as words."""
    return [fault.name.lower() for fault in Fault if bits & fault and fault.name]


def _sections(
    served: Served, sections: tuple[Section, ...], health: DetectorHealth
) -> list[SectionView]:
    links = served.network.links
    shares = [None if np.isnan(one) else round(float(one), 3) for one in health.imbalance]
    return [
        SectionView(
            into=[links[row].id for row in section.into],
            out=[links[row].id for row in section.out],
            imbalance=shares[place] if place < len(shares) else None,
        )
        for place, section in enumerate(sections)
    ]


def _unknown(sensors: int) -> DetectorHealth:
    return DetectorHealth(
        faults=np.zeros(sensors, np.uint8),
        since_us=np.full(sensors, -1, np.int64),
        imbalance=np.empty(0),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/detectors",
        handler=detectors,
        summary="Which detectors are believed",
        tag="picture",
        answer=DetectorsView,
        errors=(),
    ),
)
