"""The speed of the simulation: its benchmarks, their roofs, and cost against size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
PLOT = "simulation-cost.svg"
TARGETS_NS = ((10_000, 10_000, "city: must"), (200_000, 400, "metropolis: must"))
LACKS = """\
Ratios are worth what the peers' outputs are worth. What they have and ours lacks in these rows:

- **UXsim** (C++ mode, platoons of five): the path and travel time of every platoon, route choice by
  a path search every ten minutes, pictures of vehicles in time and space. Ours moves flows by
  turning shares: it knows counts, densities and speeds of every link, not who is who. On the grid
  ours has whole vehicles too, with a trip each and counts every five minutes; UXsim also keeps the
  way of each packet, and where it is at every step.
- **SUMO meso**: every vehicle with its departure, class, route and trip record, queues by lane,
  signals and right of way at junctions. Its time includes its start and the reading of a network
  that was built before; ours includes the building.

What ours has and they lack: waves that are exact for the diagram, counts that need no seed, a state
that goes on to the bit.
"""
CITIES = """\
A city is a grid with arterials every fifth street, gaps, one-way streets, joints in long blocks and
signals of two stages. Of the largest, {single:.0%} of the joints have one approach and
{signals:.0%} of the links end at a signal. *Queued* links hold more than at capacity, *full* ones
95 % of their storage, *held* approaches did not move all that they would in the step: the mean of
six looks in the hour, and the last."""
ROOF = """\
The roof is a triad a[i] = b[i] + s c[i] over arrays as large as what a step moves, on the same core
in the same run: small cities live in the cache, the metropolis in memory. *Moved each* counts every
column once a step and three places of both rings."""


def prove(data: Path) -> str:
    """Run the benchmarks and return the report; the what-if of Lima reads its network in `data`."""
    sys.path.insert(0, str(ROOT / "benchmarks" / "simulation"))
    import bench

    found = bench.measure(data=str(data))
    draw(found.cities, ROOT / "docs" / "reports" / PLOT)
    largest = found.cities[-1]
    others = [f"### {name}\n\n```text\n{said}\n```\n" for name, said in found.others]
    return "\n".join(
        [
            "`make bench` prints the tables. Times are CPU seconds of one core, set-up included on "
            "the motorway; peers take turns with ours, and ratios are medians over the turns.",
            "",
            "## Table",
            "",
            bench.table(bench.ROW_HEAD, [row.cells() for row in found.rows]),
            "",
            *others,
            LACKS,
            "## What moves, and the roof",
            "",
            bench.table(bench.KERNEL_HEAD, found.kernels),
            "",
            ROOF,
            "",
            "## Cost against size",
            "",
            f"![CPU time a link and step, from 1,000 to 200,000 links]({PLOT})",
            "",
            city_table(bench, found.cities),
            "",
            CITIES.format(**largest),
        ]
    )


def city_table(bench: Any, cities: list[dict[str, Any]]) -> str:
    """Return speed, memory and congestion by size."""
    head = (
        "links", "turns", "simulated s per s", "ns a link and step", "set-up s", "peak MB",
        "of it before", "queued (end)", "full (end)", "held (end)", "arrived of appeared",
    )  # fmt: skip
    rows = []
    for one in cities:
        shares = [
            f"{one['mean'][name]:.0%} ({one['end'][name]:.0%})"
            for name in ("queued", "full", "held")
        ]
        rows.append(
            (
                f"{one['links']:,}",
                f"{one['turns']:,}",
                f"{one['simulated_s'] / one['run_s']:,.0f}",
                f"{cost_ns(one):.0f}",
                f"{one['set_up_s']:.2f}",
                f"{one['peak_mb']:.0f}",
                f"{one['base_mb']:.0f}",
                *shares,
                f"{one['arrived']:,.0f} of {one['appeared']:,.0f}",
            )
        )
    text: str = bench.table(head, rows)
    return text


def cost_ns(one: dict[str, Any]) -> float:
    """Return CPU nanoseconds a link and step."""
    steps = float(one["simulated_s"]) / 10.0
    return float(one["run_s"]) / steps / float(one["links"]) * 1e9


def draw(cities: list[dict[str, Any]], path: Path) -> None:
    """Draw the cost a link and step against the number of links."""
    mpl.rcParams["svg.hashsalt"] = "twin"
    mpl.rcParams["svg.fonttype"] = "none"
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    links = [one["links"] for one in cities]
    axes.plot(links, [cost_ns(one) for one in cities], "o-", color="#1f5fa8", label="measured")
    for size, speed, name in TARGETS_NS:
        limit = 1e9 * 10.0 / speed / size
        axes.plot([size], [limit], "v", color="#b3261e")
        axes.annotate(name, (size, limit), textcoords="offset points", xytext=(-6, 6), ha="right")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("links")
    axes.set_ylabel("CPU time, ns a link and step")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
