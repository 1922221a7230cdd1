"""Every check of a detector at its limit: exactly there, and one step below."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from twin.columns import ReadingBatch
from twin.errors import MapError
from twin.ids import LinkId, NodeId, SensorId
from twin.network.model import Extra, Link, LinkClass, Node, Sensor, SingleMap
from twin.perceive.estimate import Perception
from twin.perceive.health.detectors import Fault, stand_ins
from twin.perceive.health.limits import DetectorRole, detector_roles
from twin.perceive.state import Source

START_US = 1_781_600_400_000_000
NONE = float("nan")


def road(*extras: Extra, links: int = 1, kind: LinkClass = LinkClass.MOTORWAY) -> SingleMap:
    """Draw a road of three lanes with a detector over all lanes on each link."""
    nodes = tuple(Node(NodeId(f"n{k}"), (0.01 * k, 0.0)) for k in range(links + 1))
    drawn = tuple(
        Link(
            LinkId(f"l{k}"),
            nodes[k].id,
            nodes[k + 1].id,
            (nodes[k].point, nodes[k + 1].point),
            600.0,
            3,
            30.0,
            1.8,
            kind,
            road="A1-N",
        )
        for k in range(links)
    )
    extras = extras or ((),) * links
    return SingleMap(
        name="road",
        version="0" * 32,
        timezone="UTC",
        nodes=nodes,
        links=drawn,
        sensors=tuple(
            Sensor(SensorId(f"s{k}"), drawn[k].id, 300.0, (0.0, 0.0), 30.0, lanes=3, extra=extra)
            for k, extra in enumerate(extras)
        ),
    )


def role(word: str) -> Extra:
    """Say in the map what a detector is there for."""
    return (("detector_role", word),)


def told(
    periods: int, count: float, speed: float, occupancy: float, *, period_s: float = 30.0
) -> ReadingBatch:
    """Make equal readings of the first sensor, one after the other."""
    return ReadingBatch(
        sensor=np.zeros(periods, np.int32),
        time_us=START_US + np.arange(1, periods + 1) * round(period_s * 1e6),
        period_ms=np.full(periods, round(period_s * 1000), np.int64),
        count=np.full(periods, count),
        speed_mps=np.full(periods, speed),
        occupancy_frac=np.full(periods, occupancy),
    )


def after(batch: ReadingBatch, seconds: float) -> ReadingBatch:
    """Move readings to later."""
    return dataclasses.replace(batch, time_us=batch.time_us + round(seconds * 1e6))


def faults(perception: Perception, row: int = 0) -> Fault:
    """Return what is wrong with a detector."""
    return Fault(int(perception.health().faults[row]))


def judged(*batches: ReadingBatch, network: SingleMap | None = None) -> Fault:
    """Return what is wrong with the first detector after these readings."""
    perception = Perception(network or road())
    for batch in batches:
        perception.observe(batch)
    return faults(perception)


@pytest.mark.parametrize(
    ("word", "hours"),
    [("mainline", 4), ("exit", 8), ("queue", 12), ("merge", 12), ("auxiliary", 24)],
)
def test_no_hits_after_its_hours_by_role(word: str, hours: int) -> None:
    network = road(role(word))
    first = told(1, 1.0, 25.0, 0.01)
    periods = hours * 120
    silence = after(told(periods, 0.0, NONE, 0.0), 30.0)
    assert judged(first, silence, network=network) == Fault.NO_HITS
    assert not judged(first, silence.take(np.arange(periods - 1)), network=network)
    again = after(told(1, 1.0, 25.0, 0.01), 30.0 * (periods + 1))
    assert not judged(first, silence, again, network=network)


def test_a_detector_that_never_saw_anything_is_found_out_too() -> None:
    assert judged(told(480, 0.0, NONE, 0.0)) == Fault.NO_HITS
    assert not judged(told(479, 0.0, NONE, 0.0))


def test_silence_is_not_an_empty_road() -> None:
    """Two words of an hour apart from a day of silence are no day without hits."""
    first, last = told(1, 1.0, 25.0, 0.01), after(told(2, 0.0, NONE, 0.0), 24 * 3600.0)
    assert not judged(first, last)


@pytest.mark.parametrize(
    ("period_s", "most", "below"),
    [(30.0, 114.0, 113.0), (60.0, 228.0, 227.0), (300.0, 1140.0, 1139.0)],
)
def test_chatter_is_38_vehicles_a_lane_in_30_s(period_s: float, most: float, below: float) -> None:
    assert judged(told(1, most, NONE, NONE, period_s=period_s)) == Fault.CHATTER
    assert not judged(told(1, below, NONE, NONE, period_s=period_s))


def test_chatter_of_short_reports_is_summed_over_half_a_minute() -> None:
    network = dataclasses.replace(
        road(), sensors=(dataclasses.replace(road().sensors[0], lanes=1),)
    )
    assert judged(told(3, 13.0, NONE, NONE, period_s=10.0), network=network) == Fault.CHATTER
    counts = told(3, 13.0, NONE, NONE, period_s=10.0)
    fewer = dataclasses.replace(counts, count=np.array([13.0, 12.0, 12.0]))
    exactly = dataclasses.replace(counts, count=np.array([13.0, 13.0, 12.0]))
    assert not judged(fewer, network=network)
    assert judged(exactly, network=network) == Fault.CHATTER


def test_chatter_is_cleared_after_24_h_clean() -> None:
    wrong = told(1, 114.0, NONE, NONE)
    clean = after(told(2880, 20.0, 25.0, 0.05), 30.0)
    varied = dataclasses.replace(clean, occupancy_frac=np.resize([0.05, 0.051, 0.052], 2880))
    assert judged(wrong, varied.take(np.arange(2879))) == Fault.CHATTER
    assert not judged(wrong, varied)


@pytest.mark.parametrize(
    ("word", "periods"), [("mainline", 4), ("exit", 60), ("merge", 60), ("queue", 60)]
)
def test_locked_on_after_2_min_and_on_ramps_30_min(word: str, periods: int) -> None:
    network = road(role(word))
    free = told(1, 5.0, 25.0, 0.1)
    locked = after(told(periods, 0.0, NONE, 1.0), 30.0)
    assert judged(free, locked, network=network) == Fault.LOCKED_ON
    assert not judged(free, locked.take(np.arange(periods - 1)), network=network)
    nearly = dataclasses.replace(locked, occupancy_frac=np.full(periods, 0.999))
    assert not judged(free, nearly, network=network)
    released = after(told(1, 5.0, 25.0, 0.1), 30.0 * (periods + 1))
    assert not judged(free, locked, released, network=network)


def test_locked_on_does_not_count_what_was_not_reported() -> None:
    free, one = told(1, 5.0, 25.0, 0.1), after(told(1, 0.0, NONE, 1.0), 3600.0)
    assert not judged(free, one)


def test_no_change_after_24_h() -> None:
    """2880 half minutes are a day; vehicles pass, so it is not without hits."""
    other, same = told(1, 20.0, 25.0, 0.06), after(told(2880, 20.0, 25.0, 0.05), 30.0)
    assert judged(other, same) == Fault.NO_CHANGE
    assert not judged(other, same.take(np.arange(2879)))
    assert not judged(other, same, after(other, 30.0 * 2881))


def test_an_empty_road_does_not_change_and_is_no_fault() -> None:
    """Occupancy 0 for 24 h with a few vehicles that it is too coarse to show."""
    assert not judged(told(2880, 1.0, 25.0, 0.0))


@pytest.mark.parametrize(
    ("count", "speed", "occupancy"),
    [
        (30.0, 25.0, 0.80),  # vehicles of 60 m
        (60.0, 25.0, 0.0),  # of nothing
        (10.0, 0.0, 0.3),  # passing, and standing
    ],
)
def test_impossible_values(count: float, speed: float, occupancy: float) -> None:
    good = after(told(3, 30.0, 25.0, 0.06), 3600.0)
    assert judged(told(3, count, speed, occupancy)) == Fault.IMPOSSIBLE_VALUES
    assert not judged(told(2, count, speed, occupancy))
    assert judged(told(3, count, speed, occupancy), after(good, -3500.0)) == Fault.IMPOSSIBLE_VALUES
    more = after(told(4, 30.0, 25.0, 0.06), 100.0)
    assert not judged(told(3, count, speed, occupancy), more)  # less than half of them


def spiky(height: float, spikes: int, *, speed_in_spike: float = 25.0) -> ReadingBatch:
    """Make minutes of a calm road, every third of which stands out."""
    calm = told(30, 30.0, 25.0, 0.05, period_s=60.0)
    occupancy, speed = calm.occupancy_frac.copy(), calm.speed_mps.copy()
    rows = 1 + 3 * np.arange(spikes)
    occupancy[rows] += height
    speed[rows] = speed_in_spike
    return dataclasses.replace(calm, occupancy_frac=occupancy, speed_mps=speed)


def test_occupancy_spikes() -> None:
    network = road((("health_impossible_readings", "off"),))
    assert judged(spiky(0.36, 3), network=network) == Fault.OCCUPANCY_SPIKES
    assert not judged(spiky(0.36, 2), network=network)
    assert not judged(spiky(0.34, 3), network=network)
    assert not judged(spiky(0.36, 3, speed_in_spike=8.0), network=network)  # a wave of a jam


def chain(shares: tuple[float, ...]) -> Perception:
    """Let a steady flow pass stations of which each counts a share."""
    perception = Perception(road(links=len(shares)))
    for row, share in enumerate(shares):
        rows = told(61 * 2, 40.0 * share, 25.0, NONE)
        perception.observe(dataclasses.replace(rows, sensor=np.full(len(rows), row, np.int32)))
        rest = after(told(40, 40.0 * share, 25.0, NONE), 30.0 * 122)
        perception.observe(dataclasses.replace(rest, sensor=np.full(len(rest), row, np.int32)))
    return perception


@pytest.mark.parametrize(
    ("share", "fault"),
    [(0.75, Fault.COUNT_IMBALANCE), (0.76, Fault(0)), (1.34, Fault.COUNT_IMBALANCE)],
)
def test_count_imbalance_blames_the_station_in_the_middle(share: float, fault: Fault) -> None:
    perception = chain((1.0, 1.0, share, 1.0))
    assert faults(perception, 2) == fault
    assert not any(faults(perception, row) for row in (0, 1, 3))
    imbalance = perception.health().imbalance
    assert imbalance[1] == pytest.approx((1.0 - share) / max(1.0, share), abs=1e-6)


def test_nobody_can_say_which_end_of_a_chain_is_wrong() -> None:
    perception = chain((1.0, 1.0, 1.0, 0.5))
    assert not perception.health().faults.any()
    assert perception.health().imbalance[-1] == pytest.approx(0.5)


def test_a_failed_detector_is_left_out_and_what_replaces_it_is_named() -> None:
    perception = Perception(road(links=3))
    for row in (0, 2):
        good = told(10, 30.0, 20.0, 0.08)
        perception.observe(dataclasses.replace(good, sensor=np.full(10, row, np.int32)))
    locked = told(10, 0.0, NONE, 1.0)
    perception.observe(dataclasses.replace(locked, sensor=np.full(10, 1, np.int32)))
    state = perception.link_state(START_US + 300_000_000)
    assert state.source.tolist() == [Source.MEASURED, Source.NEIGHBOURS, Source.MEASURED]
    assert state.speed_mps[1] == pytest.approx(20.0)
    named = stand_ins(
        road(links=3),
        perception.layout,
        failed=perception.health().failed,
        source=state.source,
        freshness=state.freshness,
    )
    assert {row: set(names) for row, names in named.items()} == {1: {"s0", "s2"}}


def test_what_cannot_be_teaches_nothing() -> None:
    perception = Perception(road())
    perception.observe(told(10, 114.0, 25.0, NONE))
    assert np.isnan(perception.profile(np.array([START_US]))).all()


def test_roles_of_a_map_and_limits_in_its_rows() -> None:
    street = road(kind=LinkClass.ARTERIAL)
    assert detector_roles(street) == (DetectorRole.AUXILIARY,)
    assert detector_roles(road()) == (DetectorRole.MAINLINE,)
    one_hour = road((("health_no_hits_s", "3600"),))
    assert judged(told(120, 0.0, NONE, 0.0), network=one_hour) == Fault.NO_HITS
    assert not judged(told(119, 0.0, NONE, 0.0), network=one_hour)
    never = road((("health_no_hits_s", "off"),))
    assert not judged(told(1000, 0.0, NONE, 0.0), network=never)


@pytest.mark.parametrize(
    ("field", "value"),
    [("health_no_hits_s", "soon"), ("health_spikes", "-1"), ("detector_role", "lamp")],
)
def test_a_limit_that_is_none_is_refused_by_name(field: str, value: str) -> None:
    with pytest.raises(MapError, match=f"s0: {field} '{value}'"):
        Perception(road(((field, value),)))


def _fill(perception: Perception) -> None:
    perception.observe(told(60, 20.0, 25.0, 0.05))
    perception.observe(after(told(6, 0.0, NONE, 1.0), 1800.0))


@pytest.mark.parametrize("restored", [True, False])
def test_health_survives_a_restart_and_a_change_of_the_map(restored: bool) -> None:
    before = Perception(road())
    _fill(before)
    again = Perception(road(links=2))
    if restored:
        again = Perception(road())
        again.restore(before.state())
        assert again.hash() == before.hash()
    else:
        again.carry(before, np.array([0], np.int32), np.array([1], np.int32))
    assert faults(again, -1) == Fault.LOCKED_ON
    assert again.health().since_us[-1] == START_US + 1_800_000_000
