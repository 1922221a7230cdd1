"""Days drawn from means: the same numbers for the same trip, whatever else is changed."""

from __future__ import annotations

import numpy as np
import pytest

from twin.scenario.demand import Departures, Factor, Shift, Stream, Whose, draw_departures
from twin.scenario.draws import key_of, uniform

STREAMS = (
    Stream("a", "W", "E", "car", 400.0, 0.0, 1800.0, (1.0, 3.0)),
    Stream("b", "W", "F", "truck", 50.0, 600.0, 1200.0),
)


def drawn(
    *changes: Factor | Shift, streams: tuple[Stream, ...] = STREAMS, seed: int = 1
) -> Departures:
    return draw_departures(streams, changes, seed=seed, horizon_s=3600.0)


def test_means_and_profiles_hold_over_many_days() -> None:
    counts, early = [], []
    for seed in range(60):
        day = drawn(seed=seed)
        first = day.depart_s[day.stream == 0]
        counts.append(len(first))
        early.append((first < 900.0).sum())
        second = day.depart_s[day.stream == 1]
        assert ((second >= 600.0) & (second < 1200.0)).all()
    assert np.mean(counts) == pytest.approx(400.0, rel=0.02)
    assert np.std(counts) == pytest.approx(20.0, rel=0.3)  # Poisson: days differ
    assert np.sum(early) / np.sum(counts) == pytest.approx(0.25, abs=0.01)


def test_more_demand_adds_trips_and_moves_none() -> None:
    base, more = drawn(), drawn(Factor(Whose(from_s=0.0, until_s=900.0), 1.5))
    rows = np.searchsorted(more.vehicle, base.vehicle)
    assert (more.vehicle[rows] == base.vehicle).all()
    assert (more.depart_s[rows] == base.depart_s).all()
    added = np.setdiff1d(more.vehicle, base.vehicle)
    assert len(added) == pytest.approx(50 + 12.5, abs=25)
    assert (more.depart_s[np.isin(more.vehicle, added)] < 900.0).all()


def test_less_demand_takes_trips_away_and_moves_none() -> None:
    base, less = drawn(), drawn(Factor(Whose(classes=("car",)), 0.5))
    assert np.isin(less.vehicle, base.vehicle).all()
    kept = np.isin(base.vehicle, less.vehicle)
    assert kept[base.stream == 1].all()
    assert kept[base.stream == 0].mean() == pytest.approx(0.5, abs=0.08)


def test_another_stream_changes_nobody() -> None:
    base = drawn()
    more = drawn(streams=(*STREAMS, Stream("c", "E", "W", "car", 30.0, 0.0, 600.0)))
    same = more.stream < 2
    assert (more.vehicle[same] == base.vehicle).all()
    assert (more.depart_s[same] == base.depart_s).all()


def test_a_shift_moves_a_share() -> None:
    base, later = drawn(), drawn(Shift(Whose(), 0.3, 600.0, "s"))
    moved = later.depart_s != base.depart_s
    assert moved.mean() == pytest.approx(0.3, abs=0.06)
    assert np.allclose(later.depart_s[moved], base.depart_s[moved] + 600.0)


def test_seeds_draw_other_days() -> None:
    assert not np.array_equal(drawn(seed=1).depart_s, drawn(seed=2).depart_s)
    assert np.array_equal(drawn(seed=1).depart_s, drawn(seed=1).depart_s)


def test_numbers_are_even_and_do_not_know_each_other() -> None:
    keys = np.arange(20_000, dtype=np.uint64) + key_of("x")
    one, two = uniform(keys, "gap", 1), uniform(keys, "time", 1)
    assert np.histogram(one, bins=10, range=(0, 1))[0].min() > 1800
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03
