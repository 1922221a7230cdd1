"""Whatever the order of arrival, the last word about a day is the same."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from access_days import decide, final_cases, final_decisions, final_quotas, moment, read, right
from twin.control.access.casebook.rows import DecisionRow, Row, SessionRow

PROFILES = ("RESIDENT", "TRADER", "GOODS", "HOTEL_GUEST", "NIGHT_WORKS", "TAXI", "GARAGE", "PRM")
PLATES = tuple(f"{number}{series}" for number in (1204, 1284) for series in ("BVX", "BYX", "KLM"))
GATES = ("G1", "G7", "G9")


def a_day(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw a day of few vehicles: misreads, missing legs, clones, doubles, a drifting clock."""
    draw = random.Random(seed)
    rights = [
        right(f"A{at}", draw.choice(PROFILES), plate, used={"2026-06": draw.choice((0, 2, 3, 4))})
        for at, plate in enumerate(draw.sample(PLATES, 4))
    ]
    events: list[dict[str, Any]] = []
    for at in range(16):
        seconds = draw.randrange(5 * 3600, 11 * 3600)
        time = moment("00:00:00", seconds).strftime("%H:%M:%S")
        plate = draw.choice(PLATES).replace("0", draw.choice(("0", "0", "O")))
        one = read(f"e{at:02d}", draw.choice(GATES), draw.choice(("in", "in", "out")), time, plate)
        one["confidence"] = draw.choice((0.98, 0.98, 0.95, 0.8))
        one["country"] = draw.choice(("ES", "ES", "ES", ""))
        events.append(one)
        if draw.random() < 0.3:
            events.append(one | {"id": f"d{at:02d}", "confidence": 0.99})
    clock = {"type": "clock", "gate": "G9", "offset_s": 45.0, "uncertainty_s": 1.0}
    span = {"time": "2026-06-16T09:00:00Z", "until": "2026-06-16T12:00:00Z"}
    events.append(clock | span | {"id": "k1", "arrived": "2026-06-16T12:30:00Z"})
    holder = {"type": "holder_change", "plate": f"ES {PLATES[0]}", "holder": "B"}
    changed = "2026-06-16T08:00:00Z"
    events.append(holder | {"id": "h1", "time": changed, "arrived": changed})
    travel = [{"gates": ["G1", "G7"], "shortest_s": 180}]
    return {"authorisations": rights, "travel": travel, "until": "2026-06-21T00:00:00Z"}, events


def last_word(rows: list[Row]) -> tuple[Any, ...]:
    """Return all final words, without what depends on when something was known."""
    decided = {
        name: msgspec.structs.replace(row, version=0, predecessor=0, known_at="")
        for name, row in final_decisions(rows).items()
    }
    cases = {
        name: (row.state, row.kind, row.facts)
        for name, row in final_cases(rows).items()
        if row.state != "WITHDRAWN"
    }
    stays = {
        (row.session, row.state, row.stay_s)
        for row in rows
        if isinstance(row, SessionRow) and row.final and row.state != "REPLACED"
    }
    return decided, cases, stays, final_quotas(rows)


def proved(word: tuple[Any, ...]) -> set[tuple[str, tuple[str, ...]]]:
    """Return what the open cases hold; not their names: vehicles are numbered by all reads."""
    return {(fact.reason, fact.passages) for _, _, facts in word[1].values() for fact in facts}


@pytest.mark.parametrize("seed", range(12))
def test_late_and_mixed_arrivals_end_alike(seed: int) -> None:
    world, events = a_day(seed)
    expected = last_word(decide(world, events))
    draw = random.Random(1000 + seed)
    for _ in range(4):
        shuffled = []
        for event in draw.sample(events, len(events)):
            delay_s = draw.choice((0.0, 1.0, 300.0, 7200.0, 24 * 3600.0)) * draw.random()
            arrived = moment(event["time"].removesuffix("Z").removesuffix("+00:00"), delay_s)
            shuffled.append(event | {"arrived": arrived.isoformat()})
        shuffled += draw.sample(shuffled, 3)  # the same event delivered twice
        assert last_word(decide(world, shuffled)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_later_than_the_horizon_never_accuses(seed: int) -> None:
    world, events = a_day(seed)
    draw = random.Random(2000 + seed)
    for one in draw.sample(events, len(events)):
        rest = [event for event in events if event is not one]
        if one["type"] != "read":
            continue
        before = last_word(decide(world, rest))
        late = one | {"arrived": "2026-06-20T12:00:00Z"}
        after = last_word(decide(world, [*rest, late]))
        assert proved(after) <= proved(before)
        assert all(count <= before[3].get(place, 0) for place, count in after[3].items())


def test_every_version_follows_its_predecessor() -> None:
    world, events = a_day(3)
    seen: dict[str, int] = {}
    for row in decide(world, events):
        if isinstance(row, DecisionRow):
            assert row.predecessor == seen.get(row.passage, 0)
            assert row.version == row.predecessor + 1
            seen[row.passage] = row.version


@pytest.mark.parametrize("seed", range(12))
def test_parts_decide_as_the_whole_does(seed: int) -> None:
    world, events = a_day(seed)
    question = {"type": "what_if", "id": "w1", "without_days": ["2026-05-01"]}
    asked = question | {"arrived": "2026-06-16T20:00:00Z"}  # a question about everybody: one part
    assert last_word(decide(world, [*events, asked])) == last_word(decide(world, events))
