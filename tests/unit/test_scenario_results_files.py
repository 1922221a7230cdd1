"""Results as files: every format holds the same numbers; emission tables say what they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import scenario_outcomes as hand
from scenario_city import CITY
from twin.errors import InputError
from twin.network.gmns import read_gmns
from twin.scenario.results import Format, Results, read_factors, results_of, write_results
from twin.scenario.results.emissions import EXAMPLE_MARK, SHIPPED, class_mix
from twin.scenario.results.tables import seed_mean, tables_of

HEAD = "pollutant,class,from_kph,to_kph,g_per_km,source,year,page\n"


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(hand.pair())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_and_parquet_hold_the_same(results: Results, tmp_path: Path) -> None:
    written = write_results(results, tmp_path, formats=(Format.CSV, Format.PARQUET))
    names = {table.name for table in tables_of(results)}
    assert {path.stem for path in written} == names
    for name in names:
        text, arrow = rows(tmp_path / f"{name}.csv"), pq.read_table(tmp_path / f"{name}.parquet")
        assert len(text) == arrow.num_rows > 0, name
        assert list(text[0]) == arrow.column_names
    trips = pq.read_table(tmp_path / "trips.parquet")
    names_of_times = ("depart_s", "base_arrived_s", "edited_arrived_s")
    depart_s, base_s, edited_s = (
        trips[name].to_numpy(zero_copy_only=False) for name in names_of_times
    )
    assert len(trips) == sum(len(base.trips) for base, _, _ in results.trips)
    assert np.nanmean(base_s - depart_s) == pytest.approx(160.0)
    assert np.isnan(edited_s).any()
    measures = {row["measure"]: row for row in rows(tmp_path / "measures.csv")}
    assert measures["delay"]["within_noise"] == "false"
    assert measures["trips"]["verdict"] == "no difference"


def test_curves_of_the_export_are_cumulative(results: Results, tmp_path: Path) -> None:
    write_results(results, tmp_path, formats=(Format.CSV,))
    one = [
        row
        for row in rows(tmp_path / "link_times.csv")
        if row["side"] == "edited" and row["link_id"] == "A4"
    ]
    left = [float(row["left_veh"]) for row in one]
    assert left == sorted(left)
    assert float(one[-1]["entered_veh"]) == pytest.approx(2900.0, rel=1e-4)
    assert one[-1]["until"] == "08:00:00"


def test_a_link_of_one_side_keeps_its_values_without_a_difference() -> None:
    values = np.array([[1.0, np.nan, np.nan], [3.0, np.nan, 5.0]])
    assert seed_mean(values).tolist()[0] == 2.0
    assert np.isnan(seed_mean(values)[1])
    assert seed_mean(values)[2] == 5.0


def test_geojson_is_a_layer_of_lines(results: Results, tmp_path: Path) -> None:
    write_results(results, tmp_path, formats=(Format.GEOJSON,))
    layer = json.loads((tmp_path / "links.geojson").read_text(encoding="utf-8"))
    assert [feature["id"] for feature in layer["features"]] == ["A1", "A2", "A3", "A4", "S1"]
    last = layer["features"][3]
    assert last["geometry"]["type"] == "LineString"
    assert last["properties"]["difference_delay_veh_h"] > 200.0
    assert last["properties"]["within_noise_delay"] is False
    assert layer["features"][4]["properties"]["base_speed_kph"] is None


def test_gmns_link_performance_and_the_edited_map(results: Results, tmp_path: Path) -> None:
    city = read_gmns(CITY / "network")[0]
    write_results(results, tmp_path, formats=(Format.GMNS,), edited_map=city)
    found = rows(tmp_path / "gmns" / "link_performance_base.csv")
    assert found[0]["timeday_id"] == "0700_0800"
    assert float(found[0]["speed"]) == pytest.approx(90.0, rel=1e-3)
    assert float(found[0]["travel_time"]) == pytest.approx(40.0 / 60.0, rel=1e-2)
    assert float(found[0]["volume"]) == pytest.approx(2983.33, rel=1e-4)
    assert read_gmns(tmp_path / "gmns" / "edited")[0].version == city.version


def test_the_shipped_factors_are_an_example(results: Results) -> None:
    assert read_factors(SHIPPED).mark == EXAMPLE_MARK
    words = [one.kind.words for one in results.measures if one.kind.key.startswith("emission_")]
    assert len(words) == 3
    assert all(EXAMPLE_MARK in text for text in words)


def test_factors_with_source_year_and_page_carry_no_mark(tmp_path: Path) -> None:
    path = tmp_path / "factors.csv"
    path.write_text(HEAD + "CO2,*,0,50,200,A handbook,2024,17\nCO2,*,50,,150,A handbook,2024,17\n")
    factors = read_factors(path)
    assert factors.mark == ""
    assert factors.sources == ("A handbook, 2024, p. 17",)
    speeds = np.array([0.0, 49.9, 50.0, 130.0, np.nan])
    assert factors.g_per_km("CO2", "car", speeds).tolist() == [200, 200, 150, 150, 0]


def test_emission_is_factor_times_distance(tmp_path: Path) -> None:
    path = tmp_path / "factors.csv"
    path.write_text(HEAD + "CO2,*,0,,200,S,2024,1\nCO2,truck,0,,800,S,2024,1\n")
    found = results_of(hand.pair(), factors=read_factors(path))
    km, kg = (
        next(one.base for one in found.measures if one.kind.key == key)
        for key in ("distance", "emission_CO2")
    )
    trucks = class_mix(hand.frame(), hand.run(1, 3000.0, 4000.0))[1]
    assert trucks == pytest.approx(0.1, abs=1e-3)
    assert kg == pytest.approx(km * (200 * 0.9 + 800 * 0.1) / 1000.0, rel=1e-3)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("CO2,*,0,50,200,,,\nCO2,*,60,,150,,,\n", "run on from 0"),
        ("CO2,*,0,50,200,,,\n", "run on from 0"),
        ("CO2,car,0,,200,,,\n", r"class \*"),
        ("CO2,*,0,,-1,,,\n", "line 2"),
        ("CO2,*,0,,much,,,\n", "holds no number"),
    ],
)
def test_a_broken_table_of_factors_is_refused(tmp_path: Path, lines: str, words: str) -> None:
    path = tmp_path / "factors.csv"
    path.write_text(HEAD + lines)
    with pytest.raises(InputError, match=words):
        read_factors(path)


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "factors.csv"
    path.write_text("pollutant,class\nCO2,*\n")
    with pytest.raises(InputError, match="g_per_km"):
        read_factors(path)
