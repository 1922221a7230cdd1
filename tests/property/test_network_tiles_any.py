"""Whatever lines and points go into a tile's layer, another library reads them as they were."""

from __future__ import annotations

from typing import Any

import mapbox_vector_tile
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.network.mvt import Shapes, layer

PLACE = st.tuples(st.integers(-5000, 9000), st.integers(-5000, 9000))
WORDS = st.dictionaries(
    st.sampled_from(["id", "lanes", "oneway"]),
    st.text(max_size=8) | st.integers(0, 2**40) | st.booleans(),
)


def decoded(body: bytes) -> list[dict[str, Any]]:
    tile = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})
    features: list[dict[str, Any]] = tile["links"]["features"]
    return features


def shapes_of(kind: int, parts: list[list[tuple[int, int]]]) -> Shapes:
    points = np.array([place for part in parts for place in part], np.int64).reshape(-1, 2)
    starts = np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)
    return Shapes(kind, points, starts)


@given(st.lists(st.lists(PLACE, min_size=2, max_size=6, unique=True), min_size=1, max_size=6))
@settings(max_examples=60)
def test_lines_come_back(lines: list[list[tuple[int, int]]]) -> None:
    ids = np.arange(len(lines)) * 1000
    found = decoded(layer("links", ids, shapes_of(2, lines), [{} for _ in lines]))
    assert [feature["id"] for feature in found] == ids.tolist()
    for feature, line in zip(found, lines, strict=True):
        assert feature["geometry"]["coordinates"] == [list(place) for place in line]


@given(st.lists(st.tuples(PLACE, WORDS), min_size=1, max_size=6))
@settings(max_examples=60)
def test_points_and_their_properties_come_back(given_: list[tuple[Any, dict[str, Any]]]) -> None:
    places = [[place] for place, _ in given_]
    about = [words for _, words in given_]
    found = decoded(layer("links", np.arange(len(places)), shapes_of(1, places), about))
    assert [tuple(feature["geometry"]["coordinates"]) for feature in found] == [
        place for place, _ in given_
    ]
    assert [feature["properties"] for feature in found] == about
    assert [
        {name: type(value) for name, value in feature["properties"].items()} for feature in found
    ] == [{name: type(value) for name, value in words.items()} for words in about]


def test_nothing_is_no_bytes() -> None:
    assert layer("links", np.zeros(0, np.int64), shapes_of(2, []), []) == b""
