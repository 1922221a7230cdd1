"""Small things to store: readings, decisions, passages, rights, letters, a commit with all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from twin.clock import datetime_from_us
from twin.columns import PassageFact, ReadingBatch
from twin.events import Authorisation, DecisionEvent, DecisionKind, DecisionState, Fact
from twin.ids import GateId, LinkId, NodeId, SensorId, ZoneId
from twin.log.contract import Place
from twin.network.model import Gate, Link, LinkClass, Node, Sensor, SingleMap
from twin.store.database import Database
from twin.store.records import (
    Commit,
    DeadLetter,
    EventKey,
    MinutePicture,
    Observations,
    Outgoing,
    Snapshot,
    Tally,
)

READ = Place("readings", 0)
ACT = Place("act", 0)
START_US = 1_781_568_000_000_000
MINUTE_US = 60_000_000
IDS = ("s1", "s2", "s3")


def _link(name: str, start: tuple[float, float], end: tuple[float, float]) -> Link:
    return Link(
        id=LinkId(name),
        from_node=NodeId("n1"),
        to_node=NodeId("n2"),
        line=(start, end),
        length_m=1000.0,
        lanes=2,
        free_speed_mps=25.0,
        capacity_vps=1.1,
        link_class=LinkClass.MOTORWAY,
    )


NETWORK = SingleMap(
    name="two links",
    version="0123456789abcdef0123456789abcdef",
    timezone="UTC",
    nodes=(Node(NodeId("n1"), (0.0, 0.0)), Node(NodeId("n2"), (5.0, 5.0))),
    links=(_link("l1", (0.0, 0.0), (1.0, 1.0)), _link("l2", (4.0, 4.0), (5.0, 5.0))),
    sensors=tuple(Sensor(SensorId(name), LinkId("l1"), 10.0, (0.5, 0.5), 60.0) for name in IDS),
    gates=(Gate(GateId("g1"), LinkId("l2"), 1.0, (4.5, 4.5), True, (ZoneId("z"),)),),  # noqa: FBT003
)


def readings(count: int, *, first: int = 0, step_us: int = MINUTE_US) -> ReadingBatch:
    """Make readings of three sensors in turn; number n is n steps after the start."""
    numbers = np.arange(first, first + count)
    return ReadingBatch(
        sensor=(numbers % len(IDS)).astype(np.int32),
        time_us=START_US + numbers * step_us,
        period_ms=np.full(count, 60_000),
        count=np.where(numbers % 2 == 0, numbers, np.nan).astype(np.float64),
        speed_mps=(10 + numbers).astype(np.float64),
        occupancy_frac=np.full(count, np.nan),
    )


def observations(
    count: int, *, first: int = 0, step_us: int = MINUTE_US, late_row: int | None = None
) -> Observations:
    """Make the same readings with what history needs; the content hash is the number."""
    late = np.zeros(count, np.bool_)
    if late_row is not None:
        late[late_row] = True
    return Observations(
        readings=readings(count, first=first, step_us=step_us),
        sensor_ids=IDS,
        event_ids=[f"e{number}" for number in range(first, first + count)],
        late=late,
        content=np.arange(first, first + count),
    )


def a_decision(
    name: str = "d1",
    *,
    version: int = 1,
    kind: DecisionKind = DecisionKind.SIGNAL_CONTROL,
    state: DecisionState = DecisionState.PROPOSED,
    later_s: float = 0.0,
) -> DecisionEvent:
    """Make one version of a decision, leased for a minute from the start."""
    start = datetime_from_us(START_US)
    return DecisionEvent(
        id=name,
        version=version,
        kind=kind,
        state=state,
        target="j1",
        time=start + timedelta(seconds=later_s),
        reason="long_queue",
        facts=(Fact(name="queue", value=12.5, unit="veh", age_s=3.0),),
        command={"stage": "2"},
        lease_until=start + timedelta(seconds=60),
        offsets={"readings/0": 10},
    )


def a_passage(name: str = "p1", *, later_s: int = 0) -> PassageFact:
    """Make one vehicle at gate `gate-a`."""
    return PassageFact(
        id=name,
        gate="gate-a",
        time_us=START_US + later_s * 1_000_000,
        inbound=True,
        token="7f3a" * 8,
        candidates=("7f3a" * 8, "11b2" * 8),
        country="ES",
        confidence=0.97,
        track="t1",
        sealed="test-anpr-1.AAAA",
        payload_hash=f"hash of {name}",
    )


def a_right(event: str = "e1", *, name: str = "r1", revoked: bool = False) -> Authorisation:
    """Make one version of a right to enter."""
    start = datetime_from_us(START_US)
    return Authorisation(
        id=event,
        time=start,
        authorisation=name,
        profile="resident",
        zone="z",
        tokens=("7f3a" * 8,),
        valid_from=start,
        revoked=revoked,
    )


def a_letter(
    name: str = "l1", *, reason: str = "invalid", arrival_us: int = START_US
) -> DeadLetter:
    """Make one refused record."""
    return DeadLetter(
        id=name,
        place=READ,
        offset=4,
        arrival_us=arrival_us,
        source="city",
        reason=reason,
        faults=(("occupancy_pct", "140", "must be 0 to 100"),),
        payload=b'{"occupancy_pct":140}',
    )


def a_commit(
    epochs: Mapping[Place, int],
    *,
    end: int,
    first: int = 0,
    decision: DecisionEvent | None = None,
) -> Commit:
    """Make a commit that has every part, of readings `first`, `first` + 1, `first` + 2."""
    column = np.array([1.5, np.nan], np.float32).tobytes()
    return Commit(
        epochs=epochs,
        positions={READ: end},
        watermarks={READ: START_US},
        event_keys=[EventKey("act", "k1", -5)],
        observations=observations(3, first=first),
        passages=[a_passage()],
        authorisations=[a_right()],
        decisions=[decision or a_decision()],
        dead_letters=[a_letter()],
        tallies=[Tally("city", "reading", 4, 3, rejected=1, reasons={"invalid": 1})],
        outgoing=[Outgoing(ACT, b"{}", START_US)],
        snapshot=Snapshot("v1", START_US, "hash", b"state"),
        minute=MinutePicture(START_US, "v1", column, column, column, b"\1\0"),
    )


async def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table that a commit may write, batch numbers aside."""
    tables = {
        "observation": "sensor, time_us, period_ms, count, speed_mps, event_id, late, content",
        "partition_offset": "*",
        "outbox": "topic, partition, arrival_us, value",
        "decision": "*",
        "passage": "*",
        "authorisation": "event_id, authorisation, body",
        "dead_letter": "*",
        "tally": "*",
        "tally_reason": "*",
        "minute_picture": "*",
        "forecast_score": "*",
        "event_key": "*",
        "watermark": "*",
    }
    found = {}
    async with database.read() as connection:
        for name, columns in tables.items():
            rows = await connection.exec_driver_sql(f"SELECT {columns} FROM {name}")
            found[name] = sorted((tuple(row) for row in rows), key=repr)
    return found
