"""What is not let out to the street is logged: at the start, and once at the beat that follows."""

from __future__ import annotations

import logging
from typing import Final

from twin.control.devices.orders import DeviceControl
from twin.control.signals.controller import SignalControl
from twin.live import Live

_LOG: Final = logging.getLogger(__name__)


class Refusals:
    """Remembers how many refusals of each gate were told."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._told: dict[str, int] = {}

    def tell_start(self, live: Live) -> None:
        """Log what a restored state left out, and which junctions are never controlled."""
        if live.book.dropped:
            _LOG.warning("stored_stages_dropped", extra={"decisions": live.book.dropped})
        for finding in live.signals.findings:
            _LOG.warning("junction_not_controlled", extra={"finding": str(finding)})

    def tell(self, live: Live) -> None:
        """Log what was refused since this was last called."""
        gates: dict[str, SignalControl | DeviceControl] = {
            "signal_request_refused": live.signals,
            "device_request_refused": live.devices,
        }
        for event, asked in gates.items():
            fresh = min(asked.unsafe_count - self._told.get(event, 0), len(asked.unsafe))
            self._told[event] = asked.unsafe_count
            for _, problem in list(asked.unsafe)[len(asked.unsafe) - fresh :]:
                _LOG.warning(
                    event,
                    extra={
                        "rule": problem.rule,
                        "junction": problem.junction,
                        "value": problem.value,
                        "limit": problem.limit,
                    },
                )
