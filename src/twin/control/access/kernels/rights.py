"""What one authorisation says about one vehicle at one instant."""

from __future__ import annotations

from numba import njit

from twin.control.access.kernels import columns as c
from twin.control.access.kernels.borrowed import BORROWED
from twin.control.access.kernels.columns import Ints, Rights, Table, Used

_DAY_US = 86_400_000_000
_MINUTE_US = 60_000_000


@njit(**BORROWED)
def version_at(table: Table, time_us: int) -> int:
    """Return the version of the rules in force, -1 before the first."""
    found = len(table.valid_from) - 1
    while found >= 0 and table.valid_from[found] > time_us:
        found -= 1
    return found


@njit(**BORROWED)
def local_us(table: Table, time_us: int) -> int:
    """Return what the clock on the wall shows, as microseconds of a day count without time zone."""
    row = len(table.change) - 1
    while row > 0 and table.change[row, 0] > time_us:
        row -= 1
    return int(time_us + table.change[row, 1])


@njit(**BORROWED)
def day_row(table: Table, time_us: int) -> int:
    """Return the row of the local day among the days of the table, -1 if it is none of them."""
    row = local_us(table, time_us) // _DAY_US - table.limits[0, c.L_FIRST_DAY]
    return row if 0 <= row < table.kind.shape[1] else -1


@njit(**BORROWED)
def window_reason(table: Table, version: int, profile: int, time_us: int) -> int:
    """Return the reason against an instant from the windows of a profile, R_NONE if one lets in."""
    if table.profile[version, profile, c.P_ALWAYS] == 1:
        return c.R_NONE
    local = local_us(table, time_us)
    day = local // _DAY_US
    row = day - table.limits[0, c.L_FIRST_DAY]
    minute = int(((day + 3) % 7) * 1440 + (local % _DAY_US) // _MINUTE_US)  # 1970-01-01: Thursday
    kinds = table.kind.shape[1]
    wrong_kind, wrong = -1, 0
    for back in range(2):
        at = row - back
        kind = table.kind[version, at] if 0 <= at < kinds else -1
        if kind < 0:
            kind = table.limits[version, c.L_KIND]
        if table.windows[c.HELD + back, version, profile, kind, minute] > 0:
            return c.R_NONE
        missed = table.windows[c.WRONG + back, version, profile, kind, minute]
        if missed > wrong:
            wrong, wrong_kind = missed, kind
    if wrong_kind < 0:
        return c.R_OUTSIDE_WINDOW
    return int(len(c.FIXED_REASONS) + wrong_kind)


@njit(**BORROWED)
def _quota_reason(
    table: Table, used: Used, version: int, profile: int, right: int, time_us: int
) -> int:
    fields = table.profile[version, profile]
    if fields[c.P_USES] == 0:
        return c.R_NONE
    day = day_row(table, time_us)
    if 0 <= fields[c.P_MONTH] <= used.month[right, table.day[day, c.D_MONTH]]:
        return c.R_QUOTA_MONTH
    if 0 <= fields[c.P_YEAR] <= used.year[right, table.day[day, c.D_YEAR]]:
        return c.R_QUOTA_YEAR
    return c.R_NONE


@njit(**BORROWED)
def _last_holder(rights: Rights, vehicle: int, time_us: int, horizon_us: int) -> int:
    """Return who holds a vehicle after its last change before an instant, -1 without a change."""
    found = -1
    for at in range(rights.of_vehicle[1, vehicle], rights.of_vehicle[1, vehicle + 1]):
        if rights.held[at, 0] <= time_us and rights.held[at, 1] - time_us <= horizon_us:
            found = int(rights.held[at, 2])
    return found


@njit(**BORROWED)
def _revoked(rights: Rights, right: int, time_us: int, horizon_us: int) -> bool:
    for at in range(rights.of_right[1, right], rights.of_right[1, right + 1]):
        if rights.revoked[at, 1] - time_us <= horizon_us and rights.revoked[at, 0] <= time_us:
            return True
    return False


@njit(**BORROWED)
def _validity_reason(
    table: Table, rights: Rights, version: int, row: int, right: int, vehicle: int, time_us: int
) -> int:
    horizon_us = table.limits[version, c.L_HORIZON]
    if time_us < rights.time[row, c.FROM]:
        return c.R_AUTH_NOT_YET_VALID
    if _revoked(rights, right, time_us, horizon_us):
        return c.R_AUTH_REVOKED
    holder = _last_holder(rights, vehicle, time_us, horizon_us)
    if holder >= 0 and 0 <= rights.row[row, c.ROW_HOLDER] != holder:
        return c.R_HOLDER_CHANGED
    if time_us >= rights.time[row, c.TO]:
        return c.R_AUTH_EXPIRED
    return c.R_NONE


@njit(**BORROWED)
def opinion(
    table: Table,
    rights: Rights,
    used: Used,
    version: int,
    row: int,
    right: int,
    place: int,
    time_us: int,
) -> int:
    """Return the reason against one instant: validity, then size, then window, then quota."""
    profile = rights.row[row, c.ROW_PROFILE]
    if profile < 0 or table.profile[version, profile, c.P_EXISTS] == 0:
        return c.R_NO_RULES
    vehicle = rights.plate[place]
    against = _validity_reason(table, rights, version, row, right, vehicle, time_us)
    if against == c.R_NONE and rights.too_large[version, place]:
        against = c.R_VEHICLE_TOO_LARGE
    if against == c.R_NONE:
        against = window_reason(table, version, profile, time_us)
    if against == c.R_NONE:
        against = _quota_reason(table, used, version, profile, right, time_us)
    return int(against)


@njit(**BORROWED)
def may_back_date(table: Table, rights: Rights, version: int, row: int, time_us: int) -> bool:
    """Say whether a version noted after a passage may still cover it."""
    if rights.row[row, c.ROW_CORRECTION] == 1:
        return True
    profile = rights.row[row, c.ROW_PROFILE]
    if profile < 0 or table.profile[version, profile, c.P_EXISTS] == 0:
        return False
    mode = table.profile[version, profile, c.P_BACK]
    if mode == c.BACK_US:
        late_us = rights.time[row, c.RECORDED] - time_us
        return bool(late_us <= table.profile[version, profile, c.P_BACK_LIMIT])
    day = day_row(table, time_us)
    return bool(mode == c.BACK_MIDNIGHT and rights.time[row, c.RECORDED] < table.day[day, c.D_END])


@njit(**BORROWED)
def rows_asked(
    table: Table, rights: Rights, version: int, right: int, time_us: int, out: Ints
) -> int:
    """Write the rows of an authorisation that may be asked about an instant; return how many."""
    horizon_us = table.limits[version, c.L_HORIZON]
    base, count = -1, 0
    for row in range(rights.of_right[0, right], rights.of_right[0, right + 1]):
        if (
            rights.time[row, c.RECORDED] <= time_us
            and rights.time[row, c.ARRIVED] - time_us <= horizon_us
        ):
            base = row
        elif count < len(out) - 1 and (
            rights.time[row, c.RECORDED] <= time_us
            or may_back_date(table, rights, version, row, time_us)
        ):
            out[count] = row
            count += 1
    if base >= 0:
        out[count] = base
        count += 1
    return count


@njit(**BORROWED)
def plate_place(rights: Rights, row: int, vehicle: int) -> int:
    """Return where a row names a vehicle, -1 if it does not cover it."""
    for at in range(rights.plates_of[row], rights.plates_of[row + 1]):
        if rights.plate[at] == vehicle:
            return at
    return -1
