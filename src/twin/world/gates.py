"""The gates of a map: they carry out what was decided about a passage or ordered of the gate.

A gate whose barrier is ordered closed opens only for a passage of the profile that the order
excepts. A gate for the way out is open, whatever it is told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from twin.clock import Clock
from twin.events import DecisionEvent, DecisionKind
from twin.network.model import SingleMap
from twin.units import SECOND_US
from twin.world.feed import answer, listen
from twin.world.orders import Orders
from twin.world.service import Pause, Service

_STAYS_OPEN_S: Final = 8.0


class Gates:
    """All gates of one map, as one party. `open_until_us` tells of each barrier.

    `said` counts by gate the passages that were let in and those that were not.
    """

    def __init__(
        self, network: SingleMap, *, service: Service, clock: Clock, pause: Pause = asyncio.sleep
    ) -> None:
        """Begin with all barriers closed."""
        self._barriers = frozenset(gate.id for gate in network.gates if gate.barrier)
        self._names = tuple(gate.id for gate in network.gates)
        self._inbound = frozenset(gate.id for gate in network.gates if gate.inbound)
        self._orders = Orders(dict.fromkeys(self._barriers, ("gate",)))
        self.said: dict[str, Counter[bool]] = {name: Counter() for name in self._barriers}
        self._service = service
        self._clock = clock
        self._pause = pause
        self.open_until_us: dict[str, int] = dict.fromkeys(self._barriers, 0)
        self.acknowledged = 0

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

    def ordered(self, gate: str, now_us: int) -> str:
        """Return what a gate was ordered: `open`, `closed` or `by_rule`, its own programme."""
        if gate not in self._inbound:
            return "open"
        return self._orders.of(gate, now_us).get("gate", "by_rule")

    def _carry_out(self, command: DecisionEvent, now_us: int) -> str | None:
        """Do it, or say why not (empty: done; None: nothing to answer)."""
        if command.target not in self._names:
            return None
        if command.kind is DecisionKind.GATE:
            closing = command.command.get("gate") == "closed"
            if closing and command.target not in self._inbound:
                return "an exit is never closed"
            return self._orders.take(command, now_us)
        if command.kind is not DecisionKind.ACCESS:
            return "not an access decision"
        if command.target in self._barriers:
            admitted = command.command.get("gate") == "open"
            order = self._orders.of(command.target, now_us)
            if order.get("gate") == "closed":
                admitted = admitted and _profile(command) == order.get("except")
            self.said[command.target][admitted] += 1
            if admitted:
                self.open_until_us[command.target] = now_us + int(_STAYS_OPEN_S * SECOND_US)
        return ""


def _profile(command: DecisionEvent) -> str:
    return next((str(fact.value) for fact in command.facts if fact.name == "profile"), "")
