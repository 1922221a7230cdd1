"""Leases and the list of processes. Times are the database's own: clocks of machines differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.log.contract import Place
from twin.store.database import Database
from twin.store.statements import insert
from twin.store.tables import partition_offset
from twin.store.tables_roles import applied_mark, lease, process
from twin.units import SECOND_US

FORGOTTEN_S: Final = 3600.0
"""A process that said nothing for so long leaves the list."""
_NOW: Final = {
    "postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
    "sqlite": "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
}


class Lease(NamedTuple):
    """The right to do what only one may do. `epoch` is one more with every new owner."""

    name: str
    owner: str
    epoch: int
    until_us: int


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One process as it said last. `age_s` is how long ago that was."""

    name: str
    role: str
    state: str
    url: str
    problem: str
    started_us: int
    age_s: float = 0.0


async def take_lease(database: Database, name: str, owner: str, *, for_s: float) -> Lease | None:
    """Take or renew a lease; None while another owner's still runs."""
    async with database.write() as connection:
        now_us = await _now_us(connection)
        until_us = now_us + round(for_s * SECOND_US)
        row = {"name": name, "owner": owner, "epoch": 1, "until_us": until_us}
        same = lease.c.owner == owner
        statement = insert(connection, lease).values(row)
        taken = statement.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "owner": owner,
                "epoch": case((same, lease.c.epoch), else_=lease.c.epoch + 1),
                "until_us": until_us,
            },
            where=same | (lease.c.until_us <= now_us),
        ).returning(lease.c.epoch)
        epoch = (await connection.execute(taken)).scalar_one_or_none()
    return None if epoch is None else Lease(name, owner, int(epoch), until_us)


async def release_lease(database: Database, held: Lease) -> None:
    """Let a lease go at once, so that the next need not wait for its end."""
    async with database.write() as connection:
        await connection.execute(
            lease.update()
            .where(lease.c.name == held.name)
            .where(lease.c.owner == held.owner)
            .values(until_us=0)
        )


async def leases(database: Database) -> list[tuple[Lease, bool]]:
    """Return every lease, and whether it still runs."""
    async with database.read() as connection:
        now_us = await _now_us(connection)
        rows = (await connection.execute(select(lease).order_by(lease.c.name))).all()
    return [
        (Lease(row.name, row.owner, row.epoch, row.until_us), row.until_us > now_us) for row in rows
    ]


async def say_process(database: Database, entry: ProcessEntry) -> None:
    """Write down how a process is, and drop those that have long said nothing."""
    async with database.write() as connection:
        now_us = await _now_us(connection)
        values = {
            "role": entry.role,
            "state": entry.state,
            "url": entry.url,
            "problem": entry.problem,
            "started_us": entry.started_us,
            "seen_us": now_us,
        }
        statement = insert(connection, process).values(name=entry.name, **values)
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_=values)
        )
        oldest_us = now_us - round(FORGOTTEN_S * SECOND_US)
        await connection.execute(delete(process).where(process.c.seen_us < oldest_us))


async def drop_process(database: Database, name: str) -> None:
    """Take a process that ends in good order off the list."""
    async with database.write() as connection:
        await connection.execute(delete(process).where(process.c.name == name))


async def processes(database: Database) -> list[ProcessEntry]:
    """Return the processes of the service by role and name."""
    async with database.read() as connection:
        now_us = await _now_us(connection)
        found = await connection.execute(select(process).order_by(process.c.role, process.c.name))
        return [
            ProcessEntry(
                name=row.name,
                role=row.role,
                state=row.state,
                url=row.url,
                problem=row.problem,
                started_us=row.started_us,
                age_s=max(now_us - row.seen_us, 0) / SECOND_US,
            )
            for row in found
        ]


async def owners(database: Database) -> dict[Place, tuple[str, int]]:
    """Return who took each partition over last, and with which epoch."""
    async with database.read() as connection:
        rows = await connection.execute(
            select(partition_offset).order_by(
                partition_offset.c.topic, partition_offset.c.partition
            )
        )
        return {Place(row.topic, row.partition): (row.owner, row.epoch) for row in rows}


async def move_marks(connection: AsyncConnection, marks: Mapping[int, tuple[int, int]]) -> None:
    """Write how far partitions of `reading.applied` were taken, in the caller's transaction."""
    if not marks:
        return
    statement = insert(connection, applied_mark)
    statement = statement.on_conflict_do_update(
        index_elements=["partition"],
        set_={"mark": statement.excluded.mark, "part": statement.excluded.part},
    )
    rows: Sequence[Mapping[str, int]] = [
        {"partition": partition, "mark": mark, "part": part}
        for partition, (mark, part) in sorted(marks.items())
    ]
    await connection.execute(statement, rows)


async def stored_marks(database: Database) -> dict[int, tuple[int, int]]:
    """Return how far each partition of `reading.applied` was taken at the last commit."""
    async with database.read() as connection:
        rows = await connection.execute(select(applied_mark))
        return {row.partition: (row.mark, row.part) for row in rows}


async def _now_us(connection: AsyncConnection) -> int:
    found = await connection.exec_driver_sql(_NOW[connection.dialect.name])
    return int(found.scalar_one())
