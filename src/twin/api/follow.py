"""Feeds the board of a process that only serves: pictures, forecasts and decisions off the log.

It remembers nothing over a restart: it begins a little before the end of each topic, where a key
frame, the forecast in force and the newest decisions stand. Two processes that follow show the
same. Without pictures for a while it says so, and is not ready.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from twin.api.board import DECISIONS_KEPT, Board
from twin.errors import BackendError, InputError
from twin.events import DecisionEvent, Topic
from twin.forecast.result import Forecast
from twin.ingest.health import WorkerHealth
from twin.ingest.packing import Joiner, unpack, wholes
from twin.ingest.patience import Patience
from twin.ingest.pictures import PictureDecoder
from twin.ingest.showing import FORECASTS, PICTURES
from twin.log.contract import Log, LogReader, Place
from twin.network.model import SingleMap

_LOG: Final = logging.getLogger(__name__)
_DECISIONS: Final = Place(Topic.DECISION.value, 0)
_TAILS: Final = {PICTURES: 256, FORECASTS: 256, _DECISIONS: DECISIONS_KEPT}
"""Records before the end at which reading begins: some key frames, a forecast of any map."""
_FETCH_S: Final = 0.5
_AT_ONCE: Final = 2000
_DECODER: Final = msgspec.json.Decoder(DecisionEvent)

LoadMap = Callable[[str], Awaitable[SingleMap]]


class Follower:
    """Reads what a forecaster publishes and hangs it on a board. Use `run`."""

    def __init__(
        self,
        *,
        network: SingleMap,
        log: Log,
        board: Board,
        load_map: LoadMap,
        on_map: Callable[[SingleMap], None],
    ) -> None:
        """Follow onto `board`.

        load_map   gives a version of the map that is not the one served; raises BackendError
        on_map     is called before the first picture of another version is shown
        """
        self._map_version = network.version
        self._log = log
        self._board = board
        self._load_map = load_map
        self._on_map = on_map
        self._patience = Patience("follow")
        self._frames = Joiner()
        self._pictures = PictureDecoder()
        self._forecasts = Joiner()
        self._forecast: Forecast | None = None
        self._state = "starting"
        self.unreadable = 0

    def health(self) -> WorkerHealth:
        """Say how it is at this moment."""
        picture = self._board.picture
        return WorkerHealth(
            state=self._state,
            problem=self._patience.problem,
            last_tick_us=picture.time_us if picture is not None else None,
        )

    def stop(self) -> None:
        """Let `run` end."""
        self._patience.stopping.set()

    async def run(self) -> None:
        """Follow until `stop`; a log that is away is waited for."""
        reader: LogReader | None = None
        try:
            reader = await self._patience.until_done(self._open)
            self._state = "running"
            while not self._patience.stopping.is_set():
                await self._once(reader)
        except BackendError:
            if not self._patience.stopping.is_set():
                raise
        finally:
            self._state = "stopped"
            if reader is not None:
                await reader.close()

    async def _open(self) -> LogReader:
        ends = await self._log.end_offsets(list(_TAILS))
        begins = {place: max(end - _TAILS[place], 0) for place, end in ends.items()}
        return await self._log.reader(begins)

    async def _once(self, reader: LogReader) -> None:
        try:
            fetched = await reader.fetch(max_records=_AT_ONCE, timeout_s=_FETCH_S)
        except BackendError as error:
            self._patience.failed(error)
            await self._patience.rest()
            return
        self._patience.went_well()
        by_place = {records.place: list(records.values) for records in fetched}
        self._take_decisions(by_place.get(_DECISIONS, ()))
        self._take_forecasts(by_place.get(FORECASTS, ()))
        await self._take_pictures(by_place.get(PICTURES, ()))

    def _take_decisions(self, values: Sequence[bytes]) -> None:
        events: list[DecisionEvent] = []
        for value in values:
            try:
                events.append(_DECODER.decode(value))
            except msgspec.DecodeError as error:
                self._refuse("decision", error)
        if events:
            self._board.publish_decisions(events)

    def _take_forecasts(self, values: Sequence[bytes]) -> None:
        newest = None
        for whole in wholes(self._forecasts, list(values)):
            newest = whole
        if newest is None:
            return
        try:
            self._forecast = unpack(newest.body, Forecast)
        except InputError as error:
            self._refuse("forecast", error)

    async def _take_pictures(self, values: Sequence[bytes]) -> None:
        """Decode every frame, because each builds on the last, and show the newest."""
        newest = None
        for whole in wholes(self._frames, list(values)):
            try:
                newest = self._pictures.decode(whole.body) or newest
            except InputError as error:
                self._refuse("picture", error)
        if newest is None:
            return
        picture, wanted = newest
        if picture.map_version != self._map_version:
            version = picture.map_version
            network = await self._patience.until_done(lambda: self._load_map(version))
            self._on_map(network)
            self._map_version = version
        forecast = self._forecast
        in_force = forecast is not None and bool(wanted)
        if in_force and forecast is not None and forecast.map_version == picture.map_version:
            picture = replace(picture, forecast=forecast)
        self._board.publish(picture)

    def _refuse(self, what: str, error: Exception) -> None:
        """Pass over what cannot be read: a key frame or the next version heals it."""
        self.unreadable += 1
        if self.unreadable == 1:
            _LOG.error("unreadable_record", extra={"topic": what, "problem": str(error)})
