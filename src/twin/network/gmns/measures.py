"""Units and coordinates of a GMNS dataset: from what its config says to SI and WGS84."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from twin.network import settle
from twin.network.gmns.sheets import Sheet, boolean, number, number_text, whole
from twin.network.model import Line, Point
from twin.units import FOOT_M, HOUR_S, KM_M, MILE_M

LENGTH_M: Final = {
    "m": 1.0,
    "meter": 1.0,
    "meters": 1.0,
    "metre": 1.0,
    "metres": 1.0,
    "km": KM_M,
    "kilometer": KM_M,
    "kilometers": KM_M,
    "kilometre": KM_M,
    "kilometres": KM_M,
    "foot": FOOT_M,
    "feet": FOOT_M,
    "ft": FOOT_M,
    "yard": 3 * FOOT_M,
    "yards": 3 * FOOT_M,
    "mile": MILE_M,
    "miles": MILE_M,
    "mi": MILE_M,
}
SPEED_MPS: Final = {
    "kph": KM_M / HOUR_S,
    "km/h": KM_M / HOUR_S,
    "kmh": KM_M / HOUR_S,
    "mph": MILE_M / HOUR_S,
    "m/s": 1.0,
    "mps": 1.0,
    "ft/s": FOOT_M,
}
_KPH: Final = KM_M / HOUR_S


@dataclass(frozen=True)
class Measures:
    """How much a unit of the dataset is; how its coordinates become WGS84 (None: they are).

    `grid_m` is how long a unit of a flat coordinate system is, None where coordinates are angles.
    """

    short_m: float
    long_m: float
    speed_mps: float
    transformer: Transformer | None
    grid_m: float | None = None

    def speed(self, value: float) -> float:
        """Turn a speed of the dataset into m/s."""
        return settle.rate(value * self.speed_mps)

    def lines(self, lines: Sequence[Sequence[Point]]) -> list[Line]:
        """Turn many lines into WGS84 at once; a point off the projection becomes not a number."""
        flat = np.array([point for line in lines for point in line], dtype=np.float64)
        flat = flat.reshape(-1, 2)
        if self.transformer is not None and len(flat):
            flat = np.column_stack(self.transformer.transform(flat[:, 0], flat[:, 1]))
        points = [settle.point((x, y)) for x, y in flat.tolist()]
        result: list[Line] = []
        start = 0
        for line in lines:
            result.append(tuple(points[start : start + len(line)]))
            start += len(line)
        return result

    def shape(self, wkt: str) -> str:
        """Turn any WKT into WKT in WGS84, two-dimensional; ValueError when it is none."""
        try:
            shape = shapely.force_2d(shapely.from_wkt(wkt))
        except shapely.errors.GEOSException:
            message = "must be a geometry in WKT"
            raise ValueError(message) from None
        places = shapely.transform(shape, self._flat_wgs84)
        if not np.isfinite(shapely.get_coordinates(places)).all():
            message = "its coordinates do not fit the crs of the dataset"
            raise ValueError(message)
        return settle.shape(shapely.to_wkt(places, rounding_precision=12))

    def _flat_wgs84(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if self.transformer is None:
            return np.round(points, 9)
        return np.round(np.column_stack(self.transformer.transform(points[:, 0], points[:, 1])), 9)

    def cell(self, kind: str, word: str) -> str:
        """Write a cell in SI, WGS84 and plain numbers; ValueError when it does not fit its kind.

        Speeds become km/h and lengths metres. Coordinates (kinds x, y) are not converted here:
        they need each other.
        """
        if kind in _PLAIN:
            return _PLAIN[kind](word)
        if kind in ("s", "l"):
            unit_m = self.short_m if kind == "s" else self.long_m
            return number_text(settle.metres(number(word) * unit_m))
        if kind == "v":
            return number_text(settle.rate(number(word) * self.speed_mps / _KPH))
        return self.shape(word) if kind == "w" else word


def _number(word: str) -> str:
    return number_text(number(word))


def _whole(word: str) -> str:
    return str(whole(word))


def _boolean(word: str) -> str:
    return "true" if boolean(word) else "false"


_PLAIN: Final = {"n": _number, "i": _whole, "b": _boolean}


def transformer_to_wgs84(crs_text: str) -> tuple[Transformer | None, float | None]:
    """Return the way from a crs (EPSG number, name or PROJ text) to WGS84, and its unit in metres.

    The way is None for WGS84 itself, the unit None for angles. ValueError: the crs is not known.
    """
    text = f"EPSG:{crs_text}" if crs_text.isdigit() else crs_text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PROJ warns about old spellings that it understands
            crs = CRS.from_user_input(text)
            if crs.equals(CRS.from_epsg(4326), ignore_axis_order=True):
                return None, None
            transformer = Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True)
            unit_m = crs.axis_info[0].unit_conversion_factor if crs.is_projected else None
            return transformer, unit_m
    except CRSError:
        message = "must be a coordinate system that PROJ knows, like 4326 or EPSG:3735"
        raise ValueError(message) from None


def read_points(sheet: Sheet, measures: Measures) -> list[Point]:
    """Return the points of a table with x_coord and y_coord, in WGS84."""
    sheet.need("x_coord", "y_coord")
    raw: list[Sequence[Point]] = []
    columns = zip(sheet.numbers("x_coord"), sheet.numbers("y_coord"), strict=True)
    for row, (x, y) in enumerate(columns):
        if x is None or y is None:
            column = "x_coord" if x is None else "y_coord"
            raise sheet.fault(row, column, "", "must not be empty")
        raw.append(((x, y),))
    points = [line[0] for line in measures.lines(raw)]
    for row, point in enumerate(points):
        if not on_earth(point):
            x, y = raw[row][0]
            raise sheet.fault(row, "x_coord, y_coord", f"{x:g}, {y:g}", "is off the crs or earth")
    return points


def on_earth(point: Point) -> bool:
    """Tell whether a point is a longitude and latitude (not a number is none)."""
    return (
        all(math.isfinite(value) for value in point)
        and abs(point[0]) <= 180.0
        and abs(point[1]) <= 90.0
    )


def unit(sheet: Sheet, column: str, units: dict[str, float], word: str) -> float:
    """Return what one unit is; MapError when its name is not known."""
    found = units.get(word.lower())
    if found is None:
        raise sheet.fault(0, column, word, "must be one of " + ", ".join(sorted(units)))
    return found


def wkt_line(text: str) -> Sequence[Point]:
    """Read a LINESTRING; ValueError when it is something else."""
    try:
        shape = shapely.from_wkt(text)
    except shapely.errors.GEOSException:
        shape = None
    if shape is None or shape.geom_type != "LineString" or shape.is_empty:
        message = "must be a LINESTRING in WKT"
        raise ValueError(message)
    return [(x, y) for x, y in shapely.get_coordinates(shape).tolist()]


def line_wkt(line: Line) -> str:
    """Write a line as WKT with every digit of its coordinates."""
    return "LINESTRING (" + ", ".join(f"{x!r} {y!r}" for x, y in line) + ")"
