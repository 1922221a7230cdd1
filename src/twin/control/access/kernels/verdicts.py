"""The decision about one passage: every zone of the gate must let the vehicle in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from twin.control.access.kernels import columns as c
from twin.control.access.kernels.borrowed import BORROWED
from twin.control.access.kernels.columns import (
    Ints,
    Passages,
    Readings,
    Rights,
    Table,
    Used,
)
from twin.control.access.kernels.rights import day_row, opinion, plate_place, rows_asked, version_at

_MINUTE_US = 60_000_000
_wide: Any = np.int64  # of an int32 column: else every width would be compiled anew
_MOST_MINUTES = 240


Judged = tuple[int, int, int, bool, bool]
"""State, reason, vehicle, by a neighbour's right, waits for exits."""


class Zones(NamedTuple):
    """What the zones of one gate say of one vehicle.

    said    (zones, ZONE_FIELDS) int64
    asked   (most rows,) room for the rows of one authorisation
    """

    said: Ints
    asked: Ints


STATE, REASON, ROW, AT_US, KIND, BITS, HAS, LET_IN, OPENS = range(9)
ZONE_FIELDS = 9
"""Of the right that counts: STATE, REASON, ROW, AT_US. Over all that were tried: the first reason
by name (KIND), all reasons as BITS, whether there was one, one lets in, one waits for exits."""


class Case(NamedTuple):
    """What stays the same while one passage is judged."""

    table: Table
    rights: Rights
    used: Used


