"""Write results for other programs: CSV, Parquet, GeoJSON and GMNS."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from twin.network.gmns import write_gmns
from twin.network.model import SingleMap
from twin.scenario.results.tables import Columns, ResultTable, letters, tables_of
from twin.scenario.results.whole import Results, Side
from twin.units import HOUR_S, KM_M

_DIGITS: Final = 4
_DEGREES: Final = 7  # digits: one centimetre


class Format(StrEnum):
    """A kind of file."""

    CSV = "csv"
    PARQUET = "parquet"
    GEOJSON = "geojson"
    GMNS = "gmns"


def write_results(
    results: Results,
    folder: Path,
    *,
    formats: Iterable[Format] = tuple(Format),
    edited_map: SingleMap | None = None,
) -> tuple[Path, ...]:
    """Write results into a folder and return the files and folders written.

    CSV and Parquet: a file a table (`tables_of`). GeoJSON: `links.geojson`. GMNS: the folder
    `gmns` with `link_performance_base.csv` and `link_performance_edited.csv`, and the edited map
    in `gmns/edited` when one is given. Raises OSError when the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = set(formats)
    written: list[Path] = []
    if wanted & {Format.CSV, Format.PARQUET}:
        for table in tables_of(results):
            written += _write_table(table, folder, wanted)
    if Format.GEOJSON in wanted:
        path = folder / "links.geojson"
        path.write_bytes(links_geojson(results))
        written.append(path)
    if Format.GMNS in wanted:
        written += _write_gmns(results, folder / "gmns", edited_map)
    return tuple(written)


def arrow_table(columns: Columns) -> Any:
    """Return columns as an Arrow table; numbers that are none (NaN) become nulls."""
    return pa.table({name: _array(column) for name, column in columns.items()})


def _array(column: Any) -> Any:
    if isinstance(column, np.ndarray) and column.dtype.kind == "f":
        return pa.array(np.round(column.astype(np.float64), _DIGITS), from_pandas=True)
    if isinstance(column, np.ndarray) and column.dtype.kind in "UO":
        return pa.array(column.tolist(), pa.string())
    if isinstance(column, np.ndarray):
        return pa.array(column)
    values = list(column)
    if any(isinstance(value, float) for value in values):
        return pa.array(np.round(np.array(values, np.float64), _DIGITS), from_pandas=True)
    return pa.array(values)


def _write_table(table: ResultTable, folder: Path, wanted: set[Format]) -> Iterator[Path]:
    arrow = arrow_table(table.columns)
    writers: dict[Format, Callable[[Any, str], None]] = {
        Format.CSV: pa_csv.write_csv,
        Format.PARQUET: pa_parquet.write_table,
    }
    for kind, write in writers.items():
        if kind in wanted:
            path = folder / f"{table.name}.{kind.value}"
            write(arrow, str(path))
            yield path


def links_geojson(results: Results) -> bytes:
    """Return all links as lines (WGS84) with their results over the whole run, UTF-8 JSON."""
    columns = next(table for table in tables_of(results) if table.name == "links").columns
    plain = arrow_table(columns).to_pylist()
    features = [
        {"type": "Feature", "id": row["link_id"], "geometry": _line(line), "properties": row}
        for row, line in zip(plain, results.frame.links.lines, strict=True)
    ]
    collection = {
        "type": "FeatureCollection",
        "scenario": results.frame.name,
        "map_version": results.frame.map_version,
        "features": features,
    }
    return msgspec.json.encode(collection)


def _line(line: Iterable[tuple[float, float]]) -> dict[str, Any]:
    spots = [[round(x, _DEGREES), round(y, _DEGREES)] for x, y in line]
    return {"type": "LineString", "coordinates": spots}


def _write_gmns(results: Results, folder: Path, edited_map: SingleMap | None) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, side in (("base", results.base), ("edited", results.edited)):
        path = folder / f"link_performance_{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_PERFORMANCE)
            writer.writerows(_performance(results, side))
        yield path
    if edited_map is not None:
        write_gmns(edited_map, folder / "edited")
        yield folder / "edited"


_PERFORMANCE: Final = (
    *("link_id", "from_node_id", "to_node_id", "timeday_id", "volume", "travel_time", "speed"),
    *("density", "queue", "los"),
)


def _performance(results: Results, side: Side) -> Iterator[tuple[str, ...]]:
    """Yield a row a link and hour of the day; GMNS writes a time of day as HHMM_HHMM.

    Units are those of our GMNS folders: km/h, minutes, vehicles, vehicles per km.
    """
    links, quarters = results.frame.links, side.quarters
    per_hour = max(round(HOUR_S / float(quarters.until_s[0] - quarters.from_s[0])), 1)
    edges = [*range(0, len(quarters), per_hour), len(quarters)]
    for first, last in pairwise(edges):
        span = slice(first, last)
        times = (quarters.from_s[first], quarters.until_s[last - 1])
        hours = (times[1] - times[0]) / HOUR_S
        driven_km = quarters.distance_m[span].sum(axis=0) / KM_M
        spans_s = (quarters.until_s - quarters.from_s)[span, None]
        present_h = (quarters.density_vpm[span] * spans_s).sum(axis=0) * links.length_m / HOUR_S
        levels = letters(side.links.level[span].max(axis=0))
        when = "_".join(_hhmm(results.frame.start_s + float(time)) for time in times)
        for row, name in enumerate(links.ids):
            km = float(links.length_m[row]) / KM_M
            speed = min(
                float(driven_km[row]) / max(float(present_h[row]), 1e-9),
                float(links.top_speed_mps[row]) * 3.6,
            )
            moving = driven_km[row] > 0 and present_h[row] > 0
            yield (
                *(name, links.from_node[row], links.to_node[row], when),
                f"{float(driven_km[row]) / km:.2f}",
                f"{km / speed * 60.0:.3f}" if moving else "",
                f"{speed:.2f}" if moving else "",
                f"{float(present_h[row]) / (km * hours):.3f}",
                f"{float(quarters.queue_veh[span, row].max()):.2f}",
                levels[row],
            )


def _hhmm(of_day_s: float) -> str:
    minutes = round(of_day_s / 60.0)
    return f"{minutes // 60 % 24:02d}{minutes % 60:02d}"
