"""What is said of a road at a moment depends on what had arrived by then, and on detectors only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.perceive.corridor.reconstruct import Method, Reconstruction, reconstruct
from twin.perceive.corridor.reports import Grid, detector_rows

Floats = npt.NDArray[np.float64]


@st.composite
def fields(draw: st.DrawFn) -> tuple[Floats, Grid, int, float]:
    """A small field with holes, and detectors that report whole or broken multiples of columns."""
    cells = draw(st.integers(1, 7))
    columns = draw(st.integers(12, 30))
    step_s = draw(st.sampled_from([1.0, 4.0, 5.0]))
    generator = np.random.default_rng(draw(st.integers(0, 2**20)))
    speed = 15.0 + 10.0 * np.sin(generator.normal(size=(cells, columns)).cumsum(axis=1))
    speed[generator.random(speed.shape) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
    speed[:, 0] = 15.0
    detectors = draw(st.integers(1, 9))
    periods = draw(st.sampled_from([1.0, 2.0, 2.6, 6.0]))
    return speed, Grid(cells, columns, 20.0, step_s), detectors, periods * step_s


def _made(method: Method, case: tuple[Floats, Grid, int, float], speed: Floats) -> Reconstruction:
    _, grid, detectors, period_s = case
    return reconstruct(speed, grid, detectors=detectors, period_s=period_s, method=method)


@pytest.mark.parametrize("method", list(Method))
@settings(max_examples=8, deadline=None)
@given(case=fields(), at=st.floats(0.1, 0.9), seed=st.integers(0, 9))
def test_what_comes_later_changes_no_byte_of_what_was_said(
    method: Method, case: tuple[Floats, Grid, int, float], at: float, seed: int
) -> None:
    speed = case[0]
    moment = int(at * speed.shape[1])
    other = speed.copy()
    later = other[:, moment + 1 :]
    later[:] = np.random.default_rng(seed).uniform(0.0, 40.0, later.shape)
    before, after = (_made(method, case, one) for one in (speed, other))
    kept = slice(0, moment + 1)
    assert before.online_mps[:, kept].tobytes() == after.online_mps[:, kept].tobytes()
    assert before.online_sd_mps[:, kept].tobytes() == after.online_sd_mps[:, kept].tobytes()
    assert before.online_mps.shape == before.offline_mps.shape == speed.shape
    assert np.isfinite(before.online_mps).all()
    assert np.isfinite(before.offline_mps).all()
    assert before.online_mps.min() >= 0.0


@pytest.mark.parametrize("method", list(Method))
@settings(max_examples=8, deadline=None)
@given(case=fields())
def test_rows_without_a_detector_are_not_read(
    method: Method, case: tuple[Floats, Grid, int, float]
) -> None:
    speed, grid, detectors, _ = case
    other = np.full_like(speed, -np.inf)
    rows = detector_rows(grid.cells, detectors)
    other[rows] = speed[rows]
    before, after = (_made(method, case, one) for one in (speed, other))
    assert before.online_mps.tobytes() == after.online_mps.tobytes()
    assert before.offline_mps.tobytes() == after.offline_mps.tobytes()


def test_a_report_that_ends_at_a_moment_counts_at_it() -> None:
    speed = np.full((3, 24), 20.0)
    grid = Grid(3, 24, 100.0, 5.0)
    other = speed.copy()
    other[:, 11] = 5.0  # the last column of the second report, which ends at 60 s
    before, after = (
        reconstruct(one, grid, detectors=3, period_s=30.0).online_mps for one in (speed, other)
    )
    assert before[:, :12].tobytes() == after[:, :12].tobytes()
    assert (after[:, 12] < before[:, 12]).all()
