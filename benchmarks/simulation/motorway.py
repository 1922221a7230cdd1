"""One hour of a 30 km motorway: 60 pieces of 500 m, ten on-ramps, ten off-ramps.

60 detectors count every minute. Our link model and our cell model run it, and UXsim in its C++
mode: the same roads, the same trips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from twin.simulate.ctm import CellTransmission
from twin.simulate.diagrams import triangular
from twin.simulate.ltm import LinkTransmission
from twin.simulate.roads import Roads, Turns

PIECES, RAMPS, PIECE_M, RAMP_M = 60, 10, 500.0, 300.0
MAIN_VPS, RAMP_VPS, EXIT_SHARE = 1.2, 0.12, 0.08
FREE_MPS, JAM_VPM_LANE, REACTION_S = 27.8, 0.2, 1.0
HOUR_S, MINUTE_S, CELL_STEP_S, CELL_M = 3600.0, 60.0, 4.0, 125.0
STEP_S = 10.0  # the largest whole part of a minute at which no link is rounded up


def joins(ramp: int) -> int:
    """Return the node where an on-ramp joins."""
    return 5 + 6 * ramp


def leaves(ramp: int) -> int:
    """Return the node where an off-ramp leaves."""
    return 2 + 6 * ramp


def motorway() -> tuple[Roads, Turns, np.ndarray, np.ndarray]:
    """Return roads, turns, turning and exit shares."""
    starts = [*range(PIECES)] + [200 + k for k in range(RAMPS)] + [leaves(k) for k in range(RAMPS)]
    ends = [*range(1, PIECES + 1)] + [joins(k) for k in range(RAMPS)]
    ends += [300 + k for k in range(RAMPS)]
    rows = {name: row for row, name in enumerate(dict.fromkeys(starts + ends))}
    lanes = np.array([3.0] * PIECES + [1.0] * (2 * RAMPS))
    wave_mps = 1.0 / (REACTION_S * JAM_VPM_LANE)
    jam = JAM_VPM_LANE * lanes
    roads = Roads(
        from_node=np.array([rows[name] for name in starts]),
        to_node=np.array([rows[name] for name in ends]),
        length_m=np.array([PIECE_M] * PIECES + [RAMP_M] * (2 * RAMPS)),
        free_speed_mps=np.full(len(lanes), FREE_MPS),
        capacity_vps=jam * FREE_MPS * wave_mps / (FREE_MPS + wave_mps),
        jam_vpm=jam,
        nodes=len(rows),
    )
    origins = [0] + [200 + k for k in range(RAMPS)]
    approach, onward, share = [], [], []
    leaving: dict[int, list[int]] = {}
    for link, start in enumerate(starts):
        leaving.setdefault(start, []).append(link)
    for row, end in enumerate(ends + origins):
        after = leaving.get(end, [])
        for link in after:
            approach.append(row)
            onward.append(link)
            part = EXIT_SHARE if link >= PIECES + RAMPS else 1.0 - EXIT_SHARE
            share.append(part if len(after) > 1 else 1.0)
    counts = np.bincount(approach, minlength=len(ends) + len(origins))
    size = len(approach)
    turns = Turns(
        start=np.concatenate([[0], np.cumsum(counts)]),
        approach=np.array(approach),
        link=np.array(onward),
        seconds=np.zeros(size),
        share=np.full(size, np.nan),
        movement=np.full(size, -1),
        origin_node=np.array([rows[name] for name in origins]),
    )
    shares = np.array(share)
    return roads, turns, shares, 1.0 - np.bincount(turns.approach, shares, minlength=len(counts))


def trips() -> Iterator[tuple[int, int, float]]:
    """Yield (on-ramp or -1 for the start, off-ramp or -1 for the end, veh/s) of the same flows."""
    for ramp in range(-1, RAMPS):
        here = 0 if ramp < 0 else joins(ramp)
        left = MAIN_VPS if ramp < 0 else RAMP_VPS
        for out in range(RAMPS):
            if leaves(out) > here:
                yield ramp, out, left * EXIT_SHARE
                left -= left * EXIT_SHARE
        yield ramp, -1, left


def run_links() -> float:
    """Run the link model with counts every minute, set-up included; return who arrived."""
    roads, turns, shares, exits = motorway()
    run = LinkTransmission(roads, turns, step_s=STEP_S).share_turns(shares, exits)
    run.demand(np.array([MAIN_VPS] + [RAMP_VPS] * RAMPS))
    _, left = run.counts(HOUR_S, every_s=MINUTE_S, links=np.arange(PIECES))
    return float(left[-1, -1] + run.left[-RAMPS:].sum())


def start_cells(members: int) -> CellTransmission:
    """Return the cell model with members of other capacities."""
    roads, turns, shares, exits = motorway()
    spread = np.random.default_rng(1).uniform(0.9, 1.1, (len(roads), members))
    diagrams = triangular(roads, capacity_vps=roads.capacity_vps[:, None] * spread)
    run = CellTransmission(roads, turns, step_s=CELL_STEP_S, cell_m=CELL_M, diagrams=diagrams)
    return run.share_turns(shares, exits).demand(np.array([MAIN_VPS] + [RAMP_VPS] * RAMPS))


def run_cells(members: int) -> float:
    """Run the cell model, counts every minute, set-up included; return who arrived in member 0."""
    run = start_cells(members)
    counts = [run.run(MINUTE_S).left[:PIECES] for _ in range(round(HOUR_S / MINUTE_S))]
    return float(np.array(counts)[-1, -1, 0] + run.left[-RAMPS:, 0].sum())


def uxsim_run() -> Callable[[], float] | None:
    """Return one run of the peer, its set-up included; None where it is not installed."""
    try:
        from uxsim import World
    except ImportError:
        return None

    def run() -> float:
        world = World(deltan=5, tmax=HOUR_S, print_mode=0, save_mode=0, show_mode=0,
                      random_seed=1, reaction_time=REACTION_S, cpp=True)  # fmt: skip
        for name in range(PIECES + 1):
            world.addNode(str(name), name, 0)
        for name in range(PIECES):
            world.addLink(f"m{name}", str(name), str(name + 1), PIECE_M, FREE_MPS, JAM_VPM_LANE, 3)
        for k in range(RAMPS):
            into, out = str(joins(k)), str(leaves(k))
            world.addNode(f"on{k}", joins(k), 1)
            world.addNode(f"off{k}", leaves(k), -1)
            world.addLink(f"a{k}", f"on{k}", into, RAMP_M, FREE_MPS, JAM_VPM_LANE, 1)
            world.addLink(f"b{k}", out, f"off{k}", RAMP_M, FREE_MPS, JAM_VPM_LANE, 1)
        for ramp, out_ramp, vps in trips():
            start = "0" if ramp < 0 else f"on{ramp}"
            end = str(PIECES) if out_ramp < 0 else f"off{out_ramp}"
            world.adddemand(start, end, 0, HOUR_S, vps)
        world.exec_simulation()
        return float(world.analyzer.trip_completed) if hasattr(world, "analyzer") else 0.0

    return run
