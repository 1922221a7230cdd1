"""How good the forecasts turned out: each is scored when its time has come, link by link.

A forecast that was made in minute m says something of the five minutes that end in m + 5, m + 10,
… So at the end of every minute one vector of measured speeds scores as many forecasts as there are
horizons. What is compared are absolute errors of speed, of the forecast, of the last value and of
the usual day, on the same samples. Memory is bounded: forecasts of the last hour, and sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twin.columns import Floats
from twin.forecast.result import Forecast

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US
HALF_LIFE_H: Final = 12.0
"""What was scored so long ago counts half."""
LEAST_SAMPLES: Final = 60.0
"""Fewer say nothing about a link: five forecasts of twelve steps."""
CONGESTED_SHARE: Final = 0.6  # of free speed
_PREFIX: Final = "score_"


class Field(IntEnum):
    """What is summed, for every horizon and link."""

    SAMPLES = 0
    ERROR = 1  # |forecast - measured|, m/s
    LAST_ERROR = 2  # of the last value
    USUAL_SAMPLES = 3  # samples for which a usual day was known
    ERROR_THERE = 4  # the forecast's error on those
    USUAL_ERROR = 5
    INSIDE = 6  # samples within the 80 % interval


class Turn(IntEnum):
    """Two moments that count more than others."""

    ONSET = 0  # free when the forecast was made, congested at its target
    RECOVERY = 1  # the other way round


class TurnField(IntEnum):
    """What is summed of turns, for every horizon over all links."""

    SAMPLES = 0
    ERROR = 1
    LAST_ERROR = 2
    USUAL_SAMPLES = 3
    ERROR_THERE = 4
    USUAL_ERROR = 5
    INSIDE = 6
    FORESEEN = 7  # the forecast stood on the right side of the border


@dataclass(frozen=True, slots=True)
class ScoreHour:
    """The sums of one hour.

    sums    (fields, steps, links) float32, `Field`
    turns   (2, turn fields, steps) float64, `Turn` and `TurnField`
    """

    end_us: int
    map_version: str
    step_s: float
    sums: npt.NDArray[np.float32]
    turns: Floats


@dataclass(frozen=True, slots=True)
class Scores:
    """How good the forecasts were lately; what is long ago fades. NaN where nothing was scored.

    skill        (steps, links) float16: 1 - error / error of the better of last value and usual
                 day, which counts where it was known for at least half of the samples
    link_skill   (links,) float32, the same over all steps together
    coverage     (links,) float32, share of samples within the 80 % interval
    samples      (links,) float32
    distrusted   (links,) uint8: 1 where a trivial forecast was better, on enough samples
    steps        (fields, steps) float64, `Field`: sums over all links
    turns        (2, turn fields, steps) float64, `Turn` and `TurnField`
    """

    skill: npt.NDArray[np.float16]
    link_skill: npt.NDArray[np.float32]
    coverage: npt.NDArray[np.float32]
    samples: npt.NDArray[np.float32]
    distrusted: npt.NDArray[np.uint8]
    steps: Floats
    turns: Floats

    @classmethod
    def none(cls, steps: int, links: int) -> Scores:
        """Return the scores of a process that has scored nothing."""
        sums = np.zeros((len(Field), steps, links), np.float32)
        return cls.of(sums, np.zeros((len(Turn), len(TurnField), steps)))

    @classmethod
    def of(cls, sums: npt.NDArray[np.float32], turns: Floats) -> Scores:
        """Make them of sums (fields, steps, links) and turns."""
        pooled: Floats = sums.sum(axis=1, dtype=np.float64)
        link_skill = skill_of(pooled)
        samples = pooled[Field.SAMPLES]
        return cls(
            skill=skill_of(sums.astype(np.float64)).astype(np.float16),
            link_skill=link_skill.astype(np.float32),
            coverage=_share(pooled[Field.INSIDE], samples).astype(np.float32),
            samples=samples.astype(np.float32),
            distrusted=((samples >= LEAST_SAMPLES) & (link_skill < 0.0)).astype(np.uint8),
            steps=sums.sum(axis=2, dtype=np.float64),
            turns=turns,
        )


def skill_of(sums: Floats) -> Floats:
    """Return the skill of sums with `Field` along the first axis; NaN without samples."""
    error, last = sums[Field.ERROR], sums[Field.LAST_ERROR]
    samples, usual_samples = sums[Field.SAMPLES], sums[Field.USUAL_SAMPLES]
    against_last = 1.0 - _share(error, last)
    known = (usual_samples >= 0.5 * samples) & (samples > 0)
    against_usual = 1.0 - _share(sums[Field.ERROR_THERE], sums[Field.USUAL_ERROR])
    worse = np.fmin(against_last, np.where(known, against_usual, np.nan))
    return np.asarray(np.where(samples > 0, worse, np.nan), np.float64)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A forecast that waits for its time: (steps, links) float16, (links,) float16."""

    speed: npt.NDArray[np.float16]
    low: npt.NDArray[np.float16]
    high: npt.NDArray[np.float16]
    usual: npt.NDArray[np.float16]
    last: npt.NDArray[np.float16]


