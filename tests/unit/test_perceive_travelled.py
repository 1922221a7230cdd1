"""What signals cost in the live picture, worked out by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from control_city import crossing
from twin.perceive.control_delay import STOP_S, Approaches, control_delay
from twin.perceive.estimate import Perception
from twin.perceive.travelled import Streets, streets_of, travelled


def _half_green() -> Approaches:
    one = np.ones(1)
    return Approaches(np.array([1]), 0.5 * one, 80.0 * one, 1.0 * one, one)


def test_delay_of_a_lone_vehicle_is_half_a_red_for_half_of_them() -> None:
    delay = control_delay(_half_green(), np.array([0.2, np.nan]))
    assert delay.mean_s[0] == 0.0
    assert delay.mean_s[1] == pytest.approx(0.5 * 20.0 + 0.5 * STOP_S, rel=1e-6)
    # Half wait nothing, half anything from 0 to 40 s: mean 10, square 40**2 / 6.
    assert delay.spread_s[1] == pytest.approx((40**2 / 6 - 10**2) ** 0.5, rel=0.1)


def test_delay_at_half_of_capacity_is_websters() -> None:
    delay = control_delay(_half_green(), np.array([0.0, 0.25]))
    uniform = 0.5 * 80 * 0.5**2 / (1 - 0.5 * 0.5)
    stopped = 0.5 / (1 - 0.25)
    # 900 T (x - 1 + sqrt((x - 1)**2 + 4 x / (c T))) with x = 0.5, c = 1800 veh/h, T = 0.25 h
    more = 225 * (-0.5 + (0.25 + 4 * 0.5 / 450) ** 0.5)
    assert delay.mean_s[1] == pytest.approx(uniform + more + STOP_S * stopped, rel=1e-9)


def test_more_flow_never_costs_less() -> None:
    flows = np.linspace(0.0, 2.0, 60)
    cost = [control_delay(_half_green(), np.array([0.0, q])).mean_s[1] for q in flows]
    assert (np.diff(cost) >= -1e-9).all()
    assert np.isfinite(cost).all()


def test_flow_is_density_times_speed_and_only_links_with_signals_change() -> None:
    network = crossing()
    state = Perception(network).link_state(0)
    rows = len(network.links)
    state = dataclasses.replace(
        state,
        speed_mps=np.full(rows, 10.0),
        speed_sd_mps=np.full(rows, 1.0),
        flow_vps=np.full(rows, 0.1),
        flow_sd_vps=np.full(rows, 0.02),
        density_vpm=np.full(rows, 0.01),
        density_sd_vpm=np.full(rows, 0.002),
    )
    streets = streets_of(network)
    shown = travelled(state, streets)
    signalled = np.zeros(rows, np.bool_)
    signalled[streets.approaches.link] = True
    assert signalled.any()
    assert not signalled.all()
    assert (shown.speed_mps[signalled] < 10.0).all()
    assert (shown.speed_mps[~signalled] == 10.0).all()
    assert shown.density_vpm * shown.speed_mps == pytest.approx(shown.flow_vps, rel=1e-12)
    assert (shown.density_sd_vpm > state.density_sd_vpm).all()
    assert (shown.flow_vps == state.flow_vps).all()


def test_nothing_known_stays_unknown() -> None:
    network = crossing()
    shown = travelled(Perception(network).link_state(0), streets_of(network))
    for column in (shown.speed_mps, shown.density_vpm, shown.density_sd_vpm, shown.speed_sd_mps):
        assert np.isnan(column).all()


def test_a_map_without_plans_has_no_delay() -> None:
    nobody = np.zeros(0)
    streets = Streets(np.full(2, 100.0), Approaches(np.zeros(0, np.int64), *(nobody,) * 4))
    assert (control_delay(streets.approaches, np.ones(2)).mean_s == 0.0).all()
