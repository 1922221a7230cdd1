"""Whatever the series and however short: never much worse than the last value."""

from __future__ import annotations

import copy
from datetime import datetime

import numpy as np
import pytest

from forecast_series import DAY, chain, corridor, walk
from twin.columns import Floats
from twin.evaluate.backtest import (
    Backtest,
    Setting,
    learn,
    mean_errors,
    play,
    run_backtest,
    truths,
)
from twin.evaluate.backtest_files import Series
from twin.forecast.learned import fit

START = datetime(2026, 3, 2)  # noqa: DTZ001
MOST = 1.02


def last_errors(values: Floats, found: Backtest) -> Floats:
    """Return the errors of the last valid value, (12,)."""
    last = values.copy()
    for row in range(1, len(last)):
        last[row] = np.where(np.isfinite(values[row]), values[row], last[row - 1])
    held = np.repeat(last[found.rows][:, None], 12, axis=1)
    return mean_errors(held, truths(values, found.rows))


def held(values: Floats, setting: Setting | None = None) -> None:
    """Fail where any step is more than 2 % worse than the last value."""
    found = run_backtest(Series(values, START), setting)
    ours, theirs = mean_errors(found.value, truths(values, found.rows)), last_errors(values, found)
    assert (ours <= MOST * theirs + 1e-9).all(), ours / theirs


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow fewer trees: what is tested here is the guard, and worse experts test it harder."""
    monkeypatch.setattr(fit, "ROUNDS", 10)
    monkeypatch.setattr(fit, "SILENT_ROUNDS", 60)


@pytest.mark.parametrize("rows", [26, 30, 48, 72, 144])
@pytest.mark.parametrize("begin", [60, 170])
def test_short_histories(rows: int, begin: int) -> None:
    held(corridor(2.0)[begin : begin + rows], Setting(chain(8)))


@pytest.mark.parametrize("stations", [1, 6])
def test_random_walks(stations: int) -> None:
    held(walk(420, stations))


def test_days_in_another_order() -> None:
    days = corridor(3.0, 6).reshape(3, DAY, 6)
    days[2] = np.roll(days[2], 70, axis=0)  # the last jam comes six hours late
    held(days[[1, 0, 2]].reshape(-1, 6)[: 2 * DAY + 120])


def test_no_training_part() -> None:
    held(corridor(1.5, 5), Setting(shares=(0.0, 0.0)))


def test_constant_is_exact() -> None:
    values = np.full((200, 3), 61.7)
    found = run_backtest(Series(values, None))
    assert found.value == pytest.approx(61.7, rel=1e-9)


def test_stations_that_never_spoke_get_a_word_of_the_others_and_hurt_nobody() -> None:
    values = corridor(1.2, 5)
    alone = run_backtest(Series(values, START), Setting(shares=(0.3, 0.1)))
    more = np.column_stack([values, np.full(len(values), np.nan)])
    found = run_backtest(Series(more, START), Setting(shares=(0.3, 0.1)))
    middle = np.median(found.value[:, :, :5], axis=2)
    assert found.value[:, :, 5] == pytest.approx(middle, rel=1e-12)
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    truth = truths(values, found.rows)
    ours, theirs = mean_errors(found.value[:, :, :5], truth), mean_errors(alone.value, truth)
    assert (ours < 1.03 * theirs).all()


def test_a_station_that_comes_late_is_forecast_at_once() -> None:
    values = corridor(1.5, 5)
    values[:350, 2] = np.nan
    found = run_backtest(Series(values, START), Setting(shares=(0.5, 0.1)))
    begins = 350 - int(found.rows[0])
    assert begins > 0
    others = np.delete(found.value[begins - 1], 2, axis=1)
    assert found.value[begins - 1, :, 2] == pytest.approx(np.median(others, axis=1), rel=1e-12)
    own = np.abs(found.value[begins, 0, 2] - values[350, 2])
    assert own < np.abs(np.median(found.value[begins, 0]) - values[350, 2]) + 1e-9


def test_a_station_that_dies_follows_those_beside_it() -> None:
    values = corridor(3.0, 8)
    setting = Setting(chain(8), shares=(0.6, 0.1))
    engine, _ = learn(Series(values, START), setting)
    found = play(copy.deepcopy(engine), values, setting)
    silent = values.copy()
    silent[int(found.rows[0]) :, 3] = np.nan
    dead = play(engine, silent, setting)
    truth = truths(values, found.rows)[:, 2, 3]
    stuck = np.abs(values[found.rows[0] - 1, 3] - truth).mean()
    alive = np.abs(found.value[:, 2, 3] - truth).mean()
    spoken_for = np.abs(dead.value[:, 2, 3] - truth).mean()
    assert spoken_for < 0.5 * stuck
    assert spoken_for < 2.5 * alive  # its own road alone speaks for it, and every jam is new


@pytest.mark.parametrize("share", [0.6, 0.8, 0.9])
def test_most_readings_missing(share: float) -> None:
    """What is missing now and then is no dead station: its last word counts."""
    values = corridor(2.0, 6)[60:400].copy()
    values[np.random.default_rng(5).random(values.shape) < share] = np.nan
    held(values)
