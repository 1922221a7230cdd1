"""Any map that can be built can be written and read back as the same map."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from network_maps import changed, parts, town
from twin.network.gmns import read_gmns, write_gmns
from twin.network.gmns.sheets import join_list, number, number_text, split_list
from twin.network.model import LinkClass, Table, TurnKind

LENGTHS = st.floats(1e-3, 1e5, allow_nan=False)
SPEEDS = st.floats(0.1, 55.0)
CAPACITIES = st.floats(1e-3, 5.0)
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
NAMES = st.text(st.characters(exclude_categories=["C"]), max_size=12).filter(lambda s: s != "NaN")
LONS, LATS = st.floats(-179.9, 179.9), st.floats(-85.0, 85.0)
POINTS = st.tuples(LONS, LATS)


@st.composite
def maps(draw: st.DrawFn) -> dict[str, Any]:
    """Draw changes of the map with a bit of everything."""
    base = parts()
    links = changed(
        base["links"],
        draw(st.integers(0, 1)),
        length_m=draw(LENGTHS) + 900.0,
        lanes=draw(st.integers(1, 12)),
        free_speed_mps=draw(SPEEDS),
        capacity_vps=draw(CAPACITIES),
        link_class=draw(st.sampled_from(LinkClass)),
        name=draw(NAMES),
        road=draw(NAMES),
        line=tuple(draw(st.lists(POINTS, min_size=2, max_size=4))),
        valid_from_us=draw(st.none() | st.integers(0, 2**50)),
    )
    movements = changed(
        base["movements"],
        draw(st.integers(2, 3)),
        kind=draw(st.sampled_from(TurnKind)),
        share=draw(st.none() | st.floats(0.0, 1.0)),
        penalty_s=draw(st.floats(-100.0, 100.0)),
        capacity_vps=draw(st.none() | CAPACITIES),
        control=draw(NAMES),
    )
    shares = [one.share for one in movements if one.from_link == "n-x" and one.share]
    if sum(shares) > 1.0:
        movements = base["movements"]
    nodes = changed(base["nodes"], 3, point=draw(POINTS), name=draw(NAMES))
    cells = st.tuples(NAMES, NAMES)
    table = Table("odd", ("p", "q"), tuple(draw(st.lists(cells, max_size=3))))
    return {
        "name": draw(WORDS),
        "nodes": nodes,
        "links": links,
        "movements": movements,
        "tables": (table,),
        "sensors": changed(base["sensors"], 0, station=draw(NAMES), region=draw(NAMES)),
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(maps())
def test_a_map_survives_its_file(changes: dict[str, Any]) -> None:
    network = town(**changes)
    with tempfile.TemporaryDirectory() as name:
        write_gmns(network, Path(name))
        again, _ = read_gmns(Path(name))
    assert again == network


@given(st.lists(st.text(min_size=1)))
def test_a_list_survives_its_cell(members: list[str]) -> None:
    assert split_list(join_list(members)) == tuple(members)


@given(st.floats(-1e15, 1e15))
def test_a_number_survives_its_text(value: float) -> None:
    assert number(number_text(value)) == value
    assert number_text(number(number_text(value))) == number_text(value)
