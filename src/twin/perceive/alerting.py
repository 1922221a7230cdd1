"""What operators are told unasked: incidents that the detectors show, and tails of queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from twin.network.model import SingleMap
from twin.perceive.estimate import Perception
from twin.perceive.incident_signs import MINUTE_US
from twin.perceive.incident_watch import IncidentAlert, IncidentWatch
from twin.perceive.queue_tails import QueueTail, QueueTails

WAIT_US: Final = 15 * 1_000_000
"""A minute is read so long after its end; what comes later counts in the next one."""
MOST_BACK: Final = 30


@dataclass(frozen=True, slots=True)
class Alerts:
    """What stands now."""

    incidents: tuple[IncidentAlert, ...] = ()
    tails: tuple[QueueTail, ...] = ()


class Alerting:
    """Watches one perception, a minute at a time."""

    def __init__(self, network: SingleMap, perception: Perception) -> None:
        """Know of nothing yet; `perception` is asked, never changed."""
        self._perception = perception
        self._incidents = IncidentWatch(network)
        self._tails = QueueTails(network)
        self._rows = perception.section_rows(self._incidents.sections)
        self._read: int | None = None
        self._now = Alerts()

    def advance(self, now_us: int) -> None:
        """Read every minute that is over by now and was not read."""
        newest = (now_us - WAIT_US) // MINUTE_US
        first = newest if self._read is None else max(self._read + 1, newest - MOST_BACK)
        for minute in range(first, newest + 1):
            minutes = self._perception.last_minutes(minute)
            imbalance = self._perception.health().imbalance[self._rows]
            self._incidents.advance(minute, minutes, imbalance=imbalance)
            self._now = Alerts(self._incidents.alerts(), self._tails.find(minutes))
            self._read = minute

    def alerts(self) -> Alerts:
        """Return what stands now."""
        return self._now

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was learned."""
        return self._incidents.state()

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what was learned."""
        self._incidents.restore(state)
