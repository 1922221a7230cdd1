"""Results of a road whose curves are known: 3000 veh/h come, the exit passes 2400."""

from __future__ import annotations

import numpy as np
import pytest

import scenario_outcomes as hand
from twin.errors import SimulationError
from twin.scenario.compare import differences
from twin.scenario.results import Results, results_of
from twin.scenario.results.intervals import intervals_of, moments_of
from twin.scenario.results.reliability import reliability_of
from twin.scenario.results.service import SIGNAL_S, STOP_S, STREETS, level_of
from twin.scenario.results.space_time import drive_s

HOURS_MOVING = (3600.0 - 4 * hand.LINK_S) / 3600.0


@pytest.fixture(scope="module")
def results() -> Results:
    return results_of(hand.pair())


def value(results: Results, key: str) -> tuple[np.ndarray, np.ndarray]:
    return next((one.base, one.edited) for one in results.measures if one.kind.key == key)


def test_free_traffic_has_no_delay_and_its_own_speed(results: Results) -> None:
    assert value(results, "mean_speed")[0] == pytest.approx(90.0, rel=1e-5)
    assert value(results, "mean_time")[0] == pytest.approx(160 / 60, rel=1e-6)
    assert value(results, "delay")[0] == pytest.approx(0.0, abs=1e-6)
    assert value(results, "planning_time_index")[0] == pytest.approx(1.0)
    assert value(results, "buffer_index")[0] == pytest.approx(0.0, abs=1e-9)


def test_the_queue_grows_by_600_an_hour_and_its_delay_with_the_square(results: Results) -> None:
    queue = results.by_link["queue"][1][0, 3]
    assert queue == pytest.approx(600.0 * HOURS_MOVING, rel=1e-4)
    lost = results.by_link["delay"][1][0, 3]
    # Areas under the two curves of the last link, less the free time of the mean of both counts.
    entered_s, left_s = 3600.0 - 120.0, 3600.0 - 160.0
    area = 0.5 * (3000.0 * entered_s**2 - 2400.0 * left_s**2) / 3600.0**2
    counts = 0.5 * (3000.0 * entered_s + 2400.0 * left_s) / 3600.0
    assert lost == pytest.approx(area - counts * hand.LINK_S / 3600.0, rel=2e-3)


def test_flow_and_density_follow_from_the_curves() -> None:
    there = hand.frame()
    found = intervals_of(there, hand.run(1, 3000.0, 4000.0), 300.0)
    assert found.flow_vps[5, :4] * 3600.0 == pytest.approx(3000.0, rel=1e-4)
    assert found.density_vpm[5, :4] * 1000.0 == pytest.approx(3000.0 / 90.0, rel=1e-3)
    assert np.isnan(found.speed_mps[5, 4])  # nobody on the street
    assert found.lost_s[5, :4] == pytest.approx(0.0, abs=1.0)


def test_all_distance_is_counted_once(results: Results) -> None:
    run = hand.run(1, 3000.0, 4000.0)
    km = 0.5 * float((run.entered[-1] + run.left[-1]).sum())
    assert value(results, "distance")[0][0] == pytest.approx(km, rel=1e-5)
    grouped = intervals_of(hand.frame(), run, 420.0)  # no whole number of intervals
    assert grouped.distance_m.sum() / 1000.0 == pytest.approx(km, rel=1e-5)
    assert grouped.until_s[-1] == hand.HORIZON_S


def test_intervals_shorter_than_reports_are_refused() -> None:
    with pytest.raises(SimulationError, match="shorter than the report"):
        moments_of(np.array([0.0, 60.0, 120.0]), 30.0)


def test_differences_say_what_is_beyond_noise(results: Results) -> None:
    found = differences(*value(results, "delay"))
    assert not found.within_noise[0]
    same = differences(*value(results, "trips"))
    assert same.within_noise[0]


def test_every_trip_behind_the_first_loses_a_quarter_of_its_departure(results: Results) -> None:
    """The nth vehicle leaves the exit at 160 s + 1.25 times its departure."""
    base, edited, changes = results.trips[0]
    rows = np.isfinite(changes.change_s)
    depart = base.trips.depart_s[changes.base_row][rows]
    assert changes.change_s[rows] == pytest.approx(0.25 * depart)
    assert results.winners.winners_share == pytest.approx(0.0)
    losers = (0.25 * depart > 60.0).mean()
    assert results.winners.losers_share[0] == pytest.approx(losers)
    assert results.winners.bins.sum() == sum(
        np.isfinite(one.change_s).sum() for _, _, one in results.trips
    )
    late = int((edited.trips.depart_s * 1.25 + 160.0 > 3600.0).sum())
    assert late == int(np.isnan(edited.trips.arrived_s).sum())


