"""The wiring: one process, from its settings to the last commit.

One supervisor starts every task. When a task dies the process says which and stops: a service that
answers while its worker is dead is the worst fault of all. The order of an ordinary stop: take no
more requests, finish the batch, let the relay publish, close.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from typing import Final

import uvicorn

from twin.api import create_api
from twin.api.board import Board
from twin.api.connections import patient_protocols
from twin.api.issuer import Issuer
from twin.api.served import Mode, Served
from twin.api.tokens import TokenRules, Tokens, parse_roles
from twin.clock import Clock, WallClock, us_from_seconds
from twin.control.access.rules import in_file, load_rules
from twin.control.signals.controller import ALL
from twin.errors import BackendError, Fault, InputError, SettingsError, TwinError
from twin.events import Topic
from twin.forecast.learned.model_file import load_model
from twin.forecast.learning import Given
from twin.hearts import Organs, make_heart
from twin.ingest.forgetting import Forgetting
from twin.ingest.health import WorkerHealth
from twin.ingest.leading import Leading
from twin.ingest.patience import Patience
from twin.ingest.policy import WorkerPolicy
from twin.ingest.presence import Presence
from twin.ingest.roles import ProcessRole
from twin.ingest.worker import Worker
from twin.keys import KeyRing
from twin.live import Live
from twin.log import open_log
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.settings import Environment, Settings
from twin.store import maps
from twin.store.database import Database
from twin.store.retention import DAY_S, Keep
from twin.supervisor import end, first_death, settle, signals

_LOG: Final = logging.getLogger(__name__)
_HTTP_STOP_S: Final = 3
_WORKER_STOP_S: Final = 8.0
_COMPANION: Final = "companion"

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
        keys.refuse_other(settings.environment, of=Environment, path=settings.keys)
        self.network, quality = read_gmns(settings.map)
        self._timezone = settings.timezone or self.network.timezone
        self.database = Database.at(settings.database)
        self.log = open_log(settings.log, self.database.path, settings.topic_prefix)
        self.board = Board(self.network, self.clock)
        self.role = ProcessRole(settings.role)
        self.name = _name(self.role)
        self.heart = make_heart(
            self.role,
            Organs(
                network=self.network,
                log=self.log,
                database=self.database,
                clock=self.clock,
                board=self.board,
                policy=_policy(settings, owner=self.name),
                keys=keys,
                live=self._live,
                on_map=self._use,
                leader_s=settings.leader_s,
            ),
        )
        self.served = Served(
            network=self.network,
            quality=quality,
            log=self.log,
            database=self.database,
            clock=self.clock,
            keys=keys,
            board=self.board,
            worker_health=self.health,
            timezone=self._timezone,
            mode=mode,
            note=note,
            topic_prefix=settings.topic_prefix,
            future_s=settings.future_s,
            scenario_folder=settings.scenarios,
            scenario_tables=settings.map,
            tokens=_tokens(settings),
            role=self.role,
            reading_partitions=settings.reading_partitions or None,
        )
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()
        self.url = ""
        self._start = Patience("start")

    @property
    def worker(self) -> Worker:
        """The owner of the live state of a process that does all."""
        assert isinstance(self.heart, Worker)
        return self.heart

    def _live(self) -> Live:
        settings = self.settings
        path = settings.access_rules
        rules = load_rules(path) if path is not None else None
        automatic = _automatic(settings, self.network)
        given = _given(settings)
        try:
            return Live(
                self.network,
                rules=rules,
                automatic=automatic,
                lease_s=settings.lease_s,
                timezone=self._timezone,
                given=given,
            )
        except InputError as error:  # the rules name a gate that the map does not have
            if path is None:
                raise
            raise in_file(path, error) from error

    def _use(self, network: SingleMap) -> None:
        """Go over to another version of the map, as the worker did."""
        self.network = network
        self.served.use(network)

    def health(self) -> WorkerHealth:
        """Say how the worker is, or what it waits for before it can start."""
        health = self.heart.health()
        return replace(health, problem=health.problem or self._start.problem)

    async def run(self, companions: Sequence[Companion] = ()) -> int:
        """Serve until a signal or `stop`; return the exit code, 1 when a task died.

        Raises SettingsError for a port that is taken, and what a task died of if it is one of
        ours (FencedError, SettingsError of a wrong schema, SimulationError …).

        companions   tasks of other parties that begin once the service is ready (the demo's city)
        """
        listener = await self._open()
        server = _Server(self._http_config())
        http = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        heart = asyncio.create_task(self._beat(), name="worker")
        others = [
            asyncio.create_task(self._when_ready(companion), name=_COMPANION)
            for companion in (*self._beside(), *companions)
        ]
        told = asyncio.create_task(self.stopping.wait(), name="stop")
        with signals(self.stopping.set):
            death = await first_death(told, [http, heart, *others], may_end=_COMPANION)
            told.cancel()
            await end(others)
            self.board.close()
            server.should_exit = True
            # beside each other: what a late request still appends waits on the log
            await asyncio.gather(settle([http], _HTTP_STOP_S + 2), self._stop_worker(heart))
        await self.close()
        if isinstance(death, TwinError):
            raise death
        return 1 if death else 0

    def _beside(self) -> Sequence[Companion]:
        """Return what runs beside the heart of this role."""
        forgets = self.role in {ProcessRole.ALL, ProcessRole.FORECASTER}
        tells = self.role is not ProcessRole.ALL
        return [task for task, wanted in ((_forget, forgets), (_say, tells)) if wanted]

    async def _open(self) -> socket.socket:
        """Take the port, and open what lies in files, before anybody is answered."""
        listener = _listen(self.settings.host, self.settings.port)
        try:
            await self._open_files()
        except BaseException:
            listener.close()
            await self.close()
            raise
        host, port = listener.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        _LOG.info("listening", extra={"url": self.url})
        return listener

    def stop(self) -> None:
        """Ask `run` to end in good order."""
        self.stopping.set()

    async def _beat(self) -> None:
        """Connect, however long the servers stay away; then work."""
        await self.connect()
        self.ready.set()
        await self.heart.run()

    async def connect(self) -> None:
        """Reach database and log, with their tables and topics; wait while they are away."""
        await self._start.until_done(self._open_store)
        await self._start.until_done(self._open_log)

    async def _open_files(self) -> None:
        """Raise BackendError naming a file that cannot be used: nobody will bring it up later."""
        if self.database.path is not None:
            await self._open_store()
        if self.settings.log == "embedded":
            await self._open_log()

    async def _open_store(self) -> None:
        await self.database.prepare()
        await maps.save_map(self.database, self.network, now_us=self.clock.now_us())

    async def _open_log(self) -> None:
        await self.log.start()
        await self.log.create_topics(self.served.topics.specs())
        self.served.stand_on(await self.log.partitions(Topic.READING))

    async def _when_ready(self, companion: Companion) -> None:
        await self.ready.wait()
        await companion(self)

    async def _stop_worker(self, heart: asyncio.Task[None]) -> None:
        """Let the worker finish its batch and the relay publish; cut it only when it hangs."""
        self._start.stopping.set()
        self.heart.stop()
        if self.ready.is_set():
            await settle([heart], _WORKER_STOP_S)
        await end([heart])

    async def close(self) -> None:
        """Let go of jobs, log and database."""
        await self.served.close_scenarios()
        with suppress(BackendError):
            await self.log.close()
        await self.database.close()

    def _http_config(self) -> uvicorn.Config:
        http, socket_protocol = patient_protocols(self.served.cut)
        return uvicorn.Config(
            create_api(self.served),
            http=http,
            ws=socket_protocol,
            log_config=None,
            access_log=False,
            ws_per_message_deflate=False,  # frames are small and made once for all clients
            timeout_graceful_shutdown=_HTTP_STOP_S,
            server_header=False,
        )


async def _forget(service: Service) -> None:
    """Remove what is too old, in one process: the one that leads, where there are several."""
    if isinstance(service.heart, Leading):
        await service.heart.led.wait()
    await Forgetting(service.database, service.clock, keep=_keep(service.settings)).run()


async def _say(service: Service) -> None:
    """Tell the others that this process is there, and how."""
    await Presence(
        service.database,
        name=service.name,
        role=service.role,
        url=service.url,
        health=service.health,
    ).run()


def _name(role: ProcessRole) -> str:
    """Name this start of a process: no other one ever has this name."""
    if role is ProcessRole.ALL:
        return "worker"
    return f"{role}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def _keep(settings: Settings) -> Keep:
    def lasting(days: int) -> float | None:
        return days * DAY_S if days else None

    return Keep(
        passage_s=settings.keep_passages_h * 3600,
        access_s=settings.keep_access_h * 3600,
        dead_letter_s=settings.keep_dead_letters_d * DAY_S,
        minute_s=lasting(settings.keep_minutes_d),
        step_s=lasting(settings.keep_steps_d),
        observation_s=lasting(settings.keep_observations_d),
        decision_s=lasting(settings.keep_decisions_d),
        audit_s=lasting(settings.keep_audit_d),
        exported_only=settings.keep_exported,
    )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the supervisor has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        rule = f"cannot listen on {host}: {reason}; choose another port, 0 takes a free one"
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise SettingsError(Fault("TWIN_PORT", str(port), rule)) from error
        rule = (
            f"cannot listen here: {reason}; 127.0.0.1 is this machine alone, 0.0.0.0 all networks"
        )
        raise SettingsError(Fault("TWIN_HOST", host, rule)) from error


def _automatic(settings: Settings, network: SingleMap) -> frozenset[str]:
    """Return the junctions that are controlled without a person. Raises SettingsError."""
    known = [junction.id for junction in network.junctions]
    asked = {name.strip() for name in settings.automatic_junctions.split(",")} - {"", "*"}
    if unknown := sorted(asked.difference(known)):
        rule = f"is no junction of map {network.name}; it has {', '.join(known) or 'none'}"
        raise SettingsError(Fault("TWIN_AUTOMATIC_JUNCTIONS", unknown[0], rule, "unknown"))
    return frozenset({ALL}) if settings.automatic(ALL) else frozenset(asked)


def _given(settings: Settings) -> Given:
    """Read what the learned forecast is told. Raises SettingsError, InputError."""
    try:
        days = [date.fromisoformat(day) for day in settings.holidays.split(",") if day]
    except ValueError as error:
        rule = f"is no list of days ({error})"
        raise SettingsError(Fault("TWIN_HOLIDAYS", settings.holidays, rule)) from error
    path = settings.forecast_model
    return Given(frozenset(days), load_model(path) if path is not None else None)


def _tokens(settings: Settings) -> Tokens | None:
    """Know the identity provider, where there is one; nothing is asked of it yet."""
    if not settings.oidc_issuer:
        return None
    return Issuer(
        TokenRules(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            role_claim=settings.oidc_role_claim,
            roles=parse_roles(settings.oidc_roles),
            skew_us=us_from_seconds(settings.oidc_skew_s),
        )
    )


def _policy(settings: Settings, *, owner: str) -> WorkerPolicy:
    return WorkerPolicy(
        owner=owner,
        tick_us=us_from_seconds(settings.tick_s),
        forecast_us=us_from_seconds(settings.forecast_s),
        snapshot_us=us_from_seconds(settings.snapshot_s),
        ahead_s=settings.ahead_s,
        stall_s=settings.stall_s,
        future_us=us_from_seconds(settings.future_s),
        lateness_reading_us=us_from_seconds(settings.lateness_reading_s),
        lateness_passage_us=us_from_seconds(settings.lateness_passage_s),
    )
