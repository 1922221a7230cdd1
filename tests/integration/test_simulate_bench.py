"""The benchmark programs of the simulation run at small size; their figures are not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "benchmarks/simulation/bench.py"


def test_the_benchmarks_run_at_small_size() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH), "--small"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    works = [cells[0].removeprefix("| ") for cells in lines]
    assert any(work.startswith("the same, 100 members") for work in works)
    assert any(work.startswith("link model, 1,085 links") for work in works)
    assert any(work.startswith("cell model, 28,000 cells") for work in works)
