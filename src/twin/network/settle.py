"""Put every number of a map on a fixed grid, so that a file can carry it there and back exactly.

A number that was rounded to the grid survives a change of unit in a text file (km/h and back to
m/s): the error of the two conversions is far smaller than the grid, and rounding removes it.
The grid: 1e-9 degrees (0.1 mm), 1e-6 m, 1e-9 m/s, 1e-9 vehicles/s, 1e-9 of a share, 1e-6 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import shapely

from twin.network.model import (
    Extra,
    Feature,
    Gate,
    Junction,
    Lane,
    Line,
    Link,
    Movement,
    Node,
    Point,
    Sensor,
    SignalGroup,
    SignalPlan,
    Table,
    Zone,
)

_DEGREES = 9
_METRES = 6
_RATES = 9
_SECONDS = 6


def metres(value: float) -> float:
    """Round a length in metres to the grid."""
    return round(float(value), _METRES) + 0.0


def rate(value: float) -> float:
    """Round a speed (m/s), a flow (vehicles/s) or a share to the grid."""
    return round(float(value), _RATES) + 0.0


def seconds(value: float) -> float:
    """Round a duration in seconds to the grid."""
    return round(float(value), _SECONDS) + 0.0


def point(value: Point) -> Point:
    """Round a longitude and latitude to the grid."""
    return (round(float(value[0]), _DEGREES) + 0.0, round(float(value[1]), _DEGREES) + 0.0)


def line(value: Iterable[Point]) -> Line:
    """Round every point of a line to the grid."""
    return tuple(point(one) for one in value)


def extra(value: Extra) -> Extra:
    """Sort extra fields by name and leave out the empty ones: an empty cell says nothing."""
    return tuple(sorted((str(name), str(text)) for name, text in value if text))


def shape(wkt: str) -> str:
    """Write WKT in one way, flat, rounded to the grid; what is no WKT stays as it is."""
    if not wkt:
        return ""
    try:
        whole = shapely.force_2d(shapely.from_wkt(wkt))
    except shapely.errors.GEOSException:
        return wkt
    return str(shapely.to_wkt(whole, rounding_precision=_DEGREES, trim=True))


def node(value: Node) -> Node:
    """Settle a node."""
    return replace(value, point=point(value.point), extra=extra(value.extra))


def link(value: Link) -> Link:
    """Settle a link."""
    return replace(
        value,
        line=line(value.line),
        road=value.road.strip(),
        length_m=metres(value.length_m),
        lanes=int(value.lanes),
        free_speed_mps=rate(value.free_speed_mps),
        capacity_vps=rate(value.capacity_vps),
        guessed=tuple(sorted(set(value.guessed))),
        extra=extra(value.extra),
    )


def lane(value: Lane) -> Lane:
    """Settle a lane."""
    span = value.span
    return replace(
        value,
        number=int(value.number),
        width_m=None if value.width_m is None else metres(value.width_m),
        span=None if span is None else (metres(span[0]), metres(span[1])),
        extra=extra(value.extra),
    )


def movement(value: Movement) -> Movement:
    """Settle a movement."""
    return replace(
        value,
        capacity_vps=None if value.capacity_vps is None else rate(value.capacity_vps),
        share=None if value.share is None else rate(value.share),
        penalty_s=seconds(value.penalty_s),
        extra=extra(value.extra),
    )


def _group(value: SignalGroup) -> SignalGroup:
    return replace(
        value,
        movements=tuple(value.movements),
        min_green_s=seconds(value.min_green_s),
        yellow_s=seconds(value.yellow_s),
        max_red_s=seconds(value.max_red_s),
    )


def _plan(value: SignalPlan) -> SignalPlan:
    return replace(
        value,
        cycle_s=seconds(value.cycle_s),
        offset_s=seconds(value.offset_s),
        steps=tuple((stage, seconds(duration_s)) for stage, duration_s in value.steps),
    )


def junction(value: Junction) -> Junction:
    """Settle a junction with its groups and plans."""
    return replace(
        value,
        groups=tuple(_group(group) for group in value.groups),
        stages=tuple(replace(stage, groups=tuple(stage.groups)) for stage in value.stages),
        intergreen_s=tuple((end, start, seconds(gap)) for end, start, gap in value.intergreen_s),
        plans=tuple(_plan(plan) for plan in value.plans),
        extra=extra(value.extra),
    )


def sensor(value: Sensor) -> Sensor:
    """Settle a sensor."""
    return replace(
        value,
        position_m=metres(value.position_m),
        point=point(value.point),
        period_s=seconds(value.period_s),
        lanes=int(value.lanes),
        extra=extra(value.extra),
    )


def gate(value: Gate) -> Gate:
    """Settle a gate."""
    return replace(
        value,
        position_m=metres(value.position_m),
        point=point(value.point),
        zones=tuple(value.zones),
    )


def zone(value: Zone) -> Zone:
    """Settle a zone."""
    return replace(
        value,
        links=tuple(value.links),
        boundary_wkt=shape(value.boundary_wkt),
        extra=extra(value.extra),
    )


def feature(value: Feature) -> Feature:
    """Settle a feature beside the road."""
    return replace(value, wkt=shape(value.wkt), links=tuple(value.links), extra=extra(value.extra))


def table(value: Table) -> Table:
    """Settle a table that is kept whole."""
    return Table(value.name, tuple(value.columns), tuple(tuple(row) for row in value.rows))
