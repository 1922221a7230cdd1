"""What goes into a link's value: effective lengths, kinds of mean speed, and which sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.columns import ReadingBatch
from twin.errors import MapError
from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap
from twin.perceive.estimate import Perception
from twin.perceive.kernels import links as kernel
from twin.perceive.state import Origin, Source

MINUTE_US = 60_000_000
START_US = 1_781_600_400_000_000


def road(*sensors: Sensor) -> SingleMap:
    """Draw three links of two lanes, free at 30 m/s."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(4))
    links = tuple(
        Link(
            LinkId(f"l{k}"),
            nodes[k].id,
            nodes[k + 1].id,
            (nodes[k].point, nodes[k + 1].point),
            600.0,
            2,
            30.0,
            1.2,
            LinkClass.MOTORWAY,
            road="A1-N",
        )
        for k in range(3)
    )
    return SingleMap(
        name="road", version="0" * 32, timezone="UTC", nodes=nodes, links=links, sensors=sensors
    )


def sensor(name: str, link: int, **extra: str) -> Sensor:
    """Put a detector over both lanes."""
    given = tuple(sorted(extra.items()))
    return Sensor(SensorId(name), LinkId(f"l{link}"), 300.0, (0.0, 0.0), 60.0, lanes=2, extra=given)


def tell(
    perception: Perception, minute: int, *, count: float, speed: float, occupancy: float
) -> None:
    """Let sensor 0 report one minute."""
    perception.observe(
        ReadingBatch(
            sensor=np.zeros(1, np.int32),
            time_us=np.array([START_US + minute * MINUTE_US]),
            period_ms=np.array([60_000]),
            count=np.array([count]),
            speed_mps=np.array([speed]),
            occupancy_frac=np.array([occupancy]),
        )
    )


def test_the_effective_length_is_learned_in_free_traffic_and_makes_densities_right() -> None:
    """8 m at 30 m/s: 20 vehicles a minute on two lanes cover the loops for 4.44 % of the time."""
    perception = Perception(road(sensor("s", 0)))
    truth_m, count, speed = 8.0, 20.0, 30.0
    for minute in range(120):
        occupancy = count / 60.0 / 2 * truth_m / speed
        tell(perception, minute, count=count, speed=speed, occupancy=occupancy)
    tell(perception, 200, count=np.nan, speed=np.nan, occupancy=0.3)
    state = perception.link_state(START_US + 200 * MINUTE_US)
    density = 0.3 / truth_m * 2
    assert state.density_vpm[0] == pytest.approx(density, rel=0.03)
    assert abs(state.density_vpm[0] - density) < 2.0 * state.density_sd_vpm[0]
    assert state.density_sd_vpm[0] < 0.10 * density
    assert state.origins[0] == Origin.OCCUPANCY
    assert state.detectors[0] == 1


def test_nothing_is_learned_in_a_queue_and_the_prior_is_wide() -> None:
    """What a loop says of slow traffic does not change its length: 6.5 m, ±15 %."""
    perception = Perception(road(sensor("s", 0)))
    for minute in range(30):
        tell(perception, minute, count=20.0, speed=5.0, occupancy=0.5)
    tell(perception, 100, count=np.nan, speed=np.nan, occupancy=0.3)
    state = perception.link_state(START_US + 100 * MINUTE_US)
    assert state.density_vpm[0] == pytest.approx(0.3 * 2 / 6.5)
    assert state.density_sd_vpm[0] == pytest.approx(0.15 * 0.3 * 2 / 6.5)


def test_lengths_are_bounded_and_come_back_after_a_restart() -> None:
    """A loop that is always covered too long does not make vehicles of 60 m."""
    perception = Perception(road(sensor("s", 0)))
    for minute in range(300):
        tell(perception, minute, count=4.0, speed=30.0, occupancy=0.1)
    again = Perception(road(sensor("s", 0)))
    again.restore(perception.state())
    assert again.hash() == perception.hash()
    tell(again, 400, count=np.nan, speed=np.nan, occupancy=0.12)
    state = again.link_state(START_US + 400 * MINUTE_US)
    assert state.density_vpm[0] == pytest.approx(0.12 * 2 / 12.0)


def test_a_state_of_a_version_before_is_taken_over_without_lengths() -> None:
    """Older snapshots know none."""
    perception = Perception(road(sensor("s", 0)))
    state = perception.state()
    del state["length_sums"]
    perception.restore(state)
    assert not perception.state()["length_sums"].any()


