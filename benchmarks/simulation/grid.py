"""UXsim's own grid benchmark: 60,500 vehicles one by one against its C++ mode at packets of five.

11 x 11 nodes a kilometre apart, one-lane links of 20 m/s and 0.2 veh/m, an hour of 0.035 veh/s from
every node of a side to every node of the opposite one, two hours run. Our vehicles move alone and
half of them look for another way every ten minutes, as half of UXsim's preference does.

`python grid.py` prints the row; `python grid.py ours|uxsim` one run and its memory.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from timing import beside

from twin.simulate.choice import RouteChoice
from twin.simulate.fleet import Fleet, fleet
from twin.simulate.roads import Roads, Turns
from twin.simulate.trip_table import Trips
from twin.simulate.vehicles import VehicleRun

SIDE, LENGTH_M, FREE_MPS, JAM_VPM, WAVE_MPS = 11, 1000.0, 20.0, 0.2, 5.0
PAIR_VEHICLES, LOADING_S, UNTIL_S, LOOK_S = 125, 3600.0, 7200.0, 600.0
UXSIM_FLOW_VPS, UXSIM_PACKET = 0.035, 5
MUST, AIM, MEMORY_MUST = 2.0, 5.0, 0.25


class GridRow(NamedTuple):
    """The row: CPU seconds and megabytes of both, ratios, and who arrived."""

    ours_s: float
    uxsim_s: float
    ratio: float
    ours_mb: float
    uxsim_mb: float
    ours_arrived: int
    uxsim_arrived: int

    @property
    def memory_share(self) -> float:
        """Return our memory as a share of the peer's."""
        return self.ours_mb / self.uxsim_mb

    @property
    def met(self) -> bool:
        """Say whether the row keeps what it must."""
        return self.ratio >= MUST and self.memory_share <= MEMORY_MUST


def streets() -> tuple[Roads, Turns]:
    """Return the grid; trips start at its borders, nobody turns back."""
    cells = [(i, j) for i in range(SIDE) for j in range(SIDE)]
    row = {cell: k for k, cell in enumerate(cells)}
    ends = [
        (row[i, j], row[near])
        for i, j in cells
        for near in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1))
        if near in row
    ]
    first, last = np.array(ends).T
    size = len(ends)
    leaving = [np.flatnonzero(first == node) for node in range(len(cells))]
    origins = [k for k, (i, j) in enumerate(cells) if {i, j} & {0, SIDE - 1}]
    after = [[b for b in leaving[last[a]] if last[b] != first[a]] for a in range(size)]
    after += [list(leaving[node]) for node in origins]
    counts = np.array([len(links) for links in after])
    turns = Turns(
        start=np.concatenate([[0], np.cumsum(counts)]),
        approach=np.repeat(np.arange(len(after)), counts),
        link=np.concatenate(after).astype(np.int64),
        seconds=np.zeros(counts.sum()),
        share=np.full(counts.sum(), np.nan),
        movement=np.full(counts.sum(), -1),
        origin_node=np.array(origins),
    )
    capacity = FREE_MPS * WAVE_MPS * JAM_VPM / (FREE_MPS + WAVE_MPS)
    ones = np.ones(size)
    roads = Roads(
        first, last, LENGTH_M * ones, FREE_MPS * ones, capacity * ones, JAM_VPM * ones, len(cells)
    )
    return roads, turns


def cars(each: int = PAIR_VEHICLES) -> Fleet:
    """Return the vehicles of every pair, evenly over the hour."""
    pairs = []
    for a in range(SIDE):
        for b in range(SIDE):
            across = (a, (SIDE - 1) * SIDE + b), (a * SIDE, b * SIDE + SIDE - 1)
            pairs += [pair[::way] for pair in across for way in (1, -1)]
    origin, to = np.repeat(np.array(pairs), each, axis=0).T
    start_s = np.tile((np.arange(each) + 0.5) / each * LOADING_S, len(pairs))
    return fleet(origin, to, start_s)


def run_ours(each: int = PAIR_VEHICLES) -> Trips:
    """Build and run our side; return its trips."""
    roads, turns = streets()
    choice = RouteChoice(compliant_share=0.5, update_s=LOOK_S, spread_s=60.0)
    run = VehicleRun(roads, turns, cars(each), choice=choice, step_s=10.0, report_s=300.0)
    return run.run(UNTIL_S).trips()


def run_uxsim(flow_vps: float = UXSIM_FLOW_VPS) -> int:
    """Build and run the peer; return how many of its vehicles arrived."""
    from uxsim import World

    world = World(name="", deltan=UXSIM_PACKET, tmax=UNTIL_S, print_mode=0, save_mode=0,
                  show_mode=0, random_seed=0, cpp=True)  # fmt: skip
    cells = [(i, j) for i in range(SIDE) for j in range(SIDE)]
    nodes = {cell: world.addNode(f"n{cell}", *cell) for cell in cells}
    for i, j in cells:
        for near in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
            if near in nodes:
                world.addLink(f"l{i, j, near}", nodes[i, j], nodes[near], length=LENGTH_M,
                              free_flow_speed=FREE_MPS, jam_density=JAM_VPM)  # fmt: skip
    for a in range(SIDE):
        for b in range(SIDE):
            for one, two in (((0, a), (SIDE - 1, b)), ((a, 0), (b, SIDE - 1))):
                world.adddemand(nodes[two], nodes[one], 0, LOADING_S, flow_vps)
                world.adddemand(nodes[one], nodes[two], 0, LOADING_S, flow_vps)
    world.exec_simulation()
    return int(world.analyzer.trip_completed)


def peak_mb(side: str) -> float:
    """Return how far one run raises the memory of a fresh process, MB (Linux)."""
    command = [sys.executable, __file__, side]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(told.split()[-1])


def _memory_kb(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found.group(1)) if found else 0


def tell_memory(side: str) -> None:
    """Warm a side up with few vehicles, run it whole, and print what the whole run added, MB."""
    small, whole = {
        "ours": (lambda: run_ours(1), run_ours),
        "uxsim": (lambda: run_uxsim(0.0014), run_uxsim),
    }[side]
    small()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = _memory_kb("VmRSS")
    whole()
    print((_memory_kb("VmHWM") - before) / 1024)


def grid_row(turns: int = 3) -> GridRow:
    """Measure both sides in turns, from building the network to the trips, and their memory."""
    both = beside(run_ours, run_uxsim, turns=turns, repeats=3)
    return GridRow(
        both.ours_s,
        both.theirs_s,
        both.ratio,
        peak_mb("ours"),
        peak_mb("uxsim"),
        int(run_ours().arrived.sum()),
        run_uxsim(),
    )


def main() -> None:
    """Print the row."""
    row = grid_row()
    vehicles = len(cars())
    print(f"vehicles one by one, UXsim's grid of {SIDE} x {SIDE}: {vehicles} vehicles, 2 h")
    for name, seconds, memory, arrived in (
        ("ours, one by one", row.ours_s, row.ours_mb, row.ours_arrived),
        ("UXsim C++, by 5", row.uxsim_s, row.uxsim_mb, row.uxsim_arrived),
    ):
        print(f"{name:17}{seconds:7.3f} s {memory:8.1f} MB {arrived:7d} arrived")
    print(f"ratio {row.ratio:.1f} (must {MUST:g}, aim {AIM:g})")
    print(f"memory {row.memory_share:.2f} of the peer's (must {MEMORY_MUST:g})")


if __name__ == "__main__":
    tell_memory(sys.argv[1]) if len(sys.argv) > 1 else main()
