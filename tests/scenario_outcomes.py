"""Outcomes made by hand: a road of four links into an exit, and a street with a signal.

The road is four links of 1 km at 25 m/s (40 s each). Vehicles come evenly; the exit of the last
link passes what `exit_vph` says; the queue stands as points at its end. So every curve is a
straight line or two, and results can be worked out on paper.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from twin.columns import Floats
from twin.scenario.outcome import Frame, LinkTable, Pair, SeedRun, Spells, StepTold, Trips

LENGTH_M, SPEED_MPS, LINK_S = 1000.0, 25.0, 40.0
HORIZON_S, REPORT_S = 3600.0, 60.0
CLASSES = ("car", "truck")
_EAST = -3.7


def frame() -> Frame:
    """Return four links A1 to A4 of the road A and a street S1 into the signal at node J."""
    nodes = ["n0", "n1", "n2", "n3", "n4"]
    ends = [*pairwise(nodes), ("j0", "J")]
    lines = tuple(
        ((_EAST + 0.012 * row, 40.4), (_EAST + 0.012 * (row + 1), 40.4)) for row in range(4)
    )
    return Frame(
        name="by hand",
        map_name="a road",
        map_version="0" * 32,
        links=LinkTable(
            ids=("A1", "A2", "A3", "A4", "S1"),
            names=("Road A",) * 4 + ("Street",),
            kind=("motorway",) * 4 + ("arterial",),
            road=("A",) * 4 + ("",),
            from_node=tuple(one for one, _ in ends),
            to_node=tuple(other for _, other in ends),
            lines=(*lines, ((_EAST, 40.41), (_EAST + 0.012, 40.41))),
            length_m=np.full(5, LENGTH_M),
            free_speed_mps=np.full(5, SPEED_MPS),
            top_speed_mps=np.full(5, SPEED_MPS),
            capacity_vps=np.full(5, 4000.0 / 3600.0),
            storage_veh=np.full(5, 300.0),
            lanes=np.array([2, 2, 2, 2, 1]),
            signalled=np.array([False] * 4 + [True]),
            in_base=np.ones(5, np.bool_),
            in_edited=np.ones(5, np.bool_),
        ),
        zones=("n0", "n4"),
        classes=CLASSES,
        times_s=np.arange(0.0, HORIZON_S + 1.0, REPORT_S),
        start_s=7 * 3600.0,
    )


def run(
    seed: int, demand_vph: float, exit_vph: float, *, full: Spells | None = None, trucks: int = 10
) -> SeedRun:
    """Return one run; every `trucks`-th vehicle is a truck. The street S1 stays empty."""
    there = frame()
    times = there.times_s
    counts = _counts(times, demand_vph, exit_vph)
    entered = np.zeros((len(times), 5), np.float32)
    left = np.zeros((len(times), 5), np.float32)
    present = np.zeros((len(times), 5), np.float32)
    queue = np.zeros((len(times), 5), np.float32)
    fine = np.arange(0.0, HORIZON_S + 0.5, 1.0)
    exact = _counts(fine, demand_vph, exit_vph)
    for row in range(4):
        entered[:, row], left[:, row] = counts[row], counts[row + 1]
        inside = exact[row] - exact[row + 1]
        total = np.concatenate([[0.0], np.cumsum(0.5 * (inside[1:] + inside[:-1]))])
        present[1:, row] = np.diff(np.interp(times, fine, total))
    queue[:, 3] = _free(times, demand_vph, 4) - counts[4]
    nobody = Spells(np.empty(0, np.int64), np.empty(0), np.empty(0))
    return SeedRun(
        seed=seed,
        entered=entered,
        left=left,
        vehicle_s=present,
        queue_veh=queue,
        waiting=np.zeros(len(times)),
        trips=_trips(demand_vph, exit_vph, trucks),
        full=nobody if full is None else full,
        gridlock=nobody,
        step=StepTold(5.0, np.empty(0, np.int64), np.empty(0), 0.0),
    )


def _free(times: Floats, demand_vph: float, links: int) -> Floats:
    return np.maximum(times - links * LINK_S, 0.0) * demand_vph / 3600.0


def _counts(times: Floats, demand_vph: float, exit_vph: float) -> list[Floats]:
    """Return the cumulative counts at the five nodes of the road."""
    counts = [_free(times, demand_vph, links) for links in range(5)]
    passed = np.maximum(times - 4 * LINK_S, 0.0) * exit_vph / 3600.0
    counts[4] = np.minimum(counts[4], passed)
    return counts


def _trips(demand_vph: float, exit_vph: float, trucks: int) -> Trips:
    number = np.arange(int(HORIZON_S * demand_vph / 3600.0), dtype=np.int64)
    depart = np.asarray((number + 0.5) * 3600.0 / demand_vph, np.float64)
    slow = max(demand_vph / exit_vph, 1.0)
    arrive = 4 * LINK_S + depart * slow
    done = arrive <= HORIZON_S
    until = np.where(done, arrive, HORIZON_S)
    free = np.full(len(number), 4 * LINK_S)
    return Trips(
        vehicle=number,
        vclass=(number % trucks == 0).astype(np.int64),
        origin=np.zeros(len(number), np.int64),
        destination=np.ones(len(number), np.int64),
        depart_s=depart,
        entered_s=depart,
        arrived_s=np.where(done, arrive, np.nan),
        distance_m=np.full(len(number), 4 * LENGTH_M),
        free_s=free,
        delay_s=np.maximum(until - depart - free, 0.0),
        stops=(arrive - depart > free + 1.0).astype(np.int64),
        denied=np.zeros(len(number), np.bool_),
    )


def pair(
    *, demand_vph: tuple[float, ...] = (3000.0, 3060.0, 2940.0), exit_vph: float = 2400.0
) -> Pair:
    """Return a base without a queue and an edited side whose exit passes `exit_vph`.

    One seed for each demand, so that seeds differ as days do.
    """
    seeds = tuple(range(1, len(demand_vph) + 1))
    spells = Spells(np.array([3]), np.array([1800.0]), np.array([3600.0]))
    return Pair(
        frame=frame(),
        seeds=seeds,
        base=[run(seed, vph, 4000.0) for seed, vph in zip(seeds, demand_vph, strict=True)],
        edited=[
            run(seed, vph, exit_vph, full=spells if exit_vph < 3000.0 else None)
            for seed, vph in zip(seeds, demand_vph, strict=True)
        ],
    )
