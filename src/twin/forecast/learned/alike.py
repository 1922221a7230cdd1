"""What a silent station would say, from moments of the past that were like this one.

A jam is not a multiple of another jam, so that a line through those beside it sees only a part.
Altman (1992), "An introduction to kernel and nearest-neighbor nonparametric regression".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.forecast.learned.features import Singles
from twin.forecast.learned.kernels.alike import say_alike
from twin.forecast.learned.memory import STEPS
from twin.forecast.learned.neighbours import Neighbours

WANTED: Final = 40  # moments
OWN_WEIGHT: Final = 0.8  # of the station's own usual day in the distance
BARRED: Final = 100  # rows before and after: a moment does not explain itself
NAMES: Final = ("alike", "alike_now", "alike_change")


@dataclass(frozen=True, slots=True)
class Past:
    """A history that is looked up: values and usual (rows, n) float32, NaN = none; closeness
    (n, k + 1): how much those beside count, and the own usual day."""

    values: Singles
    usual: Singles
    closeness: Floats


def remember(values: Floats, usual: Floats, high: Floats, near: Neighbours, sums: Floats) -> Past:
    """Keep a history, (rows, n); `high` (n,) and `sums` as in `Memory.together`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums[..., 0] / sums[..., 1]
        own = np.diagonal(mean, axis1=1, axis2=2)
        alike = mean[:, 1:, 0] / np.sqrt(own[:, 1:] * own[:, :1])
        weight = np.clip(alike, 0.05, 1.0) ** 2 / np.append(high, np.nan)[near.beside]
        mine = OWN_WEIGHT / high
    closeness = np.nan_to_num(np.column_stack([weight, mine]), posinf=0.0)
    return Past(values.astype(np.float32), usual.astype(np.float32), closeness)


def alike_block(
    past: Past,
    near: Neighbours,
    stations: Ints,
    now: Floats,
    usual: Floats,
    barred: int | None = None,
) -> Floats:
    """Return what the past says of some stations, (STEPS, m, len(NAMES)); 0 where nothing.

    now (n,) what is read now, NaN = silent; usual (1 + STEPS, n); barred: a row of the past that
    must not be looked at, nor those around it.
    """
    hidden = (0, 0) if barred is None else (barred - BARRED, barred + BARRED)
    said = np.empty((len(stations), STEPS + 1))
    say_alike(
        stations,
        now,
        usual[0],
        past.values,
        past.usual,
        near.beside,
        past.closeness,
        hidden,
        WANTED,
        said,
    )
    off = said.T - usual[:, stations]
    present = np.broadcast_to(off[0], (STEPS, len(stations)))
    columns = np.stack([off[1:], present, off[1:] - present], axis=2)
    return np.asarray(np.nan_to_num(columns), np.float64)
