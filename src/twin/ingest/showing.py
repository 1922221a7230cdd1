"""Sends pictures and forecasts to the processes that show them.

Only the newest picture counts: while the broker is slow or away, older ones are dropped, and the
first after that is a key frame. What must not be lost goes through the outbox, not through here.
"""

from __future__ import annotations

import asyncio
from typing import Final

from twin.errors import BackendError
from twin.forecast.result import Forecast
from twin.ingest.packing import Joiner, cut, pack, wholes
from twin.ingest.patience import Patience
from twin.ingest.pictures import PictureEncoder
from twin.ingest.topics import InnerTopic
from twin.log.contract import Log, Place
from twin.picture import Picture

PICTURES: Final = Place(InnerTopic.PICTURE.value, 0)
FORECASTS: Final = Place(InnerTopic.FORECAST.value, 0)
_READ_S: Final = 2.0


class PictureSender:
    """Takes pictures by `publish` and appends them to the log. Use `run`."""

    def __init__(self, log: Log, *, epoch: int) -> None:
        """Write under `epoch`: what a leader before still sends is passed over by the readers."""
        self._log = log
        self._epoch = epoch
        self._patience = Patience("pictures")
        self._newest: Picture | None = None
        self._forecast: Forecast | None = None
        self._woken = asyncio.Event()
        self.sent = 0
        self.dropped = 0

    @property
    def problem(self) -> str | None:
        """What keeps pictures from going out now."""
        return self._patience.problem

    def publish(self, picture: Picture) -> None:
        """Send this picture next; one that waits still is dropped."""
        self.dropped += self._newest is not None
        self._newest = picture
        self._woken.set()

    def stop(self) -> None:
        """Let `run` end."""
        self._patience.stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Send until `stop`; a log that is away is waited for."""
        try:
            first = await self._patience.until_done(lambda: last_number(self._log))
        except BackendError:  # stopped meanwhile
            return
        encoder = PictureEncoder(first=first)
        while not self._patience.stopping.is_set():
            await self._woken.wait()
            self._woken.clear()
            picture, self._newest = self._newest, None
            if picture is None:
                continue
            try:
                await self._send(encoder, picture)
            except BackendError as error:
                encoder.reset()
                self._patience.failed(error)
                await self._patience.rest()
            else:
                self._patience.went_well()

    async def _send(self, encoder: PictureEncoder, picture: Picture) -> None:
        forecast = picture.forecast
        if forecast is not None and forecast is not self._forecast:
            await self._append(FORECASTS, pack(forecast), forecast.made_us, picture.time_us)
            self._forecast = forecast
        number, body = encoder.encode(picture)
        await self._append(PICTURES, body, number, picture.time_us)
        self.sent += 1

    async def _append(self, place: Place, body: bytes, number: int, time_us: int) -> None:
        pieces = cut(body, epoch=self._epoch, number=number)
        await self._log.append(place, pieces, arrival_us=time_us)


async def last_number(log: Log) -> int:
    """Return the number of the newest picture that was sent, 0 for none. Raises BackendError."""
    end = (await log.end_offsets([PICTURES]))[PICTURES]
    if not end:
        return 0
    reader = await log.reader({PICTURES: max(end - _TAIL, 0)})
    newest = 0
    joiner = Joiner()
    try:
        while fetched := await reader.fetch(max_records=_TAIL, timeout_s=_READ_S):
            for records in fetched:
                for whole in wholes(joiner, list(records.values)):
                    newest = max(newest, whole.number)
            if fetched[-1].next_offset >= end:
                break
    finally:
        await reader.close()
    return newest


_TAIL: Final = 64  # records: a frame of the largest map has some ten
