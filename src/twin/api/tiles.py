"""The network of any map version as vector tiles, and the TileJSON that describes them."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import Annotated, Final

from fastapi import Path, Request
from starlette.responses import Response

from twin.api.auth import House
from twin.api.problems import not_found
from twin.api.roles import API
from twin.api.routes import IMMUTABLE, Endpoint, json_answer
from twin.api.served import Served
from twin.errors import MapError
from twin.network.model import SingleMap
from twin.network.tiles import LAYERS, MOST_ZOOM, tile_json
from twin.store.maps import load_map

MVT: Final = "application/vnd.mapbox-vector-tile"
_NUMBER: Final = re.compile(r"\d{1,7}")


async def version_of(served: Served, version: str) -> SingleMap:
    """Return the map in use or a stored one. Raises Problem 404 when there is no such version."""
    if version == served.network.version:
        return served.network
    try:
        return await load_map(served.database, version)
    except MapError as error:
        hint = f"the map in use is {served.network.version}"
        raise not_found("version", version, hint) from error


Version = Annotated[str, Path(description="of the map, from GET /network")]
Number = Annotated[str, Path(description="a whole number")]


async def network_tile(
    request: Request, served: House, version: Version, z: Number, x: Number, y: Number
) -> Response:
    """Give one tile of one version of the map; it never changes. Feature ids are link rows."""
    place = _place(z, x, y)
    headers = {
        "Cache-Control": IMMUTABLE,
        "ETag": f'"{version}-{"-".join(str(part) for part in place)}"',
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    packed = await served.tiles.packed(version, place, lambda: version_of(served, version))
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=MVT)
    return Response(gzip.decompress(packed), headers=headers, media_type=MVT)


async def network_tiles(request: Request, served: House, version: Version) -> Response:
    """Describe the tiles of one version of the map as TileJSON 3.0."""
    network = await version_of(served, version)
    base = str(request.base_url).rstrip("/")
    address = f"{base}{API}/network/{network.version}/tiles/{{z}}/{{x}}/{{y}}.mvt"
    document = await asyncio.to_thread(tile_json, network, address)
    return json_answer(document, headers={"Cache-Control": IMMUTABLE})


def _place(z: str, x: str, y: str) -> tuple[int, int, int]:
    """Read the numbers of a tile. Raises Problem 404 for one that does not exist."""
    texts = (z, x, y)
    if all(_NUMBER.fullmatch(text) for text in texts):
        zoom, column, row = (int(text) for text in texts)
        if zoom <= MOST_ZOOM and column < 1 << zoom and row < 1 << zoom:
            return zoom, column, row
    hint = f"z is 0 to {MOST_ZOOM}, x and y are below 2 to the power z"
    raise not_found("tile", "/".join(texts), hint)


_TILE_JSON: Final = {
    "type": "object",
    "required": ["tilejson", "tiles", "vector_layers", "minzoom", "maxzoom", "bounds"],
    "properties": {
        "tilejson": {"const": "3.0.0"},
        "tiles": {"type": "array", "items": {"type": "string"}},
        "minzoom": {"type": "integer"},
        "maxzoom": {"const": MOST_ZOOM},
        "bounds": {"type": "array", "items": {"type": "number"}},
        "vector_layers": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": {"enum": list(LAYERS)}}},
        },
    },
}

ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/network/{version}/tiles.json",
        handler=network_tiles,
        summary="Where the vector tiles are and what they hold",
        tag="network",
        answer=_TILE_JSON,
        errors=(404, 422),
    ),
    Endpoint(
        method="GET",
        path="/network/{version}/tiles/{z}/{x}/{y}.mvt",
        handler=network_tile,
        summary="One vector tile",
        tag="network",
        answer={"type": "string", "format": "binary"},
        media=MVT,
        also={304: ("Not modified", None)},
        errors=(404, 422),
    ),
)
