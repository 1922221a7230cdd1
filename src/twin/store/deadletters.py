"""Refused records: listed, read, mended, marked as replayed or expired."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.log.contract import Place
from twin.store.database import Database
from twin.store.records import DeadLetter
from twin.store.tables import dead_letter


class LetterState(StrEnum):
    """Where a dead letter is in its life."""

    OPEN = "open"
    MENDED = "mended"
    REPLAYED = "replayed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter with what was done to it since."""

    letter: DeadLetter
    state: LetterState
    mended: bytes | None
    changed_us: int | None
    changed_by: str

    @property
    def to_replay(self) -> bytes | None:
        """The payload that a replay appends: the mended one if there is one."""
        return self.letter.payload if self.mended is None else self.mended


async def list_letters(
    database: Database,
    *,
    reason: str | None = None,
    state: LetterState | None = None,
    limit: int = 100,
) -> list[StoredLetter]:
    """Return dead letters, newest first."""
    query = select(dead_letter).order_by(dead_letter.c.arrival_us.desc(), dead_letter.c.id)
    if reason is not None:
        query = query.where(dead_letter.c.reason == reason)
    if state is not None:
        query = query.where(dead_letter.c.state == state.value)
    async with database.read() as connection:
        return [_stored(row) for row in await connection.execute(query.limit(limit))]


async def get_letter(database: Database, letter_id: str) -> StoredLetter | None:
    """Return one dead letter."""
    query = select(dead_letter).where(dead_letter.c.id == letter_id)
    async with database.read() as connection:
        row = (await connection.execute(query)).one_or_none()
    return None if row is None else _stored(row)


async def mend(database: Database, letter_id: str, payload: bytes, *, by: str, now_us: int) -> bool:
    """Keep a mended payload beside the refused one; False if there is no open letter."""
    open_states = (LetterState.OPEN, LetterState.MENDED)
    return (
        await _mark(
            database,
            [letter_id],
            open_states,
            state=LetterState.MENDED,
            mended=payload,
            changed_by=by,
            changed_us=now_us,
        )
        == 1
    )


async def mark_replayed(
    database: Database, letter_ids: Sequence[str], *, by: str, now_us: int
) -> int:
    """Mark letters whose payload was appended again; return how many were open or mended."""
    open_states = (LetterState.OPEN, LetterState.MENDED)
    return await _mark(
        database,
        letter_ids,
        open_states,
        state=LetterState.REPLAYED,
        changed_by=by,
        changed_us=now_us,
    )


async def expire(connection: AsyncConnection, before_us: int, *, now_us: int) -> int:
    """Drop the payloads of letters that came before a moment; return how many."""
    gone = await connection.execute(
        update(dead_letter)
        .where(dead_letter.c.arrival_us < before_us)
        .where(dead_letter.c.state != LetterState.EXPIRED.value)
        .values(
            state=LetterState.EXPIRED.value,
            payload=None,
            mended=None,
            changed_us=now_us,
            changed_by="retention",
        )
    )
    return gone.rowcount


async def _mark(
    database: Database,
    letter_ids: Sequence[str],
    from_states: Sequence[LetterState],
    **values: object,
) -> int:
    async with database.write() as connection:
        changed = await connection.execute(
            update(dead_letter)
            .where(dead_letter.c.id.in_(list(letter_ids)))
            .where(dead_letter.c.state.in_([state.value for state in from_states]))
            .values(**values)
        )
    return changed.rowcount


def _stored(row: Row[Any]) -> StoredLetter:
    letter = DeadLetter(
        id=row.id,
        place=Place(row.topic, row.partition),
        offset=row.log_offset,
        arrival_us=row.arrival_us,
        source=row.source,
        reason=row.reason,
        faults=tuple((field, value, rule) for field, value, rule in json.loads(row.faults)),
        payload=row.payload,
    )
    return StoredLetter(letter, LetterState(row.state), row.mended, row.changed_us, row.changed_by)
