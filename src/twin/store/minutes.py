"""The kept estimates of past minutes, for diagrams and playback."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from twin.columns import Ints
from twin.store.database import Database
from twin.store.records import MinutePicture
from twin.store.tables import minute_picture

_SHOWN: Final = {"speed_mps": np.float32, "flow_vps": np.float32, "source": np.uint8}
_AT_ONCE: Final = 16


async def minutes(
    database: Database, from_us: int, to_us: int, *, map_version: str | None = None
) -> tuple[MinutePicture, ...]:
    """Return the minutes with from_us <= time <= to_us, oldest first."""
    query = (
        select(minute_picture)
        .where(minute_picture.c.time_us >= from_us, minute_picture.c.time_us <= to_us)
        .order_by(minute_picture.c.time_us, minute_picture.c.map_version)
    )
    if map_version is not None:
        query = query.where(minute_picture.c.map_version == map_version)
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return tuple(
        MinutePicture(
            time_us=row.time_us,
            map_version=row.map_version,
            speed_mps=zlib.decompress(row.speed_mps),
            flow_vps=zlib.decompress(row.flow_vps),
            density_vpm=zlib.decompress(row.density_vpm),
            source=zlib.decompress(row.source),
        )
        for row in rows
    )


class LinkMinutes(NamedTuple):
    """Minutes of chosen links, oldest first: (minutes,) and (minutes, links).

    Speeds are m/s, flows vehicles/s, NaN where nothing was known; source is 0 there.
    """

    time_us: list[int]
    map_version: list[str]
    speed_mps: npt.NDArray[np.float64]
    flow_vps: npt.NDArray[np.float64]
    source: npt.NDArray[np.int64]


async def versions_between(database: Database, from_us: int, to_us: int) -> list[str]:
    """Return the map versions of the minutes with from_us <= time <= to_us."""
    query = (
        select(minute_picture.c.map_version)
        .distinct()
        .where(minute_picture.c.time_us >= from_us, minute_picture.c.time_us <= to_us)
        .order_by(minute_picture.c.map_version)
    )
    async with database.read() as connection:
        return list((await connection.execute(query)).scalars())


async def minutes_of_links(
    database: Database, from_us: int, to_us: int, rows_of: Mapping[str, Ints]
) -> LinkMinutes:
    """Return the minutes with from_us <= time <= to_us, of chosen links only.

    rows_of   rows of the links in each map version, -1 where it does not have one; minutes of
              other versions are left out
    """
    columns = (minute_picture.c[name] for name in ("time_us", "map_version", *_SHOWN))
    query = (
        select(*columns)
        .where(minute_picture.c.time_us >= from_us, minute_picture.c.time_us <= to_us)
        .where(minute_picture.c.map_version.in_(sorted(rows_of)))
        .order_by(minute_picture.c.time_us, minute_picture.c.map_version)
    )
    found: list[tuple[Any, ...]] = []
    async with database.read() as connection:
        rows = await connection.stream(query.execution_options(yield_per=_AT_ONCE))
        async for part in rows.partitions(_AT_ONCE):  # unpacking a city's minute takes a while
            found += await asyncio.to_thread(_picked, part, rows_of)
    count = len(next(iter(rows_of.values()), ()))
    speeds, flows, sources = (
        np.array([one[column] for one in found]).reshape(len(found), count) for column in (2, 3, 4)
    )
    return LinkMinutes(
        [one[0] for one in found],
        [one[1] for one in found],
        speeds.astype(np.float64),
        flows.astype(np.float64),
        sources.astype(np.int64),
    )


def _picked(part: Sequence[Any], rows_of: Mapping[str, Ints]) -> list[tuple[Any, ...]]:
    picked = []
    for row in part:
        rows = rows_of[row.map_version]
        there = rows >= 0
        values = [
            np.frombuffer(zlib.decompress(getattr(row, name)), kind)[rows]
            for name, kind in _SHOWN.items()
        ]
        speed, flow = (np.where(there, column, np.nan) for column in values[:2])
        picked.append((row.time_us, row.map_version, speed, flow, np.where(there, values[2], 0)))
    return picked
