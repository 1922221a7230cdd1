"""The live state scores its own forecasts by what its detectors measure."""

from __future__ import annotations

import numpy as np
import pytest

from twin.columns import ReadingBatch
from twin.forecast.result import Forecast
from twin.forecast.scoreboard import Field
from twin.ids import LinkId, NodeId, SensorId
from twin.live import Live, LiveBatch
from twin.network.model import Link, LinkClass, Node, Sensor, SingleMap

MINUTE_US = 60_000_000
START_US = 30_000_000 * MINUTE_US
NODES = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(3))
MAP = SingleMap(
    name="two",
    version="2" * 32,
    timezone="UTC",
    nodes=NODES,
    links=tuple(
        Link(
            LinkId(f"l{k}"),
            NODES[k].id,
            NODES[k + 1].id,
            (NODES[k].point, NODES[k + 1].point),
            1000.0,
            2,
            30.0,
            1.1,
            LinkClass.MOTORWAY,
            road="A",
        )
        for k in range(2)
    ),
    sensors=(Sensor(SensorId("s"), LinkId("l0"), 10.0, (0.0, 0.0), 60.0),),
)


def live() -> Live:
    """Begin without any past."""
    return Live(MAP, rules=None, automatic=frozenset(), lease_s=15.0, timezone="UTC")


def minute_of(speed_mps: float, minute: int) -> LiveBatch:
    """Let the detector tell one minute."""
    now_us = START_US + minute * MINUTE_US
    one = ReadingBatch(
        np.zeros(1, np.int32),
        np.array([now_us]),
        np.array([60_000]),
        np.array([20.0]),
        np.array([speed_mps]),
        np.array([np.nan]),
    )
    return LiveBatch(now_us=now_us, readings=one)


def said(minute: int, speed_mps: float) -> Forecast:
    """Make a forecast for both links."""
    shape = (12, 2)
    return Forecast(
        id=f"f{minute}",
        made_us=START_US + minute * MINUTE_US,
        map_version=MAP.version,
        step_s=300.0,
        speed_mps=np.full(shape, speed_mps),
        speed_lo_mps=np.full(shape, speed_mps - 1.0),
        speed_hi_mps=np.full(shape, speed_mps + 1.0),
        flow_vps=np.full(shape, 0.3),
        density_vpm=np.full(shape, 0.02),
        method=np.ones(2, np.uint8),
    )


def drive(state: Live, upto: int, *, slow_from: int) -> None:
    """Let minutes pass: 20 m/s, and 15 m/s from one minute on."""
    for minute in range(1, upto + 1):
        state.observe(minute_of(20.0 if minute < slow_from else 15.0, minute))
        now_us = START_US + minute * MINUTE_US + 5_000_000
        if minute == 3:
            assert state.take_forecast(said(minute, 18.0), now_us)
        state.picture(now_us)


def test_the_first_step_is_scored_two_minutes_after_its_end_where_it_was_measured() -> None:
    state = live()
    drive(state, 9, slow_from=4)
    assert state.picture(START_US + 9 * MINUTE_US).scores is not None
    before = state.picture(START_US + 9 * MINUTE_US + 59_000_000).scores
    after = state.picture(START_US + 10 * MINUTE_US).scores
    assert before is not None
    assert after is not None
    assert not before.samples.any()
    assert after.samples.tolist() == [1.0, 0.0]  # nobody measures the second link
    assert after.steps[Field.ERROR, 0] == pytest.approx(3.0)
    assert after.steps[Field.LAST_ERROR, 0] == pytest.approx(5.0)


def test_scores_stand_after_a_restart_and_do_not_change_what_is_known() -> None:
    state = live()
    drive(state, 12, slow_from=4)
    again = live()
    again.restore(state.state_bytes())
    kept = again.picture(START_US + 12 * MINUTE_US + 6_000_000)
    shown = state.picture(START_US + 12 * MINUTE_US + 6_000_000)
    assert kept.scores is not None
    assert shown.scores is not None
    assert kept.scores.samples.tolist() == shown.scores.samples.tolist()
    assert again.state_hash() == state.state_hash()


def test_an_hour_is_handed_out_once() -> None:
    state = live()
    drive(state, 70, slow_from=4)
    (hour,) = state.closed_scores()
    assert hour.end_us == START_US + 60 * MINUTE_US
    assert hour.map_version == MAP.version
    assert hour.sums[Field.SAMPLES].sum() == 11  # the twelfth step ends after the hour
    assert state.closed_scores() == ()
