"""The step of an ensemble Kalman filter that takes measurements in, one after the other.

The deterministic square root form of Whitaker and Hamill (2002): no noise is added to what was
measured, so the same ensemble and the same measurements give the same bytes. With a linear
relation and no localisation it is the Kalman filter of the ensemble's mean and covariance.
"""

from __future__ import annotations

import numpy as np

from twin.columns import Floats


def nearness(distance_m: Floats, radius_m: float) -> Floats:
    """Return how much a measurement may say so far away: 1 here, 0 from two radii on.

    The fifth order function of Gaspari and Cohn (1999), positive definite in one dimension.
    """
    r = np.abs(distance_m) / radius_m
    near = 1 - 5 / 3 * r**2 + 5 / 8 * r**3 + r**4 / 2 - r**5 / 4
    with np.errstate(divide="ignore"):
        far = 4 - 5 * r + 5 / 3 * r**2 + 5 / 8 * r**3 - r**4 / 2 + r**5 / 12 - 2 / (3 * r)
    return np.asarray(np.where(r <= 1, near, np.where(r < 2, np.maximum(far, 0.0), 0.0)))


def take_in(
    state: Floats, predicted: Floats, measured: Floats, variance: Floats, near: Floats
) -> None:
    """Draw an ensemble to what was measured.

    state       (rows, members) written
    predicted   (measurements, members) what each member says would be measured, written
    measured, variance   (measurements,); NaN where nothing was measured
    near        (rows + measurements, measurements) localisation: of rows, then of predictions
    """
    whole = np.concatenate([state, predicted])
    rows, members = len(state), state.shape[1]
    for at in np.flatnonzero(np.isfinite(measured)):
        said = whole[rows + at]
        off = said - said.mean()
        spread = float(off @ off) / (members - 1)
        if spread <= 0.0:
            continue
        total = spread + float(variance[at])
        mean = whole.mean(axis=1)
        gain = (whole - mean[:, None]) @ off / (members - 1) / total * near[:, at]
        reduced = 1.0 / (1.0 + np.sqrt(float(variance[at]) / total))
        shift = gain * (float(measured[at]) - float(said.mean()))
        whole += shift[:, None] - reduced * gain[:, None] * off[None, :]
    state[:], predicted[:] = whole[:rows], whole[rows:]
