"""Road weather: where it is, what it leaves, and what estimate and forecast make of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from ingest_city import START_US as ARRIVAL_US
from ingest_city import small_city
from twin.columns import ReadingBatch
from twin.events import Incident, IncidentKind, Intensity, RoadWeather, Topic
from twin.forecast.first import forecast_input, make_forecast
from twin.forecast.network import forecast_network
from twin.ids import LinkId, NodeId, SensorId
from twin.ingest.answer import check_items
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap
from twin.perceive.estimate import Perception
from twin.perceive.incidents import Incidents
from twin.perceive.state import Origin, Source
from twin.perceive.weather import SHARES

MINUTE_US = 60_000_000
START = datetime(2026, 6, 16, 9, 0, tzinfo=UTC)
START_US = round(START.timestamp() * 1e6)
WEST = (-0.001, -0.01, 0.0145, 0.01)


def road() -> SingleMap:
    """Draw three links of two lanes, free at 30 m/s, a detector on the first and the last."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(4))
    links = tuple(
        Link(
            LinkId(f"l{k}"),
            nodes[k].id,
            nodes[k + 1].id,
            (nodes[k].point, (0.01 * k + 0.005, 0.0), nodes[k + 1].point),
            1100.0,
            2,
            30.0,
            1.2,
            LinkClass.MOTORWAY,
            road=f"A{k}-N",
        )
        for k in range(3)
    )
    sensors = tuple(
        Sensor(SensorId(f"s{k}"), LinkId(f"l{k}"), 300.0, (0.0, 0.0), 60.0, lanes=2) for k in (0, 2)
    )
    return SingleMap(
        name="road", version="0" * 32, timezone="UTC", nodes=nodes, links=links, sensors=sensors
    )


def weather(**fields: Any) -> Incident:
    """Make heavy rain on the whole map from START on."""
    given: dict[str, Any] = {"id": "w", "time": START, "kind": IncidentKind.WEATHER}
    given |= {"weather": RoadWeather.RAIN, "intensity": Intensity.HEAVY}
    return Incident(**given | fields)


def known(*incidents: Incident) -> Incidents:
    """Let the incidents of the road know these."""
    found = Incidents(road())
    found.observe(incidents)
    return found


def drive(perception: Perception, minutes: range, speed: float = 30.0) -> None:
    """Let both detectors report free traffic."""
    for minute in minutes:
        perception.observe(
            ReadingBatch(
                sensor=np.arange(2, dtype=np.int32),
                time_us=np.full(2, START_US + minute * MINUTE_US),
                period_ms=np.full(2, 60_000),
                count=np.full(2, 20.0),
                speed_mps=np.full(2, speed),
                occupancy_frac=np.full(2, np.nan),
            )
        )


@pytest.mark.parametrize(
    ("fields", "covered"),
    [({}, [1, 1, 1]), ({"area": WEST}, [1, 0, 0]), ({"link": "l1"}, [0, 1, 0])],
)
def test_weather_is_on_the_map_in_an_area_or_on_a_link(
    fields: dict[str, Any], covered: list[int]
) -> None:
    """Heavy rain leaves 93 % of free speed and 86 % of capacity there, and all elsewhere."""
    found = known(weather(**fields)).weather(START_US)
    assert found is not None
    there = np.array(covered)
    assert found.speed == pytest.approx(1.0 - 0.07 * there)
    assert found.capacity == pytest.approx(1.0 - 0.14 * there)


def test_of_several_weathers_the_worst_counts_and_it_ends() -> None:
    """Snow beside rain; an hour later only the rain is left; before it began there is none."""
    snow = weather(id="s", weather=RoadWeather.SNOW, until=START + timedelta(hours=1))
    found = known(weather(), snow)
    both = found.weather(START_US)
    assert both is not None
    assert (both.speed == 0.78).all()
    later = found.weather(START_US + 60 * MINUTE_US)
    assert later is not None
    assert (later.speed == 0.93).all()
    assert found.weather(START_US - 1) is None
    assert not found.closed(START_US).any()


def test_no_weather_makes_roads_better_and_more_of_it_never_does() -> None:
    """Every share is in (0, 1] and falls with the intensity."""
    for kind in RoadWeather:
        rows = np.array([SHARES[kind, intensity] for intensity in Intensity])
        assert ((rows > 0.0) & (rows <= 1.0)).all()
        assert (np.diff(rows, axis=0) <= 0.0).all()