@njit(**BORROWED)
def _try(
    case: Case, version: int, row: int, right: int, plate: int, time_us: int, spread_us: int
) -> tuple[int, int, int]:
    """Return (state, reason, instant) of one row over every instant that the clock leaves open."""
    table, rights, used = case.table, case.rights, case.used
    nominal = opinion(table, rights, used, version, row, right, plate, time_us)
    open_us = time_us if nominal == c.R_NONE else c.NEVER_US
    shut = nominal != c.R_NONE
    if spread_us > 0:
        vehicle = rights.plate[plate]
        first, last = time_us - spread_us, time_us + spread_us
        step = _MINUTE_US if last - first <= _MOST_MINUTES * _MINUTE_US else 60 * _MINUTE_US
        whole = (last - -(-first // step) * step) // step + 1
        held = rights.of_vehicle[1, vehicle + 1] - rights.of_vehicle[1, vehicle]
        revoked = rights.of_right[1, right + 1] - rights.of_right[1, right]
        for at in range(2 + 2 * (whole + 2 + held + revoked)):
            moment = _instant(rights, row, right, vehicle, first, last, step, whole, revoked, at)
            if moment < first or moment > last or moment == time_us:
                continue
            if opinion(table, rights, used, version, row, right, plate, moment) != c.R_NONE:
                shut = True
            elif nominal != c.R_NONE and moment < open_us:
                open_us = moment
    if open_us == c.NEVER_US:
        return (c.REVIEW if nominal == c.R_NO_RULES else c.DENY), nominal, time_us
    if shut:
        return c.ADMIT_FLAG, c.R_CLOCK_FAVOUR, open_us
    return c.ADMIT, int(table.profile[version, rights.row[row, c.ROW_PROFILE], c.P_RULE]), open_us


@njit(**BORROWED)
def _instant(
    rights: Rights,
    row: int,
    right: int,
    vehicle: int,
    first: int,
    last: int,
    step: int,
    whole: int,
    revoked: int,
    at: int,
) -> int:
    """Return the `at`-th instant at which an opinion can change: ends, whole minutes, edges."""
    if at < 2:
        return first if at == 0 else last
    which, before = (at - 2) // 2, at % 2
    if which < whole:
        edge = -(-first // step) * step + which * step
    elif which == whole:
        edge = rights.time[row, c.FROM]
    elif which == whole + 1:
        edge = rights.time[row, c.TO]
    elif which < whole + 2 + revoked:
        edge = rights.revoked[rights.of_right[1, right] + which - whole - 2, 0]
    else:
        edge = rights.held[rights.of_vehicle[1, vehicle] + which - whole - 2 - revoked, 0]
    return edge - before


@njit(**BORROWED)
def ask_zone(
    case: Case,
    version: int,
    vehicle: int,
    zone: int,
    time_us: int,
    spread_us: int,
    place: int,
    out: Zones,
) -> None:
    """Ask every right of a vehicle in a zone and keep the one that counts in `out[place]`."""
    table, rights = case.table, case.rights
    said = out.said[place]
    said[STATE], said[REASON], said[ROW], said[AT_US] = c.DENY, c.R_NO_AUTHORISATION, -1, time_us
    said[KIND] = c.R_NO_AUTHORISATION
    said[BITS:] = 0
    best_uses, best_order = False, 0
    for index in range(rights.of_vehicle[0, vehicle], rights.of_vehicle[0, vehicle + 1]):
        right = _wide(rights.right[index])
        count = rows_asked(table, rights, version, right, time_us, out.asked)
        for at in range(count):
            row = out.asked[at]
            plate = plate_place(rights, row, vehicle)
            if rights.row[row, c.ROW_ZONE] != zone or plate < 0:
                continue
            state, reason, open_us = _try(case, version, row, right, plate, time_us, spread_us)
            profile = _wide(rights.row[row, c.ROW_PROFILE])
            order = _wide(rights.row[row, c.ROW_ORDER])
            uses = profile >= 0 and table.profile[version, profile, c.P_USES] == 1
            _note(table, version, profile, state, reason, said)
            cheaper = uses < best_uses or (uses == best_uses and order < best_order)
            if said[ROW] < 0 or state < said[STATE] or (state == said[STATE] and cheaper):
                said[STATE], said[REASON], said[ROW], said[AT_US] = state, reason, row, open_us
                best_uses, best_order = uses, order


@njit(**BORROWED)
def _note(table: Table, version: int, profile: int, state: int, reason: int, said: Ints) -> None:
    """Remember what matters of one that was tried, whether it counts or not."""
    if said[HAS] == 0 or table.reason_rank[reason] < table.reason_rank[said[KIND]]:
        said[KIND] = reason
    said[HAS] = 1
    said[BITS] |= 1 << min(reason, 62)
    if state <= c.ADMIT_FLAG:
        said[LET_IN] = 1
    if profile >= 0 and table.profile[version, profile, c.P_OPENS] == 1:
        said[OPENS] = 1


@njit(**BORROWED)
def ask_gate(
    case: Case, version: int, vehicle: int, gate: int, time_us: int, spread_us: int, out: Zones
) -> int:
    """Ask every zone of a gate; return the place of the one that decides, the worst."""
    worst = 0
    for place in range(case.table.gate_zone.shape[2]):
        zone = _wide(case.table.gate_zone[version, gate, place])
        if zone < 0:
            break
        ask_zone(case, version, vehicle, zone, time_us, spread_us, place, out)
        if out.said[place, STATE] > out.said[worst, STATE]:
            worst = place
    return worst


@njit(**BORROWED)
def _any_opens(case: Case, version: int, gate: int, out: Zones) -> bool:
    for place in range(case.table.gate_zone.shape[2]):
        if case.table.gate_zone[version, gate, place] < 0:
            break
        if out.said[place, OPENS] == 1:
            return True
    return False


@njit(**BORROWED)
def _fuzzy(
    case: Case, version: int, vehicle: int, gate: int, time_us: int, spread_us: int, out: Zones
) -> tuple[int, int, int, bool]:
    """Look for one authorised plate that one confusion away would be let in.

    Returns (state, reason, vehicle, opens); state DENY where there is none. What `out` holds
    belongs to the neighbour if it is let in.
    """
    rights = case.rights
    table_row = version * (rights.of_vehicle.shape[1] - 1) + vehicle
    admitted, found, opens = 0, _wide(-1), False
    for index in range(rights.near_of[table_row], rights.near_of[table_row + 1]):
        near = _wide(rights.near[index])
        worst = ask_gate(case, version, near, gate, time_us, spread_us, out)
        if out.said[worst, STATE] <= c.ADMIT_FLAG:
            admitted += 1
            opens = opens or _any_opens(case, version, gate, out)
            if found < 0:
                found = near
    if admitted == 0:
        return c.DENY, c.R_NO_AUTHORISATION, vehicle, False
    if rights.near_over[version, vehicle]:
        return c.REVIEW, c.R_FUZZY_LIMIT, vehicle, opens
    if admitted > 1:
        return c.REVIEW, c.R_AMBIGUOUS_READ, vehicle, opens
    ask_gate(case, version, found, gate, time_us, spread_us, out)
    return c.ADMIT_FLAG, c.R_FUZZY_FAVOUR, found, opens


@njit(**BORROWED)
def _known_key(
    case: Case, version: int, vehicle: int, gate: int, time_us: int, spread_us: int, out: Zones
) -> Judged:
    """Return (state, reason, vehicle, fuzzy, opens) of a plate whose country is known."""
    worst = ask_gate(case, version, vehicle, gate, time_us, spread_us, out)
    state, reason = int(out.said[worst, STATE]), int(out.said[worst, REASON])
    opens = _any_opens(case, version, gate, out)
    if reason != c.R_NO_AUTHORISATION:
        return state, reason, vehicle, False, opens
    near_state, near_reason, near, near_opens = _fuzzy(
        case, version, vehicle, gate, time_us, spread_us, out
    )
    if near_state == c.DENY:
        ask_gate(case, version, vehicle, gate, time_us, spread_us, out)
        return state, reason, vehicle, False, opens
    return near_state, near_reason, near, near_state == c.ADMIT_FLAG, near_opens


@njit(**BORROWED)
def _country_unknown(
    case: Case,
    version: int,
    readings: Readings,
    reading: int,
    gate: int,
    time_us: int,
    spread_us: int,
    out: Zones,
) -> Judged:
    best, best_state = _wide(-1), c.DENY + 1
    for at in range(readings.keys_of[reading], readings.keys_of[reading + 1]):
        worst = ask_gate(case, version, _wide(readings.key[at]), gate, time_us, spread_us, out)
        if out.said[worst, STATE] < best_state:
            best, best_state = _wide(readings.key[at]), int(out.said[worst, STATE])
    ask_gate(case, version, best, gate, time_us, spread_us, out)
    state = c.ADMIT_FLAG if best_state <= c.ADMIT_FLAG else c.REVIEW
    return state, c.R_COUNTRY_UNKNOWN, best, False, _any_opens(case, version, gate, out)


@njit(**BORROWED)
def judge(case: Case, passages: Passages, readings: Readings, at: int, out: Zones) -> Judged:
    """Return (state, reason, vehicle, fuzzy, opens) of one passage under what is used so far.

    Vehicle -1: the passage counts for nobody. `out` holds what each zone of the gate said.
    """
    time_us, gate = int(passages.time[at, c.AT]), _wide(passages.code[at, c.GATE])
    version = version_at(case.table, time_us)
    reading = _wide(passages.code[at, c.READING])
    if readings.code[reading, c.QUALITY] == c.NOT_READ and version >= 0:
        return c.UNREAD, c.R_UNREAD, -1, False, False
    day = day_row(case.table, time_us)
    if version < 0 or gate < 0 or case.table.gate_zone[version, gate, 0] < 0:
        return c.REVIEW, c.R_NO_RULES, -1, False, False
    if day < 0 or case.table.kind[version, day] < 0:
        return c.REVIEW, c.R_NO_RULES, -1, False, False
    whole = _wide(readings.code[reading, c.WHOLE])
    if passages.code[at, c.CLOCK] == c.UNKNOWN:
        return c.REVIEW, c.R_CLOCK_UNTRUSTED, whole, False, False
    spread_us = int(passages.time[at, c.SPREAD])
    if readings.code[reading, c.COUNTRY] == 0:
        found = _country_unknown(case, version, readings, reading, gate, time_us, spread_us, out)
        guess: Judged = _confident(case, version, passages, readings, at, found)
        return guess
    found = _known_key(case, version, whole, gate, time_us, spread_us, out)
    if found[0] == c.DENY and readings.code[reading, c.QUALITY] == c.UNUSUAL:
        found = (c.REVIEW, c.R_UNUSUAL_PLATE, found[2], found[3], found[4])
    sure: Judged = _confident(case, version, passages, readings, at, found)
    if passages.code[at, c.CLOCK] == c.UNTRUSTED and sure[0] == c.ADMIT:
        return c.ADMIT_FLAG, c.R_CLOCK_UNTRUSTED, sure[2], sure[3], sure[4]
    return sure


@njit(**BORROWED)
def _confident(
    case: Case,
    version: int,
    passages: Passages,
    readings: Readings,
    at: int,
    found: Judged,
) -> Judged:
    """Let a poor read admit only what was read exactly; the rest goes to a person."""
    state, _, vehicle, fuzzy, opens = found
    exact = readings.code[passages.code[at, c.READING], c.QUALITY] == c.EXACT and not fuzzy
    sure = passages.confidence[at] >= case.table.shares[version, 0]
    if sure or (state <= c.ADMIT_FLAG and exact):
        return found
    return c.REVIEW, c.R_LOW_CONFIDENCE, vehicle, False, opens
