"""Shortest paths of vehicles against networkx and against plain search on random graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from simulate_grid import grid, trips
from simulate_roads import VPH, roads, turns
from twin.columns import Floats, Ints
from twin.simulate.access import Access
from twin.simulate.assignment import LinkTimes, assign, link_times, quickest_paths
from twin.simulate.choice import RouteChoice
from twin.simulate.fleet import Fleet, fleet
from twin.simulate.kernels.timed import seconds_over
from twin.simulate.roads import Roads, Turns
from twin.simulate.vehicles import VehicleRun


def random_graph(seed: int) -> tuple[Roads, Turns, Floats]:
    """Return links between random nodes with every turn, an origin a node, and turn times."""
    rng = np.random.default_rng(seed)
    nodes, links = 14, 45
    ends = rng.integers(0, nodes, (links, 2))
    road = roads(*[(a, b, rng.uniform(0.1, 2), 50, 900, 150) for a, b in ends], nodes=nodes)
    pairs = [(i, j) for i in range(links) for j in range(links) if ends[i, 1] == ends[j, 0]]
    pairs += [(links + k, j) for k in range(nodes) for j in range(links) if ends[j, 0] == k]
    table = turns(links, list(range(nodes)), *pairs)
    table.seconds[:] = rng.uniform(0, 20, len(pairs)) * (table.approach < links)
    return road, table, rng.uniform(10, 200, links)


def lines(road: Roads, table: Turns, seconds: Floats) -> nx.DiGraph[int]:
    """Return the graph of approaches: reaching a link costs the turn and the link itself."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(road) + len(table.origin_node)))
    for approach, link, lost in zip(table.approach, table.link, table.seconds, strict=True):
        graph.add_edge(int(approach), int(link), weight=float(lost + seconds[link]))
    return graph


@pytest.mark.parametrize("seed", range(6))
def test_paths_are_as_short_as_networkx_says(seed: int) -> None:
    road, table, seconds = random_graph(seed)
    rng = np.random.default_rng(seed)
    origin, to = rng.integers(0, road.nodes, 60), rng.integers(0, road.nodes, 60)
    times = LinkTimes(np.repeat(seconds[None, :], 3, axis=0), 60.0)
    start, link, arrive_s = quickest_paths(
        road, table, times, origin=origin, destination=to, depart_s=np.full(60, 30.0)
    )
    graph = lines(road, table, seconds)
    for k in range(60):
        reached = nx.single_source_dijkstra_path_length(graph, len(road) + int(origin[k]))
        ends = [
            reached[row] for row in np.flatnonzero(road.to_node == to[k]).tolist() if row in reached
        ]
        assert arrive_s[k] - 30.0 == pytest.approx(min(ends, default=np.inf), rel=1e-12)
        path = link[start[k] : start[k + 1]]
        if len(path):
            assert road.from_node[path[0]] == origin[k]
            assert road.to_node[path[-1]] == to[k]
            assert (road.from_node[path[1:]] == road.to_node[path[:-1]]).all()


def earliest(road: Roads, table: Turns, times: LinkTimes, origin: int, at_s: float) -> Floats:
    """Return the earliest arrival at the end of every link, by relaxing all turns until still."""
    reached = np.full(len(road) + len(table.origin_node), np.inf)
    reached[len(road) + origin] = at_s
    changed = True
    while changed:
        changed = False
        for approach, link, lost in zip(table.approach, table.link, table.seconds, strict=True):
            if reached[approach] == np.inf:
                continue
            entry_s = reached[approach] + lost
            end_s = entry_s + seconds_over(link, entry_s, times.seconds, times.interval_s)
            if end_s < reached[link] - 1e-9:
                reached[link], changed = end_s, True
    return reached[: len(road)]


@pytest.mark.parametrize("seed", range(3))
def test_paths_through_time_are_the_earliest(seed: int) -> None:
    """Travel times that change by less than time itself: first come, first out."""
    road, table, seconds = random_graph(seed)
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.uniform(-25, 40, (20, len(road))), axis=0)
    times = LinkTimes(np.maximum(seconds + steps, 5.0), 60.0)
    origin, at_s = rng.integers(0, road.nodes, 12), rng.uniform(0, 900, 12)
    to = rng.integers(0, road.nodes, 12)
    _, _, arrive_s = quickest_paths(
        road, table, times, origin=origin, destination=to, depart_s=at_s
    )
    for k in range(12):
        reached = earliest(road, table, times, int(origin[k]), float(at_s[k]))
        best = reached[road.to_node == to[k]].min(initial=np.inf)
        assert arrive_s[k] == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("closed", [False, True])
