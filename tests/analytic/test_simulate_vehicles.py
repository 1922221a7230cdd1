"""Vehicles one by one against traffic solved by hand, to the resolution of one vehicle."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_roads import VPH, random_network, roads, turns
from twin.columns import Floats, Ints
from twin.errors import SimulationError
from twin.simulate.fleet import Fleet, fleet
from twin.simulate.ltm import LinkTransmission
from twin.simulate.trip_table import Series
from twin.simulate.vehicles import VehicleRun
from twin.simulate.wires import Placed


def evenly(origin: int, to: int, vph: float, from_s: float, until_s: float) -> Floats:
    """Return rows of (origin, destination, departure) of a steady flow."""
    count = round(vph * (until_s - from_s) / 3600)
    start = from_s + np.arange(count, dtype=np.float64) * 3600 / vph
    return np.column_stack([np.full(count, origin), np.full(count, to), start])


def fleet_from(*flows: Floats) -> Fleet:
    """Return the vehicles of some flows."""
    rows = np.concatenate(flows)
    return fleet(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 2])


@pytest.mark.parametrize("step_s", [5.0, 30.0])
def test_queue_before_a_bottleneck(step_s: float) -> None:
    """4000 veh/h for an hour, then 2000, into an exit of 3000: 1000 vehicle-hours, 20 minutes."""
    road = roads((0, 1, 12.5, 100, 5000, 300))
    cars = fleet_from(evenly(0, 1, 4000, 0, 3600), evenly(0, 1, 2000, 3600, 9000))
    run = VehicleRun(road, turns(1, [0], (1, 0)), cars, step_s=step_s, report_s=450.0)
    run.limit(out_vps=np.array([3000 * VPH, 1e6])).run(9000)
    trips = run.trips()
    assert np.nansum(trips.delay_s) / 3600 == pytest.approx(1000, rel=1e-3)
    assert np.nanmax(trips.delay_s) == pytest.approx(1200, abs=1.5)
    assert trips.delay_s[3999] == pytest.approx(1200, abs=1.5)
    series = run.series()
    at_end = int(np.flatnonzero(series.time_s == 450 + 3600)[0])
    assert series.entered[at_end - 1, 0] - series.left[at_end, 0] == pytest.approx(1000, abs=1.5)
    assert run.vehicle_s[0] == pytest.approx(np.diff(series.time_s) @ _vehicles(series), rel=0.02)


def _vehicles(series: Series) -> Floats:
    inside = (series.entered - series.left)[:, 0]
    return np.asarray(0.5 * (inside[1:] + inside[:-1]), np.float64)


@pytest.mark.parametrize(
    ("first", "demand", "passed"),
    [
        (3.0, (1500, 1000), (1500, 500)),
        (3.0, (1200, 1200), (1200, 800)),
        (3.0, (1800, 400), (1600, 400)),
        (3.0, (900, 600), (900, 600)),
        (1.0, (1500, 1000), (1000, 1000)),
        (1.0, (1200, 1200), (1000, 1000)),
    ],
)
def test_merge_shares(first: float, demand: tuple[int, int], passed: tuple[int, int]) -> None:
    """Room for 2000 veh/h, priorities 3:1 and 1:1."""
    road = roads((0, 2, 1, 60, 3000, 200), (1, 2, 1, 60, 3000, 200), (2, 3, 1, 60, 3000, 200))
    cars = fleet_from(*(evenly(k, 3, demand[k], 0, 7200) for k in range(2)))
    table = turns(3, [0, 1], (0, 2), (1, 2), (3, 0), (4, 1))
    weights = np.array([first, 1.0, 1.0, 1.0, 1.0])
    run = VehicleRun(road, table, cars, step_s=10.0, priority_vps=weights)
    run.limit(in_vps=np.array([1.0, 1.0, 2000 * VPH])).run(1800)
    left = run.left
    run.run(3600)
    assert (run.left - left)[:2] == pytest.approx(passed, abs=1.5)


def test_diverge_holds_both_ways() -> None:
    """2000 veh/h, 70 % into 1000 veh/h: first in, first out, so 1428.6 veh/h pass."""
    road = roads((0, 1, 1, 60, 3000, 200), (1, 2, 1, 60, 3000, 200), (1, 3, 1, 60, 3000, 200))
    start = np.arange(4000, dtype=np.float64) * 1.8
    to = np.where(np.diff(np.floor(np.arange(4001) * 0.7)) > 0, 2, 3)
    run = VehicleRun(
        road,
        turns(3, [0], (0, 1), (0, 2), (3, 0)),
        fleet(np.zeros(4000, np.int64), to, start),
        step_s=10.0,
    )
    run.limit(in_vps=np.array([1.0, 1000 * VPH, 900 * VPH])).run(1800)
    left = run.left
    run.run(3600)
    assert (run.left - left)[0] == pytest.approx(1428.571, abs=1.5)


def test_uniform_delay_at_a_signal() -> None:
    """s 1800, q 600, C 60, g 30: 11.25 s a vehicle with arrivals spread over the cycle."""
    road = roads((0, 1, 1, 36, 1800, 200))
    start = np.arange(1200, dtype=np.float64) * 6.0 + 0.5
    cars = fleet(np.zeros(1200, np.int64), np.ones(1200, np.int64), start)
    run = VehicleRun(road, turns(1, [0], (1, 0)), cars, step_s=10.0)
    for _ in range(130):
        run.limit(out_vps=np.array([0.0, 1.0])).run(30)
        run.limit(out_vps=np.array([0.5, 1.0])).run(30)
    delay_s = run.trips().delay_s
    # by hand, vehicle by vehicle, on a clock that runs in green: two of its seconds each
    served, clock = [], 0.0
    for arrival in start + 100.0:
        clock = max(clock, 30 * (arrival // 60) + max(arrival % 60 - 30, 0.0))
        served.append(max(60 * (clock // 30) + 30 + clock % 30, arrival) - arrival)
        clock += 2.0
    assert delay_s == pytest.approx(np.array(served), abs=1e-6)
    assert delay_s.mean() == pytest.approx(11.25, abs=2.0)  # one headway


def test_ring_road_flows_for_ever() -> None:
    """10 km, 400 vehicles, vf 100, w 20, kj 150: 2200 veh/h at 55 km/h."""
    road = roads((0, 1, 5.0, 100, 2500, 150), (1, 0, 5.0, 100, 2500, 150))
    count, laps = 400, 60
    first = np.repeat([0, 1], 200)
    links = (first[:, None] + np.arange(laps)) % 2
    cars = fleet(
        first,
        first,
        np.zeros(count),
        path_start=np.arange(count + 1) * laps,
        path_link=links.ravel(),
    )
    at_m = np.tile((np.arange(200) + 0.5) * 25.0, 2)
    placed = Placed(np.arange(count), first, at_m)
    run = VehicleRun(road, turns(2, [0, 1], (0, 1), (1, 0)), cars, step_s=10.0, placed=placed)
    run.run(3600)
    left, spent = run.left, run.vehicle_s
    run.run(3600)
    assert (run.left - left) == pytest.approx([2200, 2200], abs=2)
    speed = (run.left - left).sum() * 5.0 / ((run.vehicle_s - spent).sum() / 3600)
    assert speed == pytest.approx(55, rel=2e-3)
    assert run.vehicles.sum() == 400
    assert len(run.gridlock) == 0


def test_spillback_reaches_the_diverge() -> None:
    """Off-ramp 0.5 km, 800 in, 500 out: after 700 s the whole road passes 2500 veh/h."""
    road = roads(
        (0, 1, 1.0, 100, 5000, 300), (1, 2, 5.0, 100, 5000, 300), (1, 3, 0.5, 60, 2250, 150)
    )
    count = 4000
    to = np.where(np.arange(count) % 5 == 0, 3, 2)
    cars = fleet(np.zeros(count, np.int64), to, np.arange(count, dtype=np.float64) * 0.9)
    table = turns(3, [0], (0, 1), (0, 2), (3, 0))
    run = VehicleRun(road, table, cars, step_s=10.0, report_s=10.0)
    run.limit(out_vps=np.array([1e6, 1e6, 500 * VPH, 1e6])).run(2400)
    series = run.series()
    inside = (series.entered - series.left)[:, 2]
    full = series.time_s[np.flatnonzero(series.entered[:, 2] - _ago(series.left[:, 2], 9) >= 75)[0]]
    assert full - 36 == pytest.approx(700, abs=20)  # the first vehicle enters it after 36 s
    assert inside.max() <= run.storage[2]
    left = run.left
    run.run(720)
    assert (run.left - left) * 5 == pytest.approx([2500, 2000, 500], abs=10)


def _ago(counts: Ints, rows: int) -> Ints:
    return np.concatenate([np.zeros(rows, np.int64), counts[:-rows]])


def test_gridlock_is_named_and_ends() -> None:
    """Two full links that lead only into each other stand for ever; nobody is lost."""
    road = roads((0, 1, 0.5, 50, 1800, 150), (1, 0, 0.5, 50, 1800, 150), (1, 2, 0.5, 50, 1800, 150))
    room = 75
    first = np.repeat([0, 1], room)
    links = (first[:, None] + np.arange(4)) % 2
    start = np.arange(2 * room + 1) * 4
    cars = fleet(first, first, np.zeros(2 * room), path_start=start, path_link=links.ravel())
    placed = Placed(np.arange(2 * room), first, np.tile(np.arange(room) * 6.0, 2))
    table = turns(3, [0, 1], (0, 1), (0, 2), (1, 0), (3, 0), (4, 1))
    run = VehicleRun(road, table, cars, step_s=5.0, placed=placed).run(1e6)
    assert run.gridlock.tolist() == [0, 1]
    assert run.moves == 0
    assert run.totals().inside == 2 * room


def walks(count: int) -> tuple[Ints, Ints]:
    """Return random walks on the random network by its turning shares: CSR starts and links."""
    road, table, share, ended, _ = random_network()
    rng = np.random.default_rng(5)
    links: list[int] = []
    starts = [0]
    for _ in range(count):
        here = len(road)
        while True:
            rows = np.arange(table.start[here], table.start[here + 1])
            rising = np.cumsum(share[rows])
            pick = int(np.searchsorted(rising, rng.random()))
            if pick == len(rows):
                break
            here = int(table.link[rows[pick]])
            links.append(here)
        if starts[-1] < len(links):
            starts.append(len(links))
    assert ended.min() > 0
    return np.array(starts), np.array(links)


def shares_of(starts: Ints, links: Ints) -> tuple[Floats, Floats]:
    """Return the turning and exit shares of paths on the random network."""
    road, table, _, _, _ = random_network()
    before = np.concatenate([[0], links[:-1]])
    before[starts[:-1]] = len(road)
    row = {pair: t for t, pair in enumerate(zip(table.approach, table.link, strict=True))}
    taken = [row[pair] for pair in zip(before, links, strict=True)]
    turned = np.bincount(taken, minlength=len(table.link)).astype(np.float64)
    through = np.bincount(table.approach, turned, minlength=len(road) + 1)
    through[:-1] += np.bincount(links[starts[1:] - 1], minlength=len(road))
    share = turned / np.maximum(through, 1.0)[table.approach]
    ended = 1.0 - np.bincount(table.approach, share, minlength=len(road) + 1)
    return np.asarray(share, np.float64), np.asarray(ended, np.float64)


@pytest.mark.parametrize(("count", "tolerance"), [(900, 0.03), (1800, 0.06)])
def test_vehicles_agree_with_the_link_model(count: int, tolerance: float) -> None:
    """Flows of a random network, without and with queues: fluid ones but for chance and order."""
    road, table, _, _, _ = random_network()
    starts, links = walks(count)
    size = len(starts) - 1
    nobody = np.zeros(size, np.int64)
    cars = fleet(nobody, nobody, np.arange(size, dtype=np.float64) * 1800.0 / size).with_paths(
        starts, links
    )
    run = VehicleRun(road, table, cars, step_s=5.0).run(1800.0)
    fluid = LinkTransmission(road, table, step_s=5.0)
    fluid.share_turns(*shares_of(starts, links)).demand(np.array([size / 1800.0])).run(1800.0)
    assert run.entered.sum() == pytest.approx(fluid.entered.sum(), rel=tolerance)
    assert np.abs(run.entered - fluid.entered).mean() < 1.2 * tolerance * fluid.entered.mean() + 1


def test_what_has_no_meaning_is_refused() -> None:
    road, table = roads((0, 1, 1, 50, 1800, 150)), turns(1, [0], (1, 0))
    cars = fleet_from(evenly(0, 1, 60, 0, 600))
    with pytest.raises(SimulationError, match="no origin"):
        VehicleRun(road, table, fleet_from(evenly(1, 0, 60, 0, 600)))
    with pytest.raises(SimulationError, match="UnstableStep"):
        VehicleRun(road, table, cars, step_s=0.0)
    with pytest.raises(SimulationError, match="cannot last"):
        VehicleRun(road, table, cars).run(-1.0)
    with pytest.raises(SimulationError, match="keys that differ"):
        fleet(np.zeros(2, np.int64), np.ones(2, np.int64), np.zeros(2), key=np.zeros(2, np.int64))
