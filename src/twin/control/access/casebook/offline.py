"""What a gate decided alone while it could not reach the centre."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Literal

import msgspec

from twin.clock import us_from_datetime, us_from_seconds
from twin.control.access.casebook.components import Listing
from twin.control.access.casebook.evaluate import Evaluator
from twin.control.access.casebook.facts import Event, Outage, Read, World
from twin.control.access.casebook.known import known
from twin.control.access.casebook.reasons import Because
from twin.control.access.casebook.sessions import Decided
from twin.control.access.reasons import AccessState


def outage_of(read: Read, events: Iterable[Event]) -> Outage | None:
    """Return the outage in which a read fell, None if the gate had a connection."""
    for one in events:
        if isinstance(one, Outage) and one.gate == read.gate and one.time <= read.time < one.until:
            return one
    return None


def decided_alone(
    read: Read,
    outage: Outage,
    world: World,
    events: Iterable[Event],
    evaluator: Evaluator,
    *,
    listing: Listing,
) -> Decided:
    """Decide a read as the gate did: by its snapshot, or by its lists that do not expire."""
    snapshot = [
        one for one in events if one.arrived <= outage.snapshot and not isinstance(one, Read)
    ]
    then_us = us_from_datetime(outage.snapshot)
    listed = partial(listing.count, now_us=then_us)
    facts = known(world, [*snapshot, _at_once(read)], listed)
    one = evaluator.evaluate(facts).decided[read.id]
    if one.rules is None or not one.passage.inbound:
        return one
    age_us = us_from_datetime(read.time) - us_from_datetime(outage.snapshot)
    if age_us <= us_from_seconds(one.rules.form.times.snapshot_max_s):
        return one
    lists = one.rules.form.open_offline
    if any(row.version.row.profile in lists for row in one.verdict.tried) and one.verdict.admitted:
        return _with(one, AccessState.ADMIT, Because.FAIL_OPEN_EMERGENCY)
    return _with(one, AccessState.REVIEW, Because.SNAPSHOT_EXPIRED)


def gate_action(one: Decided, *, bollard: bool) -> Literal["open", "record", "intercom"]:
    """Say what a gate does: the exit always opens; a camera without a bollard only records."""
    if not one.passage.inbound or one.verdict.admitted:
        return "open"
    return "intercom" if bollard else "record"


def _with(one: Decided, state: AccessState, reason: str) -> Decided:
    return replace(one, verdict=replace(one.verdict, state=state, reason=reason))


def _at_once(read: Read) -> Read:
    return msgspec.structs.replace(read, arrived=read.time)
