"""Small roads and turns for tests of the simulation."""

from __future__ import annotations

import numpy as np

from twin.columns import Floats
from twin.simulate.roads import Roads, Turns

KPH = 1 / 3.6
VPH = 1 / 3600


def roads(*links: tuple[int, int, float, float, float, float], nodes: int | None = None) -> Roads:
    """Make links of (from, to, km, free km/h, capacity veh/h, jam veh/km)."""
    columns = np.array(links, np.float64).reshape(-1, 6).T
    ends = columns[:2].astype(np.int64)
    return Roads(
        from_node=ends[0],
        to_node=ends[1],
        length_m=columns[2] * 1000,
        free_speed_mps=columns[3] * KPH,
        capacity_vps=columns[4] * VPH,
        jam_vpm=columns[5] / 1000,
        nodes=nodes if nodes is not None else int(ends.max(initial=-1)) + 1,
    )


def turns(links: int, origins: list[int], *pairs: tuple[int, int]) -> Turns:
    """Make turns of (approach, link after), sorted by approach; origin k is approach links + k."""
    counts = np.bincount([pair[0] for pair in pairs], minlength=links + len(origins))
    columns = np.array(pairs, np.int64).reshape(-1, 2)
    return Turns(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=columns[:, 0],
        link=columns[:, 1],
        seconds=np.zeros(len(pairs)),
        share=np.full(len(pairs), np.nan),
        movement=np.full(len(pairs), -1, np.int64),
        origin_node=np.array(origins, np.int64),
    )


def random_network() -> tuple[Roads, Turns, Floats, Floats, Floats]:
    """Make 120 links between 30 nodes: roads, turns, turning and exit shares, densities."""
    rng = np.random.default_rng(3)
    nodes, links = 30, 120
    ends = [(int(a), int(b)) for a, b in rng.integers(0, nodes, (links, 2))]
    road = roads(
        *[(a, b, rng.uniform(0.1, 2), 50, rng.uniform(600, 3600), 300) for a, b in ends],
        nodes=nodes,
    )
    pairs = [
        (i, j) for i in range(links) for j in range(links) if road.to_node[i] == road.from_node[j]
    ]
    first = [(links, j) for j in range(links) if road.from_node[j] == 0]
    table = turns(links, [0], *pairs, *first)
    weight = rng.uniform(0.1, 1, len(table.link))
    total = np.bincount(table.approach, weights=weight, minlength=links + 1) * 1.1
    share = weight / total[table.approach]
    ended = np.ones(links + 1)
    np.subtract.at(ended, table.approach, share)
    return road, table, share, ended, rng.uniform(0, 0.3, links)
