"""Hours of the scoreboard, written and read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.forecast.scoreboard import Field, ScoreHour, Turn, TurnField
from twin.store.database import Database
from twin.store.statements import insert
from twin.store.tables_scores import forecast_score

COLUMNS = tuple(field.name.lower() for field in Field)


async def insert_scores(connection: AsyncConnection, hours: Sequence[ScoreHour]) -> None:
    """Keep hours by (end, map version); one that is there already stays as it is."""
    rows = [
        {
            "time_us": hour.end_us,
            "map_version": hour.map_version,
            "step_s": hour.step_s,
            "turns": _told(hour),
        }
        | {
            name: zlib.compress(hour.sums[field].astype("<f4").tobytes(), 1)
            for field, name in enumerate(COLUMNS)
        }
        for hour in hours
    ]
    if rows:
        await connection.execute(insert(connection, forecast_score).on_conflict_do_nothing(), rows)


async def scores_between(
    database: Database, from_us: int, to_us: int, *, map_version: str
) -> tuple[ScoreHour, ...]:
    """Return the hours of a map version with from_us < end <= to_us, oldest first."""
    query = (
        select(forecast_score)
        .where(forecast_score.c.time_us > from_us, forecast_score.c.time_us <= to_us)
        .where(forecast_score.c.map_version == map_version)
        .order_by(forecast_score.c.time_us)
    )
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    found = []
    for row in rows:
        turns = np.array(json.loads(row.turns), np.float64)
        flat = np.array(
            [np.frombuffer(zlib.decompress(getattr(row, name)), "<f4") for name in COLUMNS]
        )
        found.append(
            ScoreHour(
                end_us=row.time_us,
                map_version=row.map_version,
                step_s=row.step_s,
                sums=flat.reshape(len(Field), turns.shape[2], -1),
                turns=turns.reshape(len(Turn), len(TurnField), -1),
            )
        )
    return tuple(found)


def _told(hour: ScoreHour) -> str:
    return json.dumps(np.round(hour.turns, 3).tolist(), separators=(",", ":"))
