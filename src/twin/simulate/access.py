"""Who may drive where, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.errors import SimulationError


@dataclass(frozen=True, slots=True)
class Access:
    """Links that classes may not enter, from one time to the next.

    from_s      (periods,) float64 rising, the first 0
    forbidden   (periods, classes, links) bool
    A vehicle that is where it has no right to be when a period begins may go on over links that
    are forbidden until it is out; from a permitted link it enters none. A trip starts inside
    when all links that leave its origin are forbidden.
    """

    from_s: Floats
    forbidden: Bools

    @classmethod
    def open_to_all(cls, links: int, classes: int = 1) -> Access:
        """Return access without any rule."""
        return cls(np.zeros(1), np.zeros((1, classes, links), np.bool_))

    def forbid(
        self, kind: int, links: Ints, *, from_s: float = 0.0, until_s: float = np.inf
    ) -> Access:
        """Return access with links forbidden to a class from a time until another.

        Raises SimulationError for an interval that is empty or begins before 0.
        """
        if not 0.0 <= from_s < until_s:
            message = f"a rule from {from_s} s until {until_s} s is never in force"
            raise SimulationError(message)
        edges = np.union1d(self.from_s, [edge for edge in (from_s, until_s) if edge < np.inf])
        period = np.searchsorted(self.from_s, edges, side="right") - 1
        forbidden = self.forbidden[period].copy()
        inside = np.flatnonzero((edges >= from_s) & (edges < until_s))
        forbidden[inside[:, None], kind, np.asarray(links)[None, :]] = True
        return Access(edges.astype(np.float64), forbidden)

    def at(self, time_s: float) -> tuple[Bools, Ints]:
        """Return what holds at a time: masks (groups, links), and the group of every class."""
        period = int(np.searchsorted(self.from_s, time_s, side="right")) - 1
        masks, group = np.unique(self.forbidden[period], axis=0, return_inverse=True)
        return np.ascontiguousarray(masks), group.reshape(-1).astype(np.int64)
