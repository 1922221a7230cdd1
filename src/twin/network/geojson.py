"""The layers of a map as GeoJSON: what the page draws and what other programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import shapely

from twin.clock import iso_from_us
from twin.network.model import Point, SingleMap
from twin.units import kph_from_mps, vph_from_vps

Feature = dict[str, Any]

_DIGITS: Final = 7  # of a degree: one centimetre


def layer_geojson(network: SingleMap, layer: str) -> bytes:
    """Return one layer as a FeatureCollection, UTF-8 JSON; KeyError for an unknown layer.

    Layers: links, nodes, sensors, gates, junctions, zones, features. Every feature has the
    properties `row`, `id` and `name`; speeds are km/h, capacities veh/h, lengths metres.
    """
    collection = {
        "type": "FeatureCollection",
        "layer": layer,
        "map_version": network.version,
        "features": list(_LAYERS[layer](network)),
    }
    return msgspec.json.encode(collection)


def layer_counts(network: SingleMap) -> dict[str, int]:
    """Return how many features each layer has."""
    return {
        "links": len(network.links),
        "nodes": len(network.nodes),
        "sensors": len(network.sensors),
        "gates": len(network.gates),
        "junctions": len(network.junctions),
        "zones": len(network.zones),
        "features": len(network.features),
    }


def _feature(geometry: Feature | None, **properties: object) -> Feature:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _position(point: Point) -> list[float]:
    return [round(point[0], _DIGITS), round(point[1], _DIGITS)]


def _point(point: Point) -> Feature:
    return {"type": "Point", "coordinates": _position(point)}


def _shape(wkt: str) -> Feature | None:
    """Turn WKT into a GeoJSON geometry; an empty text is a feature without a place."""
    if not wkt:
        return None
    shape: Feature = msgspec.json.decode(shapely.to_geojson(shapely.from_wkt(wkt)))
    return shape


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else iso_from_us(time_us)


def _links(network: SingleMap) -> Iterator[Feature]:
    for row, link in enumerate(network.links):
        line = [_position(point) for point in link.line]
        yield _feature(
            {"type": "LineString", "coordinates": line},
            row=row,
            id=link.id,
            name=link.name,
            road=link.road,
            **{"class": link.link_class},
            lanes=link.lanes,
            free_speed_kph=round(kph_from_mps(link.free_speed_mps), 3),
            length_m=round(link.length_m, 2),
            capacity_vph=round(vph_from_vps(link.capacity_vps), 2),
            from_node=link.from_node,
            to_node=link.to_node,
            authority=link.authority,
            guessed=link.guessed,
        )


def _nodes(network: SingleMap) -> Iterator[Feature]:
    for row, node in enumerate(network.nodes):
        yield _feature(
            _point(node.point),
            row=row,
            id=node.id,
            name=node.name,
            kind=node.kind,
            control=node.control,
            zone=node.zone,
        )


def _sensors(network: SingleMap) -> Iterator[Feature]:
    for row, sensor in enumerate(network.sensors):
        yield _feature(
            _point(sensor.point),
            row=row,
            id=sensor.id,
            name=sensor.station or sensor.id,
            link=sensor.link,
            kind=sensor.kind,
            period_s=sensor.period_s,
            lanes=sensor.lanes,
            region=sensor.region,
            position_m=round(sensor.position_m, 2),
        )


def _gates(network: SingleMap) -> Iterator[Feature]:
    for row, gate in enumerate(network.gates):
        yield _feature(
            _point(gate.point),
            row=row,
            id=gate.id,
            name=gate.name,
            link=gate.link,
            inbound=gate.inbound,
            zones=gate.zones,
            barrier=gate.barrier,
        )


def _junctions(network: SingleMap) -> Iterator[Feature]:
    for row, junction in enumerate(network.junctions):
        node = network.nodes[network.node_rows[junction.node]]
        yield _feature(
            _point(node.point),
            row=row,
            id=junction.id,
            name=junction.name or node.name,
            node=junction.node,
            stages=[stage.id for stage in junction.stages],
            plans=[plan.id for plan in junction.plans],
        )


def _zones(network: SingleMap) -> Iterator[Feature]:
    for row, zone in enumerate(network.zones):
        yield _feature(
            _shape(zone.boundary_wkt),
            row=row,
            id=zone.id,
            name=zone.name,
            kind=zone.kind,
            links=zone.links,
        )


def _features(network: SingleMap) -> Iterator[Feature]:
    for row, feature in enumerate(network.features):
        yield _feature(
            _shape(feature.wkt),
            row=row,
            id=feature.id,
            name=feature.name,
            layer=feature.layer,
            authority=feature.authority,
            valid_from=_time(feature.valid_from_us),
            valid_to=_time(feature.valid_to_us),
            links=feature.links,
        )


_LAYERS: Final[dict[str, Callable[[SingleMap], Iterator[Feature]]]] = {
    "links": _links,
    "nodes": _nodes,
    "sensors": _sensors,
    "gates": _gates,
    "junctions": _junctions,
    "zones": _zones,
    "features": _features,
}
