"""Tells at the end of a run how long each room's tests took: `test_<room>_<topic>.py` names it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

import pytest

_SECONDS: defaultdict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add one phase of one test to its room; fixtures count for the test that first asks."""
    stem = PurePosixPath(report.nodeid.split("::", maxsplit=1)[0]).stem
    _SECONDS[stem.split("_")[1] if "_" in stem else stem] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the rooms, slowest first."""
    terminalreporter.section("seconds by room")
    for room, seconds in sorted(_SECONDS.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{room:12} {seconds:7.1f}")
