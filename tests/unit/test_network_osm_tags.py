"""What the tags of a road mean: speeds, lanes, directions, access."""

from __future__ import annotations

import pytest

from twin.network.osm.lanes import BothLanes, lanes_of
from twin.network.osm.roads import LeftOut, directions, left_out, usual_for
from twin.network.osm.speeds import Speed, free_speed


def _speed(direction: str = "forward", usual: float = 50.0, /, **tags: str) -> Speed:
    return free_speed(
        {k.replace("__", ":"): v for k, v in tags.items()}, direction, usual_kph=usual
    )


@pytest.mark.parametrize(
    ("text", "kph"),
    [
        ("50", 50.0),
        ("50 km/h", 50.0),
        ("30 mph", 48.28032),
        ("30mph", 48.28032),
        ("10 knots", 18.52),
        ("walk", 7.0),
        ("DE:walk", 7.0),
        ("70;50", 50.0),
        ("ES:urban", 50.0),
        ("ES:rural", 90.0),
        ("fr:rural", 80.0),
        ("BE-VLG:rural", 70.0),
        ("BE-BRU:rural", 90.0),
        ("GB:nsl_single", 96.56064),
        ("GB:motorway", 112.65408),
        ("DE:zone:30", 30.0),
        ("zone20", 20.0),
        ("DE:living_street", 7.0),
    ],
)
def test_a_limit_is_read(text: str, kph: float) -> None:
    speed = _speed(maxspeed=text)
    assert speed.kph == pytest.approx(kph)
    assert not speed.is_guessed


@pytest.mark.parametrize("text", ["", "signals", "variable", "fast", "ES:", "50 furlongs", "none"])
def test_what_says_no_number_leaves_the_usual(text: str) -> None:
    assert _speed("forward", 42.0, maxspeed=text) == Speed(42.0, is_guessed=True)


def test_none_on_a_motorway_and_law_of_unknown_countries_are_guesses() -> None:
    assert _speed("forward", 120.0, maxspeed="none") == Speed(130.0, is_guessed=True)
    assert _speed(maxspeed="DE:motorway") == Speed(130.0, is_guessed=True)
    assert _speed(maxspeed="XX:rural") == Speed(90.0, is_guessed=True)


@pytest.mark.parametrize("text", ["0", "-20", "500"])
def test_an_impossible_limit_is_named_and_replaced(text: str) -> None:
    assert _speed(maxspeed=text) == Speed(50.0, is_guessed=True, is_impossible=True)


def test_a_direction_and_a_type_of_limit() -> None:
    tags = {"maxspeed": "80", "maxspeed__backward": "60"}
    assert _speed("forward", **tags).kph == 80.0
    assert _speed("backward", **tags).kph == 60.0
    assert _speed(source__maxspeed="IT:trunk").kph == 110.0
    assert _speed(maxspeed="signals", maxspeed__type="FR:motorway").kph == 130.0


def _lanes(highway: str = "primary", /, **tags: str) -> BothLanes:
    whole = {"highway": highway} | {k.replace("__", ":"): v for k, v in tags.items()}
    return lanes_of(whole, directions(whole), usual_for(whole))


@pytest.mark.parametrize(
    ("tags", "counts", "is_guessed"),
    [
        ({"lanes": "4"}, (2, 2), False),
        ({"lanes": "2"}, (1, 1), False),
        ({"lanes": "1"}, (1, 1), False),  # one lane that both directions share
        ({"lanes": "3"}, (1, 1), True),
        ({"lanes": "3", "lanes__both_ways": "1"}, (1, 1), False),
        ({"lanes": "3", "lanes__forward": "2"}, (2, 1), False),
        ({"lanes": "5", "lanes__backward": "2", "lanes__both_ways": "1"}, (2, 2), False),
        ({"lanes__forward": "3", "lanes__backward": "1"}, (3, 1), False),
        ({"lanes__forward": "3"}, (1, 1), True),  # says nothing about the other direction
        ({"lanes": "3", "oneway": "yes"}, (3, 3), False),
        ({"lanes": "2;3", "oneway": "yes"}, (3, 3), False),
        ({"lanes": "1.5", "oneway": "yes"}, (1, 1), False),
        ({}, (1, 1), True),
        ({"oneway": "yes"}, (2, 2), True),
    ],
)
def test_lanes_of_each_direction(
    tags: dict[str, str], counts: tuple[int, int], is_guessed: bool
) -> None:
    lanes = _lanes(**tags)
    assert (lanes.forward.count, lanes.backward.count) == counts
    assert lanes.forward.is_guessed == lanes.backward.is_guessed == is_guessed
    assert not lanes.is_impossible


