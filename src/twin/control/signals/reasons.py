"""Why a signal decision was made, or let go."""

from __future__ import annotations

from enum import StrEnum


class SignalReason(StrEnum):
    """The reason codes of signal decisions; `control/explain.py` says them in words."""

    DELAY_SAVED = "DELAY_SAVED"
    MORE_PRESSURE = "MORE_PRESSURE"
    RED_TOO_LONG = "RED_TOO_LONG"
    HOLD = "HOLD"
    INPUT_TOO_OLD = "INPUT_TOO_OLD"
    FORECAST_MISSING = "FORECAST_MISSING"
    STATUS_MISSING = "STATUS_MISSING"
    DEVICE_FAULT = "DEVICE_FAULT"
    GRANT_ENDED = "GRANT_ENDED"
