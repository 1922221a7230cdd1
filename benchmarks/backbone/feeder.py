"""A sender that posts readings at a steady rate and keeps when each was accepted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import numpy as np
import numpy.typing as npt

from twin.clock import iso_from_us
from twin.network.model import SingleMap

BATCH_S = 0.1
_MOST = 5000


class Feeder:
    """Posts `rate` readings a second, each sensor in its turn; what falls behind is made up for.

    posted_us, accepted_us   for every accepted reading in order: when its request was begun, and
                             when the service had answered that it is kept
    """

    def __init__(
        self, network: SingleMap, rate: float, *, now_us: Callable[[], int], seed: int = 1
    ) -> None:
        """`now_us` is the clock of the readings."""
        self._sensors = [str(sensor.id) for sensor in network.sensors]
        self._period_s = network.sensors[0].period_s
        # half a vehicle a second on each lane at the most: what a road can carry
        self._most = [0.5 * sensor.lanes * self._period_s for sensor in network.sensors]
        self._rate = rate
        self._now_us = now_us
        self._random = np.random.default_rng(seed)
        self._made = 0
        self._batches: list[tuple[int, int, int]] = []  # (count, posted, accepted)
        self.refused = 0
        self.stopping = asyncio.Event()

    @property
    def accepted(self) -> int:
        """How many readings were accepted so far."""
        return sum(count for count, _, _ in self._batches)

    def times_us(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return (posted, accepted) of every reading, microseconds of the machine's clock."""
        table = np.array(self._batches, np.int64).reshape(-1, 3)
        return np.repeat(table[:, 1], table[:, 0]), np.repeat(table[:, 2], table[:, 0])

    async def run(self, url: str, key: str) -> None:
        """Post until `stopping` is set."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            begun_s = time.monotonic()
            while not self.stopping.is_set():
                due = int((time.monotonic() - begun_s) * self._rate) - self._made
                if due > 0:
                    await self._post(client, min(due, _MOST))
                next_s = begun_s + (self._made + 1) / self._rate
                await asyncio.sleep(max(BATCH_S, next_s - time.monotonic()))

    async def _post(self, client: httpx.AsyncClient, count: int) -> None:
        body = self._body(count)
        posted_us = time.time_ns() // 1000
        answer = await client.post("/api/v1/readings", content=body)
        accepted_us = time.time_ns() // 1000
        if answer.status_code != 202 or answer.json()["accepted"] != count:
            self.refused += count
            raise RuntimeError(
                f"the service refused readings: {answer.status_code} {answer.text[:500]}"
            )
        self._batches.append((count, posted_us, accepted_us))

    def _body(self, count: int) -> bytes:
        draws = self._random.random((count, 2))
        time_us = self._now_us()
        lines = []
        for share, noise in draws.tolist():
            # a sensor comes again only after all others: no two of its readings share a moment
            row = self._made % len(self._sensors)
            sensor = self._sensors[row]
            moment = iso_from_us(time_us // 1000 * 1000)
            lines.append(
                f'{{"id":"b{self._made}","sensor":"{sensor}","time":"{moment}",'
                f'"period_s":{self._period_s:g},"count":{round(self._most[row] * share)},'
                f'"speed_kph":{20 + 30 * noise:.1f},"occupancy_pct":{15 * share:.1f}}}'
            )
            self._made += 1
        return "\n".join(lines).encode()
