"""The first forecast: where it starts, what it follows, and how sure it is."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import timedelta

import numpy as np
import pytest

from twin.clock import datetime_from_us
from twin.columns import ReadingBatch
from twin.events import Incident, IncidentKind
from twin.forecast.first import STEPS, ForecastInput, forecast_input, make_forecast
from twin.forecast.network import forecast_network
from twin.forecast.result import Method
from twin.forecast.shares import route
from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap
from twin.perceive.estimate import Perception
from twin.perceive.incidents import Incidents

NOW_US = 1_781_600_400_000_000
MINUTE_US = 60_000_000
NONE = float("nan")


def motorway(links: int = 8, *, ramp_at: int | None = None) -> SingleMap:
    """Draw a motorway of 1 km links with a sensor each; an off-ramp may leave after one."""
    nodes = [Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(links + 1)]
    rows = [(f"l{k}", nodes[k], nodes[k + 1], "A1-N") for k in range(links)]
    if ramp_at is not None:
        nodes.append(Node(NodeId("ramp"), (0.01 * ramp_at, 0.01)))
        rows.append(("ramp", nodes[ramp_at + 1], nodes[-1], ""))
    return SingleMap(
        name="motorway",
        version="c" * 32,
        timezone="UTC",
        nodes=tuple(nodes),
        links=tuple(
            Link(
                LinkId(name),
                start.id,
                end.id,
                (start.point, end.point),
                1000.0,
                2,
                30.0,
                1.1,
                LinkClass.MOTORWAY,
                road=road,
            )
            for name, start, end, road in rows
        ),
        sensors=tuple(
            Sensor(SensorId(f"s{k}"), LinkId(f"l{k}"), 500.0, (0.0, 0.0), 60.0, lanes=2)
            for k in range(links)
        ),
    )


def given(
    network: SingleMap,
    counts: list[float],
    speeds_mps: list[float],
    *,
    incidents: tuple[Incident, ...] = (),
    days: int = 0,
    usual_mps: float = NONE,
) -> ForecastInput:
    """Observe ten minutes of the same, after `days` of another usual speed at this time of day."""
    perception = Perception(network)
    sensors = len(network.sensors)
    for day in range(days, -1, -1):
        for minute in range(-9, 70 if day else 1):
            past = day > 0
            perception.observe(
                ReadingBatch(
                    np.arange(sensors, dtype=np.int32),
                    np.full(sensors, NOW_US - day * 1440 * MINUTE_US + minute * MINUTE_US),
                    np.full(sensors, 60_000, np.int64),
                    np.array(counts, float),
                    np.full(sensors, usual_mps) if past else np.array(speeds_mps, float),
                    np.full(sensors, NONE),
                )
            )
    told = Incidents(network)
    told.observe(incidents)
    return forecast_input(forecast_network(network), perception, told, NOW_US)


def test_the_same_input_makes_the_same_bytes_anywhere() -> None:
    first = given(motorway(), [40.0] * 8, [29.0] * 8)
    elsewhere: ForecastInput = pickle.loads(pickle.dumps(first))
    one, other = make_forecast(first), make_forecast(elsewhere)
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        same = left.tobytes() == right.tobytes() if hasattr(left, "tobytes") else left == right
        assert same, field.name
    changed = dataclasses.replace(first, speed_mps=first.speed_mps + 0.001)
    assert make_forecast(changed).id != one.id


def test_a_steady_motorway_stays_as_it_is() -> None:
    forecast = make_forecast(given(motorway(), [40.0] * 8, [29.0] * 8))
    assert (forecast.method == Method.PHYSICS).all()
    assert forecast.speed_mps.shape == (STEPS, 8)
    assert forecast.speed_mps == pytest.approx(29.0, rel=0.02)
    assert forecast.flow_vps == pytest.approx(40 / 60, rel=0.01)
    assert forecast.density_vpm == pytest.approx(40 / 60 / 29, rel=0.03)


def test_the_interval_holds_the_forecast_and_widens() -> None:
    forecast = make_forecast(given(motorway(), [40.0] * 8, [29.0] * 8))
    assert (forecast.speed_lo_mps <= forecast.speed_mps).all()
    assert (forecast.speed_mps <= forecast.speed_hi_mps).all()
    width = forecast.speed_hi_mps - forecast.speed_lo_mps
    assert (np.diff(width, axis=0) > 0).all()


def test_a_queue_grows_upstream_of_its_head() -> None:
    """More comes (1.0) than the head of the queue lets pass (0.6 a second)."""
    counts = [60.0, 60.0, 60.0, 60.0, 60.0, 36.0, 36.0, 36.0]
    speeds = [29.0, 29.0, 29.0, 29.0, 29.0, 6.0, 29.0, 29.0]
    forecast = make_forecast(given(motorway(), counts, speeds))
    slow = forecast.speed_mps < 15.0
    assert slow[:, 5].all()  # the head stays
    assert not slow[0, :4].any()
    assert slow[-1, 2:5].all()  # its tail has moved on
    assert not slow[:, 6:].any()  # behind the head it is free
    assert forecast.flow_vps[-1, 5:] == pytest.approx(0.6, rel=0.02)


def test_a_closed_link_starves_what_follows_and_fills_what_is_before() -> None:
    crash = Incident(
        id="i",
        link="l4",
        time=datetime_from_us(NOW_US),
        until=datetime_from_us(NOW_US) + timedelta(minutes=30),
        kind=IncidentKind.CRASH,
        lanes_closed=2,
    )
    forecast = make_forecast(given(motorway(), [40.0] * 8, [29.0] * 8, incidents=(crash,)))
    assert forecast.flow_vps[2:6, 5:] == pytest.approx(0.0, abs=1e-6)
    assert (forecast.speed_mps[3:6, 3] < 2.0).all()
    assert (forecast.density_vpm[3:6, 3] > 0.15).all()
    assert (forecast.flow_vps[7:, 5] > 0.8).all()  # open again: the queue discharges


def test_speeds_alone_fade_to_the_usual_day_and_invent_no_flow() -> None:
    forecast = make_forecast(given(motorway(), [NONE] * 8, [12.0] * 8, days=1, usual_mps=24.0))
    assert (forecast.method == Method.FADE_TO_PROFILE).all()
    assert np.isnan(forecast.flow_vps).all()
    assert np.isnan(forecast.density_vpm).all()
    first, last = forecast.speed_mps[0, 0], forecast.speed_mps[-1, 0]
    assert 12.0 <= first < 14.0
    assert 18.0 < last < 24.0
    assert (np.diff(forecast.speed_mps, axis=0) > 0).all()


def test_without_a_usual_day_the_last_value_stays() -> None:
    forecast = make_forecast(given(motorway(), [NONE] * 8, [12.0] * 8))
    assert (forecast.method == Method.LAST_VALUE).all()
    assert forecast.speed_mps == pytest.approx(12.0)


def test_nothing_known_is_nothing_forecast() -> None:
    network = dataclasses.replace(motorway(3), sensors=())
    forecast = make_forecast(given(network, [], []))
    assert (forecast.method == Method.NONE).all()
    assert np.isnan(forecast.speed_mps).all()
    assert np.isnan(forecast.speed_hi_mps).all()


def test_counts_before_and_after_a_diverge_make_its_shares() -> None:
    network = forecast_network(motorway(4, ramp_at=1))
    flow = np.array([1.0, 1.0, 0.7, 0.7, 0.3])
    routing = route(network, flow, np.zeros(5, np.bool_))
    turns = network.turns
    share = {
        (int(turns.approach[t]), int(turns.link[t])): routing.turn_share[t]
        for t in range(len(turns.link))
    }
    assert share[1, 2] == pytest.approx(0.7)
    assert share[1, 4] == pytest.approx(0.3)
    assert routing.joining_vps.tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0, 0.0])


def test_what_counts_cannot_explain_joins_or_leaves_where_traffic_is_free() -> None:
    network = forecast_network(motorway(4))
    flow = np.array([1.0, 0.8, 1.0, 1.0])
    free = route(network, flow, np.zeros(4, np.bool_))
    assert free.exit_share[0] == pytest.approx(0.2)
    assert free.joining_vps[2] == pytest.approx(0.2)
    jammed = route(network, flow, np.array([False, True, False, False]))
    assert jammed.exit_share[0] == 0.0
    assert jammed.joining_vps[2] == 0.0


def test_an_unknown_link_takes_vehicles_out_of_the_run() -> None:
    network = forecast_network(motorway(4, ramp_at=1))
    routing = route(network, np.array([1.0, 1.0, 0.6, 0.6, NONE]), np.zeros(5, np.bool_))
    assert routing.exit_share[1] == pytest.approx(0.4)
    assert routing.turn_share.min() >= 0.0
