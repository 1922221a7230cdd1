"""How good the forecasts were: of late, and hour by hour."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from fastapi import Query
from msgspec import Meta, Struct
from starlette.responses import Response

from twin.api.auth import House
from twin.api.columns_out import shown, shown_rows
from twin.api.moments import MomentText, moment_us
from twin.api.picture import Links, chosen_rows, newest_picture
from twin.api.routes import Endpoint, json_answer
from twin.api.schemas import Count, Moment, Steps
from twin.api.served import Served
from twin.clock import datetime_from_us
from twin.errors import Fault, InputError
from twin.forecast.first import STEPS
from twin.forecast.scoreboard import (
    HALF_LIFE_H,
    LEAST_SAMPLES,
    Field,
    Scores,
    Turn,
    TurnField,
    skill_of,
)
from twin.store.scores import scores_between
from twin.units import HOUR_S, SECOND_US, kph_from_mps

STEP_MINUTES: Final = 5
MOST_HOURS: Final = 24 * 7
_SHARE_DECIMALS: Final = 3


class StepScoreView(Struct, frozen=True, kw_only=True):
    """The errors of one step of the forecast beside those of the trivial ones."""

    minutes: Annotated[int, Meta(description="end of the step after the forecast was made")]
    samples: Annotated[float, Meta(description="old ones count less")]
    error_kph: Annotated[float | None, Meta(description="mean absolute error of speed")]
    last_value_error_kph: float | None
    usual_day_error_kph: Annotated[
        float | None, Meta(description="where a usual day was known; null: nowhere")
    ]
    skill: Annotated[
        float | None, Meta(description="1 - error / error of the better trivial forecast")
    ]
    coverage: Annotated[float | None, Meta(description="share within the 80 % interval")]
    foreseen: Annotated[
        float | None, Meta(description="share on the right side of the border; of turns only")
    ] = None


class LinkScoreView(Struct, frozen=True, kw_only=True):
    """The forecasts of one link."""

    row: Count
    id: str
    samples: float
    skill: float | None
    coverage: float | None
    trusted: Annotated[bool, Meta(description="false: a trivial forecast was better")]
    skill_by_step: Steps


class ScoresView(Struct, frozen=True, kw_only=True):
    """The forecasts that have come true by now; what was scored long ago fades."""

    time: Moment
    half_life_h: float
    least_samples: float
    distrusted: Annotated[int, Meta(description="links whose forecast is not to be trusted")]
    steps: list[StepScoreView]
    onset: Annotated[list[StepScoreView], Meta(description="free when made, congested then")]
    recovery: Annotated[list[StepScoreView], Meta(description="congested when made, free then")]
    links: Annotated[list[LinkScoreView], Meta(description="those that were scored")]


class ScoreHourView(Struct, frozen=True, kw_only=True):
    """One hour of the chosen links together."""

    end: Moment
    steps: list[StepScoreView]


class ScoreHoursView(Struct, frozen=True, kw_only=True):
    """Hours as they were kept, oldest first."""

    hours: list[ScoreHourView]


async def forecast_scores(served: House, link: Links = None) -> Response:
    """Give the errors of the live forecasts, by step, at turns, and by link."""
    rows = chosen_rows(served.network, link)
    picture = newest_picture(served)
    scores = picture.scores or Scores.none(STEPS, len(served.network.links))
    wanted = np.flatnonzero(scores.samples > 0) if rows is None else np.array(rows, np.int64)
    view = ScoresView(
        time=datetime_from_us(picture.time_us),
        half_life_h=HALF_LIFE_H,
        least_samples=LEAST_SAMPLES,
        distrusted=int(scores.distrusted.sum()),
        steps=step_views(scores.steps),
        onset=_turn_views(scores, Turn.ONSET),
        recovery=_turn_views(scores, Turn.RECOVERY),
        links=_links(served, scores, wanted),
    )
    return json_answer(view)


async def forecast_score_hours(
    served: House,
    from_: Annotated[MomentText, Query(alias="from", description="RFC 3339")],
    to: Annotated[MomentText, Query(description="RFC 3339, at most a week later")],
    link: Links = None,
) -> Response:
    """Give kept hours of the scoreboard, of all or of chosen links together."""
    rows = chosen_rows(served.network, link)
    from_us, to_us = moment_us(from_, "from"), moment_us(to, "to")
    if not 0 <= to_us - from_us <= MOST_HOURS * HOUR_S * SECOND_US:
        rule = f"is not before `from` and at most {MOST_HOURS} hours after it"
        raise InputError(Fault("to", to, rule))
    version = served.network.version
    hours = await scores_between(served.database, from_us, to_us, map_version=version)
    view = ScoreHoursView(
        hours=[
            ScoreHourView(
                end=datetime_from_us(hour.end_us),
                steps=step_views(
                    (hour.sums if rows is None else hour.sums[:, :, rows]).sum(
                        axis=2, dtype=np.float64
                    )
                ),
            )
            for hour in hours
        ]
    )
    return json_answer(view)


def step_views(sums: npt.NDArray[np.float64]) -> list[StepScoreView]:
    """Show sums (fields, steps), with `Field` (or `TurnField`) along the first axis."""
    samples = sums[Field.SAMPLES]
    turns = len(sums) > TurnField.FORESEEN
    foreseen = _mean(sums[TurnField.FORESEEN], samples) if turns else np.full(len(samples), np.nan)
    columns = zip(
        shown(samples, 1),
        shown(kph_from_mps(_mean(sums[Field.ERROR], samples)), 2),
        shown(kph_from_mps(_mean(sums[Field.LAST_ERROR], samples)), 2),
        shown(kph_from_mps(_mean(sums[Field.USUAL_ERROR], sums[Field.USUAL_SAMPLES])), 2),
        shown(skill_of(sums), _SHARE_DECIMALS),
        shown(_mean(sums[Field.INSIDE], samples), _SHARE_DECIMALS),
        shown(foreseen, _SHARE_DECIMALS),
        strict=True,
    )
    return [
        StepScoreView(
            minutes=STEP_MINUTES * (step + 1),
            samples=values[0] or 0.0,
            error_kph=values[1],
            last_value_error_kph=values[2],
            usual_day_error_kph=values[3],
            skill=values[4],
            coverage=values[5],
            foreseen=values[6],
        )
        for step, values in enumerate(columns)
    ]


def _turn_views(scores: Scores, turn: Turn) -> list[StepScoreView]:
    return step_views(scores.turns[turn])


def _mean(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found = np.full(len(part), np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


def _links(served: Served, scores: Scores, rows: npt.NDArray[np.int64]) -> list[LinkScoreView]:
    columns = zip(
        rows.tolist(),
        shown(scores.samples[rows].astype(np.float64), 1),
        shown(scores.link_skill[rows].astype(np.float64), _SHARE_DECIMALS),
        shown(scores.coverage[rows].astype(np.float64), _SHARE_DECIMALS),
        scores.distrusted[rows].tolist(),
        shown_rows(scores.skill[:, rows].T.astype(np.float64), _SHARE_DECIMALS),
        strict=True,
    )
    return [
        LinkScoreView(
            row=row,
            id=served.network.links[row].id,
            samples=samples or 0.0,
            skill=skill,
            coverage=coverage,
            trusted=not distrusted,
            skill_by_step=by_step,
        )
        for row, samples, skill, coverage, distrusted, by_step in columns
    ]


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/forecast/scores",
        handler=forecast_scores,
        summary="How good the forecasts were",
        tag="forecast",
        answer=ScoresView,
        errors=(404, 422),
    ),
    Endpoint(
        method="GET",
        path="/forecast/scores/hours",
        handler=forecast_score_hours,
        summary="How good they were, hour by hour",
        tag="forecast",
        answer=ScoreHoursView,
        errors=(404, 422),
    ),
)
