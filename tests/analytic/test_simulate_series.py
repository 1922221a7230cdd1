"""Short links in a row run as one, and are told apart as if they had run alone."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_roads import VPH, roads, turns
from twin.simulate.curves import Curves
from twin.simulate.ltm import LinkTransmission
from twin.simulate.series import Apart, join_series

DIAGRAM = (60, 1800, 150)
PIECES_KM = (0.5, 0.04, 0.06, 0.4)


def pieces() -> tuple[LinkTransmission, Apart, Curves]:
    """Run one kilometre cut into pieces, two of them shorter than a step of 5 s."""
    cut = roads(*[(k, k + 1, km, *DIAGRAM) for k, km in enumerate(PIECES_KM)])
    table = turns(4, [0], (0, 1), (1, 2), (2, 3), (4, 0))
    series = join_series(cut, table, np.ones(4), np.array([0.0, 0, 0, 1, 0]), step_s=5.0)
    assert series.whole.tolist() == [0, 0, 0, 0]
    assert series.roads.length_m.tolist() == pytest.approx([1000])
    run = LinkTransmission(series.roads, series.turns, step_s=5.0)
    run.share_turns(series.turn_share, series.exit_share)
    run.limit(out_vps=np.array([900 * VPH, 1e6])).demand(np.array([1500 * VPH]))
    curves = Curves(series.roads)
    apart = Apart(series, run)
    curves.take(run)
    for _ in range(120):
        curves.take(run.run(5.0))
        apart.take()
    return run, apart, curves


def test_pieces_of_a_road_count_as_points_of_it() -> None:
    run, apart, curves = pieces()
    at_m = 1000 * np.concatenate([[0], np.cumsum(PIECES_KM)])
    passed = [curves.passed(0, float(point), run.time_s) for point in at_m]
    assert apart.entered.tolist() == pytest.approx(passed[:-1], rel=1e-9)
    assert apart.left.tolist() == pytest.approx(passed[1:], rel=1e-9)
    assert apart.vehicles.sum() == pytest.approx(float(run.vehicles[0]), rel=1e-12)
    assert apart.vehicle_s.sum() == pytest.approx(float(run.vehicle_s[0]), rel=1e-12)
    queued = apart.vehicles / np.array(PIECES_KM)
    assert queued[1:] == pytest.approx(queued[3], rel=1e-6)  # the queue covers them
    assert queued[3] > 60


def test_only_short_links_at_plain_nodes_are_joined() -> None:
    """A fork, an end of trips, an origin, and long neighbours keep their joints."""
    cut = roads(
        (0, 1, 0.02, *DIAGRAM), (1, 2, 0.02, *DIAGRAM), (1, 3, 0.02, *DIAGRAM),
        (2, 4, 0.02, *DIAGRAM), (3, 5, 0.02, *DIAGRAM), (4, 6, 1.0, *DIAGRAM),
        (6, 7, 1.0, *DIAGRAM), (5, 8, 0.02, *DIAGRAM),
    )  # fmt: skip
    table = turns(
        8, [0, 5], (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 7), (5, 6), (8, 0), (9, 7)
    )  # fmt: skip
    share = np.array([0.5, 0.5, 1, 0.8, 1, 1, 1, 1, 1])
    ended = np.zeros(10)
    ended[[2, 6, 7]] = [0.2, 1, 1]
    series = join_series(cut, table, share, ended, step_s=5.0)
    rows = series.whole
    assert rows[1] == rows[3] == rows[5]  # in a row, short
    assert rows[5] != rows[6]  # both long
    assert len({int(rows[link]) for link in (0, 1, 2, 4, 7)}) == 5
    assert len(series.roads) == 6
    total = series.exit_share + np.bincount(
        series.turns.approach, series.turn_share, minlength=len(series.exit_share)
    )
    assert total == pytest.approx(1)
    assert series.roads.capacity_vps == pytest.approx(1800 * VPH)


def test_a_ring_of_short_links_keeps_a_joint() -> None:
    ring = roads((0, 1, 0.02, *DIAGRAM), (1, 2, 0.02, *DIAGRAM), (2, 0, 0.02, *DIAGRAM))
    table = turns(3, [], (0, 1), (1, 2), (2, 0))
    series = join_series(ring, table, np.ones(3), np.zeros(3), step_s=5.0)
    assert len(series.roads) == 1
    assert series.turns.link.tolist() == [0]
    assert series.turn_share.tolist() == [1.0]