def test_skims_hold_times_by_departure(results: Results) -> None:
    skims = results.edited.skims
    first = skims.slot == 2  # leaves between 600 and 900 s
    assert skims.mean_s[first] == pytest.approx(160.0 + 0.25 * 750.0, rel=1e-2)
    assert skims.high_s[first] == pytest.approx(160.0 + 0.25 * (600.0 + 0.95 * 300.0), rel=5e-2)
    last = skims.slot == 11
    assert skims.arrived[last] == 0.0
    assert np.isnan(skims.mean_s[last])
    assert skims.trips.sum() == pytest.approx(3000.0, abs=1.0)


def test_the_95th_percentile_of_a_slot_is_numpys(results: Results) -> None:
    trips = [edited.trips for _, edited, _ in results.trips]
    times = np.concatenate(
        [t.arrived_s[s] - t.depart_s[s] for t in trips for s in [t.depart_s // 300 == 1]]
    )
    skims = results.edited.skims
    found = skims.high_s[skims.slot == 1]
    assert found == pytest.approx(np.percentile(times[np.isfinite(times)], 95))


def test_reliability_by_hand() -> None:
    found = reliability_of(np.arange(1.0, 102.0))  # 1..101: mean 51, 95th percentile 96
    assert found.planning_time_index == pytest.approx(96.0)
    assert found.buffer_index == pytest.approx(45.0 / 51.0)


def test_levels_change_just_beyond_the_limits() -> None:
    at = np.array([10.0, 10.01, 35.0, 55.1, 80.0, 80.1, np.nan])
    assert level_of(at, SIGNAL_S).tolist() == [0, 1, 2, 4, 4, 5, -1]
    assert level_of(np.array([15.0, 50.0, 50.1]), STOP_S).tolist() == [1, 4, 5]


def test_motorway_density_in_cars_per_mile_and_lane(results: Results) -> None:
    """33.3 veh/km on two lanes, a tenth of them trucks: 29.5 cars per mile and lane, level D."""
    assert results.base.links.density_pcpmpl[2, 0] == pytest.approx(
        3000.0 / 90.0 / 2 * 1.609344 * 1.1, rel=0.01
    )
    assert results.base.links.level[2, :4].tolist() == [3, 3, 3, 3]
    assert results.edited.links.level[3, 3] == 5
    assert np.isnan(results.base.links.density_pcpmpl[2, 4])  # a street is not judged by density


def test_streets_are_judged_by_the_share_of_their_free_speed(results: Results) -> None:
    quarters, links = results.base.quarters, results.base.links
    frame = results.frame
    rows = [row for row, kind in enumerate(frame.links.kind) if kind in STREETS]
    assert rows
    share = quarters.speed_mps[:, rows] / frame.links.free_speed_mps[rows]
    for k, letter in enumerate((0.8, 0.67, 0.5, 0.4, 0.3)):
        at_least = share >= letter
        assert (links.level[:, rows][at_least] <= k).all()
        assert (links.level[:, rows][share < letter - 1e-5] > k).all()
    assert (links.level[:, rows][np.isnan(share)] == -1).all()


def test_time_space_of_the_road(results: Results) -> None:
    (road,) = results.corridors
    assert road.rows.tolist() == [0, 1, 2, 3]
    assert road.end_m[-1] == 4000.0
    free = results.frame.links.free_speed_mps
    assert drive_s(road, results.base.intervals, free)[3] == pytest.approx(160.0, rel=1e-4)
    assert drive_s(road, results.edited.intervals, free)[-1] > 600.0


def test_network_diagram_meets_the_curves(results: Results) -> None:
    whole = results.base.diagrams[0]
    assert whole.accumulation_veh[5] == pytest.approx(3000.0 * 160.0 / 3600.0, rel=1e-3)
    assert whole.production_vkmph[5] == pytest.approx(12_000.0, rel=1e-4)


def test_spillback_is_the_time_of_the_spells(results: Results) -> None:
    assert results.by_link["full"][1][:, 3] == pytest.approx(30.0)
    assert results.edited.full_first_s[3] == 1800.0
    assert np.isnan(results.base.full_first_s).all()
