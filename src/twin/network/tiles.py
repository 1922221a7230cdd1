"""A map cut into vector tiles: what a screen needs of a big city, and no more.

Tiles are those of the web (Web Mercator, z/x/y, y down), 4096 units wide. The feature's id is its
row in the map, so that the bytes of the live stream colour it. Zoomed out, lines lose what is
smaller than half a unit of a pixel; where many links fall into one small square, the one of the
highest class, then the longest, stands for them; points and ids appear from some zoom on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely

from twin.network import mvt
from twin.network.model import LinkClass, Point, SingleMap
from twin.network.mvt import EXTENT, Shapes, Value

LAYERS: Final = ("links", "junctions", "sensors", "gates", "zones")
MOST_ZOOM: Final = 16
"""A screen draws closer views from the tiles of this zoom."""
_BUFFER: Final = 64.0
_TOLERANCE: Final = 4.0
_SQUARE: Final = 32
_NAMES_FROM: Final = 13
_POINTS_FROM: Final[dict[str, int]] = {"junctions": 11, "gates": 10, "sensors": 12}
_EDGE_LAT: Final = 85.05112878
_RANK: Final = {kind: rank for rank, kind in enumerate(LinkClass)}

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class Tiles:
    """One map, ready to be cut. Making it takes some seconds for 200,000 links; it is not changed.

    Use from any thread.
    """

    def __init__(self, network: SingleMap) -> None:
        """Project everything once, and index it."""
        self._network = network
        lines = [link.line for link in network.links]
        counts = np.array([len(line) for line in lines], np.int64)
        places = _projected([point for line in lines for point in line])
        self._links = _lines(places, counts)
        self._tree = shapely.STRtree(self._links)
        self._rank = np.array([_RANK[link.link_class] for link in network.links], np.int64)
        self._length = shapely.length(self._links)
        self._middle = shapely.get_coordinates(
            shapely.line_interpolate_point(self._links, 0.5, normalized=True)
        ).reshape(-1, 2)
        nodes = [network.nodes[network.node_rows[j.node]].point for j in network.junctions]
        self._points = {
            "junctions": _projected(nodes),
            "sensors": _projected([sensor.point for sensor in network.sensors]),
            "gates": _projected([gate.point for gate in network.gates]),
        }
        self._zones = _zones(network)

    def tile(self, zoom: int, column: int, row: int) -> bytes:
        """Return one tile, not packed; b"" where there is nothing."""
        size = 1.0 / (1 << zoom)
        corner = np.array([column * size, row * size])
        scale = EXTENT / size
        parts = [self._link_layer(zoom, corner, scale), self._zone_layer(corner, scale)]
        parts += [
            self._point_layer(name, zoom, corner, scale)
            for name in ("junctions", "sensors", "gates")
        ]
        return b"".join(parts)

    def _link_layer(self, zoom: int, corner: Floats, scale: float) -> bytes:
        box = _box(corner, scale)
        rows = np.sort(self._tree.query(box)).astype(np.int64)
        rows = rows[self._standing(rows, corner, scale)]
        lines = shapely.clip_by_rect(
            _scaled(self._links[rows], corner, scale), *_ends(-_BUFFER, EXTENT + _BUFFER)
        )
        lines = shapely.simplify(lines, _TOLERANCE, preserve_topology=False)
        parts, owner = shapely.get_parts(lines, return_index=True)
        line = shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING
        shapes, owner = _shapes(parts[line], owner[line], least=2)
        shown = rows[owner]
        named = zoom >= _NAMES_FROM
        return mvt.layer("links", shown, shapes, [self._about(int(r), named) for r in shown])

    def _standing(self, rows: Rows, corner: Floats, scale: float) -> Rows:
        """Choose of the links in each small square the one that stands for the others."""
        square = np.floor((self._middle[rows] - corner) * scale / _SQUARE).astype(np.int64)
        order = np.lexsort((rows, -self._length[rows], self._rank[rows]))
        key = square[order, 0] * (1 << 32) + square[order, 1]
        _, first = np.unique(key, return_index=True)
        small = self._length[rows] * scale < 2 * _SQUARE
        chosen = np.zeros(len(rows), np.bool_)
        chosen[order[first]] = True
        return np.flatnonzero(chosen | ~small)

    def _about(self, row: int, named: bool) -> dict[str, Value]:
        link = self._network.links[row]
        found: dict[str, Value] = {"class": link.link_class.value}
        if named:
            found |= {"id": link.id, "lanes": link.lanes}
            found |= {"name": link.name} if link.name else {}
            found |= {"road": link.road} if link.road else {}
        return found

    def _point_layer(self, name: str, zoom: int, corner: Floats, scale: float) -> bytes:
        if zoom < _POINTS_FROM[name]:
            return b""
        places = (self._points[name] - corner) * scale
        rows = np.flatnonzero(((places >= -_BUFFER) & (places < EXTENT + _BUFFER)).all(axis=1))
        shapes = Shapes(1, np.rint(places[rows]).astype(np.int64), np.arange(len(rows) + 1))
        entries: Sequence[Any] = getattr(self._network, name)
        about: list[dict[str, Value]] = []
        for row in rows.tolist():
            label = getattr(entries[row], "name", "")
            about.append({"id": entries[row].id} | ({"name": label} if label else {}))
        return mvt.layer(name, rows, shapes, about)

    def _zone_layer(self, corner: Floats, scale: float) -> bytes:
        rows, areas = self._zones
        if not len(rows):
            return b""
        found = shapely.clip_by_rect(
            _scaled(areas, corner, scale), *_ends(-_BUFFER, EXTENT + _BUFFER)
        )
        parts, owner = shapely.get_parts(found, return_index=True)
        area = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
        # y is down: what turns left in numbers turns right on the screen, as the format wants
        rings = shapely.get_exterior_ring(shapely.orient_polygons(parts[area]))
        shapes, owner = _shapes(rings, owner[area], least=4, kind=3)
        zones = [self._network.zones[int(rows[part])] for part in owner]
        about: list[dict[str, Value]] = [
            {"id": zone.id, "name": zone.name, "kind": zone.kind} for zone in zones
        ]
        return mvt.layer("zones", rows[owner], shapes, about)


def tile_json(network: SingleMap, tiles: str) -> dict[str, Any]:
    """Describe the tiles of a map as TileJSON 3.0; `tiles` is their address with {z}/{x}/{y}."""
    points = [point for link in network.links for point in link.line]
    points += [node.point for node in network.nodes]
    bounds = [-180.0, -_EDGE_LAT, 180.0, _EDGE_LAT]
    if points:
        places = np.array(points)
        bounds = [*places.min(axis=0).tolist(), *places.max(axis=0).tolist()]
    text, number = "String", "Number"
    named = {"id": text, "name": text}
    fields = {
        "links": {**named, "class": text, "road": text, "lanes": number},
        "zones": {**named, "kind": text},
    }
    return {
        "tilejson": "3.0.0",
        "name": network.name,
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [tiles],
        "minzoom": 0,
        "maxzoom": MOST_ZOOM,
        "bounds": bounds,
        "vector_layers": [
            {"id": name, "fields": fields.get(name, named), "minzoom": _POINTS_FROM.get(name, 0)}
            for name in LAYERS
        ],
    }


def _projected(points: Sequence[Point]) -> Floats:
    """Return points in Web Mercator, (n, 2) of 0 to 1, y down from the north."""
    places = np.array(points, np.float64).reshape(-1, 2)
    latitude = np.radians(np.clip(places[:, 1], -_EDGE_LAT, _EDGE_LAT))
    y = 0.5 - np.log(np.tan(math.pi / 4 + latitude / 2)) / (2 * math.pi)
    return np.column_stack([places[:, 0] / 360 + 0.5, y])


def _lines(places: Floats, counts: Rows) -> npt.NDArray[np.object_]:
    made = shapely.linestrings(places, indices=np.repeat(np.arange(len(counts)), counts))
    return np.asarray(made, dtype=object).reshape(-1)


def _zones(network: SingleMap) -> tuple[Rows, npt.NDArray[np.object_]]:
    rows = [row for row, zone in enumerate(network.zones) if zone.boundary_wkt]
    given = shapely.from_wkt([network.zones[row].boundary_wkt for row in rows])
    areas = shapely.transform(np.asarray(given, dtype=object), lambda points: _projected(points))
    return np.array(rows, np.int64), np.asarray(areas, dtype=object)


def _box(corner: Floats, scale: float) -> shapely.Polygon:
    west, north, east, south = _ends(-_BUFFER / scale, (EXTENT + _BUFFER) / scale)
    return shapely.box(corner[0] + west, corner[1] + north, corner[0] + east, corner[1] + south)


def _ends(low: float, high: float) -> tuple[float, float, float, float]:
    return (low, low, high, high)


def _scaled(
    shapes: npt.NDArray[np.object_], corner: Floats, scale: float
) -> npt.NDArray[np.object_]:
    if not len(shapes):
        return shapes
    moved = shapely.transform(shapes, lambda points: (points - corner) * scale)
    return np.asarray(moved, dtype=object)


def _shapes(
    lines: npt.NDArray[np.object_], owner: Rows, *, least: int, kind: int = 2
) -> tuple[Shapes, Rows]:
    """Round lines to whole units, without points twice in a row; too short ones are left out."""
    points, line = shapely.get_coordinates(lines, return_index=True)
    whole = np.rint(points).astype(np.int64)
    fresh = np.ones(len(whole), np.bool_)
    fresh[1:] = (np.diff(whole, axis=0) != 0).any(axis=1) | (np.diff(line) != 0)
    counts = np.bincount(line[fresh], minlength=len(lines))
    enough = counts >= least
    kept = fresh & enough[line] if len(line) else fresh
    starts = np.concatenate([[0], np.cumsum(counts[enough])]).astype(np.int64)
    return Shapes(kind, whole[kept], starts), owner[enough]
