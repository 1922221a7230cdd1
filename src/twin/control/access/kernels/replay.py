"""A day of passages decided in order of time, and their entries matched with exits."""

from __future__ import annotations

import numpy as np
from numba import njit

from twin.control.access.kernels import columns as c
from twin.control.access.kernels.borrowed import BORROWED
from twin.control.access.kernels.columns import (
    Bools,
    Decisions,
    Passages,
    Readings,
    Rights,
    Stays,
    Table,
    Used,
)
from twin.control.access.kernels.rights import day_row, version_at
from twin.control.access.kernels.verdicts import (
    AT_US,
    BITS,
    KIND,
    LET_IN,
    ROW,
    ZONE_FIELDS,
    Case,
    Zones,
    judge,
)

_MOST_ROWS = 64  # rows of one authorisation that may speak about one moment


@njit(cache=True, nogil=True)
def find_conflicts(
    table: Table, passages: Passages, readings: Readings, vehicles: int, clashing: Bools
) -> None:
    """Mark passages of one plate that no vehicle could have driven. `clashing` (n,) comes False."""
    last = np.full(vehicles, -1, np.int32)
    before = np.full(len(passages.time), -1, np.int32)
    for at in range(len(passages.time)):
        reading = passages.code[at, c.READING]
        no_key = readings.keys_of[reading] == readings.keys_of[reading + 1]
        if (
            no_key
            or readings.code[reading, c.COUNTRY] == 0
            or passages.code[at, c.CLOCK] == c.UNKNOWN
        ):
            continue
        vehicle = readings.code[reading, c.WHOLE]
        other = last[vehicle]
        while (
            other >= 0
            and passages.time[at, c.AT] - passages.time[other, c.AT] <= table.limits[0, c.L_LONGEST]
        ):
            if _impossible(table, passages, other, at):
                clashing[at] = clashing[other] = True
            other = before[other]
        before[at] = last[vehicle]
        last[vehicle] = at


@njit(**BORROWED)
def _impossible(table: Table, passages: Passages, one: int, other: int) -> bool:
    version = version_at(table, passages.time[other, c.AT])
    if version < 0 or passages.code[one, c.GATE] < 0 or passages.code[other, c.GATE] < 0:
        return False
    least_us = table.shortest[passages.code[one, c.GATE], passages.code[other, c.GATE]]
    if least_us < 0:
        return False
    apart_us = abs(passages.time[other, c.AT] - passages.time[one, c.AT])
    apart_us += passages.time[one, c.SPREAD] + passages.time[other, c.SPREAD]
    return bool(apart_us < table.shares[version, 1] * least_us)


@njit(cache=True, nogil=True)
def decide_all(
    table: Table,
    rights: Rights,
    used: Used,
    passages: Passages,
    readings: Readings,
    clashing: Bools,
    out: Decisions,
) -> None:
    """Decide every passage in turn. Writes `out` and counts on in `used`."""
    case = Case(table, rights, used)
    most = table.gate_zone.shape[2]
    zones = Zones(np.empty((most, ZONE_FIELDS), np.int64), np.empty(_MOST_ROWS, np.int64))
    for at in range(len(passages.time)):
        out.zone[at, :, c.Z_ROW] = -1
        out.zone[at, :, c.Z_KIND] = c.R_NONE
        out.code[at, :] = 0
        if passages.code[at, c.INBOUND] == 1:
            _entry(case, passages, readings, at, clashing[at], zones, out)
        else:
            _exit(case, passages, readings, at, clashing[at], zones, out)


@njit(**BORROWED)
def right_of(rights: Rights, row: int) -> int:
    """Return the authorisation of a row, by halving."""
    low, high = 0, rights.of_right.shape[1] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if rights.of_right[0, middle] <= row:
            low = middle
        else:
            high = middle
    return low


@njit(**BORROWED)
def _write(out: Decisions, at: int, state: int, reason: int, vehicle: int, fuzzy: bool) -> None:
    out.code[at, c.S_STATE], out.code[at, c.S_REASON] = state, reason
    out.code[at, c.S_VEHICLE], out.code[at, c.S_FUZZY] = vehicle, int(fuzzy)


