"""What the street tells the service: kept until it is due, and until the service took it."""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from twin.clock import Clock
from twin.events import Passage, Reading
from twin.world.faults import Timed
from twin.world.service import Answer, Service

_MOST_ITEMS: Final = 1000
_FOR_EVER_US: Final = 1 << 62


@dataclass
class Sender:
    """Sends readings when they are due, in order of arrival; while the service is away they wait.

    `counts` is the sender's own record.
    """

    service: Service
    clock: Clock
    path: str = "/readings"
    encode: Callable[[Reading | Passage], bytes] = msgspec.json.encode
    counts: Counter[str] = field(default_factory=Counter)
    _heap: list[tuple[int, int, bytes]] = field(default_factory=list)
    _number: int = 0
    _ended: bool = False
    _asked_s: float = math.inf
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, items: Iterable[Timed]) -> None:
        """Take items over, to be sent when the street reaches their arrival."""
        for item in items:
            self._number += 1
            body = self.encode(item.event)
            heapq.heappush(self._heap, (item.arrival_us, self._number, body))

    @property
    def lag_s(self) -> float:
        """Seconds of the service, at its present rate, that an answer is out; 0 when none is."""
        out_s = max(time.monotonic() - self._asked_s, 0.0)
        return out_s / max(self.clock.wall_seconds(1.0), 1e-9)

    def __len__(self) -> int:
        return len(self._heap)

    def end(self) -> None:
        """Tell the sender that nothing more will come."""
        self._ended = True
        self._news.set()

    def ring(self) -> None:
        """Tell the sender that time has passed."""
        self._news.set()

    async def run(self) -> None:
        """Send what is due, each time the street moved on; after `end` the rest, and return."""
        while not self._ended:
            await self._news.wait()
            self._news.clear()
            await self.flush(self.clock.now_us())
        await self.flush(_FOR_EVER_US)

    async def flush(self, until_us: int) -> None:
        """Send everything that is due by a moment."""
        while batch := self._due(until_us):
            self._asked_s = time.monotonic()
            try:
                answer = await self.service.send(self.path, batch)
            finally:
                self._asked_s = math.inf
            self._count(len(batch), answer)

    def _due(self, until_us: int) -> list[bytes]:
        batch: list[bytes] = []
        while self._heap and self._heap[0][0] <= until_us and len(batch) < _MOST_ITEMS:
            batch.append(heapq.heappop(self._heap)[2])
        return batch

    def _count(self, items: int, answer: Answer | None) -> None:
        self.counts["posted"] += items
        if answer is not None:
            self.counts["accepted"] += answer.accepted
            self.counts["rejected"] += answer.rejected
            self.counts["refused"] += answer.refused
            self.counts["sent_again"] += answer.retries * items
