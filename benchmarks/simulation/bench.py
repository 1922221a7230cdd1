"""The simulation against its peers and its targets, on one core: `python bench.py [--small]`.

Peers run in the same process or beside it, in turns; the ratios are the finding. All times are CPU
seconds, so that other work on the machine is not counted. `--small` only shows that all runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from motorway import CELL_M, CELL_STEP_S, HOUR_S, run_cells, run_links, start_cells, uxsim_run
from sumo_meso import sumo_run
from timing import Beside, beside, best_s, roof_bytes_s

HERE = Path(__file__).resolve().parent
MEMBERS = 100
OTHERS = ("grid.py", "whatif.py")  # rows with programs of their own
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 200_000)
CITY, METROPOLIS = 10_000, 200_000


class Row(NamedTuple):
    """One line of the table: what was measured, and whether it is what must be."""

    work: str
    ours: str
    against: str
    must: str
    aim: str
    met: bool

    def cells(self) -> tuple[str, ...]:
        """Return the cells of a table."""
        return (*self[:5], "yes" if self.met else "NO")


class Found(NamedTuple):
    """All that was measured.

    cities   what `city_run` says of each size; kernels: lines on bytes, updates and roofs
    others   (program, what it printed)
    """

    rows: list[Row]
    cities: list[dict[str, Any]]
    kernels: list[tuple[str, ...]]
    others: list[tuple[str, str]]


def measure(*, small: bool = False, data: str = "") -> Found:
    """Measure everything; `data` is the folder of the shared data, for the rows that need it."""
    cities = [city(SIZES[0], 36)] if small else [quickest(size) for size in SIZES]
    rows = [*motorway_rows(small=small), members_row(small=small), *city_rows(cities)]
    kernels = [link_kernel(found) for found in cities] + [cell_kernel(1), cell_kernel(MEMBERS)]
    others = []
    for name in () if small else OTHERS:
        more, words = rows_in(_printed(HERE / name, data))
        rows += more
        others.append((name, words))
    return Found(rows, cities, kernels, [other for other in others if other[1]])


def motorway_rows(*, small: bool) -> list[Row]:
    """Measure the link model on the motorway beside each peer that is installed."""
    turns, repeats = (1, 1) if small else (7, 10)
    work = "30 km motorway, 80 links, 1 h, node model, counts every minute"
    rows = []
    uxsim = uxsim_run()
    if uxsim is not None:
        found = beside(run_links, uxsim, turns=turns, repeats=repeats)
        rows.append(_motorway_row(work, "UXsim in C++", found, 50, 100))
    with tempfile.TemporaryDirectory(prefix="twin-bench-") as folder:
        sumo = sumo_run(Path(folder), until_s=HOUR_S / 12 if small else HOUR_S)
        if sumo is not None:
            found = beside(run_links, sumo, turns=min(turns, 3), repeats=repeats)
            rows.append(_motorway_row(work, "SUMO meso", found, 0, 0))
    return rows


def _motorway_row(work: str, peer: str, found: Beside, must: int, aim: int) -> Row:
    ours = f"{found.ours_s * 1e3:.2f} ms"
    against = f"{peer} {found.theirs_s * 1e3:.0f} ms: {found.ratio:.0f} x"
    must_say, aim_say = (f">= {must} x", f">= {aim} x") if must else ("", "")
    return Row(work, ours, against, must_say, aim_say, found.ratio >= must)


def members_row(*, small: bool) -> Row:
    """Measure the cell model with many members against one."""
    rounds = 1 if small else 5
    one = best_s(lambda: run_cells(1), rounds)
    many = best_s(lambda: run_cells(MEMBERS), rounds)
    return Row(
        f"the same, {MEMBERS} members of the cell model",
        f"{many * 1e3:.1f} ms",
        f"one member {one * 1e3:.1f} ms: {many / one:.1f} x",
        "<= 60 x",
        "<= 40 x",
        many / one <= 60,
    )


def city(links: int, steps: int) -> dict[str, Any]:
    """Run a city in a process of its own: its memory is its own, too."""
    command = [sys.executable, str(HERE / "city_run.py"), str(links), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def quickest(links: int) -> dict[str, Any]:
    """Return the quicker of two hours of a city: the other one was disturbed more."""
    return min((city(links, 360) for _ in range(2)), key=lambda found: float(found["run_s"]))


def city_rows(cities: list[dict[str, Any]]) -> list[Row]:
    """Return the rows of the city and of the metropolis, where they were run."""
    rows = []
    for size, name, must, aim, memory in (
        (CITY, "city", 10_000, 18_000, None),
        (METROPOLIS, "metropolis", 400, 1_000, (400, 250)),
    ):
        found = next((one for one in cities if abs(one["links"] / size - 1) < 0.08), None)
        if found is None:
            continue
        speed = found["simulated_s"] / found["run_s"]
        met = speed >= must and (memory is None or found["peak_mb"] <= memory[0])
        rows.append(
            Row(
                f"{name} of {found['links']:,} links, 1 h, steps of 10 s",
                f"{speed:,.0f} simulated s per s, {found['peak_mb']:.0f} MB",
                "",
                f">= {must:,}" + (f", <= {memory[0]} MB" if memory else ""),
                f">= {aim:,}" + (f", <= {memory[1]} MB" if memory else ""),
                met,
            )
        )
    return rows


def link_kernel(found: dict[str, Any]) -> tuple[str, ...]:
    """Return bytes and updates a second of the link model on a city, against the roof."""
    steps = found["simulated_s"] / 10.0
    rate = found["bytes_a_step"] * steps / found["run_s"]
    roof = roof_bytes_s(found["bytes_a_step"])
    return (
        f"link model, {found['links']:,} links",
        f"{found['links'] * steps / found['run_s'] / 1e6:.1f} M links",
        f"{found['bytes_a_step'] / found['links']:.0f} B",
        f"{rate / 1e9:.1f} GB/s",
        f"{roof / 1e9:.0f} GB/s",
        f"{rate / roof:.0%}",
    )


def cell_kernel(members: int) -> tuple[str, ...]:
    """Return bytes and updates a second of the cell model on the motorway, against the roof."""
    run = start_cells(members)
    cells = len(run.link_of_cell) * members
    steps = round(HOUR_S / CELL_STEP_S)
    spent = best_s(lambda: run.run(HOUR_S), 3)
    each = 8 * (1 + 1 + 1 + 2)  # read, flow onward written, read again, vehicles both ways
    rate, roof = cells * each * steps / spent, roof_bytes_s(cells * 16)
    return (
        f"cell model, {cells:,} cells of {CELL_M:.0f} m x members",
        f"{cells * steps / spent / 1e6:.0f} M cells",
        f"{each} B",
        f"{rate / 1e9:.1f} GB/s",
        f"{roof / 1e9:.0f} GB/s",
        f"{rate / roof:.0%}",
    )


def _printed(program: Path, data: str) -> str:
    """Return what another program of the table prints; nothing where there is none."""
    if not program.exists():
        return ""
    known = {**os.environ, "TWIN_SHARED_DATA": data}
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, env=known)
    said = done.stdout.rstrip()
    return said if done.returncode == 0 else f"{said}\nfailed: {done.stderr.strip()[-500:]}"


def rows_in(said: str) -> tuple[list[Row], str]:
    """Tell the rows of a program's words, six cells with bars between, from the other words."""
    lines = said.splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines]
    rows = [Row(*row[:5], met=row[5] == "yes") for row in cells if len(row) == len(ROW_HEAD)]
    rest = [line for line, row in zip(lines, cells, strict=True) if len(row) != len(ROW_HEAD)]
    return rows, "\n".join(rest)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


ROW_HEAD = ("work", "ours", "beside it, same run", "must", "aim", "met")
KERNEL_HEAD = ("kernel", "updates a second", "moved each", "moved", "roof", "of the roof")


def main() -> None:
    """Print the table."""
    small = "--small" in sys.argv[1:]
    found = measure(small=small, data=os.environ.get("TWIN_SHARED_DATA", ""))
    print(table(ROW_HEAD, [row.cells() for row in found.rows]))
    print()
    print(table(KERNEL_HEAD, found.kernels))
    for name, said in found.others:
        print(f"\n{name}\n{said}")
    if not small and not all(row.met for row in found.rows):
        raise SystemExit("a row is below what it must be")


if __name__ == "__main__":
    main()