def test_a_link_without_a_word_of_today_is_slower_than_usual() -> None:
    """The detectors fell silent: the usual day, in rain; where they speak, rain changes nothing."""
    perception = Perception(road())
    drive(perception, range(-1440 * 3, -1440 * 3 + 60))
    drive(perception, range(-1440, -1440 + 60))
    now_us = START_US + 30 * MINUTE_US
    dry = perception.link_state(now_us)
    assert dry.source[0] == Source.PROFILE
    wet = perception.link_state(now_us, known(weather(area=WEST)).weather(now_us))
    assert wet.speed_mps[0] == pytest.approx(0.93 * dry.speed_mps[0])
    assert wet.speed_mps[2] == dry.speed_mps[2]
    assert wet.origins[0] == Origin.USUAL_DAY | Origin.WEATHER
    assert wet.origins[2] == Origin.USUAL_DAY
    drive(perception, range(20, 31), speed=25.0)
    seen = perception.link_state(now_us, known(weather()).weather(now_us))
    assert seen.speed_mps[0] == pytest.approx(25.0)
    assert not seen.origins[0] & Origin.WEATHER


def test_rain_that_is_announced_slows_the_forecast_from_when_it_begins() -> None:
    """From 30 minutes on 7 % slower, before that as without; what falls already is measured."""
    perception = Perception(road())
    drive(perception, range(-29, 1))
    network = forecast_network(road())
    without = make_forecast(forecast_input(network, perception, known(), START_US))
    begins = weather(begins=START + timedelta(minutes=30))
    given = forecast_input(network, perception, known(begins), START_US)
    assert (given.capacity_share[:6] == 1.0).all()
    assert given.capacity_share[6:] == pytest.approx(np.full((6, 3), 0.86))
    announced = make_forecast(given)
    assert (announced.speed_mps[:6, 0] == without.speed_mps[:6, 0]).all()
    ratio = announced.speed_mps[6:, 0] / without.speed_mps[6:, 0]
    assert ratio == pytest.approx(np.full(6, 0.93), abs=0.01)
    assert announced.id != without.id
    falls = make_forecast(forecast_input(network, perception, known(weather()), START_US))
    assert falls.speed_mps[0, 0] == pytest.approx(without.speed_mps[0, 0])


def test_rain_that_ends_lets_traffic_be_faster_again() -> None:
    """Measured in the rain, dry in half an hour."""
    perception = Perception(road())
    drive(perception, range(-29, 1), speed=27.9)
    network = forecast_network(road())
    rain = weather(until=START + timedelta(minutes=30))
    found = make_forecast(forecast_input(network, perception, known(rain), START_US))
    assert found.speed_mps[0, 0] == pytest.approx(27.9, abs=0.4)
    assert found.speed_mps[-1, 0] == pytest.approx(30.0, abs=0.4)


def test_weather_goes_over_to_another_map_and_through_json() -> None:
    """It needs no link; what was written is read again."""
    before = known(weather(area=WEST))
    after = Incidents(road())
    assert after.carry(before) == []
    assert after.known() == before.known()
    told = msgspec.json.encode(weather(area=WEST))
    assert msgspec.json.decode(told, type=Incident) == weather(area=WEST)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "crash"}, "weather"),
        ({"area": [2.0, 0.0, 1.0, 1.0]}, "area"),
        ({"link": "L1", "area": [0.0, 0.0, 1.0, 1.0]}, "area"),
        ({"weather": None}, "link"),
        ({"begins": "2026-06-16T12:00:00Z", "until": "2026-06-16T11:00:00Z"}, "until"),
        ({}, None),
        ({"begins": "2026-06-17T12:00:00Z"}, None),
    ],
)
def test_weather_that_makes_no_sense_is_refused_by_field(
    fields: dict[str, Any], field: str | None
) -> None:
    """An announcement may lie in the future; the rest is named."""
    body = {"id": "w", "time": "2026-06-16T08:00:00Z", "kind": "weather", "weather": "ice"}
    value = msgspec.json.encode(body | fields)
    faults = check_items(Topic.INCIDENT, [value], network=small_city(), now_us=ARRIVAL_US)
    assert [fault.field for _, fault in faults] == ([] if field is None else [field])
