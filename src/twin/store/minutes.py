"""The kept estimates of past minutes, for diagrams and playback."""

from __future__ import annotations

import zlib

from sqlalchemy import select

from twin.store.database import Database
from twin.store.records import MinutePicture
from twin.store.tables import minute_picture


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
