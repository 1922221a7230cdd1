"""Rights to enter zones: every version is kept, the newest counts."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from twin.events import Authorisation
from twin.store.database import Database
from twin.store.tables import authorisation

_decoder = msgspec.json.Decoder(Authorisation)


async def all_current(database: Database) -> tuple[Authorisation, ...]:
    """Return the newest version of every right, revoked ones too, in the order of the log."""
    newest = select(func.max(authorisation.c.number)).group_by(authorisation.c.authorisation)
    query = (
        select(authorisation.c.body)
        .where(authorisation.c.number.in_(newest))
        .order_by(authorisation.c.number)
    )
    async with database.read() as connection:
        return tuple(_decoder.decode(body) for (body,) in await connection.execute(query))


async def recorded(database: Database) -> tuple[Authorisation, ...]:
    """Return every version of every right, in the order of the log."""
    query = select(authorisation.c.body).order_by(authorisation.c.number)
    async with database.read() as connection:
        return tuple(_decoder.decode(body) for (body,) in await connection.execute(query))


async def versions(database: Database, name: str) -> tuple[Authorisation, ...]:
    """Return every version of one right, first to last."""
    query = (
        select(authorisation.c.body)
        .where(authorisation.c.authorisation == name)
        .order_by(authorisation.c.number)
    )
    async with database.read() as connection:
        return tuple(_decoder.decode(body) for (body,) in await connection.execute(query))
