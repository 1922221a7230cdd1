"""Sensors, gates and features beside the road: our own tables, which GMNS does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twin.clock import iso_from_us
from twin.ids import GateId, LinkId, SensorId, ZoneId
from twin.network.gmns.measures import read_points
from twin.network.gmns.moments import read_moments
from twin.network.gmns.sheets import Sheet, extra_cells, join_list, number_text, split_list
from twin.network.gmns.source import Source
from twin.network.model import Feature, Gate, Layer, Point, Sensor

_SENSOR_FIELDS: Final = frozenset(
    {
        "sensor_id",
        "link_id",
        "position_m",
        "x_coord",
        "y_coord",
        "period_s",
        "kind",
        "lanes",
        "station",
        "region",
    }
)
_FEATURE_FIELDS: Final = frozenset(
    {"feature_id", "layer", "geometry", "name", "authority", "valid_from", "valid_to", "links"}
)


def _positions(sheet: Sheet, column: str) -> list[float]:
    if sheet.rows:
        sheet.ids(column)  # every row states it
    return [value for value in sheet.numbers(column) if value is not None]


def _points(source: Source, sheet: Sheet) -> list[Point]:
    return read_points(sheet, source.measures) if sheet.rows else []


def read_sensors(source: Source) -> list[Sensor]:
    """Return the sensors of twin_sensor.csv."""
    sheet, ids = source.keyed("twin_sensor", "sensor_id")
    columns = zip(
        ids,
        sheet.ids("link_id") if ids else [],
        _positions(sheet, "position_m"),
        _points(source, sheet),
        _positions(sheet, "period_s"),
        sheet.texts("kind"),
        [1 if lanes is None else lanes for lanes in sheet.wholes("lanes")],
        sheet.texts("station"),
        sheet.texts("region"),
        source.extras(sheet, _SENSOR_FIELDS),
        strict=True,
    )
    return [
        Sensor(
            SensorId(one), LinkId(link), at_m, point, period_s, kind, lanes, station, region, more
        )
        for one, link, at_m, point, period_s, kind, lanes, station, region, more in columns
    ]


def sensor_rows(sensors: tuple[Sensor, ...]) -> Iterator[dict[str, str]]:
    """Write sensors as rows of twin_sensor.csv."""
    for sensor in sensors:
        yield {
            **extra_cells("sensor", sensor.id, sensor.extra, _SENSOR_FIELDS),
            "sensor_id": sensor.id,
            "link_id": sensor.link,
            "position_m": number_text(sensor.position_m),
            "x_coord": repr(sensor.point[0]),
            "y_coord": repr(sensor.point[1]),
            "period_s": number_text(sensor.period_s),
            "kind": sensor.kind,
            "lanes": str(sensor.lanes),
            "station": sensor.station,
            "region": sensor.region,
        }


def read_gates(source: Source) -> list[Gate]:
    """Return the gates of twin_gate.csv."""
    sheet, ids = source.keyed("twin_gate", "gate_id")
    columns = zip(
        ids,
        sheet.ids("link_id") if ids else [],
        _positions(sheet, "position_m"),
        _points(source, sheet),
        sheet.booleans("inbound"),
        sheet.words("zones"),
        sheet.texts("name"),
        sheet.booleans("barrier"),
        strict=True,
    )
    gates = []
    for row, columns_of_gate in enumerate(columns):
        identity, link, position_m, point, inbound, zones, name, barrier = columns_of_gate
        if inbound is None:
            raise sheet.fault(row, "inbound", "", "must be true or false")
        gates.append(
            Gate(
                id=GateId(identity),
                link=LinkId(link),
                position_m=position_m,
                point=point,
                inbound=inbound,
                zones=tuple(map(ZoneId, split_list(zones))),
                name=name,
                barrier=bool(barrier),
            )
        )
    return gates


def gate_rows(gates: tuple[Gate, ...]) -> Iterator[dict[str, str]]:
    """Write gates as rows of twin_gate.csv."""
    for gate in gates:
        yield {
            "gate_id": gate.id,
            "link_id": gate.link,
            "position_m": number_text(gate.position_m),
            "x_coord": repr(gate.point[0]),
            "y_coord": repr(gate.point[1]),
            "inbound": "true" if gate.inbound else "false",
            "zones": join_list(gate.zones),
            "name": gate.name,
            "barrier": "true" if gate.barrier else "false",
        }


def read_features(source: Source) -> list[Feature]:
    """Return the features of twin_feature.csv."""
    sheet, ids = source.keyed("twin_feature", "feature_id")
    shape = source.measures.shape
    columns = zip(
        ids,
        sheet.ids("layer") if ids else [],
        sheet.ids("geometry") if ids else [],
        sheet.texts("name"),
        sheet.texts("authority"),
        read_moments(sheet, "valid_from"),
        read_moments(sheet, "valid_to"),
        sheet.words("links"),
        source.extras(sheet, _FEATURE_FIELDS),
        strict=True,
    )
    return [
        Feature(
            id=identity,
            layer=sheet.value(row, "layer", layer, Layer),
            wkt=sheet.value(row, "geometry", wkt, shape),
            name=name,
            authority=authority,
            valid_from_us=valid_from_us,
            valid_to_us=valid_to_us,
            links=tuple(map(LinkId, split_list(links))),
            extra=extra,
        )
        for row, (
            identity,
            layer,
            wkt,
            name,
            authority,
            valid_from_us,
            valid_to_us,
            links,
            extra,
        ) in enumerate(columns)
    ]


def feature_rows(features: tuple[Feature, ...]) -> Iterator[dict[str, str]]:
    """Write features as rows of twin_feature.csv."""
    for feature in features:
        start_us, end_us = feature.valid_from_us, feature.valid_to_us
        yield {
            **extra_cells("feature", feature.id, feature.extra, _FEATURE_FIELDS),
            "feature_id": feature.id,
            "layer": feature.layer.value,
            "geometry": feature.wkt,
            "name": feature.name,
            "authority": feature.authority,
            "valid_from": "" if start_us is None else iso_from_us(start_us),
            "valid_to": "" if end_us is None else iso_from_us(end_us),
            "links": join_list(feature.links),
        }
