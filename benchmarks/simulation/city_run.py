"""One hour of a city of so many links, in a process of its own: `python city_run.py LINKS [STEPS]`.

Prints a JSON object: CPU seconds of the run and of its set-up, memory, how much of the city was
queued, how many bytes a step has to move and how many a plain loop moves in that time.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np
from cities import STEP_S, City, grid_city

from twin.simulate.kernels.arrays import SINGLE
from twin.simulate.ltm import LinkTransmission

LOOKS = 6  # how often in an hour the queues are looked at
MIB = 2**20


def peak_mb() -> float:
    """Return the most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


def bytes_a_step(run: LinkTransmission) -> int:
    """Return what a step has to read and write: every column once, the rings three places."""
    links, approaches = len(run.roads), len(run.turns.start) - 1
    turns, nodes = len(run.turns.link), len(run.kinds)
    by_link = 8 * (2 + 1 + 1)  # lags, storage, entry capacity
    by_link += 4 * (4 + 1)  # where its rings stand; its row after the node
    by_link += 8 * 2 * (4 + 1)  # entered, vehicle steps, receiving, weight; left's rows below
    by_link += 8 * 3 * 2  # of each ring: now written, two counts of the past read
    by_approach = 8 * (2 * 3 + 3) + 4 * 2  # left, sending, ended; moved, exit share and capacity
    return links * by_link + approaches * by_approach + turns * (4 + 4 + 8) + nodes * 4 * 4


def queued(city: City, run: LinkTransmission) -> dict[str, float]:
    """Return shares: of links with more vehicles than at capacity, full ones, held approaches."""
    roads = city.roads
    critical = roads.capacity_vps / roads.free_speed_mps * roads.length_m
    return {
        "queued": float((run.vehicles > 1.01 * critical).mean()),
        "full": float((run.vehicles > 0.95 * run.storage).mean()),
        "held": float(run.held.mean()),
    }


def measure(links: int, steps: int) -> dict[str, Any]:
    """Run a city and return all that is said of it."""
    village = grid_city(100)
    village.advance(village.start(), 1)  # compiles, or reads what was compiled
    start = time.process_time()
    city = grid_city(links)
    made = time.process_time()
    run = city.start()
    ready = time.process_time()
    spent, looks = 0.0, []
    for _ in range(LOOKS):
        before = time.process_time()
        city.advance(run, steps // LOOKS)
        spent += time.process_time() - before
        looks.append(queued(city, run))
    totals = run.totals()
    return {
        "links": len(city.roads),
        "turns": len(city.turns.link),
        "joints": len(run.kinds),
        "single": float((run.kinds == SINGLE).mean()),
        "signals": float(city.red.any(axis=0).mean()),
        "made_s": made - start,
        "set_up_s": ready - made,
        "run_s": spent,
        "simulated_s": steps // LOOKS * LOOKS * STEP_S,
        "peak_mb": peak_mb(),
        "bytes_a_step": bytes_a_step(run),
        "mean": {name: float(np.mean([look[name] for look in looks])) for name in looks[0]},
        "end": looks[-1],
        "appeared": totals.appeared,
        "waiting": totals.waiting,
        "arrived": totals.arrived,
        "inside": totals.inside,
    }


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    base_mb = peak_mb()
    found = measure(wanted, int(sys.argv[2]) if len(sys.argv) > 2 else 360)
    print(json.dumps({"base_mb": base_mb, **found}))
