"""Features beside the road: railways, land use, works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import shapely

from twin.network.model import Feature, Layer
from twin.network.osm.extract import Box, Extract, OsmWay
from twin.network.osm.roads import CLASSES
from twin.network.quality import Findings, Severity

_DEGREE_M: Final = 111_320.0
_SIMPLER_M: Final = 5.0  # a boundary of land may be drawn so far from where it is
_SMALL_M2: Final = 1_000.0  # land under this size is left out
_LAYERS: Final = {
    "rail": Layer.RAILWAY,
    "narrow_gauge": Layer.RAILWAY,
    "subway": Layer.URBAN_RAIL,
    "light_rail": Layer.URBAN_RAIL,
    "tram": Layer.URBAN_RAIL,
    "monorail": Layer.URBAN_RAIL,
}
_TO_BE: Final = frozenset({*CLASSES, *(f"{kind}_link" for kind in CLASSES)})


def features_of(extract: Extract, box: Box | None, findings: Findings) -> list[Feature]:
    """Return railways, land use and works, cut at the box; report what cannot be drawn."""
    frame = None if box is None else shapely.box(*box)
    broken: list[int] = []
    small: list[int] = []
    features = []
    for way in extract.ways:
        for kind, layer, is_area in _roles(way):
            shape = _shape(extract, way, is_area=is_area)
            if shape is None or shape.is_empty:
                if box is None or extract.inside[extract.rows_of(way)].any():
                    broken.append(way.id)
                continue
            if is_area and _area_m2(shape) < _SMALL_M2:
                small.append(way.id)
                continue
            if frame is not None:
                shape = _of_dimension(shapely.intersection(shape, frame), 2 if is_area else 1)
            if not shape.is_empty:
                features.append(_feature(way, shape, kind, layer))
    _report(findings, extract, broken=broken, small=small)
    return features


def _roles(way: OsmWay) -> Iterator[tuple[str, Layer, bool]]:
    """Yield (start of the id, layer, whether it is an area) for everything that a way draws."""
    tags = way.tags
    if tags.get("railway") in _LAYERS:
        yield "rail", _LAYERS[tags["railway"]], False
    if tags.get("highway") == "construction" and tags.get("construction") in {*_TO_BE, None}:
        yield "works", Layer.WORKS, False
    if "landuse" in tags:
        works = tags["landuse"] == "construction"
        yield ("site", Layer.WORKS, True) if works else ("land", Layer.LAND_USE, True)


def _shape(extract: Extract, way: OsmWay, *, is_area: bool) -> Any:
    """Return the line or area of a way, None when it cannot be drawn."""
    rows = [row for row in extract.rows_of(way) if not np.isnan(extract.lon[row])]
    line = extract.line(rows)
    if not is_area:
        return shapely.LineString(line) if len(line) > 1 else None
    if len(rows) < way.end - way.start or len(line) < 4 or line[0] != line[-1]:
        return None
    area = _of_dimension(shapely.make_valid(shapely.Polygon(line)), 2)
    return shapely.simplify(area, _SIMPLER_M / _DEGREE_M, preserve_topology=True)


def _of_dimension(shape: Any, dimension: int) -> Any:
    """Keep the parts of a shape that are lines (1) or areas (2)."""
    parts = [part for part in shapely.get_parts(shape) if shapely.get_dimensions(part) == dimension]
    flat = shapely.get_parts(parts) if parts else []
    kept = [part for part in flat if shapely.get_dimensions(part) == dimension]
    if len(kept) == 1:
        return kept[0]
    return shapely.union_all(kept) if kept else shapely.Polygon()


def _area_m2(shape: Any) -> float:
    squeeze = float(np.cos(np.radians(shapely.get_y(shapely.centroid(shape)))))
    return float(shape.area) * _DEGREE_M**2 * squeeze


def _feature(way: OsmWay, shape: Any, kind: str, layer: Layer) -> Feature:
    tags = way.tags
    words = {"rail": "railway", "works": "construction", "site": "landuse", "land": "landuse"}
    return Feature(
        id=f"{kind}-w{way.id}",
        layer=layer,
        wkt=shapely.to_wkt(shape, rounding_precision=9),
        name=tags.get("name", ""),
        authority=tags.get("operator", ""),
        extra=(
            ("kind", tags.get(words[kind], "")),
            ("opening_date", tags.get("opening_date", "") if layer is Layer.WORKS else ""),
        ),
    )


def _report(findings: Findings, extract: Extract, *, broken: list[int], small: list[int]) -> None:
    findings.add(
        "broken_geometry",
        "way",
        "a railway or area whose nodes are missing, or that does not close: left out",
        severity=Severity.WARNING,
        ids=[f"w{way}" for way in broken],
    )
    findings.add(
        "small_land",
        "way",
        f"land of less than {_SMALL_M2:,.0f} m²: left out",
        severity=Severity.INFO,
        ids=[f"w{way}" for way in small],
    )
    findings.add(
        "land_relation",
        "relation",
        "land use of several outlines (multipolygon) is not taken over",
        severity=Severity.INFO,
        ids=[f"r{relation}" for relation in extract.land_relations],
    )
