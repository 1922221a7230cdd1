"""Lists of detector stations: what is wrong is named by line, column and value."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.commands.maps import read_stations
from twin.errors import MapError
from twin.network.stations import map_from_stations

HEAD = "id,lat,lon,road\n"
GOOD = HEAD + "a,34.0,-118.2,I5-N\nb,34.1,-118.2,I5-N\n"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (HEAD + "a,,-118.2,I5-N\n", r"s\.csv, line 2: lat = '': must not be empty"),
        (HEAD + "a,34.0,west,I5-N\n", r"s\.csv, line 2: lon = 'west': must be degrees"),
        (HEAD + "a,91,-118.2,I5-N\n", r"s\.csv, line 2: lat = '91': must be degrees"),
        (GOOD + "a,34.2,-118.2,I5-N\n", r"s\.csv, line 4: id 'a' stands in line 2 too"),
        ("id,lon,road\na,-118.2,I5-N\n", "column lat is missing"),
    ],
    ids=["an empty cell", "no number", "off earth", "an id twice", "no column"],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(MapError, match=wrong):
        read_stations(path)


def test_a_folder_with_one_list_is_that_list(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(GOOD)
    assert [one.id for one in read_stations(tmp_path)] == ["a", "b"]
    (tmp_path / "t.csv").write_text(GOOD)
    with pytest.raises(MapError, match=r"in it: s\.csv, t\.csv"):
        read_stations(tmp_path)


def test_stations_without_a_road_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("id,lat,lon\na,34.0,-118.2\nb,34.1,-118.2\n")
    _, quality = map_from_stations(read_stations(path), name="list", timezone="UTC")
    assert "road_missing" in quality.to_text()
