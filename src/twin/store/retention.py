"""What may not be kept for ever is removed when its time is over, and the audit says so.

Each removal is one transaction with its row in the audit: what went, and what is still there.
History goes by whole UTC days: on PostgreSQL a day of readings is dropped as one part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, delete, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.clock import iso_from_us, us_from_seconds
from twin.events import DecisionKind
from twin.store import audit, history
from twin.store.database import Database
from twin.store.days import DAY_US, part_of
from twin.store.deadletters import LetterState, expire
from twin.store.decisions import OPEN_STATES
from twin.store.exports import Exports, exported
from twin.store.history import ACCESS_TARGET, SHAPES, Kind
from twin.store.people import tidy
from twin.store.tables import audit as audit_table
from twin.store.tables import dead_letter, decision, passage
from twin.store.tables_steps import access_step

DAY_S: Final = 86_400.0
LONGEST_PASSAGE_S: Final = 1 * DAY_S
"""A vehicle at a gate may be known no longer than this, whatever is set."""
LONGEST_ACCESS_S: Final = 2 * DAY_S
"""A decision about a vehicle may be known no longer than this after the end of its UTC day."""
SHORTEST_AUDIT_S: Final = 365 * DAY_S
SHORTEST_HISTORY_S: Final = 7 * DAY_S
"""Readings that come late still find their day."""
_PERSON: Final = "retention"
_LOCK_WAIT: Final = "5s"  # who waits for a lock on history holds up the worker behind it


@dataclass(frozen=True, slots=True)
class Keep:
    """How long each kind is kept, s after its own time; None is for ever.

    exported_only   days of history that were not exported, as they are now, stay
    """

    passage_s: float = LONGEST_PASSAGE_S
    access_s: float = LONGEST_ACCESS_S
    dead_letter_s: float = 30 * DAY_S
    minute_s: float | None = 400 * DAY_S
    step_s: float | None = 400 * DAY_S
    observation_s: float | None = None
    decision_s: float | None = None
    audit_s: float | None = None
    exported_only: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for what the bounds of this module do not allow."""
        if self.passage_s > LONGEST_PASSAGE_S:
            message = f"passages may be kept {LONGEST_PASSAGE_S:g} s, not {self.passage_s:g}"
            raise ValueError(message)
        if self.access_s > LONGEST_ACCESS_S:
            message = f"access decisions may be kept {LONGEST_ACCESS_S:g} s, not {self.access_s:g}"
            raise ValueError(message)
        if self.audit_s is not None and self.audit_s < SHORTEST_AUDIT_S:
            message = f"the audit is kept {SHORTEST_AUDIT_S:g} s at least, not {self.audit_s:g}"
            raise ValueError(message)


class Forgotten(NamedTuple):
    """How many rows went; `withheld` counts days of history that are old but had to stay."""

    passages: int = 0
    dead_letters: int = 0
    minutes: int = 0
    observations: int = 0
    decisions: int = 0
    scores: int = 0
    audit: int = 0
    withheld: int = 0
    steps: int = 0
    access_steps: int = 0
    access_decisions: int = 0


@dataclass(slots=True)
class _Round:
    """One round of forgetting."""

    database: Database
    now_us: int
    exports: Exports | None  # None: days may go whether they were exported or not
    withheld: set[date] = field(default_factory=set)


async def forget_old(database: Database, keep: Keep, *, now_us: int) -> Forgotten:
    """Remove what is older than `keep` allows, and sessions and links that are over.

    Of a dead letter only the payload goes: that it was refused, and why, stays countable.
    """
    await tidy(database, now_us=now_us)
    round_ = _Round(database, now_us, await exported(database) if keep.exported_only else None)
    return Forgotten(
        passages=await _forget_passages(round_, now_us - us_from_seconds(keep.passage_s)),
        dead_letters=await _forget_payloads(round_, now_us - us_from_seconds(keep.dead_letter_s)),
        minutes=await _forget_days(round_, Kind.MINUTE, keep.minute_s),
        observations=await _forget_days(round_, Kind.OBSERVATION, keep.observation_s),
        access_decisions=await _forget_access_decisions(round_, keep.access_s),
        decisions=await _forget_days(round_, Kind.DECISION, keep.decision_s),
        scores=await _forget_days(round_, Kind.SCORE, keep.minute_s),
        audit=await _forget_audit(round_, keep.audit_s),
        access_steps=await _forget_access(round_, now_us - us_from_seconds(keep.passage_s)),
        steps=sum(
            [
                await _forget_days(round_, Kind.STEP, keep.step_s),
                await _forget_days(round_, Kind.OPENING, keep.step_s),
                await _forget_days(round_, Kind.COUNT, keep.minute_s),
            ]
        ),
        withheld=len(round_.withheld),
    )


async def _forget_passages(round_: _Round, before_us: int) -> int:
    async with round_.database.write() as connection:
        gone = await connection.execute(delete(passage).where(passage.c.time_us < before_us))
        await _prove(round_, connection, passage, gone.rowcount, before_us=before_us)
    return gone.rowcount


async def _forget_access(round_: _Round, before_us: int) -> int:
    """Remove which vehicles came with which step, as the vehicles are removed."""
    async with round_.database.write() as connection:
        gone = await connection.execute(
            delete(access_step).where(access_step.c.time_us < before_us)
        )
        await _prove(round_, connection, access_step, gone.rowcount, before_us=before_us)
    return gone.rowcount


