"""A test that needs a real part which this machine does not have."""

from __future__ import annotations

import os

import pytest


def require(problem: str | None) -> None:
    """Skip the test for this reason; fail it in continuous integration."""
    if problem is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(problem, pytrace=False)
    pytest.skip(problem)
