"""The board on which the worker hangs its pictures and decisions, for everyone to look at.

Written on the event loop by the worker's callbacks, read on the same loop by the routes: no locks.
Nothing here grows without bound.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from twin import tracing
from twin.api.classes import link_codes
from twin.api.frames import Stamp, encode_delta, encode_key
from twin.api.gate_tally import GateTally
from twin.api.slots import AlertSlot, FrameSlot
from twin.clock import Clock, us_from_datetime
from twin.columns import Floats
from twin.events import DecisionEvent
from twin.network.model import SingleMap
from twin.perceive.state import Codes
from twin.picture import Picture
from twin.street.commands import CommandBoard

DECISIONS_KEPT: Final = 4096
KEY_EVERY: Final = 60
"""A key frame is due after so many pictures, so that a reader that erred heals by itself."""


class Board:
    """The newest picture, the newest version of each decision, and who waits for news."""

    def __init__(self, network: SingleMap, clock: Clock) -> None:
        """Start without a picture. `clock` is the clock of the service."""
        self._clock = clock
        self.free_speed_mps: Floats = np.array([link.free_speed_mps for link in network.links])
        self.picture: Picture | None = None
        self._codes: Codes | None = None
        self._stamp: Stamp | None = None
        self._key: bytes | None = None
        self._delta: tuple[int, bytes] | None = None
        self._deltas_since_key = 0
        self._streams: set[FrameSlot] = set()
        self._alerts: set[AlertSlot] = set()
        self.gates = GateTally(network.timezone)
        self._decisions: OrderedDict[str, DecisionEvent] = OrderedDict()
        self._made_us: dict[str, int] = {}
        self._claimed: OrderedDict[tuple[str, int], None] = OrderedDict()
        self.commands = CommandBoard(clock, map_version=network.version)
        self._decided = asyncio.Event()
        self.frames_sent = 0
        self.closed = False

    def use(self, network: SingleMap) -> None:
        """Show pictures of another version of the map; every reader gets a whole one next."""
        self.free_speed_mps = np.array([link.free_speed_mps for link in network.links])
        self.commands.map_version = network.version

    def close(self) -> None:
        """End the endless answers: every reader of alerts is let go."""
        self.closed = True
        for slot in self._alerts:
            slot.wake()

    @property
    def stream_clients(self) -> int:
        """How many clients read the live stream."""
        return len(self._streams)

    def publish(self, picture: Picture) -> None:
        """Hang up a newer picture, encode what changed once for all, and wake the readers."""
        codes = link_codes(picture.links, self.free_speed_mps)
        stamp = Stamp(picture.sequence, picture.map_version, picture.time_us, self._clock.now_us())
        self._delta = self._make_delta(codes, stamp)
        self.picture, self._codes, self._stamp, self._key = picture, codes, stamp, None
        for slot in self._streams:
            slot.wake()
        self.publish_decisions(picture.decisions)

    def _make_delta(self, codes: Codes, stamp: Stamp) -> tuple[int, bytes] | None:
        self._deltas_since_key += 1
        if self._codes is None or self._stamp is None or self._deltas_since_key >= KEY_EVERY:
            self._deltas_since_key = 0
            return None
        if self._stamp.map_version != stamp.map_version:
            return None
        base = self._stamp.sequence
        delta = encode_delta(codes, self._codes, stamp, base_sequence=base)
        return None if delta is None else (base, delta)

    def _choose_frame(self, seen: int | None) -> tuple[int, bytes] | None:
        if self._codes is None or self._stamp is None or seen == self._stamp.sequence:
            return None
        self.frames_sent += 1
        tracing.framed(self._stamp.sequence)
        if self._delta is not None and self._delta[0] == seen:
            return self._stamp.sequence, self._delta[1]
        if self._key is None:
            self._key = encode_key(self._codes, self._stamp)
        return self._stamp.sequence, self._key

    @contextmanager
    def stream(self) -> Iterator[FrameSlot]:
        """Subscribe to frames for the length of the block."""
        slot = FrameSlot(self._choose_frame)
        self._streams.add(slot)
        try:
            yield slot
        finally:
            self._streams.discard(slot)

    @contextmanager
    def alerts(self) -> Iterator[AlertSlot]:
        """Subscribe to decisions for the length of the block."""
        slot = AlertSlot()
        self._alerts.add(slot)
        try:
            yield slot
        finally:
            self._alerts.discard(slot)

    def publish_decisions(self, events: Sequence[DecisionEvent]) -> None:
        """Take new versions of decisions; those already known are passed over."""
        fresh = [event for event in events if self._learn(event)]
        if not fresh:
            return
        for event in fresh:
            for slot in self._alerts:
                slot.put(event)
        self.commands.publish(fresh)
        self._decided.set()
        self._decided = asyncio.Event()

    def _learn(self, event: DecisionEvent) -> bool:
        known = self._decisions.get(event.id)
        if known is not None and known.version >= event.version:
            return False
        self._decisions[event.id] = event
        self._decisions.move_to_end(event.id)
        while len(self._decisions) > DECISIONS_KEPT:
            forgotten, _ = self._decisions.popitem(last=False)
            self._made_us.pop(forgotten, None)
        if event.version == 1:
            self._made_us[event.id] = us_from_datetime(event.time)
        self.gates.take(event)
        return True

    async def _until(self, happened: Callable[[], object], timeout_s: float) -> None:
        """Return once `happened()` is true after some decision came, or when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while not happened():
                    await self._decided.wait()
        except TimeoutError:
            return

    def decision(self, decision_id: str) -> DecisionEvent | None:
        """Return the newest known version of a decision, None if it is not remembered here."""
        return self._decisions.get(decision_id)

    def made_us(self, decision_id: str) -> int | None:
        """Return when a decision's first version was made, None if it was not seen here."""
        return self._made_us.get(decision_id)

    def claim(self, decision_id: str, seen_version: int) -> bool:
        """Say once, to the first who asks, that an act on this version is theirs.

        Two equal acts of one person cannot be told apart in the decision; one of them made it.
        """
        key = (decision_id, seen_version)
        if key in self._claimed:
            return False
        self._claimed[key] = None
        while len(self._claimed) > DECISIONS_KEPT:
            self._claimed.popitem(last=False)
        return True

    async def wait_decision(
        self, decision_id: str, *, beyond: int, timeout_s: float
    ) -> DecisionEvent | None:
        """Wait for a version above `beyond`; None if none came within `timeout_s`."""

        def newer() -> DecisionEvent | None:
            event = self._decisions.get(decision_id)
            return event if event is not None and event.version > beyond else None

        await self._until(newer, timeout_s)
        return newer()
