"""Live travel times between gates: ways, who is told, who is forgotten, and whose number it is."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from twin.columns import PassageFact
from twin.events import Passage
from twin.ids import GateId, LinkId, MovementId, NodeId
from twin.ingest.sealing import open_passage, seal_items
from twin.keys import KeyRing, TravelKeys
from twin.network.model import Gate, Link, LinkClass, Movement, Node, SingleMap, TurnKind
from twin.perceive.trips import Trips, ways_between

DAY_US = 86_400_000_000
START_US = 20_000 * DAY_US + 36_000_000_000
SECOND = 1_000_000
JUNE_16_US = 1_781_611_200_000_000  # noon UTC
KEYS = KeyRing.fresh("test")


def town() -> SingleMap:
    """Draw four links in a row at 20 m/s, gates on the first, the third and the fourth."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(5))
    links = tuple(
        Link(
            LinkId(f"l{k}"),
            nodes[k].id,
            nodes[k + 1].id,
            (nodes[k].point, nodes[k + 1].point),
            1000.0,
            1,
            20.0,
            0.5,
            LinkClass.ARTERIAL,
        )
        for k in range(4)
    )
    return SingleMap(
        name="town",
        version="0" * 32,
        timezone="UTC",
        nodes=nodes,
        links=links,
        movements=tuple(
            Movement(
                MovementId(f"m{k}"), nodes[k + 1].id, links[k].id, links[k + 1].id, TurnKind.THRU
            )
            for k in range(3)
        ),
        gates=tuple(
            Gate(GateId(name), LinkId(f"l{row}"), 500.0, (0.0, 0.0), inbound=True, zones=())
            for name, row in (("g0", 0), ("g2", 2), ("g3", 3))
        ),
    )


def fact(gate: str, second: float, vehicle: int) -> PassageFact:
    """Make a passage as the worker hands it over."""
    return PassageFact(
        id=f"{gate}-{second}-{vehicle}",
        gate=gate,
        time_us=START_US + round(second * SECOND),
        inbound=True,
        token="",
        candidates=(),
        country="",
        confidence=1.0,
        track="",
        sealed="",
        payload_hash="",
        vehicle=vehicle,
    )


def drives(vehicles: int, *, first: int = 1, lasts_s: float = 120.0) -> list[PassageFact]:
    """Let vehicles pass g0 and then g2, each with a little time of its own."""
    rows = [(10.0 * k % 150, first + k, lasts_s + 2.0 * (k % 5) - 4.0) for k in range(vehicles)]
    return [fact("g0", at, who) for at, who, _ in rows] + [
        fact("g2", at + lasts, who) for at, who, lasts in rows
    ]


def told(trips: Trips, seconds: float) -> list[tuple[str, str, float, int]]:
    """Return what is told after so many seconds."""
    found = trips.advance(START_US + round(seconds * SECOND))
    return [(one.way.origin, one.way.destination, one.median_s, one.vehicles) for one in found]


def test_ways_join_gates_that_follow_each_other_and_pass_no_third() -> None:
    """From g0 to g2 and from g2 to g3; from g0 to g3 the vehicle is seen at g2."""
    ways = ways_between(town())
    assert [(one.origin, one.destination, one.links) for one in ways] == [
        ("g0", "g2", ("l0", "l1", "l2")),
        ("g2", "g3", ("l2", "l3")),
    ]
    assert [one.length_m for one in ways] == [2000.0, 1000.0]
    assert [one.free_s for one in ways] == [100.0, 50.0]


def test_five_minutes_with_ten_vehicles_are_told_two_minutes_later_and_go_when_old() -> None:
    """Not before the wait is over, with the median, and no longer than half an hour."""
    trips = Trips(town())
    trips.advance(START_US)
    trips.observe(drives(14))
    assert told(trips, 300.0 + 119.0) == []
    ((origin, destination, median_s, vehicles),) = told(trips, 300.0 + 120.0)
    assert (origin, destination, vehicles) == ("g0", "g2", 15)
    assert median_s == pytest.approx(120.0, abs=2.0)
    assert len(told(trips, 300.0 + 1799.0)) == 1
    assert told(trips, 300.0 + 1800.0) == []


