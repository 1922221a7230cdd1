"""Two states that meet (Riemann problems), in the link model and in the cell model."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_roads import VPH, roads, turns
from twin.columns import Floats
from twin.simulate.ctm import CellTransmission
from twin.simulate.curves import Curves
from twin.simulate.diagrams import tabulated
from twin.simulate.ltm import LinkTransmission

HALF_KM = 8.0  # of each of the two links that meet at 0 km
T1 = (100, 2500, 150)  # vf 100, w 20, kj 150
PAIR = roads((0, 1, HALF_KM, *T1), (1, 2, HALF_KM, *T1))
TURNS = turns(2, [0], (0, 1), (2, 0))
SHARES = np.ones(2), np.array([0.0, 1.0, 0.0])


def flow_vph(density_vpkm: float) -> float:
    return min(100 * density_vpkm, 20 * (150 - density_vpkm))


def links_meet(before: float, after: float, hours: float) -> Curves:
    """Run the link model from two even densities (veh/km) that go on outside."""
    density = np.array([before, after]) / 1000
    run = LinkTransmission(PAIR, TURNS, step_s=6.0, density_vpm=density)
    run.share_turns(*SHARES).demand(np.array([flow_vph(before) * VPH]))
    if after > 25:
        run.limit(out_vps=np.array([1e6, flow_vph(after) * VPH, 1e6]))
    curves = Curves(PAIR)
    curves.take(run)
    while run.time_s < hours * 3600 - 1e-9:
        curves.take(run.run(6.0))
    return curves


def cells_meet(before: float, after: float, hours: float) -> Floats:
    """Run 20 m cells from two even densities; return veh/km of all cells."""
    density = np.array([before, after]) / 1000
    run = CellTransmission(PAIR, TURNS, step_s=0.72, cell_m=20.0, density_vpm=density)
    run.share_turns(*SHARES).demand(np.array([flow_vph(before) * VPH]))
    if after > 25:
        run.limit(out_vps=np.array([1e6, flow_vph(after) * VPH, 1e6]))
    return run.run(hours * 3600).density_vpm[:, 0] * 1000


def at_km(cells: Floats, km: float) -> float:
    """Return the density of the cell at a distance from where the states met."""
    return float(cells[int((km + HALF_KM) / 0.02)])


def test_a_queue_grows_backward_at_12_and_a_half_km_an_hour() -> None:
    curves = links_meet(20, 100, 0.2)
    for minutes in (3, 6, 12):
        tail = curves.tail_m(0, 60 * minutes) / 1000 - HALF_KM
        assert tail == pytest.approx(-12.5 * minutes / 60, rel=1e-6)
    cells = cells_meet(20, 100, 0.2)
    shock = int(np.searchsorted(cells, 60)) * 0.02 - HALF_KM
    assert shock == pytest.approx(-2.5, rel=0.01)


def test_a_released_jam_flows_at_capacity_between_its_two_waves() -> None:
    hours = 0.06
    curves, cells = links_meet(150, 0, hours), cells_meet(150, 0, hours)
    for km in (-1.15, -0.6, -0.02):
        density = curves.density_vpm(0, (HALF_KM + km) * 1000, hours * 3600)
        assert density * 1000 == pytest.approx(25, rel=1e-6)
    for km in (0.02, 2.0, 5.95):
        density = curves.density_vpm(1, km * 1000, hours * 3600)
        assert density * 1000 == pytest.approx(25, rel=1e-6)
    assert curves.density_vpm(0, (HALF_KM - 1.25) * 1000, hours * 3600) == pytest.approx(0.15)
    assert curves.density_vpm(1, 6050, hours * 3600) == pytest.approx(0, abs=1e-9)
    assert curves.left_at(0, hours * 3600) == pytest.approx(2500 * hours, rel=1e-9)
    for km in (-0.8, -0.4, -0.02, 0.02, 2.0, 5.95):
        assert at_km(cells, km) == pytest.approx(25, rel=0.01)
    assert at_km(cells, -1.6) == pytest.approx(150, rel=0.01)
    assert at_km(cells, 6.05) == pytest.approx(0, abs=1e-6)


def test_a_shock_between_equal_flows_stands() -> None:
    curves, cells = links_meet(20, 50, 0.2), cells_meet(20, 50, 0.2)
    assert curves.tail_m(0, 720) / 1000 == pytest.approx(HALF_KM, abs=2e-5)
    assert curves.left_at(0, 720) == pytest.approx(2000 * 0.2, rel=1e-9)
    assert at_km(cells, -0.03) == pytest.approx(20, rel=1e-9)
    assert at_km(cells, 0.03) == pytest.approx(50, rel=1e-9)


def test_greenshields_fans_out() -> None:
    """vf 100, kj 150, 150|0 at 0.08 h: 112.5, 75, 37.5 veh/km at -4, 0, 4 km."""
    density = np.linspace(0, 150, 301)
    table = np.stack([density / 1000, 100 * density * (1 - density / 150) * VPH], axis=1)
    half = (0, 1, 10.0, 100, 3750, 150)
    road = roads(half, (1, 2, *half[2:]))
    run = CellTransmission(
        road,
        turns(2, [], (0, 1)),
        step_s=0.72,
        cell_m=20.0,
        diagrams=tabulated(road, {0: table, 1: table}),
        density_vpm=np.array([0.15, 0.0]),
    )
    run.share_turns(np.ones(1), np.array([0.0, 1.0])).run(288)
    cells = run.density_vpm[:, 0] * 1000
    for km, expected in ((-4, 112.5), (0, 75.0), (4, 37.5)):
        middle = int((km + 10) / 0.02)
        assert cells[middle - 1 : middle + 1].mean() == pytest.approx(expected, rel=0.01)
