"""Moments in our own tables: RFC 3339 text in UTC or with an offset."""

from __future__ import annotations

from datetime import datetime

from twin.clock import us_from_datetime
from twin.network.gmns.sheets import Sheet


def _moment(word: str) -> int:
    try:
        return us_from_datetime(datetime.fromisoformat(word))
    except (ValueError, OverflowError):
        message = "must be a moment with its offset, like 2026-06-16T06:30:00Z"
        raise ValueError(message) from None


def read_moments(sheet: Sheet, column: str) -> list[int | None]:
    """Return a column of moments in microseconds UTC, None where a cell is empty."""
    return [
        sheet.value(row, column, word, _moment) if word else None
        for row, word in enumerate(sheet.words(column))
    ]