def test_habit_takes_the_shortest_path(closed: bool) -> None:
    """An empty grid: each vehicle needs what networkx says, with a forbidden link or without."""
    road, table = grid(4)
    cars = trips(4, 60, until_s=1e6)
    links = np.arange(len(road)) % 5 == 0
    rules = Access.open_to_all(len(road), 2)
    rules = rules.forbid(0, np.flatnonzero(links)) if closed else rules
    run = VehicleRun(road, table, cars, step_s=5.0, access=rules).run(1.1e6)
    done = run.trips()
    seconds = road.free_s.copy()
    for k in range(60):
        graph = lines(road, table, seconds)
        if closed and cars.kind[k] == 0:
            graph.remove_nodes_from(np.flatnonzero(links).tolist())
        reached = nx.single_source_dijkstra_path_length(graph, len(road) + int(cars.origin[k]))
        best = min(
            reached.get(row, np.inf)
            for row in np.flatnonzero(road.to_node == cars.destination[k]).tolist()
        )
        assert np.nan_to_num(done.travel_s[k], nan=np.inf) == pytest.approx(best, rel=1e-9)


def test_logit_spreads_over_two_ways_by_their_times() -> None:
    """Ways of 100 s and 130 s with a spread of 30 s: exp(-1) to 1."""
    road = roads((0, 1, 1.0, 36, 3600, 150), (0, 1, 1.3, 36, 3600, 150))
    nobody = np.zeros(4000, np.int64)
    cars = fleet(nobody, nobody + 1, np.arange(4000, dtype=np.float64) * 10.0)
    choice = RouteChoice(1.0, 600.0, 30.0)
    run = VehicleRun(road, turns(2, [0], (2, 0), (2, 1)), cars, step_s=10.0, choice=choice)
    run.run(41000)
    share = run.entered[1] / 4000
    assert share == pytest.approx(np.exp(-1) / (1 + np.exp(-1)), abs=0.025)


def test_dynamic_two_route_equilibrium() -> None:
    """6000 veh/h for 1 h; 10 min with an exit of 3000, or 16 min: 3300 and 2700, 300 veh-h."""
    road = roads((0, 1, 16.66667, 100, 6000, 400), (0, 1, 26.66667, 100, 6000, 400))
    table = turns(2, [0], (2, 0), (2, 1))
    nobody = np.zeros(6000, np.int64)
    cars = fleet(nobody, nobody + 1, np.arange(6000, dtype=np.float64) * 0.6)

    def make_run(made: Fleet) -> VehicleRun:
        run = VehicleRun(road, table, made, step_s=10.0, record=True)
        return run.limit(out_vps=np.array([3000 * VPH, 10.0, 10.0]))

    found = assign(make_run, cars, duration_s=9000.0, interval_s=60.0, rounds=60, gap=0.0055)
    trips_done = found.run.trips()
    assert found.gap[0] > 1.0
    assert min(found.gap) < 0.0062
    assert found.run.entered == pytest.approx([3300, 2700], rel=0.01)
    assert np.nansum(trips_done.delay_s) / 3600 == pytest.approx(300, rel=0.01)
    assert trips_done.travel_s[700:] == pytest.approx(np.full(5300, 960.0), abs=40)


def test_the_equilibrium_gives_nobody_a_path_without_a_right_to_it() -> None:
    """Two routes, the short one closed to class 1 for the first ten minutes."""
    road = roads((0, 1, 16.66667, 100, 6000, 400), (0, 1, 26.66667, 100, 6000, 400))
    table = turns(2, [0], (2, 0), (2, 1))
    nobody = np.zeros(600, np.int64)
    kind = (np.arange(600) % 2).astype(np.int8)
    cars = fleet(nobody, nobody + 1, np.arange(600, dtype=np.float64) * 2.0, kind=kind)
    rights = Access.open_to_all(2, 2).forbid(1, np.array([0]), until_s=600.0)

    def make_run(made: Fleet) -> VehicleRun:
        return VehicleRun(road, table, made, step_s=10.0, record=True, access=rights)

    found = assign(make_run, cars, duration_s=3000.0, interval_s=60.0, rounds=3)
    first = found.fleet.path_link[found.fleet.path_start[:-1]]
    shut_out = (kind == 1) & (cars.depart_s < 600.0)
    assert (first[shut_out] == 1).all()
    assert (first[~shut_out] == 0).all()


def test_times_of_a_run_let_nobody_overtake() -> None:
    road, table = grid(5)
    cars = trips(5, 2000)
    run = VehicleRun(road, table, cars, step_s=5.0, record=True).run(3000)
    times = link_times(run, interval_s=60.0)
    assert (np.diff(times.seconds, axis=0) >= -60.0 - 1e-9).all()
    assert (times.seconds >= road.free_s - 1e-9).all()
    rows: Ints = np.flatnonzero(run.entered > 0)
    assert (times.seconds[:, rows].max(axis=0) > road.free_s[rows] + 10).any()
