"""The ramp meters and signs of a map: they show what was ordered, and say that they do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from twin.clock import Clock
from twin.events import DecisionEvent, DecisionKind
from twin.network.devices import DeviceKind, RoadDevice, road_devices
from twin.network.model import SingleMap
from twin.world.feed import answer, listen
from twin.world.orders import Orders
from twin.world.service import Pause, Service

_WORDS: Final = {
    DeviceKind.RAMP_METER: ("rate_vph", "rate"),
    DeviceKind.SIGN: ("limit_kph", "close_lane", "text"),
}
_KINDS: Final = frozenset({DecisionKind.RAMP_METER, DecisionKind.SIGN})


class RoadDevices:
    """All ramp meters and signs of one map, as one party. `shown` may be asked any time."""

    def __init__(
        self, network: SingleMap, *, service: Service, clock: Clock, pause: Pause = asyncio.sleep
    ) -> None:
        """Begin with meters off and signs dark."""
        self.devices: tuple[RoadDevice, ...] = tuple(
            one for one in road_devices(network) if one.kind in _WORDS
        )
        self._names = tuple(one.id for one in self.devices)
        self._orders = Orders({one.id: _WORDS[one.kind] for one in self.devices})
        self._service = service
        self._clock = clock
        self._pause = pause
        self.acknowledged = 0

    def shown(self, device: str, now_us: int) -> Mapping[str, str]:
        """Return what a device shows; empty: off, dark."""
        return self._orders.of(device, now_us)

    async def run(self) -> None:
        """Work until cancelled. Raises InputError when the service refuses the key."""
        if self._names:
            await listen(self._service, self._names, self.obey, pause=self._pause)

    async def obey(self, commands: Sequence[DecisionEvent]) -> None:
        """Carry out each command and acknowledge it."""
        now_us = self._clock.now_us()
        self.acknowledged += await answer(
            self._service, commands, lambda command: self._carry_out(command, now_us), now_us
        )

    def _carry_out(self, command: DecisionEvent, now_us: int) -> str | None:
        if command.target not in self._names or command.kind not in _KINDS:
            return None
        return self._orders.take(command, now_us)
