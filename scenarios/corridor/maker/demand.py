"""How many vehicles want to travel, hour by hour, and how restless they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MINUTES = 1_440
_HOURS = np.arange(MINUTES) / 60.0


def _bump(centre_h: float, width_h: float) -> Floats:
    return np.exp(-0.5 * ((_HOURS - centre_h) / width_h) ** 2)


def day_shape(*, morning: float, midday: float, evening: float, night: float = 0.05) -> Floats:
    """Return a day of relative demand, (1440,): a morning peak at 08:05, evening at 18:20."""
    day = 1.0 / (1.0 + np.exp(-(_HOURS - 6.0) / 0.35)) / (1.0 + np.exp((_HOURS - 21.8) / 0.7))
    shape = night + (midday - night) * day
    shape += (morning - midday) * _bump(8.1, 0.75)
    shape += (evening - midday) * _bump(18.3, 0.95)
    return np.maximum(shape + 0.04 * _bump(14.2, 0.6), night * 0.6)


def restless(
    rng: np.random.Generator, *, size: int, spread: float, memory: float, columns: int = 1
) -> Floats:
    """Return first-order autoregressive factors around 1, (size, columns), spread = deviation."""
    shocks = rng.standard_normal((size, columns)) * spread * np.sqrt(1.0 - memory**2)
    out = np.empty((size, columns))
    state = np.zeros(columns)
    for row in range(size):
        state = memory * state + shocks[row]
        out[row] = state
    return np.clip(1.0 + out, 0.5, 1.5)
