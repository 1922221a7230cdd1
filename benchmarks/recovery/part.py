"""The two processes of the recovery benchmark; settings come as TWIN_* variables.

python part.py take POSITION          takes the log in, says `reached` at POSITION, goes on
python part.py recover END NOW_US     is `twin serve` on a clock that begins at NOW_US; says
                                      `listening`, `ready`, and `correct HASH` at offset END
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Final

from twin.app import Service
from twin.clock import Clock, ManualClock, ScaledClock
from twin.commands.logs import start_logging
from twin.commands.warm import warm_kernels
from twin.events import Topic
from twin.ingest.policy import WorkerPolicy
from twin.ingest.recovery import incoming_places
from twin.ingest.worker import Worker
from twin.keys import KeyRing
from twin.live import Live
from twin.log import open_log
from twin.log.contract import Place
from twin.network.gmns import read_gmns
from twin.settings import Settings, read_settings
from twin.store import maps
from twin.store.database import Database

READINGS: Final = Place(Topic.READING.value, 0)
_LOOK_S: Final = 0.01


class Watched(Service):
    """The service, with its heart in sight and a word when it answers HTTP."""

    whole: Live

    def _live(self) -> Live:
        self.whole = super()._live()
        return self.whole

    async def _open(self) -> socket.socket:
        listener = await super()._open()
        tell("listening")
        return listener


async def take(settings: Settings, position: int) -> None:
    """Work through the log as fast as it goes, with the policy of the service."""
    network, _ = read_gmns(settings.map)
    database = Database.at(settings.database)
    await database.prepare()
    await maps.save_map(database, network, now_us=0)
    log = open_log(settings.log, database.path, settings.topic_prefix)
    await log.start()
    clock = ManualClock(0)
    worker = Worker(
        network=network,
        live=Live(network, rules=None, automatic=frozenset(), lease_s=15.0, timezone=""),
        log=log,
        database=database,
        clock=clock,
        policy=WorkerPolicy(forecasts=False),
        keys=KeyRing.load(settings.keys),
        on_picture=lambda _: None,
        on_decisions=lambda _: None,
    )
    await worker.run_until({READINGS: position}, on_batch=clock.advance_to)
    tell("reached")
    ends = await log.end_offsets(await incoming_places(log))
    await worker.run_until(ends, on_batch=clock.advance_to)
    await asyncio.sleep(3600)  # to be killed


async def recover(settings: Settings, end: int, clock: Clock) -> None:
    """Serve, and say when the state is whole."""
    service = Watched(settings, clock=clock)
    warm_kernels()

    async def watch(started: Service) -> None:
        while not started.worker.positions:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        tell("ready")
        while started.worker.positions.get(READINGS, 0) < end:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        tell(f"correct {service.whole.state_hash()}")

    await service.run([watch])


def tell(words: str) -> None:
    """Say a word to the benchmark."""
    print(words, flush=True)


if __name__ == "__main__":
    start_logging("WARNING")
    given = read_settings(os.environ)
    if sys.argv[1] == "take":
        asyncio.run(take(given, int(sys.argv[2])))
    else:
        begun = ScaledClock(int(sys.argv[3]), rate=1.0)
        asyncio.run(recover(given, int(sys.argv[2]), begun))
