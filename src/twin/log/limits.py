"""What both engines refuse in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twin.errors import Fault, InputError
from twin.log.contract import Place

MAX_RECORD_BYTES: Final = 900_000  # below the broker's usual 1 MiB a batch, headers included


def check_sizes(place: Place, values: Sequence[bytes]) -> None:
    """Raise InputError when a record is larger than any engine takes."""
    largest = max(map(len, values), default=0)
    if largest > MAX_RECORD_BYTES:
        rule = f"a record of {place} may have {MAX_RECORD_BYTES} bytes"
        raise InputError(Fault("record", f"{largest} bytes", rule, "too_large"))


def beyond_end(place: Place, position: int, end: int) -> str:
    """Say that a reader stands behind the end: its log is not the one that it read before."""
    return (
        f"{place} ends at offset {end}, but the next to read is {position}: "
        "the log was emptied, or it is not the one that was read before"
    )
