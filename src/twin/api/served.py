"""What the API is given to serve: the rooms behind it, handed in once by `app`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

from twin import tracing
from twin.api.board import Board
from twin.api.connections import Cut
from twin.api.scenario_jobs import ScenarioJobs
from twin.api.tile_shelf import TileShelf
from twin.api.tokens import Tokens
from twin.clock import Clock, WallClock
from twin.events import Topic
from twin.ingest.check import FUTURE_S
from twin.ingest.health import WorkerHealth
from twin.ingest.roles import ProcessRole
from twin.ingest.topics import Topics
from twin.keys import KeyRing
from twin.log.contract import Log, Place
from twin.network.model import SingleMap
from twin.network.quality import QualityReport
from twin.store.database import Database

Made = TypeVar("Made")


class Mode(StrEnum):
    """Whether the service shows the street of this moment or a recorded day."""

    LIVE = "LIVE"
    PLAYBACK = "PLAYBACK"


CONSOLE_FOLDER = Path(__file__).parent.parent / "console"


@dataclass
class Served:
    """Everything that the routes need. `wall` times sessions: a person's hour is never scaled."""

    network: SingleMap
    quality: QualityReport | None  # of the import; None: to be made from the map itself
    log: Log
    database: Database
    clock: Clock
    keys: KeyRing
    board: Board
    worker_health: Callable[[], WorkerHealth | None]
    timezone: str
    mode: Mode = Mode.LIVE
    note: str = ""
    topic_prefix: str = ""
    wall: Clock = field(default_factory=WallClock)
    console: Path = CONSOLE_FOLDER
    secure_cookies: bool = False
    tiles: TileShelf = field(default_factory=TileShelf)
    tokens: Tokens | None = None  # of an identity provider, where there is one
    approve_wait_s: float = 2.0
    future_s: float = FUTURE_S
    scenario_folder: Path | None = None  # keeps jobs over a restart; None: they go with the process
    scenario_tables: Path | None = None  # whose demand files a job may name
    role: ProcessRole = ProcessRole.ALL
    reading_partitions: int | None = None  # None: one a region
    made: dict[str, tuple[object, object]] = field(default_factory=dict)  # see `once`
    cut: Cut = field(default_factory=Cut)  # connections whose other end took nothing
    layers: dict[tuple[str, str], tuple[bytes, bytes]] = field(
        default_factory=dict
    )  # by version and name: GeoJSON, and gzipped

    @cached_property
    def topics(self) -> Topics:
        """The names and partitions of the topics on the broker."""
        return Topics(self.network, self.reading_partitions)

    def stand_on(self, reading_partitions: int) -> None:
        """Place readings as the broker's topic has partitions, whatever was asked for."""
        self.reading_partitions = reading_partitions
        self.__dict__["topics"] = Topics(self.network, reading_partitions)

    def use(self, network: SingleMap) -> None:
        """Serve another version of the map from now on; the partitions of the log stay."""
        partitions = self.topics.partitions(Topic.READING)
        self.network, self.quality = network, None
        self.__dict__["topics"] = Topics(network, partitions)
        self.board.use(network)

    @cached_property
    def scenarios(self) -> ScenarioJobs:
        """The jobs of what-ifs; made when first asked for."""
        return ScenarioJobs(
            self.scenario_folder, tables=self.scenario_tables, now_us=self.wall.now_us
        )

    async def close_scenarios(self) -> None:
        """Stop the jobs, if there are any."""
        if "scenarios" in self.__dict__:
            await self.scenarios.close()

    def once(self, name: str, key: object, make: Callable[[], Made]) -> Made:
        """Return what `make` made for this key; made again when the key is another one.

        For big answers that stay the same while the picture or the forecast does.
        """
        kept = self.made.get(name)
        if kept is not None and kept[0] == key:
            return cast(Made, kept[1])
        made = make()
        self.made[name] = (key, made)
        return made

    async def append(
        self,
        place: Place,
        values: Sequence[bytes],
        *,
        source: str,
    ) -> None:
        """Append records under the sender's name at the service's time; durable on return.

        Raises BackendError when the log is away: nothing may be acknowledged then.
        """
        with tracing.appending(place.topic, len(values)) as traced:
            await self.log.append(
                place,
                values,
                arrival_us=self.clock.now_us(),
                headers={"source": source, **traced},
            )
