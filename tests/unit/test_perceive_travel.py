"""Travel times from two sightings: near the truth, whatever is missed, misread, or stops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from twin.columns import Floats, Ints
from twin.perceive.travel import (
    CELL_US,
    KEPT_US,
    LEAST_VEHICLES,
    GatePair,
    TravelTimes,
    typical_time,
)

START_US = 1_781_600_400_000_000 // CELL_US * CELL_US
PAIRS = (GatePair(0, 1, 240.0), GatePair(1, 2, 300.0))


class Day(NamedTuple):
    """Sightings, and by pair the trips of who went through: arrival and travel time."""

    time_us: Ints
    gate: Ints
    vehicle: Ints
    arrived_s: tuple[Floats, ...]
    lasted_s: tuple[Floats, ...]


def drive(
    *,
    seed: int,
    missed: float = 0.0,
    misread: float = 0.0,
    stopping: float = 0.0,
    hours: float = 1.5,
) -> Day:
    """Let 900 vehicles an hour pass three gates, slower and slower after half an hour."""
    rng = np.random.default_rng(seed)
    count = round(900 * hours)
    first_s = np.sort(rng.uniform(0.0, 3600.0 * hours, count))
    slow = 1.0 + np.clip((first_s - 1800.0) / 1800.0, 0.0, 1.2)
    own = rng.lognormal(0.0, 0.06, count)
    legs = [slow * own * rng.lognormal(0.0, 0.03, count) * free for free in (250.0, 320.0)]
    stops = [rng.uniform(size=count) < stopping for _ in legs]
    delays = [np.where(stop, rng.uniform(120.0, 1500.0, count), 0.0) for stop in stops]
    times = [first_s, first_s + legs[0] + delays[0]]
    times.append(times[1] + legs[1] + delays[1])
    columns: list[tuple[Floats, Ints, Ints]] = []
    for gate, passed_s in enumerate(times):
        seen = rng.uniform(size=count) >= missed
        wrong = rng.uniform(size=count) < misread
        name = np.where(wrong, rng.integers(10_000, 10_000 + 20 * count, count), np.arange(count))
        columns.append((passed_s[seen], np.full(seen.sum(), gate), name[seen]))
    passed, gates, names = (np.concatenate(part) for part in zip(*columns, strict=True))
    return Day(
        START_US + np.round(passed * 1e6).astype(np.int64),
        gates.astype(np.int64),
        names.astype(np.int64),
        tuple(times[leg + 1][~stops[leg]] for leg in range(2)),
        tuple(legs[leg][~stops[leg]] for leg in range(2)),
    )


def relative_errors(day: Day) -> Floats:
    """Return |told - true median| / true median of every interval that is told."""
    found = TravelTimes(PAIRS)
    found.observe(day.time_us, day.gate, day.vehicle)
    errors = []
    for cell in found.cells(START_US + 4 * 3600 * 1_000_000):
        end_s = (cell.end_us - START_US) / 1e6
        arrived = day.arrived_s[cell.pair]
        there = (arrived > end_s - CELL_US / 1e6) & (arrived <= end_s)
        true_s = float(np.median(day.lasted_s[cell.pair][there]))
        errors.append(abs(cell.median_s - true_s) / true_s)
    return np.array(errors)


@pytest.mark.parametrize("seed", range(5))
def test_clean_trips_within_two_per_cent(seed: int) -> None:
    errors = relative_errors(drive(seed=seed))
    assert len(errors) > 25
    assert np.median(errors) < 0.02
    assert np.quantile(errors, 0.95) < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_misread_and_missed_plates_within_five_per_cent(seed: int) -> None:
    errors = relative_errors(drive(seed=seed, missed=0.2, misread=0.1, stopping=0.15))
    assert len(errors) > 25
    assert np.median(errors) < 0.02
    assert np.quantile(errors, 0.9) < 0.05


def test_stops_of_four_in_ten_do_not_move_it() -> None:
    errors = relative_errors(drive(seed=7, missed=0.2, misread=0.1, stopping=0.4))
    assert np.median(errors) < 0.05


def test_the_filter_takes_the_trips_that_went_through() -> None:
    times = np.concatenate([np.linspace(290.0, 310.0, 21), np.linspace(600.0, 2000.0, 14)])
    median, sd, kept = typical_time(times)
    assert median == pytest.approx(300.0, rel=0.01)
    assert kept == 21
    assert sd == pytest.approx(0.02 * median)  # the floor
    wide, spread, _ = typical_time(np.linspace(200.0, 400.0, 11))
    assert wide == pytest.approx(300.0, rel=0.1)
    assert spread > 0.02 * wide


def some(vehicles: int, *, arrive_s: float = 200.0) -> TravelTimes:
    """Let vehicles need 250 s from gate 0 to 1 and arrive within one interval."""
    found = TravelTimes(PAIRS)
    gap_us = np.arange(vehicles) * 1_000_000
    arrive_us = START_US + round(arrive_s * 1e6) + gap_us
    time_us = np.concatenate([arrive_us - 250_000_000, arrive_us])
    gate = np.repeat([0, 1], vehicles)
    found.observe(time_us, gate, np.tile(np.arange(vehicles), 2))
    return found


def test_few_vehicles_are_not_told_and_counts_are_rounded() -> None:
    end_us = START_US + CELL_US
    assert some(LEAST_VEHICLES - 1).cells(end_us) == ()
    (told,) = some(LEAST_VEHICLES).cells(end_us)
    assert (told.vehicles, told.median_s, told.end_us) == (10, 250.0, end_us)
    assert [cell.vehicles for cell in some(13).cells(end_us)] == [15]


def test_an_interval_is_told_when_it_is_over() -> None:
    assert some(20).cells(START_US + CELL_US - 1) == ()
    assert some(20).cells(START_US + CELL_US, wait_us=1) == ()
    assert len(some(20).cells(START_US + CELL_US)) == 1


def test_one_vehicle_many_times_is_one_vehicle() -> None:
    found = TravelTimes((GatePair(0, 1, 10.0), GatePair(1, 0, 10.0)))
    time_us = START_US + np.arange(40) * 7_000_000
    found.observe(time_us, np.arange(40) % 2, np.zeros(40, np.int64))
    assert found.cells(START_US + CELL_US) == ()


def test_who_is_seen_in_between_makes_no_longer_way() -> None:
    found = TravelTimes((GatePair(0, 2, 200.0),))
    time_us = START_US + np.tile(np.arange(3) * 100_000_000, 20) + np.repeat(np.arange(20), 3)
    found.observe(time_us, np.tile(np.arange(3), 20), np.repeat(np.arange(20), 3))
    assert found.trips()[0].size == 0


def test_order_and_cut_of_sightings_change_nothing_and_they_are_forgotten() -> None:
    day = drive(seed=3, missed=0.2, misread=0.1)
    whole, parts = TravelTimes(PAIRS), TravelTimes(PAIRS)
    whole.observe(day.time_us, day.gate, day.vehicle)
    order = np.random.default_rng(1).permutation(len(day.gate))
    for rows in np.array_split(order, 7):
        parts.observe(day.time_us[rows], day.gate[rows], day.vehicle[rows])
        parts.observe(day.time_us[rows], day.gate[rows], day.vehicle[rows])
    later_us = START_US + 4 * 3600 * 1_000_000
    assert parts.cells(later_us) == whole.cells(later_us)
    again = TravelTimes(PAIRS)
    again.restore(whole.state())
    assert again.cells(later_us) == whole.cells(later_us)
    again.forget(int(day.time_us.max()) + KEPT_US)
    assert again.cells(later_us) == ()
    assert not any(len(column) for column in again.state().values())
