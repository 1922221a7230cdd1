"""The map: what it holds, its layers as GeoJSON, the report of its import."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from typing import Annotated, Final

from fastapi import Path, Request
from starlette.responses import Response

from twin.api.auth import House
from twin.api.problems import not_found
from twin.api.roles import API
from twin.api.routes import IMMUTABLE, Endpoint, json_answer
from twin.api.schemas import LayerView, NetworkView
from twin.api.served import Served
from twin.errors import MapError
from twin.network.corridors import corridors
from twin.network.geojson import layer_counts, layer_geojson
from twin.network.model import SingleMap
from twin.network.quality import QualityReport, Severity, check_map, counts_of
from twin.store.maps import load_map

LAYERS: Final = ("links", "nodes", "sensors", "gates", "junctions", "zones", "features")
_GEOJSON: Final = "application/geo+json"


async def network(served: House) -> Response:
    """Tell which map the service runs on and where its layers are."""
    world = served.network
    found = Counter(entry.severity for entry in (await _quality(served)).entries)
    view = NetworkView(
        version=world.version,
        name=world.name,
        timezone=world.timezone,
        bounds=_bounds(world),
        counts=counts_of(world),
        quality={f"{severity}s": found[severity] for severity in Severity},
        layers={
            layer: LayerView(href=f"{API}/network/{world.version}/{layer}", count=count)
            for layer, count in layer_counts(world).items()
        },
        corridors=[corridor.road for corridor in corridors(world)],
    )
    return json_answer(view)


async def network_layer(
    request: Request,
    served: House,
    version: Annotated[str, Path(description="of the map, from GET /network")],
    layer: Annotated[str, Path(description=", ".join(LAYERS))],
) -> Response:
    """Give one layer of one version of the map as GeoJSON; it never changes."""
    if layer not in LAYERS:
        raise not_found("layer", layer, f"is one of {', '.join(LAYERS)}")
    headers = {
        "Cache-Control": IMMUTABLE,
        "ETag": f'"{version}-{layer}"',
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    plain, packed = await _packed(served, version, layer)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=_GEOJSON
        )
    return Response(plain, headers=headers, media_type=_GEOJSON)


async def network_quality(served: House) -> Response:
    """Give the report of the map's import: every finding with the ids it is about."""
    return json_answer((await _quality(served)).to_json())


async def _quality(served: Served) -> QualityReport:
    """Return the report of the map in use; one of a stored version is made from the map."""
    world = served.network
    report = served.quality
    if report is None:
        report = await asyncio.to_thread(check_map, world)
    if served.network is world:
        served.quality = report
    return report


async def _packed(served: Served, version: str, layer: str) -> tuple[bytes, bytes]:
    """Return a layer of the map in use, or of one that is stored: clients still show it."""
    if (version, layer) in served.layers:
        return served.layers[version, layer]
    world = served.network
    if version != world.version:
        try:
            world = await load_map(served.database, version)
        except MapError as error:
            raise not_found("version", version, f"the map in use is {world.version}") from error
    packed = await asyncio.to_thread(_pack, world, layer)
    served.layers[version, layer] = packed
    while len(served.layers) > 2 * len(LAYERS):
        del served.layers[next(iter(served.layers))]
    return packed


def _pack(world: SingleMap, layer: str) -> tuple[bytes, bytes]:
    plain = layer_geojson(world, layer)
    return plain, gzip.compress(plain, compresslevel=6, mtime=0)


def _bounds(network: SingleMap) -> tuple[float, float, float, float]:
    points = [node.point for node in network.nodes]
    points += [point for link in network.links for point in link.line]
    if not points:
        return (0.0, 0.0, 0.0, 0.0)
    west, south = (min(point[axis] for point in points) for axis in (0, 1))
    east, north = (max(point[axis] for point in points) for axis in (0, 1))
    return (west, south, east, north)


_FEATURES: Final = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "geometry", "properties"],
                "properties": {
                    "type": {"const": "Feature"},
                    "geometry": {"type": ["object", "null"]},
                    "properties": {"type": "object"},
                },
            },
        },
    },
}

ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/network",
        handler=network,
        summary="The map in use",
        tag="network",
        answer=NetworkView,
    ),
    Endpoint(
        method="GET",
        path="/network/quality",
        handler=network_quality,
        summary="Report of the map's import",
        tag="network",
        answer={"type": "object"},
    ),
    Endpoint(
        method="GET",
        path="/network/{version}/{layer}",
        handler=network_layer,
        summary="One layer as GeoJSON",
        tag="network",
        answer=_FEATURES,
        media=_GEOJSON,
        also={304: ("Not modified", None)},
        errors=(404, 422),
    ),
)
