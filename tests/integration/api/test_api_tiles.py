"""Vector tiles over HTTP, read by another library than the one that wrote them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest

from api_house import House
from twin.api.roles import API, Role
from twin.ids import LinkId, ZoneId
from twin.network.model import LinkClass, Zone
from twin.network.mvt import varints
from twin.network.tiles import LAYERS, MOST_ZOOM, Tiles

EXTENT = 4096


def tile_at(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    """Return the column and row of the tile that holds a point."""
    y = 0.5 - math.asinh(math.tan(math.radians(lat))) / (2 * math.pi)
    return int((lon / 360 + 0.5) * 2**zoom), int(y * 2**zoom)


def degrees(point: list[int], column: int, row: int, zoom: int) -> tuple[float, float]:
    """Turn tile units, y down, into longitude and latitude."""
    x, y = ((column + point[0] / EXTENT) / 2**zoom, (row + point[1] / EXTENT) / 2**zoom)
    return 360 * (x - 0.5), math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y))))


def read(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})
    return found


async def get(house: House, path: str, **headers: str) -> Any:
    async with house.client(Role.VIEWER, **headers) as client:
        return await client.get(f"{API}/network/{path}")


async def test_a_tile_holds_the_map_where_it_is(house: House) -> None:
    network = house.served.network
    zoom = 14
    found: dict[int, dict[str, Any]] = {}
    for lon in np.arange(-3.70, -3.669, 0.005):
        column, row = tile_at(float(lon), 40.4, zoom)
        answer = await get(house, f"{network.version}/tiles/{zoom}/{column}/{row}.mvt")
        assert answer.status_code == 200
        for feature in read(answer.content)["links"]["features"]:
            found[feature["id"]] = feature["properties"]
            line = feature["geometry"]["coordinates"]
            for point in line:
                place = degrees(point, column, row, zoom)
                assert place[1] == pytest.approx(40.4, abs=1e-5)
                assert -3.7 - 1e-5 <= place[0] <= -3.67 + 1e-5
            assert line[0][0] < line[-1][0], "a line runs as its link does"
    assert found == {
        row: {"id": f"L{row}", "class": "arterial", "lanes": 2, "road": "R1"} for row in range(3)
    }


async def test_points_and_their_ids(house: House) -> None:
    network = house.served.network
    column, row = tile_at(-3.69, 40.4, 16)
    tile = read((await get(house, f"{network.version}/tiles/16/{column}/{row}.mvt")).content)
    (junction,) = tile["junctions"]["features"]
    assert (junction["id"], junction["properties"]["id"]) == (0, "J1")
    place = degrees(junction["geometry"]["coordinates"], column, row, 16)
    assert place == pytest.approx((-3.69, 40.4), abs=2e-6)
    assert [one["properties"]["id"] for one in tile["sensors"]["features"]] == ["S2"]


async def test_a_tile_is_kept_for_ever_and_packed(house: House) -> None:
    version = house.served.network.version
    column, row = tile_at(-3.69, 40.4, 12)
    path = f"{version}/tiles/12/{column}/{row}.mvt"
    plain = await get(house, path, **{"Accept-Encoding": "identity"})
    packed = await get(house, path, **{"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.content == packed.content
    assert plain.headers["cache-control"].endswith("immutable")
    tag = plain.headers["etag"]
    again = await get(house, path, **{"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    empty = await get(house, f"{version}/tiles/12/0/0.mvt")
    assert (empty.status_code, empty.content) == (200, b"")


async def test_the_description_fits_the_tiles(house: House) -> None:
    version = house.served.network.version
    document = (await get(house, f"{version}/tiles.json")).json()
    assert document["maxzoom"] == MOST_ZOOM
    assert {entry["id"] for entry in document["vector_layers"]} == set(LAYERS)
    assert document["bounds"] == pytest.approx([-3.7, 40.4, -3.67, 40.4])
    column, row = tile_at(-3.69, 40.4, 16)
    address = document["tiles"][0].replace("{z}", "16")
    address = address.replace("{x}", str(column)).replace("{y}", str(row))
    async with house.client(Role.VIEWER) as client:
        answer = await client.get(address)
    fields = {entry["id"]: set(entry["fields"]) for entry in document["vector_layers"]}
    for name, layer in read(answer.content).items():
        assert {key for one in layer["features"] for key in one["properties"]} <= fields[name]


@pytest.mark.parametrize("place", ["17/0/0", "3/8/0", "3/0/8", "3/-1/0", "a/b/c", "3/1.5/0"])
async def test_a_tile_that_cannot_be_is_404(house: House, place: str) -> None:
    answer = await get(house, f"{house.served.network.version}/tiles/{place}.mvt")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["field"] == "tile"


async def test_an_unknown_version_is_404(house: House) -> None:
    for path in ("tiles/3/0/0.mvt", "tiles.json"):
        answer = await get(house, f"{'e' * 32}/{path}")
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["field"] == "version"


def test_zoomed_out_the_higher_class_stands_for_its_square(house: House) -> None:
    network = house.served.network
    links = list(network.links)
    near = replace(links[1], id=LinkId("M"), link_class=LinkClass.MOTORWAY)
    tiles = Tiles(replace(network, links=(*links, near)))
    column, row = tile_at(-3.685, 40.4, 9)
    shown = [feature["id"] for feature in read(tiles.tile(9, column, row))["links"]["features"]]
    assert 3 in shown
    assert 1 not in shown
    column, row = tile_at(-3.685, 40.4, 14)
    shown = [feature["id"] for feature in read(tiles.tile(14, column, row))["links"]["features"]]
    assert {1, 3} <= set(shown)


def test_zones_are_areas_cut_at_the_edge(house: House) -> None:
    area = "POLYGON ((-3.70 40.39, -3.66 40.39, -3.66 40.41, -3.70 40.41, -3.70 40.39))"
    zone = Zone(ZoneId("Z"), "access", name="centre", boundary_wkt=area)
    tiles = Tiles(replace(house.served.network, zones=(zone,)))
    column, row = tile_at(-3.68, 40.4, 13)
    (found,) = read(tiles.tile(13, column, row))["zones"]["features"]
    assert found["properties"] == {"id": "Z", "name": "centre", "kind": "access"}
    points = np.array(found["geometry"]["coordinates"][0])
    assert found["geometry"]["type"] == "Polygon"
    assert points.min() >= -64
    assert points.max() <= EXTENT + 64
    x, y = points[:, 0], points[:, 1]
    assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0, "an outer ring, y down"


def test_numbers_of_every_length() -> None:
    numbers = np.array([0, 1, 127, 128, 300, 16383, 16384, 2**21, 2**28, 2**32 - 1], np.int64)
    body, ends = varints(numbers)
    found, value, shift = [], 0, 0
    for byte in body:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(value)
            value = shift = 0
    assert found == numbers.tolist()
    assert ends[-1] == len(body)
