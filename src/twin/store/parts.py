"""The parts of a commit beside readings: each function writes one kind of row.

All run inside the transaction of `write_commit`. A row whose natural key is there already stays as
it is; nothing is written twice.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Table, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from twin.clock import us_from_datetime
from twin.columns import PassageFact
from twin.events import Authorisation, DecisionEvent
from twin.ids import derived_id
from twin.store import tables
from twin.store.records import DeadLetter, MinutePicture, Outgoing, Tally
from twin.store.statements import insert

_TALLY_COUNTS = ("received", "applied", "revised", "duplicate", "late", "rejected")


async def insert_passages(connection: AsyncConnection, passages: Sequence[PassageFact]) -> None:
    """Keep passages by (gate, id)."""
    rows = [
        {
            "gate": fact.gate,
            "id": fact.id,
            "time_us": fact.time_us,
            "inbound": fact.inbound,
            "token": fact.token,
            "candidates": json.dumps(fact.candidates),
            "country": fact.country,
            "confidence": fact.confidence,
            "track": fact.track,
            "sealed": fact.sealed,
            "payload_hash": fact.payload_hash,
        }
        for fact in passages
    ]
    await _add(connection, tables.passage, rows)


async def insert_authorisations(
    connection: AsyncConnection, authorisations: Sequence[Authorisation]
) -> None:
    """Keep versions of rights by their event's id, in the order given."""
    rows = [
        {
            "event_id": right.id,
            "authorisation": right.authorisation,
            "time_us": us_from_datetime(right.time),
            "body": msgspec.json.encode(right).decode(),
        }
        for right in authorisations
    ]
    await _add(connection, tables.authorisation, rows)


async def insert_decisions(connection: AsyncConnection, decisions: Sequence[DecisionEvent]) -> None:
    """Keep versions of decisions by (id, version) and mark the newest of each id."""
    if not decisions:
        return
    rows = [_decision_row(event) for event in decisions]
    await _add(connection, tables.decision, rows)
    decision = tables.decision
    other = decision.alias()
    top = select(func.max(other.c.version)).where(other.c.id == decision.c.id).scalar_subquery()
    await connection.execute(
        update(decision)
        .where(decision.c.id.in_(sorted({event.id for event in decisions})))
        .where(decision.c.newest != (decision.c.version == top))
        .values(newest=(decision.c.version == top))
    )


def _decision_row(event: DecisionEvent) -> dict[str, object]:
    until = [moment for moment in (event.lease_until, event.expires) if moment is not None]
    return {
        "id": event.id,
        "version": event.version,
        "kind": event.kind.value,
        "state": event.state.value,
        "target": event.target,
        "time_us": us_from_datetime(event.time),
        "until_us": us_from_datetime(max(until)) if until else None,
        "newest": False,
        "body": msgspec.json.encode(event).decode(),
    }


async def insert_dead_letters(connection: AsyncConnection, letters: Sequence[DeadLetter]) -> None:
    """Keep refused records by id."""
    rows = [
        {
            "id": letter.id,
            "topic": letter.place.topic,
            "partition": letter.place.partition,
            "log_offset": letter.offset,
            "arrival_us": letter.arrival_us,
            "source": letter.source,
            "reason": letter.reason,
            "faults": json.dumps(letter.faults),
            "payload": letter.payload,
            "state": "open",
            "changed_by": "",
        }
        for letter in letters
    ]
    await _add(connection, tables.dead_letter, rows)


async def add_tallies(connection: AsyncConnection, tallies: Sequence[Tally]) -> None:
    """Add counts to the accounting of each source and topic."""
    if not tallies:
        return
    statement = insert(connection, tables.tally)
    added = {name: tables.tally.c[name] + statement.excluded[name] for name in _TALLY_COUNTS}
    statement = statement.on_conflict_do_update(index_elements=["source", "topic"], set_=added)
    rows = [
        {"source": tally.source, "topic": tally.topic}
        | {name: getattr(tally, name) for name in _TALLY_COUNTS}
        for tally in tallies
    ]
    await connection.execute(statement, rows)
    reasons = [
        {"source": tally.source, "topic": tally.topic, "reason": reason, "count": count}
        for tally in tallies
        for reason, count in sorted(tally.reasons.items())  # one order: no ring of waiting workers
    ]
    if not reasons:
        return
    by_reason = insert(connection, tables.tally_reason)
    total = tables.tally_reason.c["count"] + by_reason.excluded["count"]
    by_reason = by_reason.on_conflict_do_update(
        index_elements=["source", "topic", "reason"], set_={"count": total}
    )
    await connection.execute(by_reason, reasons)


async def insert_outgoing(connection: AsyncConnection, outgoing: Sequence[Outgoing]) -> None:
    """Put records into the outbox, in order, each content once."""
    rows = [
        {
            "key": derived_id(str(entry.place), entry.arrival_us, entry.value.hex()),
            "topic": entry.place.topic,
            "partition": entry.place.partition,
            "arrival_us": entry.arrival_us,
            "value": entry.value,
        }
        for entry in outgoing
    ]
    await _add(connection, tables.outbox, rows)


async def insert_minute(connection: AsyncConnection, minute: MinutePicture) -> None:
    """Keep the estimate of a minute, packed."""
    columns = {
        name: zlib.compress(getattr(minute, name), 1)
        for name in ("speed_mps", "flow_vps", "density_vpm", "source")
    }
    row = {"time_us": minute.time_us, "map_version": minute.map_version} | columns
    await _add(connection, tables.minute_picture, [row])


async def _add(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, object]]
) -> None:
    if rows:
        await connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)