async def _forget_access_decisions(round_: _Round, keep_s: float) -> int:
    """Remove decisions about vehicles by days; of each day suppressed counts stay in the audit."""
    before_us = (round_.now_us - us_from_seconds(keep_s)) // DAY_US * DAY_US
    about = (decision.c.kind == DecisionKind.ACCESS.value, decision.c.time_us < before_us)
    gone = 0
    while True:
        oldest = select(func.min(decision.c.time_us)).where(*about)
        async with round_.database.read() as connection:
            oldest_us = (await connection.execute(oldest)).scalar_one()
        if oldest_us is None:
            return gone
        begin_us = oldest_us // DAY_US * DAY_US
        within = (*about, decision.c.time_us < begin_us + DAY_US)
        async with round_.database.write() as connection:
            told = await history.access_counts(connection, begin_us, begin_us + DAY_US)
            removed = (await connection.execute(delete(decision).where(*within))).rowcount
            left = select(func.count()).where(decision.c.kind == DecisionKind.ACCESS.value)
            detail = {
                "before": iso_from_us(before_us),
                "day": history.day_of(begin_us).isoformat(),
                "removed": removed,
                "remaining": (await connection.execute(left)).scalar_one(),
                "access": told,
            }
            await _note(round_, connection, ACCESS_TARGET, detail)
        gone += removed


async def _forget_payloads(round_: _Round, before_us: int) -> int:
    async with round_.database.write() as connection:
        count = await expire(connection, before_us, now_us=round_.now_us)
        if count:
            left = select(func.count()).where(dead_letter.c.state != LetterState.EXPIRED.value)
            remaining = (await connection.execute(left)).scalar_one()
            detail = {"before": iso_from_us(before_us), "removed": count, "remaining": remaining}
            await _note(round_, connection, "dead_letter.payload", detail)
    return count


async def _forget_days(round_: _Round, kind: Kind, keep_s: float | None) -> int:
    """Remove the days that ended more than `keep_s` ago, each in a transaction of its own."""
    if keep_s is None:
        return 0
    before_us = (round_.now_us - us_from_seconds(keep_s)) // DAY_US * DAY_US
    async with round_.database.read() as connection:
        days = await history.days_of(connection, kind, 0, before_us)
    return sum([await _forget_day(round_, kind, day, before_us=before_us) for day in days])


async def _forget_day(round_: _Round, kind: Kind, day: date, *, before_us: int) -> int:
    begin_us = history.first_us(day)
    table = SHAPES[kind].table
    in_parts = kind is Kind.OBSERVATION and round_.database.dialect == "postgresql"
    part = part_of(begin_us // DAY_US)
    async with round_.database.write() as connection:
        if in_parts:  # nothing may come in between the count and the end of the part
            await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
            await connection.execute(text(f"LOCK TABLE {part} IN ACCESS EXCLUSIVE MODE"))
        if await _must_stay(round_, connection, kind, day, before_us=before_us):
            round_.withheld.add(day)
            return 0
        detail: dict[str, Any] = {"day": day.isoformat()}
        if in_parts:
            count = await history.count_day(connection, kind, day)
            await connection.execute(text(f"DROP TABLE {part}"))
        else:
            within = (table.c.time_us >= begin_us, table.c.time_us < begin_us + DAY_US)
            count = (await connection.execute(delete(table).where(*within))).rowcount
        await _prove(round_, connection, table, count, before_us=before_us, detail=detail)
    round_.database.known_days.discard(begin_us // DAY_US)
    return count


async def _must_stay(
    round_: _Round, connection: AsyncConnection, kind: Kind, day: date, *, before_us: int
) -> bool:
    """Say whether a day was not exported as it is now, or has decisions that are not over."""
    if round_.exports is not None:
        told = round_.exports.get(day, {}).get(kind)
        # rows are only ever added: an equal number is an equal day
        rows = await history.count_day(connection, kind, day)
        if rows != (told.rows if told else 0):
            return True
    if kind is not Kind.DECISION:
        return False
    begin_us = history.first_us(day)
    of_day = select(decision.c.id).where(
        decision.c.time_us >= begin_us, decision.c.time_us < begin_us + DAY_US
    )
    open_still = decision.c.state.in_(sorted(OPEN_STATES)) & or_(
        decision.c.until_us.is_(None), decision.c.until_us > round_.now_us
    )
    alive = select(func.count()).where(
        decision.c.id.in_(of_day),
        decision.c.newest,
        or_(decision.c.time_us >= before_us, open_still),
    )
    return bool((await connection.execute(alive)).scalar_one())


async def _forget_audit(round_: _Round, keep_s: float | None) -> int:
    if keep_s is None:
        return 0
    before_us = round_.now_us - us_from_seconds(keep_s)
    async with round_.database.write() as connection:
        cut = await audit.cut_before(connection, before_us)
        if cut is not None:
            detail = {"through": cut.through, "hash": cut.row_hash}
            await _prove(
                round_, connection, audit_table, cut.rows, before_us=before_us, detail=detail
            )
    return 0 if cut is None else cut.rows


async def _prove(
    round_: _Round,
    connection: AsyncConnection,
    table: Table,
    removed: int,
    *,
    before_us: int,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write into the audit what went and what is left, in the transaction of the removal."""
    if not removed:
        return
    left = select(func.count(), func.min(table.c.time_us)).select_from(table)
    remaining, oldest_us = (await connection.execute(left)).one()
    told = {
        "before": iso_from_us(before_us),
        "removed": removed,
        "remaining": remaining,
        "oldest": None if oldest_us is None else iso_from_us(oldest_us),
    }
    await _note(round_, connection, table.name, told | (detail or {}))


async def _note(
    round_: _Round, connection: AsyncConnection, target: str, detail: dict[str, Any]
) -> None:
    await audit.add(
        connection,
        time_us=round_.now_us,
        person=_PERSON,
        act=audit.CUT_ACT,
        target=target,
        detail=detail,
    )
