"""The published example networks and a real list of stations, where the data folder is at hand.

The environment variable TWIN_SHARED_DATA names the folder that holds `gmns/` and `metr_la_week1/`.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.network.arrays import network_arrays
from twin.network.corridors import corridors
from twin.network.geojson import layer_geojson
from twin.network.gmns import read_demand, read_gmns, write_gmns
from twin.network.gmns.schema import SCHEMA
from twin.network.model import SingleMap
from twin.network.quality import QualityReport
from twin.network.stations import Station, map_from_stations

SHARED = os.environ.get("TWIN_SHARED_DATA", "")
pytestmark = pytest.mark.skipif(not SHARED, reason="TWIN_SHARED_DATA does not name a data folder")


@pytest.fixture(scope="module")
def lima() -> tuple[SingleMap, QualityReport]:
    return read_gmns(Path(SHARED) / "gmns" / "lima", timezone="America/New_York")


def count(report: QualityReport, code: str) -> int:
    found = report.find(code)
    return found.count if found else 0


def test_lima_is_imported_whole(lima: tuple[SingleMap, QualityReport]) -> None:
    network, _ = lima
    assert len(network.nodes) == 2232
    assert len(network.links) == 6095
    assert len(network.movements) == 12627
    assert sum(lane.span is None for lane in network.lanes) == 6658
    assert [table.name for table in network.tables] == [
        "demand",
        "link_types",
        "segment",
        "segment_lane",
    ]
    assert [len(table.rows) for table in network.tables] == [13000, 6, 365, 392]


def test_the_oddities_of_lima_are_reported_with_ids(lima: tuple[SingleMap, QualityReport]) -> None:
    _, report = lima
    assert count(report, "directed_empty") == 6095
    assert count(report, "length_differs") == 106
    assert count(report, "geometry_turned") == 2871
    assert count(report, "crs") == 1
    assert count(report, "unlisted_type") == 1843
    assert count(report, "unknown_turn") == 35
    assert count(report, "length_unit") == 1
    assert count(report, "dangling_reference") == 0
    found = report.find("length_differs")
    assert found is not None
    assert len(found.ids) == 106


def test_lima_lies_in_ohio_in_metres(lima: tuple[SingleMap, QualityReport]) -> None:
    network, _ = lima
    lon, lat = np.array([node.point for node in network.nodes]).T
    assert -84.5 < lon.min() < lon.max() < -83.7
    assert 40.5 < lat.min() < lat.max() < 41.0
    first = network.links[network.link_rows["1 100002"]]
    assert first.length_m == pytest.approx(277 * 0.3048)
    assert first.free_speed_mps == pytest.approx(25 * 0.44704)
    assert first.capacity_vps == pytest.approx(1800 / 3600)


def test_both_directions_of_a_lima_road_share_its_shape(
    lima: tuple[SingleMap, QualityReport],
) -> None:
    network, report = lima
    assert count(report, "geometry_off_node") == 0
    by_ends = {(link.from_node, link.to_node): link for link in network.links}
    turned = [
        (link, by_ends[link.to_node, link.from_node])
        for link in network.links
        if (link.to_node, link.from_node) in by_ends
    ]
    shared = [
        pair
        for pair in turned
        if dict(pair[0].extra)["geometry_id"] == dict(pair[1].extra)["geometry_id"]
    ]
    assert len(shared) == 2 * 2871
    assert all(one.line == other.line[::-1] for one, other in shared)


def test_the_columns_of_lima_hold_together(lima: tuple[SingleMap, QualityReport]) -> None:
    network, _ = lima
    arrays = network_arrays(network)
    total = np.bincount(arrays.movement_from, weights=arrays.movement_share, minlength=6095)
    leads_on = np.bincount(arrays.movement_from, minlength=6095) > 0
    assert np.allclose(total[leads_on], 1.0)
    assert (arrays.to_node[arrays.movement_from] == arrays.movement_node).all()
    assert (arrays.from_node[arrays.movement_to] == arrays.movement_node).all()
    assert len(layer_geojson(network, "links")) > 1_000_000


def test_the_demand_of_lima_is_all_there() -> None:
    trips = read_demand(Path(SHARED) / "gmns" / "lima")
    assert len(trips) == 13000
    assert sum(one.trips for one in trips) == 32041
    assert sum(one.trips for one in trips if one.origin == one.destination) == 2476


@pytest.mark.parametrize("name", ["lima", "arlington_signals"])
def test_export_and_import_give_the_same_version(name: str, tmp_path: Path) -> None:
    network, _ = read_gmns(Path(SHARED) / "gmns" / name)
    write_gmns(network, tmp_path)
    again, report = read_gmns(tmp_path)
    assert again.version == network.version
    assert again == network
    assert count(report, "dangling_reference") <= 4  # one faulty movement of the source in 4 plans
    for path in tmp_path.glob("*.csv"):
        if path.stem in SCHEMA:
            with path.open(newline="", encoding="utf-8") as file:
                assert set(SCHEMA[path.stem].columns) <= set(next(csv.reader(file)))


def cells_that_break(schema: dict[str, Any], rows: list[dict[str, str]]) -> Iterator[str]:
    """Yield what breaks the types and bounds of a published table schema."""
    for field in schema["fields"]:
        name, bounds = field["name"], field.get("constraints") or {}
        values = [row[name] for row in rows]
        if bounds.get("required") and not all(values):
            yield f"{name} is empty"
        told = [value for value in values if value]
        if field["type"] == "boolean" and not set(told) <= {"true", "false"}:
            yield f"{name} is no boolean"
        if field["type"] in ("number", "integer"):
            kind = float if field["type"] == "number" else int
            numbers = [kind(value) for value in told]
            if numbers and not bounds.get("minimum", min(numbers)) <= min(numbers):
                yield f"{name} is too small"
            if numbers and not bounds.get("maximum", max(numbers)) >= max(numbers):
                yield f"{name} is too large"
        if "enum" in bounds and not set(told) <= set(bounds["enum"]):
            yield f"{name} is not in its list"
    keys = [row[schema["primaryKey"]] for row in rows] if schema.get("primaryKey") else []
    if len(set(keys)) != len(keys):
        yield "a key stands twice"


def references_that_break(
    name: str, schemas: dict[str, Any], tables: dict[str, list[dict[str, str]]]
) -> Iterator[str]:
    for key in schemas[name].get("foreignKeys", []):
        column, there = key["fields"], key["reference"]
        target = tables.get(there["resource"] or name, [])
        known = {row[there["fields"]] for row in target}
        for value in {row[column] for row in tables[name]} - known - {""}:
            yield f"{name}.{column} = {value}"


# What the sources themselves have wrong in tables that are kept as they are.
OWN_FAULTS = {
    "lima": ["segment: start_lr is too small"],
    "arlington_signals": ["signal_phase_mvmt.mvmt_id = 23"],
}


@pytest.mark.parametrize("name", sorted(OWN_FAULTS))
def test_an_export_is_valid_by_the_published_schemas(name: str, tmp_path: Path) -> None:
    network, _ = read_gmns(Path(SHARED) / "gmns" / name)
    write_gmns(network, tmp_path)
    schemas, tables = {}, {}
    for path in (Path(SHARED) / "gmns" / "spec").glob("*.schema.json"):
        table = path.name.removesuffix(".schema.json")
        if (tmp_path / f"{table}.csv").exists():
            schemas[table] = json.loads(path.read_text(encoding="utf-8"))
            with (tmp_path / f"{table}.csv").open(newline="", encoding="utf-8") as file:
                tables[table] = list(csv.DictReader(file))
    broken = [
        f"{one}: {why}" for one in tables for why in cells_that_break(schemas[one], tables[one])
    ]
    broken += [why for one in tables for why in references_that_break(one, schemas, tables)]
    assert broken == OWN_FAULTS[name]


def test_arlington_is_imported_with_its_signal_tables() -> None:
    network, report = read_gmns(Path(SHARED) / "gmns" / "arlington_signals")
    assert (len(network.nodes), len(network.links), len(network.movements)) == (20, 27, 26)
    kept = {table.name: len(table.rows) for table in network.tables}
    assert kept["signal_timing_phase"] == 44
    assert kept["signal_phase_mvmt"] == 128
    found = report.find("movement_off_node")
    assert found is not None
    assert found.ids == ("23",)
    assert count(report, "signals_in_tables_only") == 2


def test_the_stations_of_los_angeles_become_sixteen_corridors() -> None:
    week = np.load(Path(SHARED) / "metr_la_week1" / "metr_la_week1.npz")
    columns = (week[name].tolist() for name in ("sensor_id", "lat", "lon", "road"))
    stations = [Station(*row) for row in zip(*columns, strict=True)]
    network, report = map_from_stations(stations, name="la", timezone="America/Los_Angeles")
    assert len(network.links) == len(network.sensors) == 207
    assert [sensor.id for sensor in network.sensors] == week["sensor_id"].tolist()
    assert len(corridors(network)) == 16
    assert count(report, "filled_geometry") == 207
    reach = {station: row for row, station in enumerate(week["sensor_id"].tolist())}
    forward = backward = 0
    for corridor in corridors(network):
        for before, after in pairwise(corridor.links):
            there = week["adj"][reach[before], reach[after]]
            back = week["adj"][reach[after], reach[before]]
            forward += bool(there > back)
            backward += bool(back > there)
    assert (forward, backward) == (169, 3)  # by road distance, neighbours follow each other
