"""Delay and pressure against numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from control_city import ARMS, crossing, crossing_junction, state
from twin.control.signals.delay import (
    best_greens,
    control_delay_s,
    delay_rate,
    plan_greens,
)
from twin.control.signals.layout import (
    JunctionLayout,
    downstream_factor,
    layout_junction,
    saturation_vps,
    turning_shares,
)
from twin.control.signals.pressure import stage_pressures, vehicle_counts
from twin.control.signals.proposals import demand_now, queues
from twin.ids import LinkId, MovementId, NodeId
from twin.network.model import Movement, TurnKind


def layout(**changes: object) -> JunctionLayout:
    network = crossing(crossing_junction(**changes))  # type: ignore[arg-type]
    return layout_junction(network.junctions[0], network, turning_shares(network))


def test_uniform_delay_of_an_almost_empty_road_is_red_squared_over_twice_the_cycle() -> None:
    # red 50 s of 80 s: 50^2 / (2 x 80) = 15.625 s
    assert control_delay_s(1e-9, 0.5, green_s=30.0, cycle_s=80.0) == pytest.approx(15.625, abs=1e-3)


def test_delay_at_the_manuals_worked_example() -> None:
    # g/C 0.4, C 100 s, capacity 1600 x 0.4 = 640 veh/h, demand 512: X = 0.8.
    # d1 = 0.5 x 100 x 0.36 / (1 - 0.32) = 26.471; d2 = 900 x 0.25 x (-0.2 + sqrt(0.04 + 0.02))
    expected_s = 26.470588 + 225.0 * (-0.2 + math.sqrt(0.04 + 4 * 0.8 / (640 * 0.25)))
    got_s = control_delay_s(512 / 3600, 1600 / 3600, green_s=40.0, cycle_s=100.0)
    assert got_s == pytest.approx(expected_s, abs=1e-4)


def test_an_overloaded_road_waits_for_the_queue_that_grows_in_a_quarter_of_an_hour() -> None:
    # demand twice the capacity: on average (X - 1) x T / 2 = 450 s, and more for randomness
    got_s = control_delay_s(0.4, 0.5, green_s=32.0, cycle_s=80.0)
    assert 450.0 + 0.5 * 80.0 * 0.6 <= got_s <= 500.0


def test_never_green_waits_the_whole_period() -> None:
    assert control_delay_s(0.1, 0.5, green_s=0.0, cycle_s=80.0) == 900.0


def test_greens_of_a_plan_are_its_steps_less_the_intergreens() -> None:
    made = layout()
    plan = made.junction.plans[0]
    # 30 - 9 (after P), 30 - 5 (after NS), 20 - 6 (after EW)
    assert plan_greens(made, plan).tolist() == [21.0, 25.0, 14.0]


def test_the_best_division_gives_spare_green_by_load_and_keeps_the_minimum() -> None:
    made = layout()
    demand = np.array([0.3, 0.3, 0.1, 0.1])  # of 1 veh/s saturation: loads 0.3, 0.1, 0
    greens = best_greens(made, demand, made.junction.plans[0])
    # 60 s to divide; P keeps 8; wanted 45 and 15, above the minimum 37 and 7 of 36 spare seconds
    assert greens == pytest.approx([8 + 36 * 37 / 44, 8 + 36 * 7 / 44, 8.0])
    assert greens.sum() == pytest.approx(60.0)
    before = delay_rate(
        made, demand, stage_green_s=plan_greens(made, made.junction.plans[0]), cycle_s=80.0
    )
    after = delay_rate(made, demand, stage_green_s=greens, cycle_s=80.0)
    assert after < before


def test_without_traffic_there_is_nothing_to_divide() -> None:
    made = layout()
    plan = made.junction.plans[0]
    assert best_greens(made, np.zeros(4), plan).tolist() == plan_greens(made, plan).tolist()


def test_pressure_of_a_crossing_by_hand() -> None:
    network = crossing()
    made = layout()
    shares = turning_shares(network)
    factor = downstream_factor(network, shares)
    links = state(
        network, 0, vehicles={"N>C": 10.0, "S>C": 4.0, "E>C": 6.0, "W>C": 0.0, "C>S": 9.0}
    )
    count = vehicle_counts(links.density_vpm, np.full(8, 200.0))
    # 1 veh/s, all straight on; the links out end at the map's edge: nothing stands there
    assert stage_pressures(made, count, factor).tolist() == pytest.approx([14.0, 6.0, 0.0])


def test_pressure_counts_what_stands_behind_by_the_squares_of_its_shares() -> None:
    network = crossing()
    onward = tuple(
        Movement(
            MovementId(f"on-{to}"),
            NodeId("S"),
            LinkId("C>S"),
            LinkId(to),
            TurnKind.THRU,
            share=share,
        )
        for to, share in (("S>C", 0.75), ("N>C", 0.25))
    )
    longer = replace(network, movements=(*network.movements, *onward))
    shares = turning_shares(longer)
    factor = downstream_factor(longer, shares)
    assert factor[longer.link_rows["C>S"]] == pytest.approx(0.75**2 + 0.25**2)
    made = layout_junction(longer.junctions[0], longer, shares)
    links = state(longer, 0, vehicles={"N>C": 10.0, "S>C": 0.0, "C>S": 8.0})
    count = vehicle_counts(links.density_vpm, np.full(8, 200.0))
    assert stage_pressures(made, count, factor)[0] == pytest.approx(10.0 - 8.0 * 0.625)
    full = state(longer, 0, vehicles={"N>C": 2.0, "S>C": 0.0, "C>S": 80.0})
    count = vehicle_counts(full.density_vpm, np.full(8, 200.0))
    assert stage_pressures(made, count, factor)[0] == 0.0


def test_an_unknown_count_before_the_signal_is_unknown_pressure() -> None:
    network = crossing()
    links = state(network, 0, vehicles={"N>C": math.nan, "C>E": math.nan})
    count = vehicle_counts(links.density_vpm, np.full(8, 200.0))
    factor = downstream_factor(network, turning_shares(network))
    pressures = stage_pressures(layout(), count, factor)
    assert math.isnan(pressures[0])
    assert pressures[1] == pytest.approx(4.0)


def test_shares_are_completed_evenly_and_sum_to_one() -> None:
    network = crossing()

    def turn(name: str, share: float | None) -> Movement:
        return Movement(
            MovementId(name), NodeId("C"), LinkId("N>C"), LinkId("C>E"), TurnKind.LEFT, share=share
        )

    for given, expected in (
        ((0.5, None, None), (0.5, 0.25, 0.25)),
        ((None, None, None), (1 / 3, 1 / 3, 1 / 3)),
        ((2.0, 1.0, 1.0), (0.5, 0.25, 0.25)),
        ((0.0, 0.0, 0.0), (1 / 3, 1 / 3, 1 / 3)),
    ):
        moves = tuple(turn(str(at), share) for at, share in enumerate(given))
        shares = turning_shares(replace(network, movements=moves))
        assert [shares[str(at)] for at in range(3)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("capacity_vps", "lanes", "expected"),
    [(0.7, (1, 1), 0.7), (None, (1, 1), 0.5), (None, (1, 2), 1.0), (None, None, 0.25)],
)
def test_saturation_flow_comes_from_the_best_source(
    capacity_vps: float | None, lanes: tuple[int, int] | None, expected: float
) -> None:
    network = crossing()  # links of two lanes and 1 veh/s
    movement = Movement(
        MovementId("m"),
        NodeId("C"),
        LinkId("N>C"),
        LinkId("C>S"),
        TurnKind.THRU,
        from_lanes=lanes,
        capacity_vps=capacity_vps,
    )
    assert saturation_vps(movement, network, 0.25) == expected


def test_a_queue_is_what_stands_beyond_free_flow_and_adds_to_demand() -> None:
    network = crossing()
    made = layout()
    links = state(
        network,
        0,
        vehicles={f"{arm}>C": 10.0 for arm in ARMS},
        flow_vph=dict.fromkeys([f"{arm}>C" for arm in ARMS], 504.0),
    )
    waiting = queues(made, links, np.full(8, 200.0), np.full(8, 14.0))
    # 504 veh/h = 0.14 veh/s at 14 m/s = 0.01 veh/m: 2 of the 10 vehicles move freely
    assert waiting == pytest.approx([8.0] * 4)
    assert demand_now(made, links, waiting) == pytest.approx([0.14 + 8 / 900] * 4)
