"""The words of an access decision: its states, its reasons, what a gate is asked to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class AccessState(StrEnum):
    """What is decided about one passage."""

    ADMIT = "ADMIT"
    ADMIT_FLAG = "ADMIT_FLAG"
    REVIEW = "REVIEW"
    DENY = "DENY"
    UNREAD = "UNREAD"


class AccessReason(StrEnum):
    """Why. An admission by a profile's rule has the rule's own name instead (`window_rule`)."""

    EXIT_ALWAYS = "EXIT_ALWAYS"
    COUNTRY_UNKNOWN = "COUNTRY_UNKNOWN"
    UNREAD = "UNREAD"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    NO_AUTHORISATION = "NO_AUTHORISATION"
    AUTH_EXPIRED = "AUTH_EXPIRED"
    AUTH_NOT_YET_VALID = "AUTH_NOT_YET_VALID"
    AUTH_REVOKED = "AUTH_REVOKED"
    OUTSIDE_WINDOW = "OUTSIDE_WINDOW"
    NO_RULES = "NO_RULES"


class GateAction(StrEnum):
    """What the gate does: open the barrier, only record, or call the operator's intercom."""

    OPEN = "open"
    RECORD = "record"
    INTERCOM = "intercom"


WINDOW_SUFFIX: Final = "_WINDOW"


def window_rule(profile: str, *, always: bool) -> str:
    """Name the rule that admits a profile: `TAXI` at any time, `RESIDENT_WINDOW` in a window."""
    return profile if always else profile + WINDOW_SUFFIX
