"""How vehicles choose their way."""

from __future__ import annotations

import math
from dataclasses import dataclass

from twin.columns import Floats
from twin.errors import SimulationError


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """Route choice of a run.

    compliant_share   of the vehicles: they choose each next link by what they see now
    update_s          seconds between two looks at the travel times
    spread_s          of the logit between ways, seconds; 0 takes the quickest
    habit_s           (links,) usual travel times of all others; free travel times when None

    All others follow the path that they were given, or the quickest by habit. Who finds a link
    closed, or forbidden to its class, chooses by what it sees from then on.
    """

    compliant_share: float = 0.0
    update_s: float = 300.0
    spread_s: float = 30.0
    habit_s: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse what has no meaning. Raises SimulationError."""
        ways = 0.0 <= self.compliant_share <= 1.0 and math.isfinite(self.spread_s)
        if not (ways and self.update_s > 0 and self.spread_s >= 0):
            message = (
                f"no route choice: share {self.compliant_share}, update {self.update_s} s, "
                f"spread {self.spread_s} s"
            )
            raise SimulationError(message)


FIXED = RouteChoice()
