"""The board from which devices take their commands, in order.

A command is an issued decision. How long a device obeys it is in its lease; past its lease it is
not handed out any more. What a device answers comes back as an event of its own. That a command to
a ramp meter, a sign or a gate was released is handed out, too, as its version `released`: the
device ends it at once. A released signal stage runs out with its lease.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from twin.clock import Clock, us_from_datetime
from twin.events import DEVICE_KINDS, DecisionEvent, DecisionKind, DecisionState

CAPACITY: Final = 10_000
COMMANDED: Final = DEVICE_KINDS | {DecisionKind.SIGNAL_STAGE, DecisionKind.ACCESS}


class Command(NamedTuple):
    """One command at its place in the order."""

    sequence: int
    event: DecisionEvent


class Commands(NamedTuple):
    """What a device gets: its commands, and the `after` with which it asks next."""

    after: int
    commands: tuple[DecisionEvent, ...]


def is_command(event: DecisionEvent) -> bool:
    """Say whether a version of a decision is something for a device to do."""
    ends = event.kind in DEVICE_KINDS and event.state is DecisionState.RELEASED
    if event.kind not in COMMANDED or not (ends or event.state is DecisionState.ISSUED):
        return False
    let_out = event.kind is DecisionKind.ACCESS or bool(event.checks)
    return let_out and event.lease_until is not None


def due(
    commands: Iterable[Command], devices: frozenset[str], *, after: int, now_us: int
) -> tuple[DecisionEvent, ...]:
    """Pick what these devices have not had yet and whose lease still runs, in order."""
    return tuple(
        command.event
        for command in commands
        if command.sequence > after
        and command.event.target in devices
        and _lease_us(command.event) > now_us
    )


def _lease_us(event: DecisionEvent) -> int:
    return us_from_datetime(event.lease_until) if event.lease_until else 0


class CommandBoard:
    """The commands whose lease still runs, and the devices that wait for the next.

    Sequence numbers begin at the service's time in microseconds, so that they rise over a restart
    and a device that asks with an older one misses nothing. Bounded: beyond `capacity` the oldest
    command is dropped and counted in `dropped`. Commands of another map are counted in `foreign`.
    """

    def __init__(
        self, clock: Clock, *, capacity: int = CAPACITY, map_version: str | None = None
    ) -> None:
        """Start empty. With `map_version`, commands of any other map are not put up."""
        self.map_version = map_version
        self._clock = clock
        self._capacity = capacity
        self._commands: deque[Command] = deque()
        self._sequence = clock.now_us()
        self._news = asyncio.Event()
        self.dropped = 0
        self.foreign = 0

    def __len__(self) -> int:
        return len(self._commands)

    @property
    def sequence(self) -> int:
        """The sequence number of the newest command."""
        return self._sequence

    def publish(self, events: Sequence[DecisionEvent]) -> int:
        """Put the commands among the events on the board, in order; return how many there were.

        A command that was already put up (the relay sends at least once) is not put up again. One
        that was released is taken down: a device that has not had it yet need not have it.
        """
        released = {event.id for event in events if event.state is DecisionState.RELEASED}
        self._forget(released)
        known = {(command.event.id, command.event.version) for command in self._commands}
        now_us = self._clock.now_us()
        put = 0
        for event in events:
            key = (event.id, event.version)
            ended = event.id in released and event.state is not DecisionState.RELEASED
            over = ended or _lease_us(event) <= now_us
            if over or key in known or not is_command(event):
                continue
            if self._foreign(event):
                self.foreign += 1
                continue
            known.add(key)
            self._sequence += 1
            self._commands.append(Command(self._sequence, event))
            put += 1
        while len(self._commands) > self._capacity:
            self._commands.popleft()
            self.dropped += 1
        if put:
            news, self._news = self._news, asyncio.Event()
            news.set()
        return put

    def _foreign(self, event: DecisionEvent) -> bool:
        gated = event.kind is not DecisionKind.ACCESS
        return gated and self.map_version is not None and event.map_version != self.map_version

    async def wait(self, devices: Iterable[str], after: int, timeout: float) -> Commands:
        """Return the commands after `after` for these devices; wait for one up to `timeout` s.

        The timeout is in the service's time. An `after` from beyond this board (another service's)
        counts as none.
        """
        wanted = frozenset(devices)
        after = after if after <= self._sequence else 0
        try:
            async with asyncio.timeout(self._clock.wall_seconds(timeout)):
                while not (found := self._due(wanted, after)):
                    await self._news.wait()
        except TimeoutError:
            found = self._due(wanted, after)
        return Commands(self._sequence, found)

    def _due(self, devices: frozenset[str], after: int) -> tuple[DecisionEvent, ...]:
        return due(self._commands, devices, after=after, now_us=self._clock.now_us())

    def _forget(self, released: set[str]) -> None:
        """Drop what nobody may obey any more."""
        now_us = self._clock.now_us()
        self._commands = deque(
            command
            for command in self._commands
            if command.event.id not in released and _lease_us(command.event) > now_us
        )
