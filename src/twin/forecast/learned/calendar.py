"""What kind of day a row belongs to, and which five minutes of it.

A row is a count of five-minute bins since the start of a series.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from twin.columns import Ints

STEP_MIN: Final = 5
SLOTS: Final = 288  # bins of five minutes in a day
KINDS: Final = 2  # working days, and the rest
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Calendar:
    """Slot of the day and kind of day of every row; `start` is local time of row 0.

    Without a start time is only relative: row 0 begins a day, and all days are of one kind.
    """

    start: datetime | None = None
    holidays: frozenset[date] = frozenset()

    @property
    def first_slot(self) -> int:
        """Return the slot of row 0."""
        if self.start is None:
            return 0
        return (self.start.hour * 60 + self.start.minute) // STEP_MIN

    def slots(self, rows: Ints) -> Ints:
        """Return the five-minute slot of the day of every row, 0 to 287."""
        return (rows + self.first_slot) % SLOTS

    def kinds(self, rows: Ints) -> Ints:
        """Return 0 for a row of a working day, 1 for a weekend or a holiday; 0 without a start."""
        if self.start is None:
            return np.zeros(len(rows), np.int64)
        first = self.start.date()
        days, inverse = np.unique((rows + self.first_slot) // SLOTS, return_inverse=True)
        kind = [self._kind(first + timedelta(days=int(day))) for day in days]
        return np.asarray(kind, np.int64)[inverse]

    def _kind(self, day: date) -> int:
        return int(day.weekday() >= _SATURDAY or day in self.holidays)
