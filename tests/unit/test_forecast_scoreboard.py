"""Forecasts are held against what came true, beside the trivial ones, when their time has come."""

from __future__ import annotations

import numpy as np
import pytest

from twin.columns import Floats
from twin.forecast.result import Forecast
from twin.forecast.scoreboard import (
    HALF_LIFE_H,
    MINUTE_US,
    Field,
    Scoreboard,
    ScoreHour,
    Turn,
    TurnField,
)

FIRST = 30_000_000  # minute of the first forecast: on the hour
NONE = float("nan")


def forecast(minute: int, speed: Floats, *, wide: float = 1.0, second: int = 0) -> Forecast:
    """Make a forecast of twelve steps; `speed` is (links,) or (12, links)."""
    said = np.broadcast_to(speed, (12, speed.shape[-1])).astype(np.float64)
    return Forecast(
        id=f"f{minute}",
        made_us=minute * MINUTE_US + second * 1_000_000,
        map_version="m",
        step_s=300.0,
        speed_mps=said,
        speed_lo_mps=said - wide,
        speed_hi_mps=said + wide,
        flow_vps=said,
        density_vpm=said,
        method=np.ones(said.shape[1], np.uint8),
    )


def board(links: int = 1, free: float = 30.0) -> Scoreboard:
    """Make a scoreboard."""
    return Scoreboard(np.full(links, free), map_version="m")


def add(
    scored: Scoreboard, minute: int, said: list[float], last: list[float], usual: list[float]
) -> None:
    """Add a forecast that says the same at every step."""
    scored.add(
        forecast(minute, np.array(said), second=20),
        last_mps=np.array(last),
        usual_mps=np.tile(np.array(usual), (12, 1)),
    )


def run(scored: Scoreboard, upto: int, truth: list[float]) -> list[ScoreHour]:
    """Score every minute up to one with the same measured speeds."""
    closed = [scored.score(minute, np.array(truth)) for minute in scored.due(upto * MINUTE_US)]
    return [hour for hour in closed if hour is not None]


def test_each_step_is_scored_at_its_own_minute_and_once() -> None:
    scored = board()
    add(scored, FIRST, [20.0], [25.0], [18.0])
    run(scored, FIRST + 4, [22.0])
    assert not scored.scores().samples.any()
    run(scored, FIRST + 5, [22.0])
    assert scored.scores().samples.tolist() == [1.0]
    for minute in range(6, 61):
        run(scored, FIRST + minute, [22.0])
    found = scored.scores().steps
    assert found[Field.SAMPLES].tolist() == [1.0] * 12
    share = found[Field.ERROR] / found[Field.SAMPLES]
    assert share == pytest.approx(np.full(12, 2.0))
    assert found[Field.LAST_ERROR] / found[Field.SAMPLES] == pytest.approx(np.full(12, 3.0))
    assert found[Field.USUAL_ERROR] / found[Field.SAMPLES] == pytest.approx(np.full(12, 4.0))


def test_skill_is_against_the_better_of_the_trivial_ones() -> None:
    scored = board(links=4)
    run(scored, FIRST, [20.0] * 4)
    for minute in range(10):
        add(
            scored,
            FIRST + minute,
            said=[21.0, 21.0, 23.0, 21.0],
            last=[24.0, 24.0, 24.0, 20.5],
            usual=[22.0, NONE, 22.0, NONE],
        )
    run(scored, FIRST + 30, [20.0] * 4)
    found = scored.scores()
    assert found.link_skill == pytest.approx([0.5, 0.75, -0.5, -1.0])
    assert found.skill[0].astype(float) == pytest.approx([0.5, 0.75, -0.5, -1.0])
    assert np.isnan(found.skill[11]).all()
    assert found.coverage.tolist() == [1.0, 1.0, 0.0, 1.0]


def test_a_link_is_distrusted_below_zero_on_enough_samples_only() -> None:
    scored = board(links=2)
    run(scored, FIRST - 5, [20.0, 20.0])
    for minute in range(5):
        add(scored, FIRST - minute, [22.0, 20.0], [21.0, 21.0], [NONE, NONE])
    run(scored, FIRST + 59, [20.0, 20.0])
    assert scored.scores().samples.tolist() == [59.0, 59.0]
    assert scored.scores().distrusted.tolist() == [0, 0]
    run(scored, FIRST + 60, [20.0, 20.0])
    assert scored.scores().samples.tolist() == [60.0, 60.0]
    assert scored.scores().distrusted.tolist() == [1, 0]


@pytest.mark.parametrize(("error", "marked"), [(2.1, 1), (2.0, 0), (1.9, 0)])
def test_no_worse_than_the_last_value_is_trusted(error: float, marked: int) -> None:
    scored = board()
    run(scored, FIRST, [20.0])
    for minute in range(60):
        add(scored, FIRST + minute, [20.0 + error], [22.0], [NONE])
        run(scored, FIRST + minute, [20.0])
    assert scored.scores().samples[0] >= 60.0
    # float16 keeps a speed to 0.016 m/s: equal speeds are equal errors all the same
    assert scored.scores().distrusted.tolist() == [marked]


