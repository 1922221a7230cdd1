"""What perception says about links with, near and without sensors."""

from __future__ import annotations

import numpy as np
import pytest

from twin.columns import ReadingBatch
from twin.errors import MapError
from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap
from twin.perceive.estimate import Perception
from twin.perceive.state import Freshness, Source

MINUTE_US = 60_000_000
START_US = 1_781_600_400_000_000  # a Tuesday morning


def road(links: int, sensors: dict[str, tuple[int, int]], *, timezone: str = "UTC") -> SingleMap:
    """Draw a straight three-lane road; `sensors` maps an id to (link row, lanes)."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(links + 1))
    return SingleMap(
        name="road",
        version="0" * 32,
        timezone=timezone,
        nodes=nodes,
        links=tuple(
            Link(
                LinkId(f"l{k}"),
                nodes[k].id,
                nodes[k + 1].id,
                (nodes[k].point, nodes[k + 1].point),
                600.0,
                3,
                30.0,
                1.8,
                LinkClass.MOTORWAY,
                road="A1-N",
            )
            for k in range(links)
        ),
        sensors=tuple(
            Sensor(SensorId(name), LinkId(f"l{row}"), 300.0, (0.01 * row, 0.0), 60.0, lanes=lanes)
            for name, (row, lanes) in sensors.items()
        ),
    )


def batch(*rows: tuple[int, int, float, float, float], period_s: float = 60.0) -> ReadingBatch:
    """Make readings of (sensor row, minute, count, speed_mps, occupancy_frac)."""
    columns = list(zip(*rows, strict=True))
    return ReadingBatch(
        sensor=np.array(columns[0], np.int32),
        time_us=START_US + np.array(columns[1], np.int64) * MINUTE_US,
        period_ms=np.full(len(rows), round(period_s * 1000), np.int64),
        count=np.array(columns[2], np.float64),
        speed_mps=np.array(columns[3], np.float64),
        occupancy_frac=np.array(columns[4], np.float64),
    )


NONE = float("nan")


def test_flow_of_one_lane_is_scaled_to_all_lanes() -> None:
    perception = Perception(road(1, {"a": (0, 1)}))
    perception.observe(batch((0, 1, 20.0, 25.0, NONE)))
    state = perception.link_state(START_US + MINUTE_US)
    assert state.flow_vps[0] == pytest.approx(3 * 20 / 60)
    assert state.speed_mps[0] == 25.0
    assert state.density_vpm[0] == pytest.approx(1.0 / 25.0)
    assert state.flow_sd_vps[0] == pytest.approx(3 * 20**0.5 / 60)
    assert state.source[0] == Source.MEASURED
    assert state.freshness[0] == Freshness.LIVE
    assert state.age_s[0] == 0.0


def test_three_lane_sensors_are_added_and_speeds_are_a_space_mean() -> None:
    perception = Perception(road(1, {"a": (0, 1), "b": (0, 1), "c": (0, 1)}))
    perception.observe(
        batch((0, 1, 10.0, 20.0, NONE), (1, 1, 20.0, 25.0, NONE), (2, 1, 30.0, 30.0, NONE))
    )
    state = perception.link_state(START_US + MINUTE_US)
    assert state.flow_vps[0] == pytest.approx(1.0)
    assert state.speed_mps[0] == pytest.approx(60 / (10 / 20 + 20 / 25 + 30 / 30))


def test_speeds_alone_make_no_flow() -> None:
    perception = Perception(road(3, {"a": (0, 3)}))
    perception.observe(batch((0, 5, NONE, 12.5, NONE), period_s=300.0))
    state = perception.link_state(START_US + 5 * MINUTE_US)
    assert state.speed_mps[0] == 12.5
    assert np.isnan(state.flow_vps).all()
    assert np.isnan(state.density_vpm).all()


def test_occupancy_gives_the_density_where_nothing_counts() -> None:
    perception = Perception(road(1, {"a": (0, 3)}))
    perception.observe(batch((0, 1, NONE, 20.0, 0.13)))
    state = perception.link_state(START_US + MINUTE_US)
    assert state.density_vpm[0] == pytest.approx(3 * 0.13 / 6.5)


def test_a_standing_queue_is_not_an_empty_road() -> None:
    perception = Perception(road(2, {"a": (0, 3), "b": (1, 3)}))
    perception.observe(batch((0, 1, 0.0, NONE, 0.9), (1, 1, 0.0, NONE, 0.0)))
    state = perception.link_state(START_US + MINUTE_US)
    assert state.speed_mps.tolist() == [0.0, 30.0]
    assert state.density_vpm.tolist() == [pytest.approx(3 * 0.9 / 6.5), 0.0]


def test_neighbours_speak_for_a_link_and_are_less_sure() -> None:
    perception = Perception(road(4, {"a": (0, 3)}))
    perception.observe(batch((0, 1, 60.0, 15.0, NONE)))
    state = perception.link_state(START_US + MINUTE_US)
    assert state.source.tolist() == [Source.MEASURED] + 3 * [Source.NEIGHBOURS]
    assert state.speed_mps.tolist() == pytest.approx(4 * [15.0])
    assert (np.diff(state.speed_sd_mps) > 0).all()
    assert (np.diff(state.flow_sd_vps) > 0).all()


def test_out_of_reach_is_nothing() -> None:
    perception = Perception(road(8, {"a": (0, 3)}))
    perception.observe(batch((0, 1, 60.0, 15.0, NONE)))
    state = perception.link_state(START_US + MINUTE_US)
    assert state.source[7] == Source.NONE
    assert np.isnan(state.speed_mps[7])
    assert state.freshness[7] == Freshness.NO_DATA


@pytest.mark.parametrize(
    ("age_s", "freshness"),
    [
        (90.0, Freshness.LIVE),
        (90.1, Freshness.DELAYED),
        (300.0, Freshness.DELAYED),
        (300.1, Freshness.STALE),
    ],
)
def test_freshness_turns_at_one_and_a_half_and_at_five_periods(
    age_s: float, freshness: Freshness
) -> None:
    perception = Perception(road(1, {"a": (0, 3)}))
    perception.observe(batch((0, 0, 60.0, 15.0, NONE)))
    state = perception.link_state(START_US + round(age_s * 1e6))
    assert state.freshness[0] == freshness
    assert state.age_s[0] == age_s


def test_a_silent_sensor_is_not_used_again() -> None:
    perception = Perception(road(1, {"a": (0, 3)}))
    perception.observe(batch((0, 0, 60.0, 15.0, NONE)))
    state = perception.link_state(START_US + 6 * MINUTE_US)
    assert state.source[0] == Source.NONE
    assert np.isnan(state.speed_mps[0])
    assert state.freshness[0] == Freshness.STALE
    assert state.age_s[0] == 360.0


def test_the_usual_day_speaks_for_a_silent_sensor() -> None:
    perception = Perception(road(1, {"a": (0, 3)}))
    perception.observe(batch(*[(0, minute, 60.0, 15.0, NONE) for minute in range(1, 12)]))
    day_later = START_US + 24 * 60 * MINUTE_US + MINUTE_US
    state = perception.link_state(day_later)
    assert state.source[0] == Source.PROFILE
    assert state.speed_mps[0] == pytest.approx(15.0)
    assert state.flow_vps[0] == pytest.approx(1.0)
    weekend = perception.link_state(START_US + 4 * 24 * 60 * MINUTE_US)
    assert weekend.source[0] == Source.NONE


def test_the_usual_day_follows_the_clocks_of_the_city() -> None:
    perception = Perception(road(1, {"a": (0, 3)}, timezone="Europe/Madrid"))
    before_us = 1_774_594_800_000_000  # Friday 2026-03-27 07:00 UTC = 08:00 in winter time
    after_us = 1_774_850_400_000_000  # Monday 2026-03-30 06:00 UTC = 08:00 in summer time
    slots = perception.local_time.slots(np.array([before_us, after_us], np.int64))
    assert slots.tolist() == [32, 32]


def test_measured_repeats_the_reading_to_the_bit() -> None:
    perception = Perception(road(2, {"a": (0, 3), "b": (1, 3)}))
    speed = 57.3 * 1.609344 / 3.6
    perception.observe(batch((1, 2, NONE, speed, NONE), (1, 1, 7.0, 1.0, 0.5)))
    measured = perception.measured()
    assert measured.time_us.tolist() == [-1, START_US + 2 * MINUTE_US]
    assert measured.speed_mps[1] == speed
    assert np.isnan(measured.count).all()
    assert np.isnan(measured.occupancy_frac).all()


def test_restored_memory_says_the_same() -> None:
    first = Perception(road(3, {"a": (0, 3), "b": (2, 2)}))
    first.observe(batch(*[(k % 2, k, 30.0 + k, 20.0 + k, 0.1) for k in range(40)]))
    second = Perception(road(3, {"a": (0, 3), "b": (2, 2)}))
    second.restore(first.state())
    assert second.hash() == first.hash()
    now_us = START_US + 40 * MINUTE_US
    assert (second.link_state(now_us).speed_mps == first.link_state(now_us).speed_mps).all()


def test_the_memory_of_another_map_is_refused() -> None:
    with pytest.raises(MapError, match="1 sensors"):
        Perception(road(1, {"a": (0, 3)})).restore(Perception(road(2, {})).state())


def test_a_map_without_sensors_is_silent() -> None:
    perception = Perception(road(2, {}))
    perception.observe(ReadingBatch.empty())
    state = perception.link_state(START_US)
    assert np.isnan(state.speed_mps).all()
    assert state.source.tolist() == [0, 0]
