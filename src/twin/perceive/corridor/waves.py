"""Hypotheses on how speeds of one road hang together over place and time.

Traffic is a pattern that travels: what is seen at one place was or will be elsewhere a wave's
travel time apart. A hypothesis says how fast the pattern travels, how long it lasts, and how much
of it is slow change that does not travel. From that follows the covariance of any two points.
"""

from __future__ import annotations

from itertools import product
from typing import Final, NamedTuple

import numpy as np

from twin.columns import Floats

JAM_KPH: Final = (-12.5, -15.0, -17.5, -20.0, -22.5)
"""Velocities of stop-and-go waves that were measured on motorways of many countries."""

USUAL_JAM_KPH: Final = -17.5
JAM_SPREAD_KPH: Final = 3.0
FREE_KPH: Final = 80.0
FREE_SHARE: Final = 0.05  # belief at the start that news travels downstream
LASTING_S: Final = (20.0, 40.0, 80.0)  # time over which a passing wave is alike
SLOW_SHARE: Final = (0.2, 0.5)  # of the variance: change that does not travel
LASTING_M: Final = 1000.0  # way over which a wave stays itself
SLOW_S: Final = 600.0
SLOW_M: Final = 2000.0
NOISE_SHARE: Final = 0.02  # of the variance: what belongs to the detector's point alone


class Hypotheses(NamedTuple):
    """One row a hypothesis, (hypotheses,) float64 each.

    wave_mps    velocity of the pattern, negative upstream
    lasting_s   over which it decays;  slow_share of the variance does not travel
    belief      how probable it is before anything was seen, 1 together
    """

    wave_mps: Floats
    lasting_s: Floats
    slow_share: Floats
    belief: Floats


def literature() -> Hypotheses:
    """Return the hypotheses that the literature of freeway traffic leaves open."""
    rows = []
    for wave_kph, lasting_s, slow in product((*JAM_KPH, FREE_KPH), LASTING_S, SLOW_SHARE):
        belief = np.exp(-0.5 * ((wave_kph - USUAL_JAM_KPH) / JAM_SPREAD_KPH) ** 2)
        rows.append((wave_kph / 3.6, lasting_s, slow, FREE_SHARE if wave_kph > 0 else belief))
    wave, lasting, slow_share, belief = np.array(rows).T
    return Hypotheses(wave, lasting, slow_share, belief / belief.sum())


def covariance(hypotheses: Hypotheses, away_m: Floats, later_s: Floats) -> Floats:
    """Return the covariance of two points under each hypothesis, (hypotheses, ...), 1 at none.

    away_m, later_s   from the one to the other, broadcast together; a product of two kernels that
                      are positive definite and one more of them is positive definite
    """
    shape = (-1,) + (1,) * np.broadcast(away_m, later_s).ndim
    wave, lasting, slow = (column.reshape(shape) for column in hypotheses[:3])
    along_s = np.abs(later_s[None] - away_m[None] / wave)
    travels = np.exp(-np.abs(away_m)[None] / LASTING_M - along_s / lasting)
    stays = np.exp(-np.abs(away_m) / SLOW_M - np.abs(later_s) / SLOW_S)
    return np.asarray((1.0 - slow) * travels + slow * stays[None], np.float64)
