"""Counts of vehicles at gates: told once, by the hour, and never when they are few."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from twin.clock import datetime_from_us, iso_from_us
from twin.control.access.counts import HOUR_US, WAIT_US, AccessCounts, GateCount
from twin.events import DecisionEvent, DecisionKind, DecisionState, Fact

HOUR = 1_781_596_800_000_000
assert HOUR % HOUR_US == 0
OVER_US = HOUR + HOUR_US + WAIT_US


def passed(number: int, *, at_us: int = HOUR + 1, profile: str = "RESIDENT") -> DecisionEvent:
    """Make the decision about one vehicle."""
    facts = {"passed": iso_from_us(at_us), "direction": "in", "profile": profile}
    facts |= {"vehicle": f"v·{number:04X}"}
    return DecisionEvent(
        id=f"p{number}",
        version=1,
        kind=DecisionKind.ACCESS,
        state=DecisionState.DECIDED,
        target="G1",
        time=datetime_from_us(at_us),
        reason="",
        facts=tuple(Fact(name=name, value=value) for name, value in facts.items()),
    )


def counted(*decided: DecisionEvent) -> AccessCounts:
    """Count these."""
    counts = AccessCounts()
    for one in decided:
        counts.take(one)
    return counts


@pytest.mark.parametrize(("vehicles", "told"), [(9, None), (10, 10), (12, 10), (13, 15)])
def test_few_are_not_told_and_many_are_rounded(vehicles: int, told: int | None) -> None:
    counts = counted(*map(passed, range(vehicles)))
    assert counts.advance(OVER_US - 1) == ()
    expected = () if told is None else (GateCount(HOUR, "G1", "in", "RESIDENT", told),)
    assert counts.advance(OVER_US) == expected == counts.told


def test_one_vehicle_that_passes_often_is_one_vehicle() -> None:
    assert counted(*(passed(7) for _ in range(50))).advance(OVER_US) == ()


def test_cells_are_apart_and_an_hour_is_told_once() -> None:
    many = [passed(k) for k in range(20)]
    few = [passed(k, profile="HOTEL_GUEST") for k in range(5)]
    after = [passed(k, at_us=HOUR + HOUR_US) for k in range(30)]
    counts = counted(*many, *few, *after)
    assert [cell.vehicles for cell in counts.advance(OVER_US)] == [20]
    for one in [passed(100 + k) for k in range(50)]:  # too late for that hour
        counts.take(one)
    assert counts.advance(OVER_US + 1) == ()
    assert [cell.vehicles for cell in counts.told] == [20]
    assert [cell.vehicles for cell in counts.advance(OVER_US + HOUR_US)] == [30]


def test_a_better_read_of_a_passage_is_not_another_passage() -> None:
    decided = [passed(k) for k in range(10)]
    better = [replace(one, id=f"again {one.id}", predecessor=one.id) for one in decided]
    assert [cell.vehicles for cell in counted(*decided, *better).advance(OVER_US)] == [10]


def test_it_goes_on_where_it_was() -> None:
    """After a restart: what was told stands, what was decided since is counted."""
    decided = [passed(k) for k in range(6)], [passed(k) for k in range(6, 14)]
    whole = counted(*decided[0], *decided[1])
    again = AccessCounts()
    again.resume(HOUR + 60_000_000, (), decided[0])
    for one in decided[1]:
        again.take(one)
    assert again.advance(OVER_US) == whole.advance(OVER_US) != ()
    third = AccessCounts()
    third.resume(OVER_US, whole.told, [*decided[0], *decided[1]])
    assert third.told == whole.told
    assert third.advance(OVER_US + 1) == ()


def test_what_was_told_stands_for_vehicles_that_are_gone() -> None:
    told = GateCount(HOUR, "G1", "in", "RESIDENT", 40)
    counts = AccessCounts()
    counts.feed([told], [HOUR])
    assert counts.advance(OVER_US) == (told,)
