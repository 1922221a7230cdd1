"""Travel times along a way against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from twin.perceive.journeys import MINUTE_US, Journeys, journeys
from twin.perceive.state import Source

START_US = 1_781_596_800_000_000


def found(speeds: list[list[float]], *, lengths: tuple[float, ...], depart: int = 0) -> Journeys:
    """Drive through minutes with these speeds, (minutes, links), from minute `depart` on."""
    speed = np.array(speeds, np.float64)
    return journeys(
        START_US + MINUTE_US * np.arange(len(speeds)),
        speed,
        np.where(np.isnan(speed), Source.NONE, Source.MEASURED).astype(np.int64),
        length_m=np.tile(np.array(lengths), (len(speeds), 1)),
        depart_us=np.array([START_US + depart * MINUTE_US]),
        period_us=5 * MINUTE_US,
    )


def test_steady_traffic_takes_the_same_both_ways() -> None:
    times = found([[10.0, 20.0]] * 6, lengths=(900.0, 1200.0))
    assert times.instantaneous_s.tolist() == [150.0]
    assert times.experienced_s == pytest.approx([150.0])
    assert times.measured_share.tolist() == [1.0]


def test_a_vehicle_meets_the_jam_that_comes() -> None:
    """900 m at 10 m/s for a minute, then at 2 m/s: 60 s and 150 s. At once it would be 90 s."""
    times = found([[10.0], [2.0], [2.0], [2.0], [2.0]], lengths=(900.0,))
    assert times.experienced_s == pytest.approx([60.0 + 300.0 / 2.0])
    assert times.instantaneous_s == pytest.approx([(90.0 + 4 * 450.0) / 5])


def test_who_stands_waits_for_the_next_minute() -> None:
    times = found([[0.0], [0.0], [10.0], [10.0]], lengths=(100.0,))
    assert times.experienced_s == pytest.approx([120.0 + 10.0])
    assert times.instantaneous_s == pytest.approx([10.0])  # of the minutes that have one


def test_what_is_not_known_is_not_told() -> None:
    assert np.isnan(found([[np.nan, 10.0]] * 5, lengths=(10.0, 10.0)).experienced_s[0])
    assert np.isnan(found([[1.0]] * 3, lengths=(5000.0,)).experienced_s[0])  # the minutes end
    half = found([[np.nan, 10.0]] * 5, lengths=(10.0, 30.0))
    assert half.measured_share == pytest.approx([0.75])


def test_a_gap_in_the_minutes_is_not_driven_through() -> None:
    time_us = START_US + MINUTE_US * np.array([0, 1, 30, 31])
    times = journeys(
        time_us,
        np.full((4, 1), 10.0),
        np.ones((4, 1), np.int64),
        length_m=np.full((4, 1), 3000.0),
        depart_us=np.array([START_US, START_US + 15 * MINUTE_US]),
        period_us=5 * MINUTE_US,
    )
    assert np.isnan(times.experienced_s).all()
    assert times.measured_share.tolist() == [1.0, 0.0]
