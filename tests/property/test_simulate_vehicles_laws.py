"""What holds for vehicles one by one, whatever the network, the choice and the rules are."""

from __future__ import annotations

import numpy as np
import pytest

from simulate_grid import grid, trips
from twin.columns import Ints
from twin.errors import SimulationError
from twin.simulate.access import Access
from twin.simulate.choice import RouteChoice
from twin.simulate.fleet import Demand, Fleet, Profile, fleet, fleet_of, joined, keys_of
from twin.simulate.vehicles import VehicleRun

SIZE = 5
CHOICE = RouteChoice(compliant_share=0.6, update_s=120.0, spread_s=20.0)


def busy_run(cars: Fleet | None = None, **options: object) -> VehicleRun:
    """Return a run on a grid that is busy enough for queues."""
    road, table = grid(SIZE)
    chosen = {"choice": CHOICE, "seed": 3, "step_s": 10.0, **options}
    return VehicleRun(road, table, trips(SIZE, 2500) if cars is None else cars, **chosen)  # type: ignore[arg-type]


def zone(links: int) -> Ints:
    """Return the links into the middle of the grid."""
    road, _ = grid(SIZE)
    inner = {SIZE * a + b for a in (1, 2, 3) for b in (1, 2, 3)}
    inside = [row for row in range(links) if {road.from_node[row], road.to_node[row]} <= inner]
    return np.array(inside, np.int64)


def test_nobody_is_lost_at_any_time() -> None:
    run = busy_run()
    closed = np.where(np.arange(len(run.roads)) % 7 == 0, 0.0, 10.0)
    for minute in range(40):
        run.limit(in_vps=closed if 5 <= minute < 15 else np.full(len(run.roads), 10.0)).run(60.0)
        totals = run.totals()
        ended = totals.arrived + totals.refused + totals.turned_away
        assert totals.departed == totals.waiting + totals.inside + ended
        assert totals.departed == (run.fleet.depart_s <= run.time_s).sum()
        assert run.vehicles.sum() == totals.inside
        assert (run.vehicles >= 0).all()
        assert (run.vehicles <= run.storage).all()
        assert run.waiting.sum() == totals.waiting
    assert run.totals().arrived > 1000


def test_the_same_seed_gives_the_same_to_the_bit_and_another_does_not() -> None:
    first, second = busy_run().run(1800), busy_run().run(900).run(900)
    assert first.trips().travel_s.tobytes() == second.trips().travel_s.tobytes()
    assert first.entered.tolist() == second.entered.tolist()
    assert busy_run(seed=4).run(1800).entered.tolist() != first.entered.tolist()


def test_the_step_orders_the_work_and_nothing_else() -> None:
    runs = [busy_run(step_s=step_s).run(1800) for step_s in (3.0, 11.0, 28.0)]
    for run in runs[1:]:
        assert run.trips().travel_s.tobytes() == runs[0].trips().travel_s.tobytes()


def test_a_run_goes_on_from_its_state_to_the_bit() -> None:
    rules = Access.open_to_all(80, 2).forbid(1, zone(80), from_s=300.0, until_s=900.0)
    one = busy_run(access=rules, report_s=60.0, record=True).run(350.0)
    state = one.state()
    other = busy_run(access=rules, report_s=60.0, record=True).restore(state)
    one.run(1100.0)
    other.run(1100.0)
    assert one.trips().travel_s.tobytes() == other.trips().travel_s.tobytes()
    assert one.series().left.tolist() == other.series().left.tolist()
    assert one.paths().link.tolist() == other.paths().link.tolist()
    with pytest.raises(SimulationError, match="does not fit"):
        busy_run(trips(SIZE, 10)).restore(state)


def test_another_numbering_of_links_and_vehicles_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    cars = trips(SIZE, 2500)
    order, rows = rng.permutation(80), rng.permutation(2500)
    mixed = fleet(
        cars.origin[rows],
        cars.destination[rows],
        cars.depart_s[rows],
        kind=cars.kind[rows],
        key=cars.key[rows],
    )
    key = keys_of(str(row) for row in range(80))
    one = busy_run(link_key=key).run(1800)
    road, table = grid(SIZE, order=order)
    two = VehicleRun(
        road, table, mixed, choice=CHOICE, seed=3, step_s=10.0, link_key=key[order]
    ).run(1800)
    assert one.entered[order].tolist() == two.entered.tolist()
    assert one.trips().travel_s[rows].tobytes() == two.trips().travel_s.tobytes()


@pytest.mark.parametrize("until_s", [1500.0, np.inf])
def test_nobody_enters_where_it_has_no_right(until_s: float) -> None:
    """Class 1 enters no link of the zone from outside while the rule holds, class 0 does."""
    inner = zone(80)
    rules = Access.open_to_all(80, 2).forbid(1, inner, from_s=250.0, until_s=until_s)
    run = busy_run(access=rules, record=True).run(3000.0)
    paths = run.paths()
    before = np.concatenate([[-1], paths.link[:-1]])
    before[np.concatenate([[True], paths.vehicle[1:] != paths.vehicle[:-1]])] = -1
    crossing = np.isin(paths.link, inner) & ~np.isin(before, inner) & (before >= 0)
    in_force = (paths.entered_s >= 250.0) & (paths.entered_s < until_s)
    kind = run.fleet.kind[paths.vehicle]
    assert not (crossing & in_force & (kind == 1)).any()
    assert (crossing & in_force & (kind == 0)).sum() > 50
    assert (crossing & ~in_force & (kind == 1)).sum() > 5
    totals = run.totals()
    assert totals.refused + totals.turned_away > 0
    assert totals.departed == totals.arrived + totals.refused + totals.turned_away + totals.inside


def test_more_demand_moves_no_vehicle_that_was_there() -> None:
    pairs = np.array([0, 0, 3]), np.array([1, 2, 1])
    base = fleet_of(Demand(*pairs, np.array([40.4, 7.0, 3.3])), Profile.even(0, 600), seed=5)
    more = fleet_of(Demand(*pairs, np.array([44.9, 7.0, 3.9])), Profile.even(0, 600), seed=5)
    rows = {int(key): row for row, key in enumerate(more.key)}
    found = np.array([rows[int(key)] for key in base.key])
    assert more.depart_s[found].tolist() == base.depart_s.tolist()
    assert len(more) > len(base)
    both = joined(base, fleet_of(Demand(*pairs, np.ones(3)), Profile.even(0, 60), seed=5, kind=1))
    assert len(both) == len(base) + 3
    counts = [
        len(fleet_of(Demand(*pairs, np.array([0.4, 0.0, 0.0])), Profile.even(0, 1), seed=seed))
        for seed in range(400)
    ]
    assert np.mean(counts) == pytest.approx(0.4, abs=0.08)


def test_compliant_vehicles_go_round_a_closure_and_others_wait_less_than_for_ever() -> None:
    run = busy_run(record=True)
    closed = np.full(len(run.roads), 10.0)
    closed[zone(80)[:4]] = 0.0
    run.limit(in_vps=closed).run(4000.0)
    assert not np.isin(run.paths().link, zone(80)[:4]).any()
    assert run.totals().arrived == len(run.fleet)


def test_who_wants_to_be_where_it_is_arrives_at_once() -> None:
    nodes = np.array([3, 3, 3])
    run = busy_run(fleet(nodes, np.array([3, 4, 3]), np.array([0.0, 10.0, 50.0]))).run(200)
    done = run.trips()
    assert done.travel_s == pytest.approx([0.0, 28.8, 0.0])
    assert done.distance_m == pytest.approx([0.0, 400.0, 0.0])
