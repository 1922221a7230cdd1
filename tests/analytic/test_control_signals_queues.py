"""Queues counted between loops, and the stage that serves most, against cases done by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_city import crossing, crossing_junction
from twin.columns import Floats, ReadingBatch
from twin.control.signals.layout import layout_junction, turning_shares
from twin.control.signals.loops import BIN_S, BINS, Loops
from twin.control.signals.queues import (
    FULL_FRAC,
    PATIENCE_S,
    Lanes,
    blocked,
    exit_loops,
    lanes_of,
    moving,
    urgency,
    waiting,
)
from twin.control.signals.serve import service_rate, serving_stage
from twin.ids import LinkId, SensorId
from twin.network.geometry import point_at
from twin.network.model import Sensor, SingleMap
from twin.units import SECOND_US

T0_US = 1_781_568_000 * SECOND_US
PERIOD_US = BIN_S * SECOND_US


def with_loops(network: SingleMap) -> SingleMap:
    """Put a stop-line loop and one 90 m upstream on every approach of the only junction."""
    (junction,) = network.junctions
    moves = {move for group in junction.groups for move in group.movements}
    names = dict.fromkeys(one.from_link for one in network.movements if one.id in moves)
    sensors = []
    for name in names:
        link = network.links[network.link_rows[name]]
        for kind, at_m in (("stop", link.length_m - 5), ("up", link.length_m - 90)):
            sensors.append(
                Sensor(
                    id=SensorId(f"{kind}:{name}"),
                    link=LinkId(name),
                    position_m=at_m,
                    point=point_at(link.line, at_m, length_m=link.length_m),
                    period_s=float(BIN_S),
                    lanes=link.lanes,
                )
            )
    return replace(network, sensors=tuple(sensors))


@pytest.fixture
def network() -> SingleMap:
    return with_loops(crossing(crossing_junction()))


def read(network: SingleMap, told: dict[str, tuple[float, float]], bin_number: int) -> ReadingBatch:
    """One bin of all loops: (count, occupied share); silent ones are empty."""
    rows = range(len(network.sensors))
    values = [told.get(str(network.sensors[row].id), (0.0, 0.0)) for row in rows]
    size = len(values)
    return ReadingBatch(
        sensor=np.arange(size, dtype=np.int32),
        time_us=np.full(size, T0_US + (bin_number + 1) * PERIOD_US, np.int64),
        period_ms=np.full(size, BIN_S * 1000, np.int64),
        count=np.array([value[0] for value in values]),
        speed_mps=np.full(size, np.nan),
        occupancy_frac=np.array([value[1] for value in values]),
    )


def known(network: SingleMap) -> tuple[Loops, Lanes]:
    loops = Loops(network)
    (junction,) = network.junctions
    lanes = lanes_of(layout_junction(junction, network, turning_shares(network)), network, loops)
    assert lanes is not None
    return loops, lanes


def queue(network: SingleMap, loops: Loops, lanes: Lanes, bins: int) -> dict[str, float]:
    found = waiting(lanes, loops, green_vps=np.zeros(99), now_us=T0_US + bins * PERIOD_US)
    assert found is not None
    names = [network.sensors[row].link for approach in lanes.approaches for row in approach.stop]
    return dict(zip(names, found.tolist(), strict=True))


def test_a_queue_is_who_came_less_who_left(network: SingleMap) -> None:
    loops, lanes = known(network)
    link = network.sensors[0].link
    for number in range(10):
        told = {f"up:{link}": (1.0, 0.1), f"stop:{link}": (0.0, 1.0)}
        loops.observe(read(network, told, number))
    waits = queue(network, loops, lanes, 10)
    assert waits[link] == pytest.approx(10.0)
    assert all(value == 0.0 for name, value in waits.items() if name != link)
    for number in range(10, 12):
        loops.observe(read(network, {f"stop:{link}": (2.0, 0.5)}, number))
    assert queue(network, loops, lanes, 12)[link] == pytest.approx(6.0)


def test_a_free_stop_line_puts_the_count_right(network: SingleMap) -> None:
    loops, lanes = known(network)
    link = network.sensors[0].link
    for number in range(20):  # the upstream loop counts one too many each time
        told = {f"up:{link}": (2.0, 0.1), f"stop:{link}": (1.0, 0.5)}
        loops.observe(read(network, told, number))
    assert queue(network, loops, lanes, 20)[link] > 5
    for number in range(20, 24):
        loops.observe(read(network, {}, number))
    assert queue(network, loops, lanes, 24)[link] == 0.0


def test_a_covered_upstream_loop_means_more_stand_behind_it(network: SingleMap) -> None:
    loops, lanes = known(network)
    link = network.sensors[0].link
    for number in range(3):
        told = {f"up:{link}": (0.0, FULL_FRAC + 0.1), f"stop:{link}": (0.0, 1.0)}
        loops.observe(read(network, told, number))
    storage = next(one.storage_veh for one in lanes.approaches)
    assert queue(network, loops, lanes, 3)[link] > storage


def test_silent_loops_say_nothing(network: SingleMap) -> None:
    loops, lanes = known(network)
    assert waiting(lanes, loops, green_vps=np.zeros(99), now_us=T0_US) is None
    loops.observe(read(network, {}, 0))
    much_later_us = T0_US + 60 * SECOND_US
    assert waiting(lanes, loops, green_vps=np.zeros(99), now_us=much_later_us) is None


def test_without_a_loop_at_every_stop_line_nothing_is_counted(network: SingleMap) -> None:
    fewer = replace(network, sensors=network.sensors[1:])
    (junction,) = fewer.junctions
    layout = layout_junction(junction, fewer, turning_shares(fewer))
    assert lanes_of(layout, fewer, Loops(fewer)) is None
    slow = replace(network, sensors=tuple(replace(one, period_s=60.0) for one in network.sensors))
    assert lanes_of(layout, slow, Loops(slow)) is None


@given(st.permutations(range(24)), st.lists(st.integers(0, 3), min_size=24, max_size=24))
def test_the_order_of_readings_changes_nothing(order: list[int], counts: list[int]) -> None:
    network = with_loops(crossing(crossing_junction()))
    straight, shuffled = Loops(network), Loops(network)
    batches = [
        read(
            network, {str(one.id): (float(counts[number]), 0.2) for one in network.sensors}, number
        )
        for number in range(24)
    ]
    for number in range(24):
        straight.observe(batches[number])
        shuffled.observe(batches[order[number]])
    rows = np.arange(len(network.sensors), dtype=np.int64)
    last = straight.last_bin(rows)
    assert shuffled.last_bin(rows) == last
    for one, other in zip(straight.window(rows, last), shuffled.window(rows, last), strict=True):
        assert np.array_equal(one, other)


def test_a_full_way_on_blocks_its_lanes_alone(network: SingleMap) -> None:
    loops, lanes = known(network)
    exits = exit_loops(lanes, network, loops)
    assert exits == {}, "the links behind this junction have no loops"
    assert blocked(lanes, exits, loops, T0_US).tolist() == [1.0] * lanes.rate_vps.shape[1]
    target = lanes.to_link[0][0]
    rows = {way: np.array([0], np.int64) for way in (target,)}
    loops.observe(read(network, {str(network.sensors[0].id): (0.0, 1.0)}, 0))
    loops.observe(read(network, {str(network.sensors[0].id): (0.0, 1.0)}, 1))
    found = blocked(lanes, rows, loops, T0_US + 2 * PERIOD_US)
    expected = [0.0 if ways == (target,) else 1.0 for ways in lanes.to_link]
    assert found.tolist() == expected


def rates(*values: float) -> Floats:
    return np.array(values)


def test_the_best_time_to_serve_ends_when_a_lane_is_empty() -> None:
    # Ten vehicles in one lane: 20 s of green and 5 s lost, 10 / 25.
    assert service_rate(rates(10), rates(0.5), lost_s=5.0) == pytest.approx(0.4)
    # A lane of 20 and one of 2: until the longer is empty 22 / 45, until the shorter 4 / 9.
    assert service_rate(rates(20, 2), rates(0.5, 0.5), lost_s=5.0) == pytest.approx(22 / 45)
    assert service_rate(rates(0), rates(0.5), lost_s=5.0) == 0.0
    assert service_rate(rates(9), rates(0.0), lost_s=5.0) == 0.0
    # A lane that flows on while the other waits 5 s for its green: 10 and 7.5 in 20 s.
    flows = service_rate(rates(10, 10), rates(0.5, 0.5), lost_s=rates(0.0, 5.0))
    assert flows == pytest.approx(17.5 / 20)


def test_a_stage_is_left_when_it_is_empty_and_kept_while_it_serves(network: SingleMap) -> None:
    (junction,) = network.junctions
    layout = layout_junction(junction, network, turning_shares(network))
    _, lanes = known(network)
    first = lanes.rate_vps[0] > 0
    crowd = np.where(first, 10.0, 8.0)
    assert serving_stage(layout, 0, crowd, lanes.rate_vps)[0] == 0
    gone = np.where(first, 0.0, 8.0)
    assert serving_stage(layout, 0, gone, lanes.rate_vps)[0] != 0
    nobody = np.zeros(len(crowd))
    assert serving_stage(layout, 0, nobody, lanes.rate_vps)[0] == 0


def test_a_lane_counts_more_the_longer_somebody_stands_there(network: SingleMap) -> None:
    loops, lanes = known(network)
    link = network.sensors[0].link
    loops.observe(read(network, {}, 0))
    assert urgency(lanes, loops).tolist() == [1.0] * lanes.rate_vps.shape[1]
    for number in range(1, 7):
        loops.observe(read(network, {f"stop:{link}": (0.0, 1.0)}, number))
    found = urgency(lanes, loops)
    assert found.max() == pytest.approx(1.0 + 6 * BIN_S / PATIENCE_S)
    assert (found == 1.0).sum() == len(found) - 1
    for number in range(7, 7 + 2 * BINS):  # longer than is remembered
        loops.observe(read(network, {f"stop:{link}": (0.0, 1.0)}, number))
    assert urgency(lanes, loops).max() == pytest.approx(1.0 + BINS * BIN_S / PATIENCE_S)
    loops.observe(read(network, {f"stop:{link}": (1.0, 1.0)}, 7 + 2 * BINS))
    assert urgency(lanes, loops).max() == 1.0, "one has left"


def test_a_lane_that_stands_on_its_own_upstream_loop_is_full(network: SingleMap) -> None:
    link = network.sensors[0].link
    sensors = [one for one in network.sensors if one.link != link]
    for one in (one for one in network.sensors if one.link == link):
        sensors += [
            replace(one, id=SensorId(f"{one.id}:{lane}"), lanes=1, extra=(("lane", lane),))
            for lane in "123"
        ]
    network = replace(network, sensors=tuple(sensors))
    loops, lanes = known(network)
    (mine,) = [one for one in lanes.approaches if one.link == network.link_rows[link]]
    assert mine.above.tolist() == [0, 1, 2]
    loops.observe(read(network, {}, 0))
    standing = {f"{kind}:{link}:2": (0.0, 1.0) for kind in ("stop", "up")}
    for number in (1, 2):
        loops.observe(read(network, standing, number))
    none_vps = np.zeros(lanes.rate_vps.shape[1])
    found = waiting(lanes, loops, green_vps=none_vps, now_us=T0_US + 3 * PERIOD_US)
    assert found is not None
    here = found[mine.first : mine.first + 3]
    assert here[1] >= mine.storage_veh / 3
    assert here[[0, 2]].max() == 0.0


def test_a_green_at_which_nobody_moves_serves_nobody(network: SingleMap) -> None:
    loops, lanes = known(network)
    link = network.sensors[0].link
    for number in range(4):
        loops.observe(read(network, {f"stop:{link}": (0.0, 1.0)}, number))
    long_ago_us, just_now_us = T0_US, T0_US + 3 * PERIOD_US
    assert moving(lanes, loops, since_us=long_ago_us).min() == 0.0
    assert moving(lanes, loops, since_us=just_now_us).min() == 1.0, "a queue needs time to start"
    loops.observe(read(network, {f"stop:{link}": (2.0, 0.9)}, 4))
    assert moving(lanes, loops, since_us=long_ago_us).min() == 1.0


def test_weighted_vehicles_can_turn_the_choice(network: SingleMap) -> None:
    (junction,) = network.junctions
    layout = layout_junction(junction, network, turning_shares(network))
    _, lanes = known(network)
    first = lanes.rate_vps[0] > 0
    crowd = np.where(first, 10.0, 8.0)
    weight = np.where(first, 1.0, 9.0)
    assert serving_stage(layout, 0, crowd, lanes.rate_vps, weight=weight)[0] != 0
