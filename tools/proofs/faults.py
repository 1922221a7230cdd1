"""The fault suite, whole: a million events, more than a hundred faults, and what was left of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = ROOT / "tools" / "faults" / "fault_suite.py"


def prove(data: Path) -> str:
    """Run the suite on every engine, or to its end, and return its report.

    The data sets are not needed. A run of `make faults` that was cut before its report goes on.
    """
    del data
    with tempfile.TemporaryDirectory(prefix="twin-faults-report-") as name:
        written = Path(name) / "report.md"
        subprocess.run([sys.executable, SUITE, "--report", written], check=True)
        return written.read_text(encoding="utf-8")
