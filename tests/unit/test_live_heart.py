"""What the heart keeps, shows and gives back after a restart."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from twin.clock import datetime_from_us
from twin.columns import PassageFact, ReadingBatch
from twin.errors import MapError
from twin.events import (
    Acknowledgement,
    Act,
    ControlMode,
    DecisionState,
    Incident,
    IncidentKind,
    OperatorAct,
    SignalStatus,
)
from twin.forecast.result import Forecast
from twin.ids import GateId, GroupId, JunctionId, LinkId, NodeId, SensorId, StageId, ZoneId
from twin.live import Live, LiveBatch
from twin.network.model import (
    Gate,
    Junction,
    Link,
    LinkClass,
    Node,
    Sensor,
    SignalGroup,
    SingleMap,
    Stage,
)
from twin.perceive.state import Source

NOW_US = 1_781_600_400_000_000
NOW = datetime_from_us(NOW_US)
SECOND_US = 1_000_000


def street(version: str = "a" * 32, *, ends_us: int | None = None) -> SingleMap:
    """Draw two links with a sensor, a gate and a set of signals that has no movements."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(3))
    links = tuple(
        Link(
            LinkId(f"l{k}"),
            nodes[k].id,
            nodes[k + 1].id,
            (nodes[k].point, nodes[k + 1].point),
            500.0,
            2,
            15.0,
            1.0,
            LinkClass.ARTERIAL,
            valid_to_us=ends_us,
        )
        for k in range(2)
    )
    group = SignalGroup(GroupId("g"), (), 5.0, 3.0)
    junction = Junction(
        JunctionId("j"), nodes[1].id, (group,), (Stage(StageId("1"), (group.id,)),), (), ()
    )
    return SingleMap(
        name="street",
        version=version,
        timezone="UTC",
        nodes=nodes,
        links=links,
        junctions=(junction,),
        sensors=(Sensor(SensorId("s"), links[0].id, 10.0, (0.0, 0.0), 60.0, lanes=2),),
        gates=(
            Gate(GateId("g"), links[1].id, 1.0, (0.0, 0.0), inbound=True, zones=(ZoneId("z"),)),
        ),
    )


def live(network: SingleMap | None = None) -> Live:
    """Start a heart that knows nothing."""
    return Live(
        network or street(), rules=None, automatic=frozenset(), lease_s=15.0, timezone="UTC"
    )


def readings(*minutes: int) -> ReadingBatch:
    """Make one reading a minute."""
    count = len(minutes)
    return ReadingBatch(
        np.zeros(count, np.int32),
        NOW_US + np.array(minutes, np.int64) * 60 * SECOND_US,
        np.full(count, 60_000, np.int64),
        np.full(count, 12.0),
        np.full(count, 10.0),
        np.full(count, np.nan),
    )


def passage(name: str = "p") -> PassageFact:
    """Make a passage of a vehicle whose plate was read."""
    return PassageFact(
        id=name,
        gate="g",
        time_us=NOW_US,
        inbound=True,
        token="t" * 8,
        candidates=(),
        country="ES",
        confidence=0.99,
        track="",
        sealed="sealed",
        payload_hash="hash",
    )


def incident(**fields: object) -> Incident:
    """Make an incident on the first link."""
    values = {"id": "i", "link": "l0", "time": NOW, "kind": IncidentKind.CRASH} | fields
    return Incident(**values)  # type: ignore[arg-type]


def status(stage: str, second: int) -> SignalStatus:
    """Make a controller's word."""
    moment = NOW + timedelta(seconds=second)
    return SignalStatus(
        id=f"s{second}",
        junction="j",
        time=moment,
        stage=stage,
        since=moment,
        mode=ControlMode.OWN_PLAN,
    )


def forecast(made_us: int, version: str = "a" * 32) -> Forecast:
    """Make an empty forecast."""
    table = np.full((12, 2), np.nan)
    return Forecast(
        str(made_us), made_us, version, 300.0, table, table, table, table, table,
        np.zeros(2, np.uint8),
    )  # fmt: skip


def test_a_passage_is_decided_and_issued_at_once() -> None:
    heart = live()
    made = heart.observe(LiveBatch(NOW_US, passages=(passage(),)))
    assert [event.state for event in made] == [DecisionState.DECIDED, DecisionState.ISSUED]
    assert [event.id for event in heart.picture(NOW_US).decisions] == [made[0].id]
    answer = Acknowledgement(id="a", decision=made[0].id, device="g", time=NOW, accepted=True)
    (acknowledged,) = heart.observe(LiveBatch(NOW_US, acknowledgements=(answer,)))
    assert acknowledged.state is DecisionState.ACKNOWLEDGED
    assert acknowledged.version == 3


def test_nobody_answers_and_the_decision_says_so() -> None:
    heart = live()
    heart.observe(LiveBatch(NOW_US, passages=(passage(),)))
    later_us = NOW_US + 3600 * SECOND_US
    assert [event.state for event in heart.decide(later_us, offsets={})] == [
        DecisionState.UNANSWERED
    ]
    assert heart.picture(later_us).decisions == ()


