"""Linear corrections of the damped usual day, one for each station and step, by absolute error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Floats
from twin.forecast.learned.features import AHEAD_NAMES, NOW_NAMES
from twin.forecast.learned.memory import STEPS

NOW_USED: Final = tuple(
    NOW_NAMES.index(name)
    for name in (
        "deviation", "change_1", "change_3", "mean_3", "mean_12", "slow", "ahead_mean",
        "ahead_change", "behind_mean", "leads_mean", "all_mean",
    )
)  # fmt: skip
AHEAD_USED: Final = tuple(AHEAD_NAMES.index(n) for n in ("usual_rise", "yesterday", "learned"))
DAMPED: Final = AHEAD_NAMES.index("damped")
WIDTH: Final = 1 + len(NOW_USED) + len(AHEAD_USED)
ROUNDS: Final = 5  # of iteratively reweighted least squares
SOFT: Final = 0.3  # of the mean error: smaller ones weigh no more
LEAST_SPREAD: Final = 1e-6  # what did not vary says nothing of what follows when it does
PULL: Final = 150.0  # rows that the shared coefficients are worth


@dataclass(frozen=True, slots=True)
class Linear:
    """Coefficients: shared (STEPS, WIDTH), own (STEPS, n, WIDTH)."""

    shared: Floats
    own: Floats


def design(now: Floats, ahead: Floats) -> Floats:
    """Return the regressors, (…, WIDTH): a one, then the columns used of both blocks."""
    return np.concatenate([np.ones((*now.shape[:-1], 1), now.dtype), now, ahead], axis=-1)


def predict(linear: Linear, now: Floats, ahead: Floats) -> Floats:
    """Return the forecast, (STEPS, n), from the blocks (n, …) and (STEPS, n, …)."""
    used = now[:, NOW_USED]
    table = design(np.broadcast_to(used, (STEPS, *used.shape)), ahead[..., AHEAD_USED])
    return np.asarray(ahead[..., DAMPED] + (table * linear.own).sum(axis=2), np.float64)


def fit_step(now: Floats, ahead: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Fit one step: the columns used of now and ahead (rows, n, …); target (rows, n), NaN = none.

    The target is what came true minus the damped usual day.
    Returns shared (WIDTH,) and own (n, WIDTH) coefficients.
    """
    table = design(now, ahead)
    known = np.isfinite(target)
    target = np.where(known, target, 0.0)
    flat = table.reshape(-1, WIDTH)
    thin = slice(None, None, max(1, len(flat) // 40_000))
    shared = _least_absolute(
        flat[thin][None], target.reshape(-1)[thin][None], known.reshape(-1)[thin][None], 1e-3, 0.0
    )[0]
    by_station = np.ascontiguousarray(table.transpose(1, 0, 2))
    own = _least_absolute(by_station, target.T, known.T, PULL, shared)
    return shared, own


def _least_absolute(
    table: Floats, target: Floats, known: np.ndarray, pull: float, centre: Floats | float
) -> Floats:
    """Return coefficients (groups, WIDTH) of least absolute error, drawn towards `centre`."""
    size = np.where(known[..., None], table, 0.0)
    spread = np.sqrt((size * size).mean(axis=(0, 1))) + 1e-9
    scaled = size / spread
    middle = np.broadcast_to(np.asarray(centre) * spread, (len(table), WIDTH))
    found = middle.copy()
    count = np.maximum(known.sum(axis=1), 1)
    for _ in range(ROUNDS):
        error = np.abs(target - (scaled @ found[:, :, None])[:, :, 0])
        mean = np.where(known, error, 0.0).sum(axis=1) / count
        soft = SOFT * mean[:, None] + 1e-6
        weight = np.where(known, soft / np.maximum(error, soft), 0.0)
        weighted = scaled * weight[:, :, None]
        matrix = weighted.transpose(0, 2, 1) @ scaled
        right = (weighted.transpose(0, 2, 1) @ target[:, :, None])[:, :, 0]
        matrix += pull * np.eye(WIDTH)
        found = np.linalg.solve(matrix, (right + pull * middle)[:, :, None])[:, :, 0]
    return np.where(spread > LEAST_SPREAD, found / spread, 0.0)