@pytest.mark.parametrize(
    "tags",
    [
        {"lanes": "0"},
        {"lanes": "40"},
        {"lanes": "two"},
        {"lanes": "-1"},
        {"lanes": "2", "lanes__forward": "2"},
        {"lanes": "99999999999999999999"},
    ],
)
def test_impossible_lanes_are_named_and_guessed(tags: dict[str, str]) -> None:
    lanes = _lanes(**tags)
    assert lanes.is_impossible
    assert (lanes.forward.count, lanes.forward.is_guessed) == (1, True)


def test_bus_lanes_marked_counted_and_beside_the_road() -> None:
    marked = _lanes(lanes="3", oneway="yes", bus__lanes="designated|yes|yes").forward
    assert (marked.buses, marked.general, marked.is_bus_place_guessed) == ((1,), 2, False)
    counted = _lanes(lanes="4", lanes__psv__backward="1")
    assert (counted.forward.buses, counted.backward.buses) == ((), (2,))
    assert counted.backward.is_bus_place_guessed
    beside = _lanes(lanes="4", busway__right="lane")
    assert (beside.forward.buses, beside.backward.buses) == ((2,), ())
    wrong_list = _lanes(lanes="2", oneway="yes", bus__lanes="designated|yes|yes").forward
    assert wrong_list.buses == ()
    all_buses = _lanes(lanes="2", oneway="yes", bus__lanes="designated|designated").forward
    assert all_buses.general == 2


@pytest.mark.parametrize(
    ("tags", "forward", "backward", "is_guessed"),
    [
        ({"highway": "residential"}, True, True, False),
        ({"highway": "residential", "oneway": "yes"}, True, False, False),
        ({"highway": "residential", "oneway": "-1"}, False, True, False),
        ({"highway": "residential", "oneway": "yes", "oneway:motorcar": "no"}, True, True, False),
        ({"highway": "residential", "oneway": "reversible"}, True, True, True),
        ({"highway": "residential", "junction": "roundabout"}, True, False, False),
        ({"highway": "residential", "junction": "circular"}, True, False, False),
        ({"highway": "motorway"}, True, False, False),
        ({"highway": "motorway", "oneway": "no"}, True, True, False),
        ({"highway": "motorway_link"}, True, False, True),
        ({"highway": "trunk"}, True, True, False),
    ],
)
def test_directions(tags: dict[str, str], forward: bool, backward: bool, is_guessed: bool) -> None:
    ways = directions(tags)
    assert (ways.forward, ways.backward, ways.is_guessed) == (forward, backward, is_guessed)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"highway": "service"}, None),
        ({"highway": "service", "access": "no"}, LeftOut.CLOSED),
        ({"highway": "service", "access": "no", "motor_vehicle": "yes"}, None),
        ({"highway": "service", "access": "yes", "motorcar": "private"}, LeftOut.CLOSED),
        ({"highway": "service", "access": "destination"}, None),
        ({"highway": "service", "motor_vehicle": "no", "bus": "yes"}, LeftOut.BUS_ONLY),
        ({"highway": "busway"}, LeftOut.BUS_ONLY),
        ({"highway": "service", "service": "parking_aisle"}, LeftOut.MINOR),
        ({"highway": "service", "service": "alley"}, None),
        ({"highway": "residential", "area": "yes"}, LeftOut.AREA),
        ({"route": "ferry"}, LeftOut.FERRY),
    ],
)
def test_what_is_left_out(tags: dict[str, str], reason: LeftOut | None) -> None:
    assert left_out(tags) is reason