@njit(**BORROWED)
def _entry(
    case: Case,
    passages: Passages,
    readings: Readings,
    at: int,
    clash: bool,
    zones: Zones,
    out: Decisions,
) -> None:
    state, reason, vehicle, fuzzy, _ = judge(case, passages, readings, at, zones)
    if clash and reason != c.R_UNREAD and reason != c.R_NO_RULES:
        state, reason = c.REVIEW, c.R_PLATE_CONFLICT
    _write(out, at, state, reason, vehicle, fuzzy)
    if state <= c.ADMIT_FLAG:
        _admit(case, passages, at, zones, out)
    elif state == c.DENY:
        _accuse(case, passages, readings, at, zones, out)


@njit(**BORROWED)
def _admit(case: Case, passages: Passages, at: int, zones: Zones, out: Decisions) -> None:
    """Keep the rights that let the vehicle in, and use up their quotas."""
    table, rights = case.table, case.rights
    version = version_at(table, passages.time[at, c.AT])
    for place in range(table.gate_zone.shape[2]):
        if table.gate_zone[version, passages.code[at, c.GATE], place] < 0:
            break
        row = zones.said[place, ROW]
        out.zone[at, place, c.Z_ROW] = row
        profile = rights.row[row, c.ROW_PROFILE]
        if out.code[at, c.S_FUZZY] == 1 or table.profile[version, profile, c.P_USES] == 0:
            continue
        right = right_of(rights, row)
        day = day_row(table, zones.said[place, AT_US])
        case.used.month[right, table.day[day, c.D_MONTH]] += 1
        case.used.year[right, table.day[day, c.D_YEAR]] += 1
        out.code[at, c.S_USED] += 1


@njit(**BORROWED)
def _accuse(
    case: Case, passages: Passages, readings: Readings, at: int, zones: Zones, out: Decisions
) -> None:
    """Note which zones were entered without a right, where that can be proved."""
    table = case.table
    version = version_at(table, passages.time[at, c.AT])
    if passages.code[at, c.CLOCK] != c.TRUSTED or out.code[at, c.S_FUZZY] == 1:
        return
    if readings.code[passages.code[at, c.READING], c.COUNTRY] == 0:
        return
    if passages.confidence[at] < table.shares[version, 0]:
        return
    for place in range(table.gate_zone.shape[2]):
        if table.gate_zone[version, passages.code[at, c.GATE], place] < 0:
            break
        if zones.said[place, LET_IN] == 0:
            out.zone[at, place, c.Z_KIND] = _kind(zones, place, out.code[at, c.S_REASON])


@njit(**BORROWED)
def _kind(zones: Zones, place: int, reason: int) -> int:
    """Name a violation: by the passage's own reason where this zone gave it, else its first."""
    if reason == c.R_NO_AUTHORISATION or (zones.said[place, BITS] >> min(reason, 62)) & 1:
        return reason
    return int(zones.said[place, KIND])


@njit(**BORROWED)
def _exit(
    case: Case,
    passages: Passages,
    readings: Readings,
    at: int,
    clash: bool,
    zones: Zones,
    out: Decisions,
) -> None:
    """An exit always opens; it counts for the vehicle whose stay it may end."""
    version = version_at(case.table, passages.time[at, c.AT])
    whole = readings.code[passages.code[at, c.READING], c.WHOLE]
    if readings.code[passages.code[at, c.READING], c.QUALITY] == c.NOT_READ and version >= 0:
        _write(out, at, c.UNREAD, c.R_UNREAD, -1, fuzzy=False)
        return
    if clash:
        _write(out, at, c.REVIEW, c.R_PLATE_CONFLICT, whole, fuzzy=False)
        return
    _, _, vehicle, fuzzy, opens = judge(case, passages, readings, at, zones)
    out.code[at, c.S_OPENS] = int(opens)
    _write(out, at, c.ADMIT, c.R_EXIT_ALWAYS, vehicle if vehicle >= 0 else whole, fuzzy)


