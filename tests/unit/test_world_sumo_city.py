"""A city scene: lanes put together as sensors, cameras at gates, lamps, the law of the matrices."""

from __future__ import annotations

import msgspec
import pytest

from scenario_city import CITY
from twin.events import Direction, Passage
from twin.keys import Key
from twin.network.gmns import read_gmns
from twin.network.model import SingleMap
from twin.seal import Plate, unseal
from twin.units import SECOND_US
from twin.world.faults import Distorter, Faults
from twin.world.sumo.gatewatch import GateWatch
from twin.world.sumo.meters import LoopCount, Meter, due, merged
from twin.world.sumo.roadside import encoder

NOW_US = 1_790_053_800 * SECOND_US
PLATES = {"v1": Plate("ES", "1234BCD"), "v2": Plate("FR", "AB123CD")}


@pytest.fixture(scope="module")
def city() -> SingleMap:
    return read_gmns(CITY / "network")[0]


def test_lanes_together_are_one_sensor() -> None:
    lanes = [
        LoopCount("S_0", 6, 10.0, 30.0),
        LoopCount("S_1", 2, 20.0, 10.0),
        LoopCount("S_2", 0, None, 2.0),
    ]
    one = merged(lanes)
    assert (one.count, one.speed_mps, one.occupancy_pct) == (8, 12.5, 14.0)
    assert merged(lanes[2:]).speed_mps is None
    meter = Meter("S", 60.0, ("S_0", "S_1", "S_2"))
    reading = meter.reading("city", {lane.loop: lane for lane in lanes}, NOW_US)
    assert (reading.sensor, reading.count, reading.speed_kph) == ("S", 8.0, 45.0)


def test_each_sensor_has_its_own_period() -> None:
    meters = [Meter("a", 60.0, ("a_0",)), Meter("b", 5.0, ("b_0",))]
    assert [[one.sensor for one in due(meters, second)] for second in (1, 5, 60)] == [
        [],
        ["b"],
        ["a", "b"],
    ]


def test_who_passes_a_gate_is_read_once(city: SingleMap) -> None:
    gate = next(gate for gate in city.gates if gate.inbound)
    link, at_m = str(gate.link), gate.position_m
    watch = GateWatch(city, PLATES, scene="city")
    assert link in watch.links
    assert watch.see({link: {"v2": at_m + 1.0}}, NOW_US) == [], "who was there did not pass now"
    assert watch.see({link: {"v1": at_m - 4.0, "v2": at_m + 9.0}}, NOW_US) == []
    (read,) = watch.see({link: {"v1": at_m + 4.0}}, NOW_US)
    event = read.event
    assert isinstance(event, Passage)
    assert (event.gate, event.plate, event.country) == (gate.id, "1234BCD", "ES")
    assert event.direction is Direction.IN
    assert (event.time.timestamp() * SECOND_US) == pytest.approx(NOW_US + 500_000, abs=10)
    assert read.arrival_us > NOW_US + 500_000
    assert "1234BCD" not in f"{event.id}{event.track}"
    assert watch.see({link: {"v1": at_m + 12.0}}, NOW_US + SECOND_US) == []


def test_who_leaves_the_link_behind_a_gate_passed_it(city: SingleMap) -> None:
    gate = next(gate for gate in city.gates if not gate.inbound)
    watch = GateWatch(city, PLATES, scene="city")
    watch.see({}, NOW_US)
    assert watch.see({str(gate.link): {"x": gate.position_m - 2.0}}, NOW_US) == []
    (read,) = watch.see({}, NOW_US)
    assert isinstance(read.event, Passage)
    assert (read.event.direction, read.event.plate, read.event.confidence) == (
        Direction.OUT,
        "",
        0.0,
    )


def test_a_camera_misreads_and_a_clone_is_read_elsewhere(city: SingleMap) -> None:
    gate = next(gate for gate in city.gates if gate.inbound)
    watch = GateWatch(city, PLATES, scene="city")
    watch.see({}, NOW_US)
    reads = watch.see({str(gate.link): {"v1": gate.position_m + 1.0}}, NOW_US)
    faults = Distorter(
        Faults(misread=1.0, cloned=1.0),
        start_us=NOW_US,
        gates=[str(gate.id) for gate in city.gates],
    )
    events = [item.event for item in faults.feed(reads) if isinstance(item.event, Passage)]
    assert len({event.gate for event in events}) == 2
    assert all(event.plate != "1234BCD" for event in events)


def test_no_plate_leaves_a_camera_in_clear(city: SingleMap) -> None:
    gate = city.gates[0]
    watch = GateWatch(city, PLATES, scene="city")
    watch.see({}, NOW_US)
    (read,) = watch.see({str(gate.link): {"v1": gate.position_m + 1.0}}, NOW_US)
    key = Key.fresh("test")
    body = encoder(key)(read.event)
    assert b"1234BCD" not in body
    sent = msgspec.json.decode(body, type=Passage)
    assert unseal(sent.plate, key=key, context=sent.id) == "1234BCD"
    assert b"1234BCD" in encoder(None)(read.event)
