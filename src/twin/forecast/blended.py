"""From five-minute rows to the steps of a forecast that is made between two of them, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twin.columns import Bools, Floats, Ints
from twin.forecast.learned.standing import Standing, answer
from twin.units import SECOND_US


@dataclass(frozen=True, slots=True)
class Blended:
    """The blended hour of some links: (steps, m) float64, m/s.

    link (m,) their rows; low, high NaN where no error is known yet
    weight (m, experts) float32, the mean over the hour
    """

    link: Ints
    value: Floats
    low: Floats
    high: Floats
    weight: npt.NDArray[np.float32]

    def take(self, chosen: Bools) -> Blended:
        """Return some of the links."""
        return Blended(
            self.link[chosen],
            self.value[:, chosen],
            self.low[:, chosen],
            self.high[:, chosen],
            self.weight[chosen],
        )


def blended(learned: Standing, physics_mps: Floats, made_us: int, *, step_s: float) -> Blended:
    """Blend what was learned with the physics, (steps, links) from `made_us` on, NaN = none."""
    late = (made_us - learned.row_us) / (step_s * SECOND_US)
    said = answer(learned, shifted(physics_mps[:, learned.station], -late))
    return Blended(
        link=learned.station,
        value=shifted(said.value, late),
        low=shifted(said.low, late),
        high=shifted(said.high, late),
        weight=said.weight.mean(axis=0).astype(np.float32),
    )


def shifted(rows: Floats, by: float) -> Floats:
    """Return (steps, n) as they stand `by` rows later, in between by a line; ends go on."""
    last = len(rows) - 1
    place = np.clip(np.arange(len(rows)) + by, 0.0, last)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, last)
    share = (place - below)[:, None]
    return np.asarray((1.0 - share) * rows[below] + share * rows[above], np.float64)