@njit(cache=True, nogil=True)
def match_stays(
    table: Table,
    rights: Rights,
    passages: Passages,
    decisions: Decisions,
    vehicles: int,
    zones: int,
    out: Stays,
) -> None:
    """Match entries with exits of every vehicle in every zone. `out` has room for 2 n zones + 1."""
    inside = np.full((zones, vehicles), -1, np.int32)
    for at in range(len(passages.time)):
        version = version_at(table, passages.time[at, c.AT])
        vehicle, reason = decisions.code[at, c.S_VEHICLE], decisions.code[at, c.S_REASON]
        if version < 0 or vehicle < 0 or passages.code[at, c.GATE] < 0:
            continue
        if reason == c.R_PLATE_CONFLICT or reason == c.R_FUZZY_FAVOUR:
            continue
        for place in range(table.gate_zone.shape[2]):
            zone = table.gate_zone[version, passages.code[at, c.GATE], place]
            if zone < 0:
                break
            there = inside[zone, vehicle]
            if passages.code[at, c.INBOUND] == 1:
                _missed(table, rights, passages, decisions, zone, there, out)
                inside[zone, vehicle] = at
            else:
                inside[zone, vehicle] = -1
                _leave(table, rights, passages, decisions, zone, there, at, out)
    for zone in range(zones):
        for vehicle in range(vehicles):
            there = inside[zone, vehicle]
            row = _opening(table, rights, passages, decisions, zone, there)
            if row >= 0:
                _put(out, zone, vehicle, c.OPEN, there, -1, row)


@njit(**BORROWED)
def _put(
    out: Stays, zone: int, vehicle: int, state: int, entry: int, leaving: int, row: int
) -> None:
    at = out.made[0]
    out.code[at, c.Y_ZONE], out.code[at, c.Y_VEHICLE], out.code[at, c.Y_STATE] = (
        zone,
        vehicle,
        state,
    )
    out.code[at, c.Y_ENTRY], out.code[at, c.Y_EXIT], out.code[at, c.Y_ROW] = entry, leaving, row
    out.made[0] = at + 1


@njit(**BORROWED)
def _opening(
    table: Table, rights: Rights, passages: Passages, decisions: Decisions, zone: int, entry: int
) -> int:
    """Return the row whose profile needs the exit of an entry, -1 where none does."""
    if entry < 0 or decisions.code[entry, c.S_STATE] > c.ADMIT_FLAG:
        return -1
    version = version_at(table, passages.time[entry, c.AT])
    for place in range(table.gate_zone.shape[2]):
        if table.gate_zone[version, passages.code[entry, c.GATE], place] != zone:
            continue
        row = decisions.zone[entry, place, c.Z_ROW]
        if row >= 0 and table.profile[version, rights.row[row, c.ROW_PROFILE], c.P_OPENS] == 1:
            return int(row)
    return -1


@njit(**BORROWED)
def _missed(
    table: Table,
    rights: Rights,
    passages: Passages,
    decisions: Decisions,
    zone: int,
    entry: int,
    out: Stays,
) -> None:
    row = _opening(table, rights, passages, decisions, zone, entry)
    if row >= 0:
        _put(out, zone, decisions.code[entry, c.S_VEHICLE], c.EXIT_MISSED, entry, -1, row)


@njit(**BORROWED)
def _leave(
    table: Table,
    rights: Rights,
    passages: Passages,
    decisions: Decisions,
    zone: int,
    entry: int,
    at: int,
    out: Stays,
) -> None:
    if entry >= 0:
        version = version_at(table, passages.time[entry, c.AT])
        longest_us = table.limits[version, c.L_SESSION]
        if passages.time[at, c.AT] - passages.time[entry, c.AT] > longest_us:
            _missed(table, rights, passages, decisions, zone, entry, out)
            entry = -1
    if entry < 0:
        if decisions.code[at, c.S_OPENS] == 1:
            _put(out, zone, decisions.code[at, c.S_VEHICLE], c.ENTRY_MISSED, -1, at, -1)
        return
    row = _opening(table, rights, passages, decisions, zone, entry)
    if row >= 0:
        _put(out, zone, decisions.code[at, c.S_VEHICLE], c.CLOSED, entry, at, row)