def test_fewer_than_ten_vehicles_are_not_told_and_who_comes_late_changes_nothing() -> None:
    """Nine are silence; nobody learns one vehicle's time from two answers that differ by it."""
    trips = Trips(town())
    trips.advance(START_US)
    trips.observe(drives(9))
    assert told(trips, 420.0) == []
    trips.observe(drives(5, first=100))
    assert told(trips, 425.0) == []
    full = Trips(town())
    full.advance(START_US)
    full.observe(drives(12))
    before = told(full, 420.0)
    full.observe(drives(12, first=100, lasts_s=300.0)[:18])
    assert told(full, 430.0) == before


def test_the_order_and_the_batches_of_passages_do_not_matter() -> None:
    """Any order, one by one or at once, twice: the same is told."""
    facts = drives(20)
    whole = Trips(town())
    whole.advance(START_US)
    whole.observe(facts)
    parts = Trips(town())
    parts.advance(START_US)
    for row in np.random.default_rng(1).permutation(len(facts)).tolist():
        parts.observe([facts[row], facts[row]])
    assert told(whole, 420.0) == told(parts, 420.0) != []


def test_vehicles_without_a_number_and_gates_of_another_map_tell_nothing() -> None:
    """A read that was put back from the store has no number."""
    trips = Trips(town())
    trips.advance(START_US)
    trips.observe([fact(one.gate, 0.0, 0) for one in drives(20)])
    trips.observe([fact("elsewhere", 1.0, k) for k in range(1, 20)])
    assert told(trips, 420.0) == []


def sealed(plate: str, gate: str, time: str, country: str | None = None) -> Passage:
    """Make a sealed passage as it stands on the log."""
    body: dict[str, str | float] = {"gate": gate, "time": time, "plate": plate}
    body |= {"id": f"{gate}{time}", "confidence": 0.9, "direction": "in"}
    if country is not None:
        body["country"] = country
    (item,) = seal_items([msgspec.json.encode(body)], KEYS)
    return msgspec.json.decode(item, type=Passage)


def test_the_number_is_of_the_day_the_start_and_this_purpose_alone() -> None:
    """The same at two gates of a day, also where one sees no country; else never the same."""
    travel, restarted = TravelKeys(), TravelKeys()
    for keys in (travel, restarted):
        keys.advance(JUNE_16_US)
    one = open_passage(sealed("1234BCD", "a", "2026-06-16T08:00:00Z", "E"), KEYS, travel=travel)
    two = open_passage(sealed("1234BCD", "b", "2026-06-16T08:10:00Z"), KEYS, travel=travel)
    other = open_passage(sealed("1234BCF", "b", "2026-06-16T08:11:00Z"), KEYS, travel=travel)
    assert one.vehicle == two.vehicle != 0
    assert other.vehicle not in {0, one.vehicle}
    travel.advance(JUNE_16_US + DAY_US)
    tomorrow = open_passage(sealed("1234BCD", "a", "2026-06-17T08:00:00Z"), KEYS, travel=travel)
    again = open_passage(sealed("1234BCD", "a", "2026-06-16T08:00:00Z"), KEYS, travel=restarted)
    assert len({one.vehicle, tomorrow.vehicle, again.vehicle}) == 3
    gone = open_passage(sealed("1234BCD", "a", "2026-06-16T09:00:00Z"), KEYS, travel=travel)
    assert gone.vehicle == 0
    unread = open_passage(sealed("", "a", "2026-06-17T09:00:00Z"), KEYS, travel=travel)
    assert unread.vehicle == 0
    assert open_passage(sealed("1234BCD", "a", "2026-06-16T08:00:00Z"), KEYS).vehicle == 0
    assert f"{one.vehicle}" not in repr(one)


def test_yesterdays_key_lives_two_hours_into_the_day() -> None:
    """Who is late is still known; then nobody can make that day's numbers again."""
    travel = TravelKeys()
    travel.advance(START_US)
    before = travel.at(START_US)
    midnight = (START_US // DAY_US + 1) * DAY_US
    travel.advance(midnight + 3600 * SECOND)
    assert travel.at(START_US) is before
    travel.advance(midnight + 7201 * SECOND)
    assert travel.at(START_US) is None
    assert travel.at(midnight + 30 * DAY_US) is None
    assert travel.at(midnight) is not None