class Scoreboard:
    """Scores the forecasts of one map, with `steps` steps of `step_s` (whole minutes)."""

    def __init__(
        self, free_mps: Floats, *, map_version: str, steps: int = 12, step_s: float = 300.0
    ) -> None:
        """Have scored nothing yet. `free_mps` (links,) says what congested means."""
        self._border = CONGESTED_SHARE * free_mps
        self._map_version = map_version
        self._steps = steps
        self._minutes = round(step_s / 60.0)
        self._waiting: dict[int, _Waiting] = {}
        self._scored: int | None = None
        # as exact as a snapshot keeps them: what is restored is what went on
        self._old_sums = np.zeros((len(Field), steps, len(free_mps)), np.float32)
        self._old_turns = np.zeros((len(Turn), len(TurnField), steps))
        self._hour_sums = np.zeros_like(self._old_sums)
        self._hour_turns = np.zeros_like(self._old_turns)
        self._shown: Scores | None = None

    @property
    def step_minutes(self) -> int:
        """Length of one step, minutes: over so many a speed is measured to score it."""
        return self._minutes

    def add(self, forecast: Forecast, *, last_mps: Floats, usual_mps: Floats) -> None:
        """Let a forecast wait for its time; of one minute the last one counts.

        last_mps    (links,) what was measured when it was made, NaN where nothing was
        usual_mps   (steps, links) the usual day at the middle of each step, NaN unknown
        """
        if forecast.speed_mps.shape[0] != self._steps:
            return
        made = forecast.made_us // MINUTE_US
        self._waiting[made] = _Waiting(
            speed=forecast.speed_mps.astype(np.float16),
            low=forecast.speed_lo_mps.astype(np.float16),
            high=forecast.speed_hi_mps.astype(np.float16),
            usual=usual_mps.astype(np.float16),
            last=last_mps.astype(np.float16),
        )

    def due(self, until_us: int) -> range:
        """Return the minutes, as numbers since 1970, that end by `until_us` and were not scored.

        Never more than the last two hours: what is older has nothing left to score.
        """
        newest = until_us // MINUTE_US
        if self._scored is None:
            return range(newest, newest + 1)
        return range(max(self._scored + 1, newest - 119), newest + 1)

    def score(self, minute: int, measured_mps: Floats) -> ScoreHour | None:
        """Score every forecast one of whose steps ends with this minute.

        measured_mps   (links,) mean speed over one step that ends then, NaN where not measured

        Minutes come in rising order. Returns the hour that this minute begins after, when it is
        the first of a new one and something was scored in it.
        """
        closed = self._close(minute)
        self._shown = None
        self._scored = minute
        for step in range(self._steps):
            found = self._waiting.get(minute - (step + 1) * self._minutes)
            if found is not None:
                self._compare(found, step, measured_mps)
        oldest = minute - self._steps * self._minutes
        for made in [made for made in self._waiting if made < oldest]:
            del self._waiting[made]
        return closed

    def scores(self) -> Scores:
        """Return how good the forecasts were by now; made anew when a minute was scored."""
        if self._shown is None:
            self._shown = Scores.of(
                self._old_sums + self._hour_sums, self._old_turns + self._hour_turns
            )
        return self._shown

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the sums as arrays; forecasts that still wait are left out.

        Sums are kept of the links that have any: few of a city's links are measured.
        """
        scored = -1 if self._scored is None else self._scored
        samples = self._old_sums[Field.SAMPLES] + self._hour_sums[Field.SAMPLES]
        links = np.flatnonzero(samples.any(axis=0))
        return {
            f"{_PREFIX}scored": np.array([scored, samples.shape[1]], np.int64),
            f"{_PREFIX}links": links.astype(np.int32),
            f"{_PREFIX}old_sums": self._old_sums[:, :, links],
            f"{_PREFIX}old_turns": self._old_turns.copy(),
            f"{_PREFIX}hour_sums": self._hour_sums[:, :, links],
            f"{_PREFIX}hour_turns": self._hour_turns.copy(),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from `state` of the same map; one from before there were scores is left.

        Sums of every link, as they once were kept, are taken as well.
        """
        old = state.get(f"{_PREFIX}old_sums")
        if old is None or old.shape[:2] != self._old_sums.shape[:2]:
            return
        scored, size = [*state[f"{_PREFIX}scored"].tolist(), old.shape[2]][:2]
        if size != self._old_sums.shape[2]:
            return
        links = state.get(f"{_PREFIX}links", np.arange(size))
        self._shown = None
        self._scored = None if scored < 0 else scored
        self._old_sums[...], self._hour_sums[...] = 0.0, 0.0
        self._old_sums[:, :, links] = old
        self._hour_sums[:, :, links] = state[f"{_PREFIX}hour_sums"]
        self._old_turns = state[f"{_PREFIX}old_turns"].astype(np.float64)
        self._hour_turns = state[f"{_PREFIX}hour_turns"].astype(np.float64)

    def _close(self, minute: int) -> ScoreHour | None:
        """Begin a new hour when the minute belongs to another than the last one did."""
        before = self._scored
        if before is None or (minute - 1) // 60 == (before - 1) // 60:
            return None
        end_us = ((before - 1) // 60 + 1) * HOUR_US
        hour = ScoreHour(
            end_us=end_us,
            map_version=self._map_version,
            step_s=self._minutes * 60.0,
            sums=self._hour_sums,
            turns=self._hour_turns.copy(),
        )
        scored_any = bool(self._hour_sums[Field.SAMPLES].any())
        fade = 0.5 ** (((minute - 1) // 60 - (before - 1) // 60) / HALF_LIFE_H)
        self._old_sums = (self._old_sums + self._hour_sums) * fade
        self._old_turns = (self._old_turns + self._hour_turns) * fade
        self._old_sums[self._old_sums < 1e-12] = 0.0
        self._hour_sums = np.zeros_like(self._old_sums)
        self._hour_turns = np.zeros_like(self._old_turns)
        return hour if scored_any else None

    def _compare(self, found: _Waiting, step: int, measured: Floats) -> None:
        said, last = found.speed[step].astype(np.float64), found.last.astype(np.float64)
        usual = found.usual[step].astype(np.float64)
        there = np.isfinite(measured) & np.isfinite(said) & np.isfinite(last)
        also = there & np.isfinite(usual)
        inside = there & (found.low[step] <= measured) & (measured <= found.high[step])
        error = np.where(there, np.abs(said - measured), 0.0)
        last_error = np.where(there, np.abs(last - measured), 0.0)
        rows = np.array(
            [
                there.astype(np.float64),
                error,
                last_error,
                also.astype(np.float64),
                np.where(also, error, 0.0),
                np.where(also, np.abs(usual - measured), 0.0),
                inside.astype(np.float64),
            ]
        )
        self._hour_sums[:, step] += rows
        was, became = last < self._border, measured < self._border
        said_so = (said < self._border) == became
        for turn, chosen in (
            (Turn.ONSET, there & ~was & became),
            (Turn.RECOVERY, there & was & ~became),
        ):
            into = self._hour_turns[turn, :, step]
            into[: len(Field)] += rows[:, chosen].sum(axis=1)
            into[TurnField.FORESEEN] += np.count_nonzero(chosen & said_so)