def test_what_was_not_measured_is_not_scored() -> None:
    scored = board(links=3)
    run(scored, FIRST, [20.0] * 3)
    add(scored, FIRST, [20.0, NONE, 20.0], [20.0, 20.0, NONE], [20.0] * 3)
    run(scored, FIRST + 5, [NONE, 20.0, 20.0])
    assert not scored.scores().samples.any()


def test_onset_and_recovery_are_apart() -> None:
    scored = board(links=3)
    run(scored, FIRST, [20.0] * 3)
    # 18 m/s is the border: 0.6 of 30
    add(scored, FIRST, [15.0, 25.0, 10.0], last=[25.0, 10.0, 25.0], usual=[NONE] * 3)
    run(scored, FIRST + 5, [10.0, 20.0, 18.0])
    turns = scored.scores().turns[:, :, 0]
    assert turns[Turn.ONSET, TurnField.SAMPLES] == 1.0
    assert turns[Turn.ONSET, TurnField.ERROR] == pytest.approx(5.0)
    assert turns[Turn.ONSET, TurnField.LAST_ERROR] == pytest.approx(15.0)
    assert turns[Turn.ONSET, TurnField.FORESEEN] == 1.0
    assert turns[Turn.RECOVERY, TurnField.SAMPLES] == 1.0
    assert turns[Turn.RECOVERY, TurnField.ERROR] == pytest.approx(5.0)


def test_an_hour_is_closed_once_and_old_ones_fade() -> None:
    scored = board()
    run(scored, FIRST, [20.0])
    closed: list[ScoreHour] = []
    for minute in range(122):
        if minute < 60:
            add(scored, FIRST + minute, [21.0], [22.0], [NONE])
        closed += run(scored, FIRST + minute, [20.0])
    assert [hour.end_us for hour in closed] == [(FIRST + 60) * MINUTE_US, (FIRST + 120) * MINUTE_US]
    total = sum(float(hour.sums[Field.SAMPLES].sum()) for hour in closed)
    assert total == 60 * 12
    first, second = (float(hour.sums[Field.SAMPLES].sum()) for hour in closed)
    fade = 0.5 ** (1.0 / HALF_LIFE_H)
    assert scored.scores().samples[0] == pytest.approx(first * fade**2 + second * fade)
    assert scored.scores().link_skill[0] == pytest.approx(0.5)


def test_sums_survive_a_restart_and_nothing_grows() -> None:
    scored = board(links=2)
    run(scored, FIRST, [20.0, 20.0])
    for minute in range(300):
        add(scored, FIRST + minute, [21.0, 19.0], [22.0, 20.0], [NONE, 20.0])
        run(scored, FIRST + minute, [20.0, 20.0])
        assert len(scored._waiting) <= 62
    again = board(links=2)
    again.restore(scored.state())
    assert np.array_equal(again.scores().samples, scored.scores().samples)
    assert again.due((FIRST + 300) * MINUTE_US) == scored.due((FIRST + 300) * MINUTE_US)
    other = board(links=3)
    other.restore(scored.state())
    assert not other.scores().samples.any()


def test_a_restart_goes_on_to_the_bit_and_keeps_the_measured_links_alone() -> None:
    went_on, links = board(links=500), 500
    row = np.full(links, NONE)
    row[[3, 7]] = 20.3, 17.1
    for minute in range(90):
        add(went_on, FIRST + minute, [21.1] * links, row.tolist(), [NONE] * links)
        run(went_on, FIRST + minute, row.tolist())
    kept = went_on.state()
    assert kept["score_links"].tolist() == [3, 7]
    assert sum(array.nbytes for array in kept.values()) < 10_000  # all links: 336,000
    again = board(links=links)
    again.restore(kept)
    again._waiting = dict(went_on._waiting)
    for scored in (went_on, again):
        for minute in range(90, 200):
            add(scored, FIRST + minute, [21.1] * links, row.tolist(), [NONE] * links)
            run(scored, FIRST + minute, row.tolist())
    before, after = went_on.state(), again.state()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert np.array_equal(went_on.scores().link_skill, again.scores().link_skill, equal_nan=True)


def test_sums_of_every_link_as_they_were_kept_once_are_taken() -> None:
    scored = board(links=2)
    add(scored, FIRST, [21.0, 19.0], [22.0, NONE], [NONE, NONE])
    run(scored, FIRST, [20.0, NONE])
    run(scored, FIRST + 30, [20.0, NONE])
    once = scored.state()
    del once["score_links"]
    once["score_scored"] = once["score_scored"][:1]
    for name in ("score_old_sums", "score_hour_sums"):
        whole = np.zeros((*once[name].shape[:2], 2), np.float32)
        whole[:, :, :1] = once[name]
        once[name] = whole
    again = board(links=2)
    again.restore(once)
    assert again.scores().samples.tolist() == scored.scores().samples.tolist() == [6.0, 0.0]
