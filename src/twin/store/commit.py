"""Rule 1: everything that one commit says, in one transaction, or nothing.

The order: lock the offsets of the commit's places; an old epoch is fenced; positions that stand
there already mean that this commit came through before. Then the rows, each under a natural key,
so that even a row that came before changes nothing. The offsets move last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Select, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.errors import FencedError, TwinError
from twin.log.contract import Place
from twin.store import batches, parts
from twin.store.database import Database
from twin.store.days import make_days
from twin.store.keys import insert_event_keys, move_watermarks
from twin.store.map_changes import put_changes
from twin.store.observations import insert_observations
from twin.store.records import Commit
from twin.store.roles import move_marks
from twin.store.scores import insert_scores
from twin.store.statements import insert
from twin.store.steps import insert_steps
from twin.store.tables import partition_offset

HANDED_ON: Final = 0
"""Number of a commit whose readings reach the live state through `reading.applied`."""


class KnownKeyError(TwinError):
    """A reading was judged as new, and is in history by now: judge the fetch again."""


async def write_commit(database: Database, commit: Commit) -> bool:
    """Write a commit; return False if it was stored already and nothing had to be done.

    A commit without positions (a tick) is always written; its natural keys make a repetition
    harmless. Raises FencedError, nothing written, when another worker has taken over one of the
    places; BackendError when the database is away (try the same commit again); KnownKeyError,
    nothing written, as `Commit.observed` says; ValueError for counts without positions, which
    could not be told from their repetition.
    """
    _check(commit)
    days: set[int] = set()
    async with database.write() as connection:
        if not await _may_write(connection, commit):
            return False
        if commit.observations is not None and len(commit.observations.readings):
            time_us = commit.observations.readings.time_us
            days = await make_days(connection, time_us, database.known_days)
        await _write_parts(connection, commit)
        await _move(connection, commit)
    database.known_days |= days
    return True


async def assign(
    database: Database, places: Iterable[Place], owner: str
) -> tuple[dict[Place, int], dict[Place, int]]:
    """Take over places: raise their epochs by one, name the owner; return (positions, epochs).

    From the moment this returns, every commit with an older epoch is fenced.
    """
    ordered = sorted(set(places))
    async with database.write() as connection:
        rows = [
            {"topic": place.topic, "partition": place.partition}
            | {"next_offset": 0, "epoch": 0, "owner": ""}
            for place in ordered
        ]
        if rows:
            statement = insert(connection, partition_offset).on_conflict_do_nothing()
            await connection.execute(statement, rows)
        positions: dict[Place, int] = {}
        epochs: dict[Place, int] = {}
        for place in ordered:
            taken = await connection.execute(
                update(partition_offset)
                .where(partition_offset.c.topic == place.topic)
                .where(partition_offset.c.partition == place.partition)
                .values(epoch=partition_offset.c.epoch + 1, owner=owner)
                .returning(partition_offset.c.next_offset, partition_offset.c.epoch)
            )
            positions[place], epochs[place] = taken.one()
    return positions, epochs


async def stored_positions(database: Database) -> dict[Place, int]:
    """Return the next offset of every place that was ever assigned."""
    async with database.read() as connection:
        rows = await connection.execute(select(partition_offset))
        return {Place(row.topic, row.partition): row.next_offset for row in rows}


def _check(commit: Commit) -> None:
    if commit.tallies and not commit.positions:
        raise ValueError("counts must come with the positions up to which they count")
    if missing := set(commit.positions) - set(commit.epochs):
        names = ", ".join(str(place) for place in sorted(missing))
        message = f"positions without an epoch: {names}"
        raise ValueError(message)
    count = len(commit.observations.readings) if commit.observations is not None else 0
    if commit.observations is not None and len(commit.observations.event_ids) != count:
        message = f"{len(commit.observations.event_ids)} event ids for {count} readings"
        raise ValueError(message)


async def _may_write(connection: AsyncConnection, commit: Commit) -> bool:
    """Lock the places and compare: False when stored already, FencedError when not ours."""
    if not commit.epochs:
        return True
    rows = await connection.execute(_locked(commit.epochs))
    stored = {Place(row.topic, row.partition): row for row in rows}
    for place, epoch in commit.epochs.items():
        row = stored.get(place)
        if row is None or row.epoch != epoch:
            held = "nobody" if row is None else f"{row.owner} with epoch {row.epoch}"
            raise FencedError(f"{place} is held by {held}; this worker has epoch {epoch}")
    if not commit.positions:
        return True
    ahead = {place: stored[place].next_offset - next_ for place, next_ in commit.positions.items()}
    if all(lead >= 0 for lead in ahead.values()):
        return False
    for place, lead in ahead.items():
        if lead > 0:
            message = f"{place} stands {lead} records further on than this commit: not ours to move"
            raise FencedError(message)
    return True


def _locked(places: Mapping[Place, int]) -> Select[tuple[str, int, int, int, str]]:
    keys = [(place.topic, place.partition) for place in sorted(places)]
    columns = partition_offset.c
    return (
        select(columns.topic, columns.partition, columns.next_offset, columns.epoch, columns.owner)
        .where(tuple_(columns.topic, columns.partition).in_(keys))
        .order_by(columns.topic, columns.partition)  # all lock in one order: no deadlock
        .with_for_update()
    )


async def _write_parts(connection: AsyncConnection, commit: Commit) -> None:
    number = await batches.next_number(connection) if commit.observed else HANDED_ON
    if commit.observations is not None:
        kept = await insert_observations(connection, commit.observations, batch=number)
        if not commit.observed and kept != len(commit.observations.readings):
            raise KnownKeyError("another worker has kept some of these readings since")
    await move_marks(connection, commit.marks)
    await insert_event_keys(connection, commit.event_keys)
    await move_watermarks(connection, commit.watermarks)
    await parts.insert_passages(connection, commit.passages)
    await parts.insert_authorisations(connection, commit.authorisations)
    await parts.insert_decisions(connection, commit.decisions)
    await parts.insert_dead_letters(connection, commit.dead_letters)
    await parts.add_tallies(connection, commit.tallies)
    await parts.insert_outgoing(connection, commit.outgoing)
    await put_changes(connection, commit.map_changes)
    await insert_scores(connection, commit.scores)
    await insert_steps(
        connection,
        steps=commit.steps,
        openings=commit.openings,
        access=commit.access_steps,
        counts=commit.access_counts,
    )
    if commit.minute is not None:
        await parts.insert_minute(connection, commit.minute)
    if commit.snapshot is not None:
        await batches.insert_snapshot(
            connection, commit.snapshot, batch=number, moved=commit.positions
        )


async def _move(connection: AsyncConnection, commit: Commit) -> None:
    for place, next_offset in sorted(commit.positions.items()):
        moved = await connection.execute(
            update(partition_offset)
            .where(partition_offset.c.topic == place.topic)
            .where(partition_offset.c.partition == place.partition)
            .where(partition_offset.c.epoch == commit.epochs[place])
            .values(next_offset=next_offset)
        )
        if moved.rowcount != 1:
            raise FencedError(f"{place} was taken over while this commit was written")
