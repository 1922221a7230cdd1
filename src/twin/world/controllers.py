"""The signal controllers of a map: each runs its `Cabinet`, hears commands, tells what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from twin.clock import Clock, datetime_from_us
from twin.events import DecisionEvent, SignalStatus
from twin.ids import derived_id
from twin.network.model import SingleMap
from twin.units import SECOND_US
from twin.world.cabinet import Cabinet, Shown
from twin.world.feed import answer, listen
from twin.world.patience import BEAT_US
from twin.world.service import Pause, Service, together

_STATUS_EVERY_S: Final = 5.0


class SignalControllers:
    """All signal controllers of one map, as one party. `cabinets` may be looked at any time."""

    def __init__(
        self, network: SingleMap, *, service: Service, clock: Clock, pause: Pause = asyncio.sleep
    ) -> None:
        """Start every junction from all red. Raises MapError for one that cannot run a plan."""
        now_us = clock.now_us()
        self.cabinets: dict[str, Cabinet] = {
            junction.id: Cabinet(junction, timezone=network.timezone, now_us=now_us)
            for junction in network.junctions
        }
        self._service = service
        self._clock = clock
        self._pause = pause
        self._told: dict[str, Shown] = {}
        self._told_us = 0
        self.acknowledged = 0

    async def run(self) -> None:
        """Work until cancelled. Raises InputError when the service refuses the key."""
        if not self.cabinets:
            return
        await together(
            self._drive(),
            listen(self._service, tuple(self.cabinets), self.obey, pause=self._pause),
        )

    async def _drive(self) -> None:
        while True:
            await self.beat()
            await self._pause(self._clock.wall_seconds(BEAT_US / SECOND_US))

    async def beat(self) -> None:
        """Move every cabinet to the present and tell what changed; every 5 s tell all."""
        now_us = self._clock.now_us()
        for cabinet in self.cabinets.values():
            cabinet.advance(now_us)
        every_us = _STATUS_EVERY_S * SECOND_US
        due = now_us - self._told_us >= every_us
        changed = [
            name for name, box in self.cabinets.items() if due or self._told.get(name) != box.shown
        ]
        if not changed:
            return
        if due:
            self._told_us = now_us
        statuses = [self._status(name, now_us) for name in changed]
        self._told |= {name: self.cabinets[name].shown for name in changed}
        # A status that does not arrive is not kept: the next one says more.
        await self._service.send("/street/status", statuses, tries=1)

    def _status(self, name: str, now_us: int) -> bytes:
        shown = self.cabinets[name].shown
        return msgspec.json.encode(
            SignalStatus(
                id=derived_id("status", name, now_us),
                junction=name,
                time=datetime_from_us(now_us),
                stage=shown.stage,
                since=datetime_from_us(shown.since_us),
                mode=shown.mode,
                changing=shown.changing,
            )
        )

    async def obey(self, commands: Sequence[DecisionEvent]) -> None:
        """Give each command to its cabinet and acknowledge it."""
        now_us = self._clock.now_us()
        self.acknowledged += await answer(
            self._service, commands, lambda command: self._carry_out(command, now_us), now_us
        )

    def _carry_out(self, command: DecisionEvent, now_us: int) -> str | None:
        cabinet = self.cabinets.get(command.target)
        if cabinet is None:
            return None
        cabinet.advance(now_us)
        return cabinet.take(command, now_us).reason
