"""A short day of one crossing on real parts: readings, signals, an incident, acts, a gate.

The day is a function of the second alone, so that it can be lived twice, cut in other places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from control_city import ToyStreet, crossing
from ingest_city import START_US as READINGS_US
from ingest_city import passage, reading
from ingest_house import KEYS
from twin.clock import ManualClock, datetime_from_us
from twin.events import (
    Acknowledgement,
    Act,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    DeviceOrder,
    Incident,
    IncidentKind,
    OperatorAct,
    Topic,
)
from twin.ids import GateId, LinkId, SensorId, ZoneId
from twin.ingest.policy import WorkerPolicy
from twin.ingest.sealing import seal_items
from twin.ingest.topics import Topics
from twin.ingest.worker import Worker
from twin.live import Live
from twin.log.contract import Log, Place
from twin.network.model import Gate, Link, Sensor, SingleMap
from twin.picture import Picture
from twin.store import maps
from twin.store.database import Database
from twin.units import SECOND_US

DAY_US = 86_400 * SECOND_US
MIDNIGHT_US = READINGS_US // DAY_US * DAY_US + DAY_US
"""2026-06-17T00:00:00Z"""
STEP_S = 4
LATER_MAP = "d" * 32
POLICY = WorkerPolicy(
    tick_us=STEP_S * SECOND_US,
    forecast_us=30 * SECOND_US,
    snapshot_us=60 * SECOND_US,
    first_pause_s=0.0,
    max_records=400,
)


def city() -> SingleMap:
    """The crossing with a detector on every approach in two regions, and a gate."""
    bare = crossing()

    def sensor(row: int, link: Link) -> Sensor:
        return Sensor(
            id=SensorId(f"S{row}"),
            link=link.id,
            position_m=100.0,
            point=(0.0, 0.0),
            period_s=20.0,
            lanes=2,
            region="AB"[row % 2],
        )

    approaches = [link for link in bare.links if link.to_node == "C"]
    return replace(
        bare,
        sensors=tuple(sensor(row, link) for row, link in enumerate(approaches)),
        gates=(
            Gate(
                id=GateId("G1"),
                link=LinkId("C>N"),
                position_m=50.0,
                point=(0.0, 0.0),
                inbound=True,
                barrier=True,
                zones=(ZoneId("Z1"),),
            ),
        ),
    )


def later_city(network: SingleMap) -> SingleMap:
    """The same with one lane less on the way out to the south."""
    links = tuple(replace(link, lanes=1) if link.id == "C>S" else link for link in network.links)
    return replace(network, version=LATER_MAP, links=links)


@dataclass
class City:
    """Log and database with one worker after the other, and the street that obeys them."""

    log: Log
    database: Database
    policy: WorkerPolicy = POLICY
    network: SingleMap = field(default_factory=city)
    clock: ManualClock = field(default_factory=lambda: ManualClock(MIDNIGHT_US - 200 * SECOND_US))
    pictures: list[Picture] = field(default_factory=list)
    decisions: list[DecisionEvent] = field(default_factory=list)
    answered: int = 0
    worker: Worker | None = None

    @property
    def topics(self) -> Topics:
        """Names of the topics."""
        return Topics(self.network)

    async def open(self) -> None:
        """Make topics, keep the map, start the street."""
        await self.log.start()
        await self.log.create_topics(self.topics.specs())
        await maps.save_map(self.database, self.network, now_us=1)
        await maps.save_map(self.database, later_city(self.network), now_us=2)
        self.street = ToyStreet(self.network.junctions[0], self.clock.now_us())
        await self.start()

    async def start(self) -> None:
        """Begin with a fresh worker, which recovers what the last one had committed."""
        live = Live(
            self.network,
            rules=None,
            automatic=frozenset({"J"}),
            lease_s=15.0,
            timezone="Europe/Madrid",
        )
        self.worker = Worker(
            network=self.network,
            live=live,
            log=self.log,
            database=self.database,
            clock=self.clock,
            policy=self.policy,
            keys=KEYS,
            on_picture=self.pictures.append,
            on_decisions=self.decisions.extend,
        )
        await self.worker.start()

    async def close(self) -> None:
        """Let the worker go as a dead process does: nothing more is written."""
        assert self.worker is not None
        await self.worker.close()

    async def live_through(self, first: int, last: int) -> None:
        """Let the seconds first <= second < last pass, four at a time."""
        assert self.worker is not None
        for second in range(first, last, STEP_S):
            now_us = self.clock.now_us()
            self.street.obey(tuple(self._commands()))
            status = msgspec.json.encode(self.street.status())
            await self._send(Topic.STATUS, [status])
            await self.worker.run_until(await self._ends())  # one record, and the beat
            self.clock.advance_to(now_us + SECOND_US)
            await self._send_all(second, now_us)
            await self.worker.run_until(await self._ends())  # as many batches as it takes
            for _ in range(STEP_S):
                self.street.advance()
            self.clock.advance_to(now_us + STEP_S * SECOND_US)

    def _commands(self) -> list[DecisionEvent]:
        wanted = DecisionKind.SIGNAL_STAGE
        return [
            one
            for one in self.decisions[self.answered :]
            if one.kind is wanted and one.state is DecisionState.ISSUED
        ]

    async def _send_all(self, second: int, now_us: int) -> None:
        start_s = (now_us - READINGS_US) / SECOND_US
        if second % 20 == 0:
            for row in range(4):
                await self._read(row, second, start_s)
        answers = [self._answer(one) for one in self.decisions[self.answered :]]
        self.answered = len(self.decisions)
        await self._send(Topic.ACKNOWLEDGEMENT, [one for one in answers if one is not None])
        if second % 20 == 8:
            count = 8 if second < 150 else 1  # before midnight enough vehicles to be told
            plates = [f"{1000 + second * 7 + k}BCD" for k in range(count)]
            items = [
                passage(plate, at_s=start_s, id=f"p{second}-{k}") for k, plate in enumerate(plates)
            ]
            await self._send(Topic.ANPR_READ, seal_items(items, KEYS))
        for at, topic, event in happenings():
            if at == second:
                await self._send(topic, [msgspec.json.encode(event)])

    async def _read(self, row: int, second: int, start_s: float) -> None:
        wave = 1.0 + math.sin(second / 40.0 + row)
        value = reading(
            f"S{row}",
            at_s=start_s - 1.0,
            period_s=20.0,
            count=round(2 + 3 * wave),
            speed_kph=20.0 + 10.0 * wave,
            occupancy_pct=20.0 + 5.0 * wave,
        )
        await self._send(Topic.READING, [value], self.topics.reading_place(f"S{row}"))

    def _answer(self, event: DecisionEvent) -> bytes | None:
        if event.state is not DecisionState.ISSUED:
            return None
        answer = Acknowledgement(
            id=f"a{event.id}{event.version}",
            decision=event.id,
            device=event.target,
            time=datetime_from_us(self.clock.now_us()),
            accepted=True,
        )
        return msgspec.json.encode(answer)

    async def _send(
        self, topic: Topic, values: Sequence[bytes], place: Place | None = None
    ) -> None:
        if values:
            await self.log.append(
                place or self.topics.place(topic),
                values,
                arrival_us=self.clock.now_us(),
                headers={"source": "test"},
            )

    async def _ends(self) -> dict[Place, int]:
        places = [
            Place(topic.value, partition)
            for topic in Topic
            if topic not in {Topic.DECISION, Topic.TICK}
            for partition in range(self.topics.partitions(topic))
        ]
        return await self.log.end_offsets(places)


def happenings() -> list[tuple[int, Topic, object]]:
    """What happens besides: a crash, a gate that is closed, another map, the crash cleared."""

    def moment(second: int) -> object:
        return datetime_from_us(MIDNIGHT_US + (second - 200) * SECOND_US)

    crash = Incident(id="I1", link="N>C", time=moment(60), kind=IncidentKind.CRASH, lanes_closed=1)  # type: ignore[arg-type]
    order = OperatorAct(
        id="A1",
        time=moment(88),  # type: ignore[arg-type]
        person="ana",
        act=Act.COMMAND,
        target="G1",
        seen_version=0,
        reason="a procession passes here",
        order=DeviceOrder(kind=DecisionKind.GATE, command={"gate": "closed"}, for_s=120.0),
    )
    cleared = OperatorAct(
        id="A2",
        time=moment(260),  # type: ignore[arg-type]
        person="ana",
        act=Act.CLEAR_INCIDENT,
        target="I1",
        seen_version=0,
        reason="towed away and swept",
    )
    changed = OperatorAct(
        id="A3",
        time=moment(220),  # type: ignore[arg-type]
        person="ben",
        act=Act.ACTIVATE_MAP,
        target=LATER_MAP,
        seen_version=0,
        reason="the road has been narrowed",
    )
    return [
        (60, Topic.INCIDENT, crash),
        (88, Topic.ACT, order),
        (220, Topic.ACT, changed),
        (260, Topic.ACT, cleared),
    ]
