"""Writing GMNS: valid 0.96, nothing lost, nothing of others overwritten."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from network_maps import changed, parts, put, town
from twin.errors import MapError
from twin.network.gmns import read_gmns, write_gmns
from twin.network.gmns.schema import SCHEMA
from twin.network.gmns.sheets import join_list, split_list
from twin.network.model import SingleMap, Table


def again(network: SingleMap, folder: Path) -> SingleMap:
    write_gmns(network, folder)
    return read_gmns(folder)[0]


def test_a_map_with_a_bit_of_everything_survives(tmp_path: Path) -> None:
    network = town()
    assert again(network, tmp_path) == network


def test_an_export_has_all_columns_of_the_specification(tmp_path: Path) -> None:
    write_gmns(town(), tmp_path)
    for path in tmp_path.glob("*.csv"):
        if path.stem in SCHEMA:
            with path.open(newline="", encoding="utf-8") as file:
                header = next(csv.reader(file))
            assert header[: len(SCHEMA[path.stem].columns)] == list(SCHEMA[path.stem].columns)
    assert "0.96" in (tmp_path / "config.csv").read_text()


def test_foreign_tables_survive_in_si(tmp_path: Path) -> None:
    source = put(
        tmp_path / "source",
        config=(
            "dataset_name,short_length,long_length,speed,crs,geometry_field_format,"
            "version_number,remark\nfeet,foot,mile,mph,4326,wkt,0.94,made by hand\n"
        ),
        segment="segment_id,link_id,ref_node_id,start_lr,end_lr,free_speed\ns,a,1,0.0,100,30\n",
        geometry='geometry_id,geometry\nunused,"LINESTRING(2 41,2.1 41)"\nnone,\n',
        use_group='use_group,uses\nall,"walk, bike"\n',
        time_set_definitions=("timeday_id,monday,start_time\nt,1,06:00\n"),
        demand="orig_taz,dest_taz,total\n1,2,3\n007,2,1.0\n",
    )
    network, _ = read_gmns(source)
    kept = {table.name: table for table in network.tables}
    assert kept["segment"].rows == (("s", "a", "1", "0", "30.48", "48.28032"),)
    assert kept["time_set_definitions"].rows == (("t", "true", "06:00"),)
    assert kept["demand"].rows[1] == ("007", "2", "1.0")
    assert kept["geometry"].rows[1] == ("none", "")
    assert network.meta == (("remark", "made by hand"),)
    assert again(network, tmp_path / "out") == network


def test_an_old_map_in_the_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    write_gmns(town(), tmp_path)
    plain = town(sensors=(), gates=(), junctions=(), tables=())
    (tmp_path / "toll_plan.csv").unlink()
    assert again(plain, tmp_path) == plain
    assert not (tmp_path / "twin_sensor.csv").exists()


def test_a_strange_table_in_the_folder_stops_the_export(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("a\n1\n")
    with pytest.raises(MapError, match=r"accounts\.csv: is no part of this map"):
        write_gmns(town(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["accounts.csv"]


def test_a_folder_that_cannot_be_written_is_named_and_left_as_it_was(tmp_path: Path) -> None:
    write_gmns(town(), tmp_path / "map")
    before = {path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()}
    (tmp_path / "map" / ".twin_zone.part").mkdir()
    with pytest.raises(MapError, match=r"map: cannot be written: Is a directory"):
        write_gmns(town(name="Other"), tmp_path / "map")
    (tmp_path / "map" / ".twin_zone.part").rmdir()
    assert {path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()} == before


def test_a_kept_table_cannot_take_the_name_of_the_map_s_own(tmp_path: Path) -> None:
    for name in ("link", "twin_sensor"):
        with pytest.raises(MapError, match="cannot be called"):
            write_gmns(town(tables=(Table(name, ("a",), ()),)), tmp_path)


def test_an_extra_field_cannot_hide_a_field_of_the_model(tmp_path: Path) -> None:
    links = changed(parts()["links"], 0, extra=(("length", "7"),))
    with pytest.raises(MapError, match="an extra field cannot be called 'length'"):
        write_gmns(town(links=links), tmp_path)


def test_lists_in_a_cell_keep_semicolons_and_backslashes() -> None:
    for members in ((), ("a",), ("a", "b;c", "d\\", "\\;"), ("e e",)):
        assert split_list(join_list(members)) == members
