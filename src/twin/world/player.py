"""The player: sends a recording to a running service, in the service's own time.

Readings, passages and incidents go their own ways side by side. While the service is away the
recording itself is the store: a batch is sent again until it is answered, and what fell due
meanwhile follows in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import httpx

from twin.clock import Clock
from twin.keys import Key
from twin.units import SECOND_US
from twin.world.recording import Item, Recording
from twin.world.service import Answer, Pause, Service, together

_MOST_ITEMS: Final = 1000
_GATHER_S: Final = 0.05  # of the machine: what falls due within it goes into one batch
_FOR_EVER_US: Final = 1 << 62


@dataclass(frozen=True, slots=True, repr=False)
class PlayerKeys:
    """API keys of the senders; a stream without a key is not played."""

    integrator: str = ""
    gate: str = ""
    access_clerk: str = ""


@dataclass(slots=True)
class Tally:
    """The sender's own record of one stream, in items; `retries` counts batches sent again."""

    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    refused: int = 0
    batches: int = 0
    retries: int = 0

    def add(self, answer: Answer) -> None:
        """Count what the service said about one batch."""
        self.accepted += answer.accepted
        self.rejected += answer.rejected
        self.refused += answer.refused
        self.batches += 1
        self.retries += answer.retries


@dataclass(frozen=True, slots=True)
class _Stream:
    name: str
    key: str
    items: Callable[[int, int], Iterator[Item]]


@dataclass(slots=True)
class Player:
    """Plays one recording. `tallies` may be read at any time."""

    recording: Recording
    client: httpx.AsyncClient
    keys: PlayerKeys
    clock: Clock
    seal_key: Key | None = None
    pause: Pause = asyncio.sleep
    tallies: dict[str, Tally] = field(default_factory=dict)

    async def run(self, from_us: int | None = None, to_us: int | None = None) -> None:
        """Play what arrives in [from_us, to_us) until all is answered, or until cancelled.

        What lies before the clock's present goes out at once, in order. Authorisations go first.
        Raises InputError when the service refuses a key.
        """
        start_us = self.recording.start_us if from_us is None else from_us
        end_us = _FOR_EVER_US if to_us is None else to_us
        await self._authorise()
        await together(*(self._play(stream, start_us, end_us) for stream in self._streams()))

    def _streams(self) -> list[_Stream]:
        def passages(from_us: int, to_us: int) -> Iterator[Item]:
            return self.recording.passages(from_us, to_us, key=self.seal_key)

        streams = (
            _Stream("readings", self.keys.integrator, self.recording.readings),
            _Stream("incidents", self.keys.integrator, self.recording.incidents),
            _Stream("passages", self.keys.gate, passages),
        )
        return [stream for stream in streams if stream.key]

    async def _authorise(self) -> None:
        items = self.recording.authorisations() if self.keys.access_clerk else []
        service = Service(self.client, key=self.keys.access_clerk, pause=self.pause)
        for start in range(0, len(items), _MOST_ITEMS):
            await self._send(service, "authorisations", items[start : start + _MOST_ITEMS])

    async def _play(self, stream: _Stream, from_us: int, to_us: int) -> None:
        service = Service(self.client, key=stream.key, pause=self.pause)
        self.tallies.setdefault(stream.name, Tally())
        items = stream.items(from_us, to_us)
        waiting = next(items, None)
        while waiting is not None:
            batch: list[bytes] = []
            now_us = self.clock.now_us()
            while waiting is not None and waiting[0] <= now_us and len(batch) < _MOST_ITEMS:
                batch.append(waiting[1])
                waiting = next(items, None)
            if batch:
                await self._send(service, stream.name, batch)
            elif waiting is not None:
                left_s = (waiting[0] - now_us) / SECOND_US
                await self.pause(max(self.clock.wall_seconds(left_s), _GATHER_S))

    async def _send(self, service: Service, name: str, batch: list[bytes]) -> None:
        tally = self.tallies.setdefault(name, Tally())
        tally.sent += len(batch)
        answer = await service.send(f"/{name}", batch)
        if answer is not None:
            tally.add(answer)
