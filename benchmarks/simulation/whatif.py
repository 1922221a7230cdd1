"""A what-if of the Lima network with rerouting: base and a closed link, five seeds, two cores.

`python whatif.py [FOLDER]`: a GMNS folder with demand.csv; TWIN_SHARED_DATA/gmns/lima otherwise.
Counted is all from reading the map to the last run kept in its folder. Like everywhere here the CPU
seconds of all processes decide, halved for the two cores; the clock on the wall stands beside them.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twin.network.gmns import read_demand, read_gmns
from twin.scenario.project import opened
from twin.scenario.results.intervals import intervals_of
from twin.scenario.results.measures import run_values
from twin.scenario.run import plan_of, run_plan
from twin.simulate.trips import plan_trips

SEEDS, CORES, MUST_S, AIM_S = 5, 2, 60.0, 30.0
_SCENARIO = """
format: 1
name: Lima, its busiest link closed
map: {{folder: "{folder}"}}
starts: "07:00"
ends: "{ends}"
seeds: [{seeds}]
demand: {{tables: [{{file: "{folder}/demand.csv", from: "07:00", until: "08:00"}}]}}
routes: {{kind: instantaneous, compliant_share: 0.3, interval_s: 300}}
edits: [{{edit: close_link, links: ["{link}"]}}]
"""


class Found(NamedTuple):
    """What was measured: seconds on the wall and of CPU; trips of a seed, and who goes how far."""

    wall_s: float
    cpu_s: float
    links: int
    trips: int
    link: str
    further_km: float

    @property
    def two_cores_s(self) -> float:
        """Return the CPU seconds that each of two cores works."""
        return self.cpu_s / CORES


def busiest_link(folder: Path) -> str:
    """Return the link that most trips want at free speed."""
    network, _ = read_gmns(folder)
    plan = plan_trips(network, read_demand(folder / "demand.csv"))
    return str(network.links[int(np.argmax(plan.link_trips))].id)


def measure(folder: Path) -> Found:
    """Run the what-if twice: a minute of it to compile, then all."""
    link = busiest_link(folder)
    _run(folder, link, ends="07:01", seeds=1)
    before_cpu, before = _cpu_s(), time.perf_counter()
    links, trips, further_km = _run(folder, link, ends="08:00", seeds=SEEDS)
    return Found(
        time.perf_counter() - before, _cpu_s() - before_cpu, links, trips, link, further_km
    )


def _run(folder: Path, link: str, *, ends: str, seeds: int) -> tuple[int, int, float]:
    """Run one scenario; return links, trips of the first seed, and the mean change of distance."""
    numbers = ", ".join(map(str, range(1, seeds + 1)))
    text = _SCENARIO.format(folder=folder.resolve(), ends=ends, seeds=numbers, link=link)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="twin-bench-") as out:
        plan = plan_of(opened(text.encode(), Path("/")))
        with ProcessPoolExecutor(CORES, mp_context=context) as executor:
            pair = run_plan(plan, Path(out), executor=executor, jobs=CORES)
        runs = next(pair.each())
        driven = [
            run_values(pair.frame, run, intervals_of(pair.frame, run, 60.0))["distance"]
            for run in runs
        ]
        return len(pair.frame.links), len(runs[0].trips), driven[1] - driven[0]


def _cpu_s() -> float:
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def row(found: Found) -> tuple[str, str, str, str, str, bool]:
    """Return the line of the table: work, ours, beside it, must, aim, met."""
    return (
        f"what-if of Lima ({found.links:,} links, {found.trips:,} trips) with rerouting, base and "
        f"edit, {SEEDS} seeds, {CORES} cores",
        f"{found.two_cores_s:.0f} s ({found.wall_s:.0f} s on the wall)",
        "",
        f"<= {MUST_S:.0f} s",
        f"<= {AIM_S:.0f} s",
        found.two_cores_s <= MUST_S,
    )


def main() -> None:
    """Print the row."""
    shared = os.environ.get("TWIN_SHARED_DATA", "")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(shared) / "gmns" / "lima"
    if not (folder / "demand.csv").exists():
        raise SystemExit(
            f"no GMNS folder with demand.csv at {folder}: name it, or TWIN_SHARED_DATA"
        )
    found = measure(folder)
    cells = row(found)
    print(" | ".join([*cells[:5], "yes" if cells[5] else "NO"]))
    print(f"closed: link {found.link}; {found.further_km:+.0f} vehicle-km in the first seed")


if __name__ == "__main__":
    main()