def test_readings_make_the_picture_and_its_number_rises() -> None:
    heart = live()
    heart.observe(LiveBatch(NOW_US, readings=readings(0)))
    first, second = heart.picture(NOW_US), heart.picture(NOW_US)
    assert first.links.speed_mps[0] == 10.0
    assert first.links.source[0] == Source.MEASURED
    assert first.measured.count.tolist() == [12.0]
    assert (first.sequence, second.sequence) == (1, 2)


@pytest.mark.parametrize(
    ("fields", "closed"),
    [
        ({"lanes_closed": 1}, 0),
        ({"lanes_closed": 2}, 1),
        ({"capacity_share": 0.0}, 1),
        ({"kind": IncidentKind.CLOSURE}, 1),
        ({"lanes_closed": 2, "until": NOW}, 0),
        ({"lanes_closed": 2, "time": NOW + timedelta(seconds=1)}, 0),
    ],
)
def test_incidents_close_links_while_they_last(fields: dict[str, object], closed: int) -> None:
    heart = live()
    heart.observe(LiveBatch(NOW_US, incidents=(incident(**fields),)))
    assert heart.picture(NOW_US).links.closed.tolist() == [closed, 0]


def test_a_person_ends_an_incident() -> None:
    heart = live()
    heart.observe(LiveBatch(NOW_US, incidents=(incident(lanes_closed=2),)))
    act = OperatorAct(
        id="x",
        time=NOW + timedelta(seconds=5),
        person="ana",
        act=Act.CLEAR_INCIDENT,
        target="i",
        seen_version=0,
        reason="towed away, road swept",
    )
    assert heart.observe(LiveBatch(NOW_US + 5 * SECOND_US, acts=(act,))) == ()
    assert heart.picture(NOW_US + 5 * SECOND_US).incidents == ()
    assert len(heart.book.refusals) == 0


def test_a_link_past_its_validity_is_closed() -> None:
    heart = live(street(ends_us=NOW_US))
    assert heart.picture(NOW_US - 1).links.closed.tolist() == [0, 0]
    assert heart.picture(NOW_US).links.closed.tolist() == [1, 1]


def test_an_older_status_changes_nothing() -> None:
    heart = live()
    heart.observe(LiveBatch(NOW_US, statuses=(status("2", 9), status("1", 3))))
    assert [one.stage for one in heart.picture(NOW_US).signals] == ["2"]


def test_a_forecast_is_taken_once_in_time_and_for_this_map() -> None:
    heart = live()
    assert heart.take_forecast(forecast(NOW_US), NOW_US + 60 * SECOND_US)
    assert not heart.take_forecast(forecast(NOW_US), NOW_US + 60 * SECOND_US)
    assert not heart.take_forecast(forecast(NOW_US + 1), NOW_US + 301 * SECOND_US)
    assert not heart.take_forecast(forecast(NOW_US + 2, "b" * 32), NOW_US)
    shown = heart.picture(NOW_US).forecast
    assert shown is not None
    assert shown.id == str(NOW_US)


def test_a_restart_goes_on_from_the_saved_bytes() -> None:
    heart = live()
    batch = LiveBatch(
        NOW_US,
        readings=readings(0, 1, 2),
        incidents=(incident(lanes_closed=2),),
        statuses=(status("2", 1),),
    )
    heart.observe(batch)
    body = heart.state_bytes()
    again = live()
    again.restore(body)
    assert again.state_bytes() == body
    assert again.state_hash() == heart.state_hash()
    later = LiveBatch(NOW_US, readings=readings(3))
    heart.observe(later)
    again.observe(later)
    assert again.state_hash() == heart.state_hash()
    one, other = heart.picture(NOW_US), again.picture(NOW_US)
    assert (one.signals, one.incidents) == (other.signals, other.incidents)
    assert one.links.closed.tolist() == other.links.closed.tolist()


def test_open_decisions_come_back() -> None:
    heart, again = live(), live()
    made = heart.observe(LiveBatch(NOW_US, passages=(passage(),)))
    again.restore_decisions(made[-1:])
    assert again.picture(NOW_US).decisions == heart.picture(NOW_US).decisions


@pytest.mark.parametrize("damage", ["map", "bytes"])
def test_foreign_or_damaged_bytes_are_refused(damage: str) -> None:
    body = live(street("b" * 32)).state_bytes() if damage == "map" else b"\x00nonsense"
    with pytest.raises(MapError, match="saved live state"):
        live().restore(body)


def test_the_hash_is_about_readings_alone() -> None:
    heart = live()
    empty = heart.state_hash()
    heart.observe(LiveBatch(NOW_US, passages=(passage(),), incidents=(incident(),)))
    heart.decide(NOW_US, offsets={})
    heart.picture(NOW_US)
    assert heart.state_hash() == empty
    heart.observe(LiveBatch(NOW_US, readings=readings(0)))
    assert heart.state_hash() != empty
