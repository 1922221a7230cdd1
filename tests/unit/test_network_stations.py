"""A map from detector stations: in driving order, a link for each, all of it marked as guessed."""

from __future__ import annotations

import pytest

from twin.errors import MapError
from twin.network.corridors import corridors
from twin.network.model import SingleMap
from twin.network.stations import END_M, Station, map_from_stations


def built(*stations: Station) -> SingleMap:
    return map_from_stations(stations, name="list", timezone="America/Los_Angeles")[0]


def row(*ids_and_places: tuple[str, float, float], road: str) -> tuple[Station, ...]:
    return tuple(Station(name, lat, lon, road) for name, lon, lat in ids_and_places)


EAST = row(("b", -118.2, 34.0), ("a", -118.25, 34.01), ("c", -118.1, 33.99), road="I10-E")


def test_stations_are_put_in_driving_order() -> None:
    (one,) = corridors(built(*EAST))
    assert one.links == ("a", "b", "c")
    (back,) = corridors(built(*(Station(s.id, s.lat, s.lon, "I10-W") for s in EAST)))
    assert back.links == ("c", "b", "a")


def test_the_letter_beats_the_compass_of_a_leaning_road() -> None:
    leaning = row(("s", -118.2, 34.0), ("n", -118.4, 34.1), road="I5-N")
    assert corridors(built(*leaning))[0].links == ("s", "n")
    southward = tuple(Station(s.id, s.lat, s.lon, "I5-S") for s in leaning)
    assert corridors(built(*southward))[0].links == ("n", "s")


def test_every_station_has_its_link_and_sensor_in_the_order_given() -> None:
    network = built(*EAST)
    assert [one.id for one in network.links] == ["b", "a", "c"]
    assert [one.id for one in network.sensors] == ["b", "a", "c"]
    assert [one.link for one in network.sensors] == ["b", "a", "c"]
    for sensor, link in zip(network.sensors, network.links, strict=True):
        assert 0.0 < sensor.position_m < link.length_m
        assert sensor.point in link.line
        assert set(link.guessed) == {"geometry", "length", "lanes", "free_speed", "capacity"}


def test_links_meet_half_way_and_reach_beyond_the_ends() -> None:
    network = built(*EAST)
    by_id = {str(one.id): one for one in network.links}
    assert by_id["a"].line[-1] == by_id["b"].line[0] == (-118.225, 34.005)
    sensor = network.sensors[network.sensor_rows["a"]]
    assert sensor.position_m == pytest.approx(END_M, rel=0.01)
    assert [(one.from_link, one.to_link) for one in network.movements] == [("a", "b"), ("b", "c")]


def test_two_stations_on_one_spot_and_a_lonely_one_are_sound() -> None:
    same = row(("p", -118.2, 34.0), ("q", -118.2, 34.0), road="SR2-N")
    alone = row(("z", -118.3, 34.2), road="loop road")
    network, report = map_from_stations([*same, *alone], name="m", timezone="UTC")
    assert [one.links for one in corridors(network)] == [("p", "q"), ("z",)]
    found = report.find("close_together")
    assert found is not None
    assert found.ids == ("p",)


def test_neighbours_far_apart_are_reported() -> None:
    far = row(("p", -118.2, 34.0), ("q", -118.2, 34.2), road="SR2-N")
    _, report = map_from_stations(far, name="m", timezone="UTC")
    found = report.find("far_apart")
    assert found is not None
    assert found.ids == ("p",)


def test_impossible_lists_are_refused() -> None:
    with pytest.raises(MapError, match="at least one station"):
        built()
    with pytest.raises(MapError, match="lat 168"):
        built(Station("a", 168.0, 2.0, "A1-N"))
    with pytest.raises(MapError, match="'a' stands 2 times"):
        built(Station("a", 41.0, 2.0, "A1-N"), Station("a", 41.1, 2.0, "A1-N"))


def test_the_order_of_the_list_does_not_change_the_version() -> None:
    assert built(*EAST).version == built(*EAST[::-1]).version
