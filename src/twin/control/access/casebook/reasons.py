"""The words of decisions, sessions and cases."""

from __future__ import annotations

from enum import StrEnum

from twin.control.access.casebook.ruleset import RuleSet
from twin.control.access.reasons import AccessState, window_rule

RANK = {
    AccessState.ADMIT: 0,
    AccessState.ADMIT_FLAG: 1,
    AccessState.UNREAD: 2,
    AccessState.REVIEW: 3,
    AccessState.DENY: 4,
}
"""Order of favour to the driver, the best first."""

ADMITTED = frozenset({AccessState.ADMIT, AccessState.ADMIT_FLAG})


class Because(StrEnum):
    """Why something was decided, where no profile's rule says it (`window_rule`)."""

    EXIT_ALWAYS = "EXIT_ALWAYS"
    UNREAD = "UNREAD"
    NO_RULES = "NO_RULES"
    COUNTRY_UNKNOWN = "COUNTRY_UNKNOWN"
    UNUSUAL_PLATE = "UNUSUAL_PLATE"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    FUZZY_FAVOUR = "FUZZY_FAVOUR"
    FUZZY_LIMIT = "FUZZY_LIMIT"
    AMBIGUOUS_READ = "AMBIGUOUS_READ"
    PLATE_CONFLICT = "PLATE_CONFLICT"
    CLOCK_FAVOUR = "CLOCK_FAVOUR"
    CLOCK_UNTRUSTED = "CLOCK_UNTRUSTED"
    NO_AUTHORISATION = "NO_AUTHORISATION"
    AUTH_NOT_YET_VALID = "AUTH_NOT_YET_VALID"
    AUTH_EXPIRED = "AUTH_EXPIRED"
    AUTH_REVOKED = "AUTH_REVOKED"
    HOLDER_CHANGED = "HOLDER_CHANGED"
    VEHICLE_TOO_LARGE = "VEHICLE_TOO_LARGE"
    OUTSIDE_WINDOW = "OUTSIDE_WINDOW"
    QUOTA_MONTH = "QUOTA_MONTH"
    QUOTA_YEAR = "QUOTA_YEAR"
    FAIL_OPEN_EMERGENCY = "FAIL_OPEN_EMERGENCY"
    SNAPSHOT_EXPIRED = "SNAPSHOT_EXPIRED"
    DUPLICATE = "DUPLICATE"
    OVERSTAY = "OVERSTAY"
    DAY_TOTAL = "DAY_TOTAL"
    TRANSIT_FORBIDDEN = "TRANSIT_FORBIDDEN"


def excluded(day_type: str) -> str:
    """Name the reason that a kind of day is not in a window: `HOLIDAY_EXCLUDED`."""
    return f"{day_type}_EXCLUDED"


def reasons_of(form: RuleSet) -> set[str]:
    """Name every reason that a rule set can give; each needs a text."""
    names: set[str] = set(Because)
    names |= {
        window_rule(name, always=row.windows == "always") for name, row in form.profiles.items()
    }
    kinds = {form.calendar.default, *form.calendar.days.values()}
    for row in form.profiles.values():
        for window in () if row.windows == "always" else row.windows:
            if window.day_types is not None:
                names |= {excluded(kind) for kind in kinds - set(window.day_types)}
    return names
