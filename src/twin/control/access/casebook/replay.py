"""The second evaluator: a day of passages decided in columns, as the first decides them one by one.

Both read one table of rules. This one does not explain; it counts. Facts that came after the
horizon are for the first alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twin.control.access.casebook.columns import Compiled
from twin.control.access.casebook.fact_columns import Columns
from twin.control.access.kernels import columns as c
from twin.control.access.kernels.replay import decide_all, find_conflicts, match_stays


class Proved(NamedTuple):
    """Provable violations in order of time: (k,) each.

    kind       reason by number;  zone, vehicle, entry   numbers, row of the passage of entry
    time_us    when it was complete;  measured_us   what was measured, -1 for an entry
    """

    kind: c.Codes
    zone: c.Codes
    vehicle: c.Codes
    entry: c.Codes
    time_us: c.Ints
    measured_us: c.Ints


@dataclass(frozen=True)
class Replayed:
    """Everything that a replay found."""

    decisions: c.Decisions
    stays: c.Stays
    proved: Proved
    used: c.Used


def replay(compiled: Compiled, given: Columns) -> Replayed:
    """Decide all passages. `given` is not changed."""
    table, passages, readings = compiled.table, given.passages, given.readings
    count, most = len(passages.time), table.gate_zone.shape[2]
    vehicles, zones = len(given.vehicles.numbers), len(compiled.words.zones)
    clashing = np.zeros(count, np.bool_)
    find_conflicts(table, passages, readings, vehicles, clashing)
    used = c.Used(given.used.month.copy(), given.used.year.copy())
    decisions = c.Decisions(
        np.empty((count, c.SAID_FIELDS), np.int32), np.empty((count, most, 2), np.int32)
    )
    decide_all(table, given.rights, used, passages, readings, clashing, decisions)
    room = np.empty((2 * count * most + 1, c.STAY_FIELDS), np.int32)
    stays = c.Stays(room, np.zeros(1, np.int64))
    match_stays(table, given.rights, passages, decisions, vehicles, zones, stays)
    stays = c.Stays(room[: int(stays.made[0])], stays.made)
    return Replayed(decisions, stays, _proved(compiled, given, decisions, stays), used)


def _proved(compiled: Compiled, given: Columns, decisions: c.Decisions, stays: c.Stays) -> Proved:
    parts = [
        _entries(compiled, given, decisions),
        *_pairs(compiled, given, decisions, stays),
    ]
    names = Proved._fields
    joined = {name: np.concatenate([getattr(one, name) for one in parts]) for name in names}
    order = np.lexsort((joined["zone"], joined["entry"], joined["kind"], joined["time_us"]))
    return Proved(**{name: column[order] for name, column in joined.items()})


def _entries(compiled: Compiled, given: Columns, decisions: c.Decisions) -> Proved:
    at, place = np.nonzero(decisions.zone[:, :, c.Z_KIND] != c.R_NONE)
    times_us = given.passages.time[at, c.AT]
    version = _version(compiled.table, times_us)
    return Proved(
        kind=decisions.zone[at, place, c.Z_KIND],
        zone=compiled.table.gate_zone[version, given.passages.code[at, c.GATE], place],
        vehicle=decisions.code[at, c.S_VEHICLE],
        entry=at.astype(np.int32),
        time_us=times_us,
        measured_us=np.full(len(at), -1, np.int64),
    )


class _Pairs(NamedTuple):
    """Closed stays both of whose legs can be proved: (k,) each, `fields` (k, PROFILE_FIELDS)."""

    zone: c.Codes
    vehicle: c.Codes
    entry: c.Codes
    exit: c.Codes
    row: c.Codes
    stay_us: c.Ints
    spread_us: c.Ints
    fields: c.Ints
    crossing_us: c.Ints


def _pairs(
    compiled: Compiled, given: Columns, decisions: c.Decisions, stays: c.Stays
) -> list[Proved]:
    """Return overstays, crossings and day totals."""
    table, passages = compiled.table, given.passages
    sure = _sure(compiled, given, decisions)
    closed = stays.code[stays.code[:, c.Y_STATE] == c.CLOSED]
    closed = closed[sure[closed[:, c.Y_ENTRY]] & sure[closed[:, c.Y_EXIT]]]
    entry, leaving, row = (closed[:, at] for at in (c.Y_ENTRY, c.Y_EXIT, c.Y_ROW))
    version = _version(table, passages.time[entry, c.AT])
    pairs = _Pairs(
        closed[:, c.Y_ZONE],
        closed[:, c.Y_VEHICLE],
        entry,
        leaving,
        row,
        passages.time[leaving, c.AT] - passages.time[entry, c.AT],
        passages.time[leaving, c.SPREAD] + passages.time[entry, c.SPREAD],
        table.profile[version, given.rights.row[row, c.ROW_PROFILE]],
        table.limits[version, c.L_CROSSING],
    )
    fields = pairs.fields
    over = (fields[:, c.P_STAY] >= 0) & (pairs.stay_us - pairs.spread_us > fields[:, c.P_STAY])
    other_gate = passages.code[entry, c.GATE] != passages.code[leaving, c.GATE]
    quick = pairs.stay_us + pairs.spread_us < pairs.crossing_us
    crossed = (fields[:, c.P_CROSSING] == 1) & other_gate & quick
    return [
        _of(passages, pairs, over, c.R_OVERSTAY),
        _of(passages, pairs, crossed, c.R_TRANSIT_FORBIDDEN),
        _day_totals(compiled, given, pairs),
    ]


def _of(passages: c.Passages, pairs: _Pairs, which: c.Bools, kind: int) -> Proved:
    return Proved(
        kind=np.full(int(which.sum()), kind, np.int32),
        zone=pairs.zone[which],
        vehicle=pairs.vehicle[which],
        entry=pairs.entry[which],
        time_us=passages.time[pairs.exit[which], c.AT],
        measured_us=pairs.stay_us[which],
    )


def _day_totals(compiled: Compiled, given: Columns, pairs: _Pairs) -> Proved:
    """Add up the stays of one right in one zone on one local day."""
    table, passages = compiled.table, given.passages
    timed = np.flatnonzero(pairs.fields[:, c.P_DAY_TOTAL] >= 0)
    begun_us = passages.time[pairs.entry[timed], c.AT]
    change = np.searchsorted(table.change[:, 0], begun_us, side="right") - 1
    day = (begun_us + table.change[np.maximum(change, 0), 1]) // 86_400_000_000
    right = np.searchsorted(given.rights.of_right[0], pairs.row[timed], side="right") - 1
    keys = np.stack([pairs.zone[timed], pairs.vehicle[timed], right, day], axis=1)
    order = np.lexsort((begun_us, *keys.T[::-1]))
    timed, keys = timed[order], keys[order]
    if not len(timed):
        return _of(passages, pairs, np.zeros(len(pairs.zone), np.bool_), c.R_DAY_TOTAL)
    first = np.flatnonzero(np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)]))
    last = np.concatenate([first[1:], [len(timed)]]) - 1
    total_us = np.add.reduceat(pairs.stay_us[timed], first)
    sure_us = total_us - np.add.reduceat(pairs.spread_us[timed], first)
    over = sure_us > pairs.fields[timed[first], c.P_DAY_TOTAL]
    begin, end = timed[first[over]], timed[last[over]]
    return Proved(
        kind=np.full(len(begin), c.R_DAY_TOTAL, np.int32),
        zone=pairs.zone[begin],
        vehicle=pairs.vehicle[begin],
        entry=pairs.entry[begin],
        time_us=passages.time[pairs.exit[end], c.AT],
        measured_us=total_us[over],
    )


def _sure(compiled: Compiled, given: Columns, decisions: c.Decisions) -> c.Bools:
    """Say which passages can be held against anybody: sure read, country and clock."""
    passages = given.passages
    version = np.maximum(_version(compiled.table, passages.time[:, c.AT]), 0)
    return np.asarray(
        (passages.code[:, c.CLOCK] == c.TRUSTED)
        & (given.readings.code[passages.code[:, c.READING], c.COUNTRY] == 1)
        & (passages.confidence >= compiled.table.shares[version, 0])
        & (decisions.code[:, c.S_FUZZY] == 0),
        np.bool_,
    )


def _version(table: c.Table, time_us: c.Ints) -> c.Ints:
    return np.asarray(np.searchsorted(table.valid_from, time_us, side="right") - 1, np.int64)
