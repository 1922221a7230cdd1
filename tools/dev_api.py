"""Serve the API with synthetic moving pictures, for work on the console.

    .venv/bin/python tools/dev_api.py                    http://127.0.0.1:8010, a small made-up city
    .venv/bin/python tools/dev_api.py --map scenarios/corridor/network
    .venv/bin/python tools/dev_api.py --no-login         everybody is the operator (this tool only)
    .venv/bin/python tools/dev_api.py --port 8011 --rate 10

It prints a one-time operator link (open it once: the session cookie lasts 12 hours) and an
operator key for `curl -H "Authorization: Bearer ..."`. Everything lives in a temporary folder and
is gone at the end. Pictures come once a second; a wave of congestion runs along every corridor.
Proposals for the junctions appear, can be approved or rejected, and expire; passages are decided
at the gates; stage requests are issued and acknowledged. Behind `--proxy` of a development server
of the console, proxy /api, /health and /metrics to this port (WebSocket included).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import random
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvicorn
from fastapi import FastAPI
from msgspec import structs
from starlette.requests import HTTPConnection

from twin.api import Board, Mode, Served, create_api
from twin.api import auth as api_auth
from twin.api.auth import Person
from twin.api.roles import Role
from twin.clock import ScaledClock, WallClock, datetime_from_us
from twin.control.decision import step
from twin.events import (
    ControlMode,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    Fact,
    Incident,
    IncidentKind,
    OperatorAct,
    SignalStatus,
    Topic,
)
from twin.forecast.result import Forecast, Method
from twin.ids import (
    GateId,
    GroupId,
    JunctionId,
    LinkId,
    NodeId,
    PlanId,
    SensorId,
    StageId,
    ZoneId,
    derived_id,
)
from twin.ingest.health import WorkerHealth
from twin.keys import KeyRing
from twin.log.contract import Place, TopicSpec
from twin.log.embedded import EmbeddedLog
from twin.network.corridors import corridors
from twin.network.gmns import read_gmns
from twin.network.model import (
    Gate,
    Junction,
    Link,
    LinkClass,
    Node,
    Sensor,
    SignalPlan,
    SingleMap,
    Stage,
    Zone,
)
from twin.network.quality import QualityReport, check_map
from twin.perceive.state import Freshness, LinkState, Measured, Origin, Source
from twin.picture import Picture
from twin.store import people
from twin.store.commit import assign, write_commit
from twin.store.database import Database
from twin.store.records import Commit, MinutePicture
from twin.units import SECOND_US

START_US = 1_781_589_600 * SECOND_US  # 2026-06-16T06:00:00Z
STEP_S = 300.0
STEPS = 12
SEED = 7


def small_city() -> SingleMap:
    """Build a motorway of 14 links each way, an arterial with four signals, four gates."""
    nodes = [
        Node(NodeId(f"M{row}"), (-3.80 + 0.0085 * row, 40.42), f"Km {row}") for row in range(15)
    ]
    nodes += [
        Node(NodeId(f"A{row}"), (-3.76 + 0.006 * row, 40.40), f"Calle {row}") for row in range(6)
    ]
    links = []
    for road, name, chain, kind, lanes, free in (
        ("M1-E", "M-1 eastbound", [f"M{row}" for row in range(15)], LinkClass.MOTORWAY, 3, 33.3),
        (
            "M1-W",
            "M-1 westbound",
            [f"M{14 - row}" for row in range(15)],
            LinkClass.MOTORWAY,
            3,
            33.3,
        ),
        ("C1-E", "Calle Mayor", [f"A{row}" for row in range(6)], LinkClass.ARTERIAL, 2, 13.9),
    ):
        places = {node.id: node for node in nodes}
        for row, (start, end) in enumerate(itertools.pairwise(chain)):
            line = (places[NodeId(start)].point, places[NodeId(end)].point)
            length_m = math.dist(*line) * 85_000.0
            links.append(
                Link(
                    id=LinkId(f"{road}-{row}"),
                    from_node=NodeId(start),
                    to_node=NodeId(end),
                    line=line,
                    length_m=length_m,
                    lanes=lanes,
                    free_speed_mps=free,
                    capacity_vps=lanes * 0.55,
                    link_class=kind,
                    name=name,
                    road=road,
                    authority="region" if kind is LinkClass.MOTORWAY else "city",
                )
            )
    sensors = tuple(
        Sensor(
            SensorId(f"D-{link.id}"),
            link.id,
            link.length_m / 2,
            link.line[0],
            60.0,
            region=link.road,
        )
        for link in links
    )
    junctions = tuple(
        Junction(
            id=JunctionId(f"J{row}"),
            node=NodeId(f"A{row}"),
            groups=(),
            stages=tuple(
                Stage(StageId(str(stage)), (GroupId(f"g{stage}"),)) for stage in (1, 2, 3)
            ),
            intergreen_s=(),
            plans=(
                SignalPlan(PlanId("day"), 90.0, 0.0, ((StageId("1"), 50.0), (StageId("2"), 40.0))),
            ),
            name=f"Calle Mayor / Calle {row}",
        )
        for row in (1, 2, 3, 4)
    )
    old = ZoneId("OLD")
    gates = tuple(
        Gate(
            GateId(f"G{row}"),
            LinkId("C1-E-4"),
            40.0,
            (-3.7365 + 0.002 * row, 40.3985),
            row % 2 == 1,
            (old,),
            f"Puerta {row}",
            barrier=row == 3,
        )
        for row in (1, 2, 3, 4)
    )
    boundary = (
        "POLYGON ((-3.738 40.3975, -3.726 40.3975, -3.726 40.401, -3.738 40.401, -3.738 40.3975))"
    )
    return SingleMap(
        name="Development city",
        version="de" * 16,
        timezone="Europe/Madrid",
        nodes=tuple(nodes),
        links=tuple(links),
        junctions=junctions,
        sensors=sensors,
        gates=gates,
        zones=(Zone(old, "access", (LinkId("C1-E-4"),), "Old town", boundary),),
    )


@dataclass
class Play:
    """Invents a state of the city for every moment, and decisions about it."""

    served: Served
    sequence: int = 0
    open: dict[str, DecisionEvent] = field(default_factory=dict)
    events: list[DecisionEvent] = field(default_factory=list)
    forecast: Forecast | None = None
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))

    def __post_init__(self) -> None:
        """Lay every link out on its corridor."""
        network = self.served.network
        self.free = np.array([link.free_speed_mps for link in network.links])
        self.at_m = np.zeros(len(network.links))
        for corridor in corridors(network):
            for link, start_m in zip(corridor.links, corridor.start_m, strict=True):
                self.at_m[network.link_rows[link]] = start_m

    def ratio(self, time_us: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Let two waves of congestion run backwards along the corridors."""
        minutes = (time_us - START_US) / SECOND_US / 60
        wave = np.sin(self.at_m / 900.0 + minutes / 6.0) + 0.6 * np.sin(
            self.at_m / 350.0 - minutes / 11.0
        )
        return np.clip(0.62 + 0.34 * wave, 0.12, 1.02)

    def links(self, now_us: int) -> LinkState:
        """Make the believed state: some links stale, closed, or never seen."""
        count = len(self.free)
        speed = self.free * self.ratio(now_us)
        freshness = np.full(count, Freshness.LIVE, np.uint8)
        source = np.full(count, Source.MEASURED, np.uint8)
        rows = np.arange(count)
        freshness[rows % 17 == 11] = Freshness.DELAYED
        freshness[rows % 23 == 13] = Freshness.STALE
        freshness[rows % 29 == 19] = Freshness.NO_DATA
        source[rows % 7 == 5] = Source.NEIGHBOURS
        source[freshness == Freshness.NO_DATA] = Source.NONE
        speed[freshness == Freshness.NO_DATA] = np.nan
        flow = 0.5 * (speed / self.free) * (1.6 - speed / self.free) * 2.4
        closed = np.zeros(count, np.uint8)
        closed[rows % 31 == 27] = 1
        ages = {Freshness.LIVE: 20.0, Freshness.DELAYED: 140.0, Freshness.STALE: 900.0}
        age_s = np.array([ages.get(Freshness(code), np.nan) for code in freshness.tolist()])
        density = flow / np.maximum(speed, 1.0)
        return LinkState(
            now_us,
            speed,
            speed * 0.06,
            flow,
            flow * 0.1,
            density,
            density * 0.12,
            age_s,
            source,
            freshness,
            closed,
            np.where(source == Source.MEASURED, Origin.SPEEDS | Origin.COUNTS, 0).astype(np.uint8),
            (source == Source.MEASURED).astype(np.uint8),
        )

    def measured(self, now_us: int, links: LinkState) -> Measured:
        """Let every sensor report the last full minute of its link."""
        rows = [
            self.served.network.link_rows[sensor.link] for sensor in self.served.network.sensors
        ]
        minute = now_us // (60 * SECOND_US) * 60 * SECOND_US
        count = len(rows)
        return Measured(
            np.full(count, minute),
            np.full(count, 60_000),
            np.round(links.flow_vps[rows] * 60),
            links.speed_mps[rows],
            np.clip(links.density_vpm[rows] * 6, 0, 1),
        )

    def make_forecast(self, now_us: int) -> Forecast:
        """Run the same waves on for an hour."""
        made_us = now_us // (60 * SECOND_US) * 60 * SECOND_US
        speed = np.array(
            [
                self.free * self.ratio(made_us + int((k + 0.5) * STEP_S * SECOND_US))
                for k in range(STEPS)
            ]
        )
        widen = (0.04 + 0.015 * np.arange(STEPS))[:, None]
        flow = np.clip(speed / self.free * (1.6 - speed / self.free) * 1.2, 0.02, None)
        return Forecast(
            derived_id("forecast", made_us),
            made_us,
            self.served.network.version,
            STEP_S,
            speed,
            speed * (1 - widen),
            speed * (1 + widen),
            flow,
            flow / np.maximum(speed, 1.0),
            np.full(len(self.free), Method.PHYSICS, np.uint8),
        )

    def decide(self, now_us: int) -> list[DecisionEvent]:
        """Propose, issue, acknowledge and expire decisions."""
        made = [
            step(one, DecisionState.EXPIRED, now_us=now_us)
            for one in self.open.values()
            if one.expires
            and one.expires <= datetime_from_us(now_us)
            and one.kind is DecisionKind.SIGNAL_CONTROL
        ]
        made += [
            step(one, DecisionState.ACKNOWLEDGED, now_us=now_us, by=one.target)
            for one in self.open.values()
            if one.state is DecisionState.ISSUED and one.kind is not DecisionKind.SIGNAL_CONTROL
        ]
        if self.sequence % 20 == 3:
            made.append(self.proposal(now_us))
        if self.sequence % 7 == 2:
            made += self.stage(now_us)
        if self.sequence % 4 == 1 and self.served.network.gates:
            made += self.passage(now_us)
        made += [
            step(one, DecisionState.ISSUED, now_us=now_us)
            for one in self.open.values()
            if one.state is DecisionState.APPROVED
        ]
        self.keep(made)
        return made

    def keep(self, made: list[DecisionEvent]) -> None:
        """Remember what is open."""
        for event in made:
            self.open[event.id] = event
            if event.state in {
                DecisionState.EXPIRED,
                DecisionState.REJECTED,
                DecisionState.ACKNOWLEDGED,
            }:
                del self.open[event.id]
        self.events += made

    def proposal(self, now_us: int) -> DecisionEvent:
        """Propose to control a junction for a quarter of an hour."""
        names = [junction.id for junction in self.served.network.junctions] or [JunctionId("J1")]
        target = self.dice.choice(names)
        now = datetime_from_us(now_us)
        return DecisionEvent(
            id=derived_id("proposal", target, now_us),
            version=1,
            kind=DecisionKind.SIGNAL_CONTROL,
            state=DecisionState.PROPOSED,
            target=target,
            time=now,
            reason="QUEUE_GROWS",
            facts=(
                Fact(name="delay now", value=float(self.dice.randint(20, 60)), unit="veh h/h"),
                Fact(name="delay saved", value=float(self.dice.randint(2, 18)), unit="veh h/h"),
                Fact(
                    name="longest queue",
                    value=float(self.dice.randint(8, 40)),
                    unit="veh",
                    age_s=12.0,
                ),
            ),
            command={"for_s": "900"},
            expires=now + timedelta(seconds=300),
            checks=("minimum green", "intergreens", "yellow", "maximum red", "age of the input"),
            map_version=self.served.network.version,
            forecast_id=self.forecast.id if self.forecast else "",
        )

    def stage(self, now_us: int) -> list[DecisionEvent]:
        """Ask a controlled junction for a stage."""
        names = [one.target for one in self.open.values() if one.state is DecisionState.ISSUED]
        found = [one for one in self.served.network.junctions if one.id in names and one.stages]
        if not found:
            return []
        junction, now = self.dice.choice(found), datetime_from_us(now_us)
        decided = DecisionEvent(
            id=derived_id("stage", junction.id, now_us),
            version=1,
            kind=DecisionKind.SIGNAL_STAGE,
            state=DecisionState.DECIDED,
            target=junction.id,
            time=now,
            reason="more_pressure",
            command={"stage": self.dice.choice(junction.stages).id},
            automatic=True,
            map_version=self.served.network.version,
        )
        issued = structs.replace(
            decided,
            version=2,
            state=DecisionState.ISSUED,
            lease_until=now + timedelta(seconds=15),
            checks=("minimum green", "intergreens"),
        )
        return [decided, issued]

    def passage(self, now_us: int) -> list[DecisionEvent]:
        """Decide one passage at some gate."""
        gate = self.dice.choice(self.served.network.gates)
        state, reason, profile, command = self.dice.choice(
            [
                ("ADMIT", "RESIDENT_WINDOW", "RESIDENT", "open"),
                ("ADMIT", "TAXI", "TAXI", "open"),
                ("ADMIT", "GOODS_WINDOW", "GOODS", "open"),
                ("DENY", "NO_AUTHORISATION", "", "record"),
                ("DENY", "OUTSIDE_WINDOW", "GOODS", "record"),
                ("REVIEW", "LOW_CONFIDENCE", "", "intercom"),
                ("UNREAD", "UNREAD", "", "record"),
            ]
        )
        if not gate.inbound:
            state, reason, profile, command = "ADMIT", "EXIT_ALWAYS", "", "open"
        facts = {
            "state": state,
            "direction": "in" if gate.inbound else "out",
            "passed": datetime_from_us(now_us - 800_000).isoformat(),
            "confidence": round(self.dice.uniform(0.7, 0.99), 2),
            "vehicle": "" if state == "UNREAD" else f"v·{self.dice.randrange(65536):04X}",
            "profile": profile,
            "window": "08:00-11:00" if profile in {"RESIDENT", "GOODS"} else "always",
        }
        now = datetime_from_us(now_us)
        decided = DecisionEvent(
            id=derived_id("access", gate.id, now_us),
            version=1,
            kind=DecisionKind.ACCESS,
            state=DecisionState.DECIDED,
            target=gate.id,
            time=now,
            reason=reason,
            facts=tuple(
                Fact(name=name, value=value) for name, value in facts.items() if value != ""
            ),
            command={"gate": command},
            automatic=True,
            map_version=self.served.network.version,
        )
        return [
            decided,
            structs.replace(
                decided,
                version=2,
                state=DecisionState.ISSUED,
                lease_until=now + timedelta(seconds=30),
            ),
        ]

    def act(self, act: OperatorAct, now_us: int) -> list[DecisionEvent]:
        """Do a person's act, as the worker would."""
        current = self.open.get(act.target)
        if current is None or current.version != act.seen_version:
            return []
        to = DecisionState.APPROVED if act.act == "approve" else DecisionState.REJECTED
        made = [step(current, to, now_us=now_us, by=act.person, note=act.reason)]
        self.keep(made)
        return made

    def picture(self, now_us: int) -> Picture:
        """Hang everything together."""
        self.sequence += 1
        links = self.links(now_us)
        if self.forecast is None or now_us - self.forecast.made_us >= 60 * SECOND_US:
            self.forecast = self.make_forecast(now_us)
        now = datetime_from_us(now_us)
        signals = tuple(
            SignalStatus(
                id=f"{junction.id}-{self.sequence}",
                junction=junction.id,
                time=now,
                stage=junction.stages[(self.sequence // 15 + row) % len(junction.stages)].id,
                since=now - timedelta(seconds=self.sequence % 15),
                mode=ControlMode.LEASED if row % 2 else ControlMode.OWN_PLAN,
                changing=self.sequence % 15 < 3,
            )
            for row, junction in enumerate(self.served.network.junctions)
            if junction.stages
        )
        link = self.served.network.links[len(self.served.network.links) // 3]
        incident = Incident(
            id="I-1",
            link=link.id,
            time=datetime_from_us(START_US),
            kind=IncidentKind.BREAKDOWN,
            position_m=link.length_m / 2,
            lanes_closed=1,
            capacity_share=0.6,
            description="Lorry on the right lane",
        )
        return Picture(
            now_us,
            self.sequence,
            self.served.network.version,
            links,
            self.measured(now_us, links),
            self.forecast,
            signals,
            (incident,),
            tuple(self.open.values()),
        )

    def minute(self, time_us: int) -> MinutePicture:
        """Make the kept estimate of one past minute."""
        links = self.links(time_us)
        return MinutePicture(
            time_us,
            self.served.network.version,
            links.speed_mps.astype(np.float32).tobytes(),
            links.flow_vps.astype(np.float32).tobytes(),
            links.density_vpm.astype(np.float32).tobytes(),
            links.source.tobytes(),
        )


async def play(served: Served) -> None:
    """Publish a picture a second, do acts as they come, keep minutes and decisions."""
    made_up = Play(served)
    place = served.topics.place(Topic.ACT)
    marks = Place("dev", 0)
    _, epochs = await assign(served.database, [marks], "dev")
    reader = await served.log.reader({place: 0})
    now_us = served.clock.now_us()
    position = 0

    async def commit(decisions: list[DecisionEvent], minute: MinutePicture | None = None) -> None:
        nonlocal position
        position += 1
        found = Commit(
            epochs={marks: epochs[marks]},
            positions={marks: position},
            decisions=decisions,
            minute=minute,
        )
        await write_commit(served.database, found)

    first = now_us // (60 * SECOND_US) * 60 * SECOND_US
    for back in range(120, 0, -1):
        await commit([], made_up.minute(first - back * 60 * SECOND_US))
    kept_us = first
    while True:
        for records in await reader.fetch(max_records=100, timeout_s=1.0):
            for value in records.values:
                done = made_up.act(
                    msgspec.json.decode(value, type=OperatorAct), served.clock.now_us()
                )
                served.board.publish_decisions(done)
        now_us = served.clock.now_us()
        made = made_up.decide(now_us)
        served.board.publish_decisions(made)
        served.board.publish(made_up.picture(now_us))
        fresh, made_up.events = made_up.events, []
        minute_us = now_us // (60 * SECOND_US) * 60 * SECOND_US
        await commit(fresh, made_up.minute(minute_us) if minute_us > kept_us else None)
        kept_us = minute_us


def no_worker() -> WorkerHealth:
    """Say that all is well: there is no worker here."""
    return WorkerHealth("running", {}, {}, None, None, None, {}, 0, 0, 0, 0, 0)


def everybody_is_operator() -> None:
    """Let requests without a key pass as the operator: in this tool only."""
    asked = api_auth.identify

    async def identify(connection: HTTPConnection) -> Person | None:
        if connection.headers.get("authorization"):
            return await asked(connection)
        return Person("developer", Role.OPERATOR)

    api_auth.identify = identify


async def serve(options: argparse.Namespace, folder: Path) -> None:
    """Start everything and stay until Ctrl-C."""
    network, quality = _map(options.map)
    database = await Database.open(f"sqlite:///{folder / 'dev.db'}")
    await database.migrate()
    log = EmbeddedLog(folder / "dev.db")
    await log.start()
    clock = ScaledClock(START_US, rate=options.rate)
    served = Served(
        network=network,
        quality=quality,
        log=log,
        database=database,
        clock=clock,
        keys=KeyRing.fresh("test"),
        board=Board(network, clock),
        worker_health=no_worker,
        timezone=network.timezone,
        mode=Mode.LIVE,
        note="synthetic, from tools/dev_api.py",
    )
    await log.create_topics(
        [TopicSpec(spec.name, spec.partitions) for spec in served.topics.specs()]
    )
    if options.no_login:
        everybody_is_operator()
    app: FastAPI = create_api(served)
    address = f"http://127.0.0.1:{options.port}"
    wall_us = WallClock().now_us()
    code = await people.create_login_link(
        database, name="Developer", role="operator", expires_us=wall_us + 3600 * SECOND_US
    )
    key = await people.create_key(database, name="developer", role="operator", now_us=wall_us)
    print(f"operator link   {address}/api/v1/login?code={code}", flush=True)
    print(f"operator key    {key}", flush=True)
    config = uvicorn.Config(
        app, port=options.port, log_level="warning", ws_per_message_deflate=False
    )
    player = asyncio.create_task(play(served))
    server = asyncio.create_task(uvicorn.Server(config).serve())
    await asyncio.wait({player, server}, return_when=asyncio.FIRST_COMPLETED)
    served.board.close()
    if player.done():
        player.result()
    player.cancel()
    await log.close()
    await database.close()


def _map(folder: Path | None) -> tuple[SingleMap, QualityReport]:
    if folder is not None:
        return read_gmns(folder)
    network = small_city()
    return network, check_map(network)


def main() -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description="Serve the API with synthetic pictures.")
    parser.add_argument(
        "--map", type=Path, default=None, help="GMNS folder; a made-up city without"
    )
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--rate", type=float, default=1.0, help="service seconds per second")
    parser.add_argument("--no-login", action="store_true", help="everybody is the operator")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="twin-dev-") as folder:
        asyncio.run(serve(options, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
