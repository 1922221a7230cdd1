"""The arrays that the replay of access works on, and the numbers that stand for words.

Times are int64 microseconds since 1970 UTC. An index of -1 means "none"; so does `NEVER_US` for a
time that does not come. Axis `versions` counts the published versions of the rules.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.int8]
Codes = npt.NDArray[np.int32]

NEVER_US = 2**62
WEEK_MIN = 10_080

# States, in order of favour to the driver.
ADMIT, ADMIT_FLAG, UNREAD, REVIEW, DENY = 0, 1, 2, 3, 4
STATES = ("ADMIT", "ADMIT_FLAG", "UNREAD", "REVIEW", "DENY")
# How a read became a plate, and how far a clock can be believed.
EXACT, REPAIRED, UNUSUAL, NOT_READ = 0, 1, 2, 3
TRUSTED, UNTRUSTED, UNKNOWN = 0, 1, 2
# How long a version noted after a passage may still cover it.
BACK_NEVER, BACK_MIDNIGHT, BACK_US = 0, 1, 2
# Reasons that no rule set can rename; those of profiles and kinds of day follow after them.
(
    R_NONE,
    R_EXIT_ALWAYS,
    R_UNREAD,
    R_NO_RULES,
    R_COUNTRY_UNKNOWN,
    R_UNUSUAL_PLATE,
    R_LOW_CONFIDENCE,
    R_FUZZY_FAVOUR,
    R_FUZZY_LIMIT,
    R_AMBIGUOUS_READ,
    R_PLATE_CONFLICT,
    R_CLOCK_FAVOUR,
    R_CLOCK_UNTRUSTED,
    R_NO_AUTHORISATION,
    R_AUTH_NOT_YET_VALID,
    R_AUTH_EXPIRED,
    R_AUTH_REVOKED,
    R_HOLDER_CHANGED,
    R_VEHICLE_TOO_LARGE,
    R_OUTSIDE_WINDOW,
    R_QUOTA_MONTH,
    R_QUOTA_YEAR,
    R_OVERSTAY,
    R_DAY_TOTAL,
    R_TRANSIT_FORBIDDEN,
) = range(25)
FIXED_REASONS = (
    "",
    "EXIT_ALWAYS",
    "UNREAD",
    "NO_RULES",
    "COUNTRY_UNKNOWN",
    "UNUSUAL_PLATE",
    "LOW_CONFIDENCE",
    "FUZZY_FAVOUR",
    "FUZZY_LIMIT",
    "AMBIGUOUS_READ",
    "PLATE_CONFLICT",
    "CLOCK_FAVOUR",
    "CLOCK_UNTRUSTED",
    "NO_AUTHORISATION",
    "AUTH_NOT_YET_VALID",
    "AUTH_EXPIRED",
    "AUTH_REVOKED",
    "HOLDER_CHANGED",
    "VEHICLE_TOO_LARGE",
    "OUTSIDE_WINDOW",
    "QUOTA_MONTH",
    "QUOTA_YEAR",
    "OVERSTAY",
    "DAY_TOTAL",
    "TRANSIT_FORBIDDEN",
)


class Table(NamedTuple):
    """The rules, compiled: what a decision looks up.

    valid_from   (versions,) when each comes into force
    change       (changes, 2) when the local clock changes, and what it then adds to UTC
    kind         (versions, days) kind of day, -1 where the city's table does not say
    day          (days, DAY_FIELDS)
    windows      (4, versions, profiles, kinds, minutes of the week): HELD and WRONG, begun on this
                 day of this kind or (+1) on the day before. HELD: the first window that lets in,
                 counted from 1. WRONG: the last window that does not count on such a day
    profile      (versions, profiles, PROFILE_FIELDS) int64
    gate_zone    (versions, gates, most zones of a gate) zones by name, -1 after the last
    limits       (versions, LIMIT_FIELDS) int64
    shares       (versions, 2) least confidence, share of the shortest travel time
    shortest     (gates, gates) shortest travel time, us; -1 unknown
    reason_rank  (reasons,) place of a reason in the order of their names
    """

    valid_from: Ints
    change: Ints
    kind: Bytes
    day: Ints
    windows: Bytes
    profile: Ints
    gate_zone: Codes
    limits: Ints
    shares: Floats
    shortest: Ints
    reason_rank: Codes


HELD, WRONG = 0, 2
D_MONTH, D_YEAR, D_END = range(3)
DAY_FIELDS = 3
"""Columns of `Table.day`: month and year of the quotas, when the local day ends."""
# Columns of `Table.profile`.
P_EXISTS, P_ALWAYS, P_MONTH, P_YEAR, P_OPENS, P_STAY, P_DAY_TOTAL, P_CROSSING = range(8)
P_BACK, P_BACK_LIMIT, P_STAY_LIMIT, P_DAY_LIMIT, P_USES, P_RULE = range(8, 14)
PROFILE_FIELDS = 14
"""STAY and DAY_TOTAL hold the limit with its tolerance, STAY_LIMIT and DAY_LIMIT as it is written;
RULE is the reason by which the profile admits. -1: there is none."""
# Columns of `Table.limits`.
L_HORIZON, L_SESSION, L_CROSSING, L_KIND, L_FIRST_DAY, L_LONGEST = range(6)
LIMIT_FIELDS = 6
"""KIND: of a day that the city's table does not name. FIRST_DAY: row 0 of the days, counted from
1970-01-01. LONGEST: the longest of the shortest travel times."""


class Rights(NamedTuple):
    """What authorisations and registers say. Rows of one authorisation stand together, as noted.

    row            (rows, ROW_FIELDS) int32
    time           (rows, 4) valid from, valid to, recorded, arrived
    of_vehicle     (2, vehicles + 1) starts in `right` and in `held`
    right          authorisations that ever named a vehicle, by vehicle
    of_right       (2, authorisations + 1) starts of rows and in `revoked`
    plates_of, plate   CSR by row of the vehicles that it names
    too_large      (versions, plates) by the vehicle register, for the profile of the row
    revoked        (k, 2) by authorisation: from when, heard of when
    held           (k, 3) by vehicle, changes of the holder: from when, heard of when, who
    near_of, near  CSR by (version, vehicle) of the listed vehicles it is easily mistaken for
    near_over      (versions, vehicles) too many strangers would be let in by them
    """

    row: Codes
    time: Ints
    of_vehicle: Ints
    right: Codes
    of_right: Ints
    plates_of: Ints
    plate: Codes
    too_large: Bools
    revoked: Ints
    held: Ints
    near_of: Ints
    near: Codes
    near_over: Bools


ROW_ZONE, ROW_PROFILE, ROW_HOLDER, ROW_ORDER, ROW_CORRECTION = range(5)
ROW_FIELDS = 5
"""ORDER: place among all rows by latest end, id, version. CORRECTION: a reasoned one, 1 or 0."""
FROM, TO, RECORDED, ARRIVED = range(4)


class Passages(NamedTuple):
    """Passages in order of (time, id).

    code         (n, 4) int32: gate, 1 for an entry, clock, row of `Readings`
    time         (n, 2) int64: when, give or take, us
    confidence   (n,)
    """

    code: Codes
    time: Ints
    confidence: Floats


GATE, INBOUND, CLOCK, READING = range(4)
AT, SPREAD = range(2)


class Readings(NamedTuple):
    """What strings may be.

    keys_of, key   CSR of vehicles
    code           (readings, 3) int32: the vehicle that stands for all keys, quality, 1 where the
                   country is known
    """

    keys_of: Ints
    key: Codes
    code: Codes


WHOLE, QUALITY, COUNTRY = range(3)


class Used(NamedTuple):
    """Entries that each authorisation has used: (authorisations, months), (authorisations, years).

    A replay counts on in them.
    """

    month: npt.NDArray[np.int16]
    year: npt.NDArray[np.int16]


class Decisions(NamedTuple):
    """What became of each passage.

    code   (n, SAID_FIELDS) int32
    zone   (n, most zones of a gate, 2) int32: the row that let the vehicle in, -1 none; the reason
           of a provable violation, R_NONE where there is none
    """

    code: Codes
    zone: Codes


S_STATE, S_REASON, S_VEHICLE, S_USED, S_FUZZY, S_OPENS = range(6)
SAID_FIELDS = 6
"""VEHICLE: for which it counts, -1 none. USED: entries used up. FUZZY: by a neighbour's right.
OPENS: a right of the vehicle that leaves waits for exits."""
Z_ROW, Z_KIND = range(2)


class Stays(NamedTuple):
    """Entries matched with exits: (most stays, STAY_FIELDS) int32; `made` (1,) are there."""

    code: Codes
    made: Ints


Y_ZONE, Y_VEHICLE, Y_STATE, Y_ENTRY, Y_EXIT, Y_ROW = range(6)
STAY_FIELDS = 6
OPEN, CLOSED, EXIT_MISSED, ENTRY_MISSED = range(4)
STAY_STATES = ("OPEN", "CLOSED", "EXIT_MISSED", "ENTRY_MISSED")
