"""The layers of a map as GeoJSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from network_maps import changed, parts, town
from twin.network.geojson import layer_counts, layer_geojson
from twin.network.model import SingleMap


def layer(name: str, network: SingleMap | None = None) -> list[dict[str, Any]]:
    collection = json.loads(layer_geojson(network or town(), name))
    assert collection["type"] == "FeatureCollection"
    features: list[dict[str, Any]] = collection["features"]
    return features


@pytest.mark.parametrize("name", sorted(layer_counts(town())))
def test_every_layer_has_a_feature_for_each_row(name: str) -> None:
    features = layer(name)
    assert len(features) == layer_counts(town())[name] > 0
    for row, feature in enumerate(features):
        assert feature["type"] == "Feature"
        assert feature["properties"]["row"] == row
        assert {"id", "name"} <= feature["properties"].keys()


def test_a_link_shows_what_an_operator_says() -> None:
    feature = layer("links")[0]
    assert feature["geometry"] == {
        "type": "LineString",
        "coordinates": [[2.0, 41.0], [2.01, 41.0]],
    }
    assert feature["properties"] == {
        "row": 0,
        "id": "w-x",
        "name": "Main",
        "road": "M-E",
        "class": "arterial",
        "lanes": 2,
        "free_speed_kph": 50.0,
        "length_m": 840.0,
        "capacity_vph": 1800.0,
        "from_node": "w",
        "to_node": "x",
        "authority": "city",
        "guessed": ["lanes"],
    }


def test_the_other_layers_carry_their_own_fields() -> None:
    assert (
        layer("sensors")[1]["properties"] | {"kind": "radar", "link": "x-e", "period_s": 60}
        == (layer("sensors")[1]["properties"])
    )
    gate = layer("gates")[0]["properties"]
    assert (gate["link"], gate["inbound"], gate["zones"], gate["barrier"]) == (
        "x-n",
        True,
        ["old"],
        True,
    )
    junction = layer("junctions")[0]
    assert junction["geometry"]["coordinates"] == [2.01, 41.0]
    assert junction["properties"]["stages"] == ["1", "2"]
    assert junction["properties"]["plans"] == ["day"]
    assert layer("features")[0]["properties"]["valid_from"] == "1970-01-01T00:00:00Z"
    assert layer("features")[0]["properties"]["valid_to"] is None


def test_a_zone_without_a_boundary_has_no_geometry() -> None:
    trips, old = layer("zones")
    assert trips["geometry"] is None
    assert old["geometry"]["type"] == "Polygon"


def test_coordinates_have_seven_digits() -> None:
    nodes = changed(parts()["nodes"], 3, point=(2.123456789, 41.0))
    assert layer("nodes", town(nodes=nodes))[3]["geometry"]["coordinates"] == [2.1234568, 41.0]


def test_an_unknown_layer_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        layer_geojson(town(), "rivers")
