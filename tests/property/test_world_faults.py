"""Faults are a pure change of a stream: by seed and item alone, and what was done is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.clock import datetime_from_us, us_from_datetime
from twin.errors import InputError
from twin.events import Direction, Passage, Reading
from twin.units import SECOND_US
from twin.world.faults import ALL, Distorter, Faults, Timed, read_faults

START_US = 1_780_000_000 * SECOND_US
GATES = ("g1", "g2", "g3")


def stream(readings: int = 240, passages: int = 60) -> list[Timed]:
    items = []
    for number in range(readings):
        moment_us = START_US + (number // 8) * 60 * SECOND_US
        event = Reading(
            id=f"r{number}",
            sensor=f"s{number % 8}",
            time=datetime_from_us(moment_us),
            period_s=60.0,
            count=float(number % 7),
            speed_kph=40.0 + number % 11,
        )
        items.append(Timed(moment_us, event))
    for number in range(passages):
        moment_us = START_US + number * 20 * SECOND_US
        passage = Passage(
            id=f"p{number}",
            gate=GATES[number % 3],
            time=datetime_from_us(moment_us),
            plate=f"10{number:02d}BCD",
            confidence=0.9,
            direction=Direction.OUT if number % 2 else Direction.IN,
        )
        items.append(Timed(moment_us, passage))
    return sorted(items, key=lambda item: item.arrival_us)


SHARE = st.floats(0, 1)
FAULTS = st.builds(
    Faults,
    seed=st.integers(0, 1000),
    lost=SHARE,
    late=SHARE,
    duplicated=SHARE,
    out_of_order=SHARE,
    misread=SHARE,
    missing_exit=SHARE,
    cloned=SHARE,
    dead=st.floats(0, 0.3),
    stuck=st.floats(0, 0.3),
    drifting=st.floats(0, 0.3),
    clock_offset=SHARE,
    cut=st.sampled_from([(), ((300.0, 700.0),), ((0.0, 60.0), (600.0, 601.0))]),
)


@given(FAULTS, st.lists(st.integers(1, 50), max_size=20))
def test_the_cut_of_the_batches_changes_nothing(faults: Faults, cuts: list[int]) -> None:
    items = stream()
    whole = Distorter(faults, start_us=START_US, gates=GATES)
    pieces = Distorter(faults, start_us=START_US, gates=GATES)
    at_once = whole.feed(items)
    in_parts: list[Timed] = []
    at = 0
    for length in [*cuts, len(items)]:
        in_parts += pieces.feed(items[at : at + length])
        at += length

    def key(item: Timed) -> tuple[int, str]:
        return item.arrival_us, str(item.event)

    assert sorted(map(key, at_once)) == sorted(map(key, in_parts))
    assert whole.counts == pieces.counts


@given(FAULTS)
def test_the_record_adds_up(faults: Faults) -> None:
    items = stream()
    distorter = Distorter(faults, start_us=START_US, gates=GATES)
    sent = distorter.feed(items)
    counts = distorter.counts
    assert counts["made"] == len(items)
    assert counts["sent"] == len(sent)
    gone = counts["lost"] + counts["dead"] + counts["missing_exit"]
    more = counts["duplicated"] + counts["cloned"]
    assert counts["sent"] == counts["made"] - gone + more
    repeated = sum(number - 1 for number in Counter(one.event.id for one in sent).values())
    assert repeated == counts["duplicated"]


@given(FAULTS)
def test_nothing_arrives_while_the_line_is_cut_or_before_it_was_measured(faults: Faults) -> None:
    distorter = Distorter(faults, start_us=START_US, gates=GATES)
    for item in distorter.feed(stream()):
        assert distorter.cut_until(item.arrival_us) is None
        assert item.arrival_us >= us_from_datetime(item.event.time) - 4 * SECOND_US


def test_without_faults_nothing_changes() -> None:
    items = stream()
    assert Distorter(Faults(), start_us=START_US).feed(items) == items


def test_a_dead_sensor_is_silent_a_stuck_one_repeats_and_a_drifting_one_wanders() -> None:
    items = [item for item in stream() if isinstance(item.event, Reading)]

    def values(faults: Faults) -> list[tuple[float, float | None]]:
        sent = Distorter(faults, start_us=START_US).feed(items)
        late = [one.event for one in sent if one.arrival_us >= START_US + 900 * SECOND_US]
        return [(one.count or 0.0, one.speed_kph) for one in late if isinstance(one, Reading)]

    assert values(Faults(dead=1.0)) == []
    stuck = values(Faults(stuck=1.0))
    assert len(set(stuck)) <= 8, "one value a sensor"
    straight, drifted = values(Faults()), values(Faults(drifting=1.0))
    assert all(b[0] >= a[0] for a, b in zip(straight, drifted, strict=True))
    assert drifted != straight


def test_a_cloned_plate_is_read_at_another_gate_and_a_misread_one_differs_in_one_place() -> None:
    items = [item for item in stream() if isinstance(item.event, Passage)]
    sent = Distorter(Faults(cloned=1.0, misread=1.0), start_us=START_US, gates=GATES).feed(items)
    by_id = {one.event.id: one.event for one in sent}
    for item in items:
        event, clone = by_id[item.event.id], by_id[f"{item.event.id}:clone"]
        assert isinstance(event, Passage)
        assert isinstance(clone, Passage)
        assert isinstance(item.event, Passage)
        assert clone.plate == event.plate
        assert clone.gate != event.gate
        pairs = zip(event.plate, item.event.plate, strict=True)
        assert sum(a != b for a, b in pairs) <= 1


def test_faults_are_read_from_words_and_from_a_file(tmp_path: Path) -> None:
    assert read_faults("none", seed=3) == Faults(seed=3)
    assert read_faults("all", seed=0) == ALL
    told = read_faults("lost=0.1,cut=600-720", seed=1)
    assert told == Faults(seed=1, lost=0.1, cut=((600.0, 720.0),))
    path = tmp_path / "faults.toml"
    path.write_text("lost = 0.1\ncut = [[600, 720]]\n")
    assert read_faults(str(path), seed=1) == told
    assert read_faults("lost=0.1,seed=3", seed=1) == Faults(seed=3, lost=0.1)
    backwards = ("cut=720-600", "late=0.1,late_s=-5", "broken_from_s=nan")
    unknown = ("lots=0.1", "lost=2", "lost=much", str(tmp_path / "none.toml"), "cut=5")
    for wrong in (*unknown, *backwards):
        with pytest.raises(InputError):
            read_faults(wrong, seed=0)
