"""Ids, units and clocks: the words that everyone shares."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from twin import units
from twin.clock import (
    ManualClock,
    ScaledClock,
    WallClock,
    datetime_from_us,
    iso_from_us,
    us_from_datetime,
)
from twin.ids import derived_id


def test_conversions_are_exact_and_go_back() -> None:
    assert units.kph_from_mph(50.0) == 80.4672
    speeds = np.array([0.0, 13.7, 120.0])
    np.testing.assert_allclose(units.kph_from_mps(units.mps_from_kph(speeds)), speeds, rtol=1e-15)
    assert units.vph_from_vps(units.vps_from_vph(1800.0)) == pytest.approx(1800.0)
    assert units.frac_from_pct(140.0) == 1.4


def test_ids_depend_on_where_the_parts_end() -> None:
    assert derived_id("ab", "c") != derived_id("a", "bc")
    assert derived_id("a", 1) == derived_id("a", "1")
    assert len(derived_id()) == 32


def test_times_keep_the_microsecond_and_refuse_the_naive() -> None:
    moment = datetime(2026, 6, 16, 8, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    time_us = us_from_datetime(moment)
    assert datetime_from_us(time_us) == moment
    assert iso_from_us(time_us) == "2026-06-16T06:30:00.123456Z"
    with pytest.raises(ValueError, match="no UTC offset"):
        us_from_datetime(moment.replace(tzinfo=None))


def test_a_scaled_clock_runs_faster_from_its_start() -> None:
    start = us_from_datetime(datetime(2026, 6, 16, tzinfo=UTC))
    one = ScaledClock(start, rate=60.0, origin_ns=0)
    wall = WallClock().now_us()
    assert one.now_us() - start >= wall * 60 - 60
    assert one.wall_seconds(60.0) == 1.0


def test_a_manual_clock_never_goes_back() -> None:
    clock = ManualClock(100)
    clock.advance_to(200)
    clock.advance_to(150)
    assert clock.now_us() == 200
