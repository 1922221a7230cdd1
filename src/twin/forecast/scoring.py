"""Keeps the scoreboard of the live forecasts: hands it what was measured when the time has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.forecast.result import Forecast
from twin.forecast.scoreboard import MINUTE_US, Scoreboard, ScoreHour, Scores
from twin.network.model import SingleMap
from twin.perceive.estimate import Perception
from twin.perceive.state import Source

WAIT_US: Final = 2 * MINUTE_US
"""Readings that come a little late still count as truth."""


class Scoring:
    """Scores the forecasts that one live state takes in, by its own perception."""

    def __init__(self, network: SingleMap, perception: Perception) -> None:
        """Have scored nothing yet; `perception` is asked, never changed."""
        self._perception = perception
        free_mps = np.array([link.free_speed_mps for link in network.links], np.float64)
        self._board = Scoreboard(free_mps, map_version=network.version)
        self._closed: list[ScoreHour] = []

    def take(self, forecast: Forecast) -> None:
        """Let a forecast that was just taken in wait for its time."""
        steps = len(forecast.speed_mps)
        state = self._perception.link_state(forecast.made_us)
        measured = state.source == Source.MEASURED
        middles_us = forecast.made_us + np.round(
            (np.arange(steps) + 0.5) * forecast.step_s * 1e6
        ).astype(np.int64)
        self._board.add(
            forecast,
            last_mps=np.where(measured, state.speed_mps, np.nan),
            usual_mps=self._perception.profile(middles_us)[:, :, 0],
        )

    def advance(self, now_us: int) -> None:
        """Score what has come true by now."""
        for minute in self._board.due(now_us - WAIT_US):
            measured = self._perception.measured_speed(minute, minutes=self._board.step_minutes)
            closed = self._board.score(minute, measured)
            if closed is not None:
                self._closed.append(closed)

    def closed(self) -> tuple[ScoreHour, ...]:
        """Return the hours that ended since the last call; they are to be kept."""
        found, self._closed = tuple(self._closed), []
        return found

    def scores(self) -> Scores:
        """Return how good the forecasts were by now."""
        return self._board.scores()

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the sums for a restart."""
        return self._board.state()

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from the sums of `state`."""
        self._board.restore(state)
