"""How far a replay of a recording has come, so that a killed one goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from twin.log.contract import Place
from twin.store.database import Database
from twin.store.statements import insert
from twin.store.tables import replay_run


@dataclass(frozen=True, slots=True)
class ReplayRun:
    """One feeding of one source: `fed` records were appended after `base_offsets`."""

    source_hash: str
    round: int
    base_offsets: Mapping[Place, int]
    fed: int = 0
    done: bool = False


async def last_run(database: Database, source_hash: str) -> ReplayRun | None:
    """Return the newest round of this source."""
    query = (
        select(replay_run)
        .where(replay_run.c.source_hash == source_hash)
        .order_by(replay_run.c.round.desc())
        .limit(1)
    )
    async with database.read() as connection:
        row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    bases = {Place(topic, part): offset for topic, part, offset in json.loads(row.base_offsets)}
    return ReplayRun(row.source_hash, row.round, bases, row.fed, row.done)


async def save_run(database: Database, run: ReplayRun) -> None:
    """Keep how far a run has come."""
    values = {
        "source_hash": run.source_hash,
        "round": run.round,
        "base_offsets": json.dumps(
            [[*place, offset] for place, offset in sorted(run.base_offsets.items())]
        ),
        "fed": run.fed,
        "done": run.done,
    }
    async with database.write() as connection:
        statement = insert(connection, replay_run).values(values)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["source_hash", "round"],
                set_={name: statement.excluded[name] for name in ("base_offsets", "fed", "done")},
            )
        )
