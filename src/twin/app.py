"""The wiring: one process, from its settings to the last commit.

One supervisor starts every task. When a task dies the process says which and stops: a service that
answers while its worker is dead is the worst fault of all. The order of an ordinary stop: take no
more requests, finish the batch, let the relay publish, close.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from twin.api import create_api
from twin.api.board import Board
from twin.api.served import Mode, Served
from twin.clock import Clock, WallClock, us_from_seconds
from twin.control.access.rules import load_rules
from twin.errors import BackendError, Fault, SettingsError, TwinError
from twin.ingest.patience import Patience
from twin.ingest.policy import WorkerPolicy
from twin.ingest.worker import Worker
from twin.keys import KeyRing
from twin.live import Live
from twin.log import open_log
from twin.network.gmns import read_gmns
from twin.settings import Settings
from twin.store import maps
from twin.store.database import Database

_LOG: Final = logging.getLogger(__name__)
_HTTP_STOP_S: Final = 3
_WORKER_STOP_S: Final = 20.0

Companion = Callable[["Service"], Awaitable[None]]


class Service:
    """Everything of one process. Making it reads files only; `run` connects and serves."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        mode: Mode = Mode.LIVE,
        note: str = "",
    ) -> None:
        """Read map, rules and keys. Raises MapError or InputError naming what is wrong."""
        self.settings = settings
        self.clock = clock or WallClock()
        keys = KeyRing.load(settings.keys)
        self.network, quality = read_gmns(settings.map)
        self.database = Database.at(settings.database)
        self.log = open_log(settings.log, self.database.path, settings.topic_prefix)
        self.board = Board(self.network, self.clock)
        self.worker = Worker(
            network=self.network,
            live=self._live(),
            log=self.log,
            database=self.database,
            clock=self.clock,
            policy=_policy(settings),
            keys=keys,
            on_picture=self.board.publish,
            on_decisions=self.board.publish_decisions,
        )
        self.served = Served(
            network=self.network,
            quality=quality,
            log=self.log,
            database=self.database,
            clock=self.clock,
            keys=keys,
            board=self.board,
            worker_health=self.worker.health,
            timezone=settings.timezone,
            mode=mode,
            note=note,
            topic_prefix=settings.topic_prefix,
        )
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()
        self.url = ""
        self._start = Patience("start")

    def _live(self) -> Live:
        settings = self.settings
        junctions = (junction.id for junction in self.network.junctions)
        return Live(
            self.network,
            rules=load_rules(settings.access_rules) if settings.access_rules else None,
            automatic=frozenset(name for name in junctions if settings.automatic(name)),
            lease_s=settings.lease_s,
            timezone=settings.timezone,
        )

    async def run(self, companions: Sequence[Companion] = ()) -> int:
        """Serve until a signal or `stop`; return the exit code, 1 when a task died.

        Raises SettingsError for a port that is taken, and what a task died of if it is one of
        ours (FencedError, SettingsError of a wrong schema, SimulationError …).

        companions   tasks of other parties that begin once the service is ready (the demo's city)
        """
        listener = _listen(self.settings.host, self.settings.port)
        host, port = listener.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        server = _Server(self._http_config())
        http = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        heart = asyncio.create_task(self._beat(), name="worker")
        others = [
            asyncio.create_task(self._when_ready(companion), name="companion")
            for companion in companions
        ]
        told = asyncio.create_task(self.stopping.wait(), name="stop")
        with _signals(self.stopping.set):
            death = await _first_death(told, [http, heart, *others])
            told.cancel()
            await _end(others)
            server.should_exit = True
            await _settle([http], _HTTP_STOP_S + 2)
            await self._stop_worker(heart)
        await self.close()
        if isinstance(death, TwinError):
            raise death
        return 1 if death else 0

    def stop(self) -> None:
        """Ask `run` to end in good order."""
        self.stopping.set()

    async def _beat(self) -> None:
        """Connect, however long the servers stay away; then work."""
        await self.connect()
        self.ready.set()
        await self.worker.run()

    async def connect(self) -> None:
        """Reach database and log, with their tables and topics; wait while they are away."""
        await self._start.until_done(self._open_store)
        await self._start.until_done(self._open_log)

    async def _open_store(self) -> None:
        await self.database.prepare()
        await maps.save_map(self.database, self.network, now_us=self.clock.now_us())

    async def _open_log(self) -> None:
        await self.log.start()
        await self.log.create_topics(self.served.topics.specs())

    async def _when_ready(self, companion: Companion) -> None:
        await self.ready.wait()
        await companion(self)

    async def _stop_worker(self, heart: asyncio.Task[None]) -> None:
        """Let the worker finish its batch and the relay publish; cut it only when it hangs."""
        self._start.stopping.set()
        self.worker.stop()
        if self.ready.is_set():
            await _settle([heart], _WORKER_STOP_S)
        await _end([heart])

    async def close(self) -> None:
        """Let go of log and database."""
        with suppress(BackendError):
            await self.log.close()
        await self.database.close()

    def _http_config(self) -> uvicorn.Config:
        return uvicorn.Config(
            create_api(self.served),
            log_config=None,
            access_log=False,
            ws_per_message_deflate=False,  # frames are small and made once for all clients
            timeout_graceful_shutdown=_HTTP_STOP_S,
            server_header=False,
        )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the supervisor has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _first_death(
    told: asyncio.Task[bool], tasks: list[asyncio.Task[None]]
) -> BaseException | None:
    """Wait until we are told to stop or a task ends before that; log which, return why."""
    running: set[asyncio.Task[None]] = set(tasks)
    while True:
        done, _ = await asyncio.wait({told, *running}, return_when=asyncio.FIRST_COMPLETED)
        for task in running & done:
            running.discard(task)
            death = task.exception()
            if death is None and task.get_name() == "companion":
                continue  # the city's party is over; the service goes on
            _LOG.error("task_died", extra={"task": task.get_name()}, exc_info=death)
            return death or RuntimeError(f"{task.get_name()} ended by itself")
        if told in done:
            return None


async def _settle(tasks: Sequence[asyncio.Task[None]], timeout_s: float) -> None:
    """Wait for tasks to end by themselves; their exceptions were told already."""
    await asyncio.wait(tasks, timeout=timeout_s)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        rule = f"cannot listen on {host}: {error.strerror}; choose another port, 0 takes a free one"
        raise SettingsError(Fault("TWIN_PORT", str(port), rule)) from error


def _policy(settings: Settings) -> WorkerPolicy:
    return WorkerPolicy(
        tick_us=us_from_seconds(settings.tick_s),
        forecast_us=us_from_seconds(settings.forecast_s),
        snapshot_us=us_from_seconds(settings.snapshot_s),
        future_us=us_from_seconds(settings.future_s),
        lateness_reading_us=us_from_seconds(settings.lateness_reading_s),
        lateness_passage_us=us_from_seconds(settings.lateness_passage_s),
    )
