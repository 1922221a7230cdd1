"""What the controllers show, as the controller of signals needs it."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin.clock import us_from_datetime
from twin.control.signals.choose import Shown
from twin.control.signals.layout import JunctionLayout
from twin.events import SignalStatus


@dataclass(slots=True)
class Watch:
    """The newest status of one junction, and when each group was last seen green."""

    layout: JunctionLayout
    status: SignalStatus | None = None
    last_green_us: dict[str, int] = field(default_factory=dict)

    def observe(self, status: SignalStatus) -> None:
        """Take in a status; an older one than the known is ignored."""
        if self.status is not None and status.time <= self.status.time:
            return
        row = self.layout.stage_of.get(status.stage)
        since_us = us_from_datetime(status.since)
        for group in self.layout.min_green_s:
            self.last_green_us.setdefault(group, min(since_us, us_from_datetime(status.time)))
        if row is not None and not status.changing:
            for group in self.layout.groups_of(row):
                self.last_green_us[group] = us_from_datetime(status.time)
        self.status = status

    def shown(self, now_us: int) -> Shown | None:
        """Return what is shown, None while nothing is known or the stage is not of the map."""
        if self.status is None or self.status.stage not in self.layout.stage_of:
            return None
        row = self.layout.stage_of[self.status.stage]
        greens = self.layout.groups_of(row)
        red_since_us = {
            group: now_us if group in greens else seen_us
            for group, seen_us in self.last_green_us.items()
        }
        return Shown(row, us_from_datetime(self.status.since), red_since_us)
