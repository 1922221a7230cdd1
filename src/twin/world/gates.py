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
from twin.world.controllers import acknowledgement
from twin.world.orders import Orders
from twin.world.service import Pause, Service, wait_s

_POLL_S: Final = 20.0
_TRIES: Final = 6
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
        after, failures = 0, 0
        while self._names:
            heard = await self._service.commands(self._names, after=after, wait_s=_POLL_S)
            if heard is None:
                failures += 1
                await self._pause(wait_s(failures))
                continue
            failures = 0
            after, commands = heard
            await self.obey(commands)
            await self._pause(0)

    async def obey(self, commands: Sequence[DecisionEvent]) -> None:
        """Carry out each command and acknowledge it."""
        now_us = self._clock.now_us()
        answers = []
        for command in commands:
            if command.target not in self._names:
                continue
            refusal = self._carry_out(command, now_us)
            if refusal is not None:
                answers.append(
                    acknowledgement(command, now_us, accepted=not refusal, reason=refusal)
                )
        if answers:
            await self._service.send("/street/acknowledgements", answers, tries=_TRIES)
            self.acknowledged += len(answers)

    def ordered(self, gate: str, now_us: int) -> str:
        """Return what a gate was ordered: `open`, `closed` or `by_rule`, its own programme."""
        if gate not in self._inbound:
            return "open"
        return self._orders.of(gate, now_us).get("gate", "by_rule")

    def _carry_out(self, command: DecisionEvent, now_us: int) -> str | None:
        """Do it, or say why not (empty: done; None: nothing to answer)."""
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