def test_a_time_mean_is_turned_into_a_space_mean() -> None:
    """v - var / v with 20 % between vehicles: 4 % less; what was measured is shown as it came."""
    perception = Perception(road(sensor("s", 0, speed_mean="time", speed_cv="0.2")))
    tell(perception, 0, count=20.0, speed=25.0, occupancy=np.nan)
    state = perception.link_state(START_US)
    assert state.speed_mps[0] == pytest.approx(24.0)
    assert state.density_vpm[0] == pytest.approx(20.0 / 60.0 / 24.0)
    assert perception.measured().speed_mps[0] == 25.0
    assert state.origins[0] == Origin.SPEEDS | Origin.COUNTS
    minute = START_US // MINUTE_US
    assert perception.measured_speed(minute, minutes=1)[0] == pytest.approx(24.0, rel=1e-4)


@pytest.mark.parametrize(
    "extra",
    [
        {"speed_mean": "median"},
        {"speed_mean": "time", "speed_cv": "much"},
        {"speed_mean": "time", "speed_cv": "0.9"},
    ],
)
def test_other_words_about_a_mean_speed_are_refused_by_name(extra: dict[str, str]) -> None:
    """The fault names the sensor."""
    with pytest.raises(MapError, match="sensor s"):
        Perception(road(sensor("s", 0, **extra)))


def found(speed: float, var: float) -> kernel.Found:
    """Make three links of which the first is measured."""
    belief = np.full((3, kernel.BELIEF_FIELDS), np.nan)
    belief[0, kernel.B_SPEED], belief[0, kernel.B_SPEED_VAR] = speed, var
    belief[0, kernel.B_AGE] = 10.0
    zeros = [np.zeros(3, np.int64) for _ in range(4)]
    for column in zeros[:2]:
        column[0] = 1
    return kernel.Found(belief, *zeros)


def test_neighbours_and_the_usual_day_are_merged_by_inverse_variance() -> None:
    """Of two that agree the surer counts for more; of two that do not, only who saw it today."""
    places = Perception(road(sensor("s", 0))).layout.places
    usual = np.full((3, 4), np.nan)
    alone = found(20.0, 1.0)
    kernel.fill_links(places, usual, alone)
    beside, beside_var = alone.belief[1, kernel.B_SPEED], alone.belief[1, kernel.B_SPEED_VAR]
    usual[1, :2] = beside + 1.0, beside_var
    both = found(20.0, 1.0)
    kernel.fill_links(places, usual, both)
    assert both.belief[1, kernel.B_SPEED] == pytest.approx(beside + 0.5)
    assert both.belief[1, kernel.B_SPEED_VAR] == pytest.approx(beside_var / 2)
    assert both.origins[1] == Origin.NEIGHBOURS | Origin.USUAL_DAY
    assert both.source[1] == Source.NEIGHBOURS
    usual[1, :2] = beside + 5.0 * np.sqrt(beside_var), beside_var
    apart = found(20.0, 1.0)
    kernel.fill_links(places, usual, apart)
    assert apart.belief[1, kernel.B_SPEED] == beside
    assert apart.origins[1] == Origin.NEIGHBOURS


def test_no_merged_value_is_surer_than_the_floor() -> None:
    """Two sure words leave two percent."""
    places = Perception(road(sensor("s", 0))).layout.places
    sure = found(20.0, 1e-6)
    usual = np.full((3, 4), np.nan)
    usual[1, :2] = 20.0, 1e-6
    kernel.fill_links(places, usual, sure)
    assert sure.belief[1, kernel.B_SPEED_VAR] >= (0.0199 * 20.0) ** 2


def test_the_length_of_a_link_with_a_detector_each_lane_is_the_same() -> None:
    """One detector over two lanes and two over one each say the same density."""
    whole = Perception(road(sensor("s", 0)))
    lanes = Perception(road(*(replace(sensor(f"s{k}", 0), lanes=1) for k in range(2))))
    tell(whole, 0, count=np.nan, speed=np.nan, occupancy=0.2)
    lanes.observe(
        ReadingBatch(
            sensor=np.arange(2, dtype=np.int32),
            time_us=np.full(2, START_US),
            period_ms=np.full(2, 60_000),
            count=np.full(2, np.nan),
            speed_mps=np.full(2, np.nan),
            occupancy_frac=np.array([0.1, 0.3]),
        )
    )
    one, two = whole.link_state(START_US), lanes.link_state(START_US)
    assert one.density_vpm[0] == pytest.approx(two.density_vpm[0])
    assert two.detectors[0] == 2
