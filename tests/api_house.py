"""A served house for the tests of the API: a real log and store, made-up pictures, no worker."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI

from ingest_city import START_US, small_city
from twin.api import Board, Served, create_api
from twin.api.roles import Role
from twin.clock import ManualClock, datetime_from_us
from twin.events import (
    ControlMode,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    Fact,
    Incident,
    IncidentKind,
    SignalStatus,
)
from twin.forecast.result import Forecast, Method
from twin.ingest.health import WorkerHealth
from twin.keys import KeyRing
from twin.log.contract import Place
from twin.log.embedded import EmbeddedLog
from twin.network.model import SingleMap
from twin.network.quality import check_map
from twin.perceive.state import Freshness, LinkState, Measured, Origin, Source
from twin.picture import Picture
from twin.store import people
from twin.store.database import Database
from twin.units import SECOND_US

NOW_US = START_US
HOST = "http://twin.test"


HEALTHY = WorkerHealth(
    state="running",
    positions={"reading/0": 7},
    lag={"reading/0": 3},
    last_commit_us=NOW_US,
    last_tick_us=NOW_US,
    problem=None,
    lost={},
    records=7,
    commits=2,
    forecasts=1,
    forecasts_dropped=0,
    published=4,
)


@dataclass
class House:
    """A running application with a key for every role."""

    served: Served
    app: FastAPI
    worker: WorkerHealth | None
    keys: dict[Role, str]

    def client(self, role: Role | None = None, **headers: str) -> httpx.AsyncClient:
        """Give a client that shows the key of a role, or nothing."""
        shown = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url=HOST, headers={**shown, **headers}
        )

    @property
    def clock(self) -> ManualClock:
        """The clock of the service."""
        assert isinstance(self.served.clock, ManualClock)
        return self.served.clock

    async def records(self, topic: str) -> list[tuple[int, bytes, Mapping[str, str]]]:
        """Read everything on a topic as (partition, value, headers)."""
        log = self.served.log
        count = await log.partitions(topic)
        reader = await log.reader({Place(topic, part): 0 for part in range(count)})
        found = await reader.fetch(max_records=10_000, timeout_s=0.0)
        await reader.close()
        return [
            (records.place.partition, value, header)
            for records in found
            for value, header in zip(records.values, records.headers, strict=True)
        ]


@dataclass
class Template:
    """What costs time to make: a database with all tables and keys, and an application.

    The database is copied for every house; the application is shared, it serves what stands in
    its state.
    """

    path: Path
    keys: dict[Role, str]
    app: FastAPI | None = None

    def application(self, served: Served) -> FastAPI:
        """Give the application, serving this house from now on."""
        if self.app is None:
            self.app = create_api(served)
        self.app.state.served = served
        return self.app


async def make_template(folder: Path) -> Template:
    """Make the database that every house starts with: migrating one takes half a second."""
    path = folder / "template.db"
    database = await Database.open(f"sqlite:///{path}")
    await database.migrate()
    keys = {
        role: await people.create_key(database, name=f"the {role}", role=str(role), now_us=NOW_US)
        for role in Role
    }
    await database.close()
    return Template(path, keys)


@asynccontextmanager
async def open_house(
    folder: Path, template: Template, *, network: SingleMap | None = None
) -> AsyncIterator[House]:
    """Open a house in a folder and close it again."""
    world = network or small_city()
    shutil.copy(template.path, folder / "house.db")
    database = await Database.open(f"sqlite:///{folder / 'house.db'}")
    log = EmbeddedLog(folder / "house.db")
    await log.start()
    clock = ManualClock(NOW_US)
    served = Served(
        network=world,
        quality=check_map(world),
        log=log,
        database=database,
        clock=clock,
        keys=KeyRing.fresh("test"),
        board=Board(world, clock),
        worker_health=lambda: house.worker,
        timezone=world.timezone,
        wall=ManualClock(NOW_US),
        console=folder / "console",
        approve_wait_s=0.0,
    )
    house = House(served, template.application(served), HEALTHY, template.keys)
    await log.create_topics(served.topics.specs())
    try:
        yield house
    finally:
        await log.close()
        await database.close()


def picture(
    network: SingleMap,
    *,
    sequence: int = 1,
    ratio: float | list[float] = 0.9,
    time_us: int = NOW_US,
    decisions: tuple[DecisionEvent, ...] = (),
) -> Picture:
    """Make a picture in which every link has the given speed ratio."""
    count = len(network.links)
    free = np.array([link.free_speed_mps for link in network.links])
    speed = free * np.asarray(ratio)
    links = LinkState(
        time_us=time_us,
        speed_mps=speed,
        speed_sd_mps=np.full(count, 1.0),
        flow_vps=np.full(count, 0.5),
        flow_sd_vps=np.full(count, 0.05),
        density_vpm=np.full(count, 0.02),
        density_sd_vpm=np.full(count, 0.002),
        age_s=np.full(count, 30.0),
        source=np.full(count, Source.MEASURED, np.uint8),
        freshness=np.full(count, Freshness.LIVE, np.uint8),
        closed=np.zeros(count, np.uint8),
        origins=np.full(count, Origin.SPEEDS | Origin.COUNTS, np.uint8),
        detectors=np.ones(count, np.uint8),
    )
    sensors = len(network.sensors)
    measured = Measured(
        time_us=np.full(sensors, time_us - 30 * SECOND_US),
        period_ms=np.full(sensors, 60_000),
        count=np.full(sensors, 12.0),
        speed_mps=np.full(sensors, 20.0),
        occupancy_frac=np.full(sensors, np.nan),
    )
    status = SignalStatus(
        id="st-1",
        junction="J1",
        time=datetime_from_us(time_us),
        stage="1",
        since=datetime_from_us(time_us - 8 * SECOND_US),
        mode=ControlMode.OWN_PLAN,
    )
    incident = Incident(
        id="i-1",
        link=network.links[0].id,
        time=datetime_from_us(time_us),
        kind=IncidentKind.CRASH,
    )
    return Picture(
        time_us=time_us,
        sequence=sequence,
        map_version=network.version,
        links=links,
        measured=measured,
        forecast=forecast(network, time_us),
        signals=(status,),
        incidents=(incident,),
        decisions=decisions,
    )


def forecast(network: SingleMap, made_us: int) -> Forecast:
    """Make a forecast of 20 m/s everywhere, unknown on the last link."""
    shape = (12, len(network.links))
    speed = np.full(shape, 20.0)
    speed[:, -1] = np.nan
    return Forecast(
        id="f" * 32,
        made_us=made_us,
        map_version=network.version,
        step_s=300.0,
        speed_mps=speed,
        speed_lo_mps=speed - 2,
        speed_hi_mps=speed + 2,
        flow_vps=np.full(shape, 0.4),
        density_vpm=np.full(shape, 0.02),
        method=np.full(len(network.links), Method.PHYSICS, np.uint8),
    )


def proposal(decision_id: str = "p-1", **fields: Any) -> DecisionEvent:
    """Make a proposal for junction J1 that lapses in five minutes."""
    values: dict[str, Any] = {
        "id": decision_id,
        "version": 1,
        "kind": DecisionKind.SIGNAL_CONTROL,
        "state": DecisionState.PROPOSED,
        "target": "J1",
        "time": datetime_from_us(NOW_US),
        "reason": "delay",
        "facts": (Fact(name="delay now", value=10.0), Fact(name="delay saved", value=4.0)),
        "command": {"for_s": "900"},
        "expires": datetime_from_us(NOW_US) + timedelta(minutes=5),
    }
    return DecisionEvent(**{**values, **fields})


def access(decision_id: str = "a-1", **fields: Any) -> DecisionEvent:
    """Make a decision that admits one vehicle at gate G1."""
    facts: dict[str, str | float] = {
        "state": "ADMIT",
        "direction": "in",
        "passed": "2026-06-16T07:59:59Z",
        "confidence": 0.97,
        "vehicle": "v·7F3A",
        "profile": "RESIDENT",
        "window": "08:00-11:00",
    }
    values: dict[str, Any] = {
        "id": decision_id,
        "version": 1,
        "kind": DecisionKind.ACCESS,
        "state": DecisionState.DECIDED,
        "target": "G1",
        "time": datetime_from_us(NOW_US),
        "reason": "RESIDENT_WINDOW",
        "facts": tuple(Fact(name=name, value=value) for name, value in facts.items()),
        "command": {"gate": "open"},
        "automatic": True,
    }
    return DecisionEvent(**{**values, **fields})


class Line:
    """One open ASGI connection (WebSocket or endless answer), driven message by message."""

    def __init__(self, app: FastAPI, scope: dict[str, Any]) -> None:
        """Start the application on a scope."""
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self._task = asyncio.create_task(app(scope, self._to_app.get, self._send))

    async def _send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await self.gate.wait()  # cleared by a test: the client takes nothing
        await self._from_app.put(message)

    async def send(self, **message: Any) -> None:
        """Give the application a message."""
        await self._to_app.put(message)

    async def receive(self) -> dict[str, Any]:
        """Wait for the application's next message."""
        async with asyncio.timeout(5):
            return await self._from_app.get()

    def waiting(self) -> int:
        """How many messages the application sent that were not received yet."""
        return self._from_app.qsize()

    async def close(self) -> None:
        """Hang up and wait until the application has noticed."""
        self.gate.set()
        kind = "websocket.disconnect"
        await self._to_app.put({"type": kind, "code": 1000})
        try:
            async with asyncio.timeout(5):
                await self._task
        except TimeoutError:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            raise


def scope_of(path: str, *, kind: str = "websocket", headers: Mapping[str, str]) -> dict[str, Any]:
    """Write the ASGI scope of a request."""
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("twin.test", 80),
    }
    if kind == "websocket":
        return {**scope, "scheme": "ws", "subprotocols": []}
    return {**scope, "scheme": "http", "method": "GET"}
