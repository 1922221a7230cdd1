"""One hour of a 30 km motorway: the link and cell models against UXsim's C++ mode, one core.

60 pieces of 500 m, ten on-ramps, ten off-ramps, 60 detectors that report every minute. UXsim is
not a dependency: without it (pip install uxsim) only our own times are printed. It moves
platoons of five vehicles and keeps their paths, which our two models do not; ours give what 60
detectors count. Ratios are the finding; seconds depend on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from twin.simulate.ctm import CellTransmission
from twin.simulate.diagrams import triangular
from twin.simulate.ltm import LinkTransmission
from twin.simulate.roads import Roads, Turns

PIECES, RAMPS, PIECE_M, RAMP_M = 60, 10, 500.0, 300.0
MAIN_VPS, RAMP_VPS, EXIT_SHARE = 1.2, 0.12, 0.08
FREE_MPS, JAM_VPM_LANE, REACTION_S = 27.8, 0.2, 1.0
HOUR_S, MINUTE_S, STEP_S = 3600.0, 60.0, 5.0


def motorway() -> tuple[Roads, Turns, np.ndarray, np.ndarray]:
    """Return roads, turns, turning and exit shares; ramps join and leave at every sixth node."""
    starts = [*range(PIECES)] + [200 + k for k in range(RAMPS)] + [2 + 6 * k for k in range(RAMPS)]
    ends = (
        [*range(1, PIECES + 1)]
        + [5 + 6 * k for k in range(RAMPS)]
        + [300 + k for k in range(RAMPS)]
    )
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
    for row, end in enumerate(ends + origins):
        after = [link for link, start in enumerate(starts) if start == end]
        for link in sorted(after):
            approach.append(row)
            onward.append(link)
            leaves = EXIT_SHARE if link >= PIECES + RAMPS else 1.0 - EXIT_SHARE
            share.append(leaves if len(after) > 1 else 1.0)
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
    exits = 1.0 - np.bincount(turns.approach, shares, minlength=len(counts))
    return roads, turns, shares, exits


def run_links() -> float:
    """Run the link model with counts every minute; return vehicles that left."""
    roads, turns, shares, exits = motorway()
    run = LinkTransmission(roads, turns, step_s=STEP_S).share_turns(shares, exits)
    run.demand(np.array([MAIN_VPS] + [RAMP_VPS] * RAMPS))
    counts = [run.run(MINUTE_S).left[:PIECES] for _ in range(round(HOUR_S / MINUTE_S))]
    return float(np.array(counts)[-1, -1] + run.left[-RAMPS:].sum())


def run_cells(members: int) -> float:
    """Run the cell model with 125 m cells, counts every minute; return vehicles that left."""
    roads, turns, shares, exits = motorway()
    spread = np.random.default_rng(1).uniform(0.9, 1.1, (len(roads), members))
    diagrams = triangular(roads, capacity_vps=roads.capacity_vps[:, None] * spread)
    run = CellTransmission(roads, turns, step_s=4.0, cell_m=125.0, diagrams=diagrams)
    run.share_turns(shares, exits).demand(np.array([MAIN_VPS] + [RAMP_VPS] * RAMPS))
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
        sources, sinks = ["0"], {str(PIECES): PIECES}
        for name in range(PIECES):
            world.addLink(f"m{name}", str(name), str(name + 1), PIECE_M, FREE_MPS, JAM_VPM_LANE, 3)
        for k in range(RAMPS):
            world.addNode(f"on{k}", 5 + 6 * k, 1)
            world.addNode(f"off{k}", 2 + 6 * k, -1)
            world.addLink(f"a{k}", f"on{k}", str(5 + 6 * k), RAMP_M, FREE_MPS, JAM_VPM_LANE, 1)
            world.addLink(f"b{k}", str(2 + 6 * k), f"off{k}", RAMP_M, FREE_MPS, JAM_VPM_LANE, 1)
            sources.append(f"on{k}")
            sinks[f"off{k}"] = 2 + 6 * k
        for row, source in enumerate(sources):
            here = 0 if row == 0 else 5 + 6 * (row - 1)
            left = MAIN_VPS if row == 0 else RAMP_VPS
            for sink, place in sorted(sinks.items(), key=lambda item: item[1]):
                if place <= here:
                    continue
                flow = left if place == PIECES else left * EXIT_SHARE
                left -= flow
                world.adddemand(source, sink, 0, HOUR_S, flow)
        world.exec_simulation()
        return float(world.analyzer.trip_completed) if hasattr(world, "analyzer") else 0.0

    return run


def best_s(run: Callable[[], float], *, rounds: int) -> float:
    """Return the least time of some runs after a first one that compiles, s."""
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print times and ratios."""
    ours = best_s(run_links, rounds=5)
    one, hundred = best_s(lambda: run_cells(1), rounds=3), best_s(lambda: run_cells(100), rounds=2)
    print(f"vehicles through: links {run_links():.0f}, cells {run_cells(1):.0f}")
    print(f"link model          {ours * 1e3:9.2f} ms")
    print(f"cell model, 1       {one * 1e3:9.2f} ms")
    print(f"cell model, 100     {hundred * 1e3:9.2f} ms   {hundred / one:6.1f} x one member")
    peer = uxsim_run()
    if peer is None:
        print("UXsim is not installed: no ratio")
        return
    theirs = best_s(peer, rounds=2)
    print(f"UXsim, C++ mode     {theirs * 1e3:9.2f} ms   {theirs / ours:6.1f} x the link model")


if __name__ == "__main__":
    main()
