"""Growing demand: the line through the counts, and the jam that it brings before it is there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twin.columns import Floats, ReadingBatch
from twin.forecast.first import forecast_input, make_forecast
from twin.forecast.network import forecast_network
from twin.forecast.result import Forecast
from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap
from twin.perceive.estimate import Belief, Perception
from twin.perceive.incidents import Incidents

NOW_US = 1_781_600_400_000_000
MINUTE_US = 60_000_000
FREE_MPS = 30.0


def motorway(lanes: list[int], *, period_s: float = 60.0) -> SingleMap:
    """Draw a motorway of 1 km links with a sensor over all lanes of each; 0.5 veh/s a lane."""
    nodes = [Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(len(lanes) + 1)]
    return SingleMap(
        name="motorway",
        version="d" * 32,
        timezone="UTC",
        nodes=tuple(nodes),
        links=tuple(
            Link(
                LinkId(f"l{k}"),
                nodes[k].id,
                nodes[k + 1].id,
                (nodes[k].point, nodes[k + 1].point),
                1000.0,
                count,
                FREE_MPS,
                0.5 * count,
                LinkClass.MOTORWAY,
                road="A1-N",
            )
            for k, count in enumerate(lanes)
        ),
        sensors=tuple(
            Sensor(SensorId(f"s{k}"), LinkId(f"l{k}"), 500.0, (0.0, 0.0), period_s, lanes=count)
            for k, count in enumerate(lanes)
        ),
    )


def observed(
    network: SingleMap, counts: Callable[[int], Floats], *, minutes: int = 30, every: int = 1
) -> Perception:
    """Let every sensor report `counts(minute)` vehicles a period, minute 0 ending now."""
    perception = Perception(network)
    sensors = len(network.sensors)
    for minute in range(-minutes + every, 1, every):
        perception.observe(
            ReadingBatch(
                np.arange(sensors, dtype=np.int32),
                np.full(sensors, NOW_US + minute * MINUTE_US),
                np.full(sensors, every * 60_000, np.int64),
                counts(minute),
                np.full(sensors, 29.0),
                np.full(sensors, np.nan),
            )
        )
    return perception


def belief(network: SingleMap, counts: Callable[[int], Floats], *, every: int = 1) -> Belief:
    return observed(network, counts, every=every).belief(NOW_US)


def forecast(network: SingleMap, counts: Callable[[int], Floats]) -> Forecast:
    given = forecast_input(
        forecast_network(network), observed(network, counts), Incidents(network), NOW_US
    )
    return make_forecast(given)


@pytest.mark.parametrize("every", [1, 5])
def test_a_rising_line_is_found_whatever_the_period(every: int) -> None:
    """0.8 veh/s now, rising by 0.01 a minute: a period's count stands for its middle."""
    network = motorway([2] * 4, period_s=60.0 * every)

    def counts(minute: int) -> Floats:
        middle = minute - every / 2
        return np.full(4, 60.0 * every * (0.8 + 0.01 * middle))

    found = belief(network, counts, every=every)
    assert found.steady_vps == pytest.approx(0.8, rel=1e-3)
    assert found.growth_vps2 == pytest.approx(0.01 / 60.0, rel=1e-3)


def test_a_few_counts_make_no_line() -> None:
    found = observed(motorway([2] * 2), lambda _: np.full(2, 40.0), minutes=4).belief(NOW_US)
    assert found.steady_vps == pytest.approx(found.links.flow_vps)
    assert found.growth_vps2 == pytest.approx(0.0)


def test_the_noise_of_counting_makes_no_trend_of_its_own() -> None:
    """Forty steady roads: their own slopes wander, and are drawn to the common one, which is 0."""
    random = np.random.default_rng(5)
    noise = {minute: random.poisson(40.0, 40).astype(float) for minute in range(-29, 1)}
    found = belief(motorway([2] * 40), lambda minute: noise[minute])
    a_quarter_ahead = 900.0 * found.growth_vps2 / found.steady_vps
    assert np.abs(a_quarter_ahead).max() < 0.08
    newest = found.links.flow_vps.std() / found.links.flow_vps.mean()
    assert found.steady_vps.std() / found.steady_vps.mean() < newest / 2


def test_a_sudden_change_is_taken_at_its_word() -> None:
    found = belief(motorway([2] * 4), lambda minute: np.full(4, 20.0 if minute > -3 else 60.0))
    assert found.steady_vps == pytest.approx(20 / 60)
    assert found.growth_vps2 == pytest.approx(0.0)


def test_the_jam_that_growing_demand_will_bring_is_forecast_before_it_is_there() -> None:
    """Three lanes become two (1.0 veh/s). 0.9 come, all drive freely: only the trend tells."""
    network = motorway([3, 3, 3, 3, 2, 2])
    growing = forecast(network, lambda minute: np.full(6, 60.0 * (0.9 + 0.012 * (minute - 0.5))))
    before = growing.speed_mps[:, 3]  # the link before the bottleneck
    assert before[0] > 27.0
    assert before[-1] < 10.0
    assert (growing.speed_mps[:, 4:] > 25.0).all()  # behind it traffic is free
    assert growing.flow_vps[-1, 5] == pytest.approx(1.0, rel=0.01)  # its capacity, no more
    steady = forecast(network, lambda _: np.full(6, 54.0))
    assert (steady.speed_mps > 27.0).all()


def test_a_queue_that_drivers_keep_loose_does_not_run_into_its_own_head() -> None:
    """Real queues are less dense than the diagram's; where traffic stood it goes on standing."""
    network = motorway([3] * 6)
    speeds = np.array([29.0, 29.0, 9.0, 9.0, 9.0, 29.0])
    perception = Perception(network)
    for minute in range(-29, 1):
        perception.observe(
            ReadingBatch(
                np.arange(6, dtype=np.int32),
                np.full(6, NOW_US + minute * MINUTE_US),
                np.full(6, 60_000, np.int64),
                np.full(6, 50.0),
                speeds,
                np.full(6, np.nan),
            )
        )
    given = forecast_input(forecast_network(network), perception, Incidents(network), NOW_US)
    ahead = make_forecast(given).speed_mps
    assert (ahead[:6, 2:5] < 15.0).all()
    assert (ahead[:6, 5] > 25.0).all()
