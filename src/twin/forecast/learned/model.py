"""What a fit leaves: everything the forecast needs beside its memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from twin.columns import Floats
from twin.forecast.learned.alike import Past
from twin.forecast.learned.linear import Linear
from twin.forecast.learned.memory import STEPS
from twin.forecast.learned.neighbours import Neighbours
from twin.forecast.learned.trees import Trees

UNFITTED_FADE: Final = 0.97  # of a deviation, each step, before anything was fitted


@dataclass(frozen=True, slots=True)
class Model:
    """Immutable. `linear`, `trees` and `silent_trees` (for stations that are silent) are None where
    the history was too short for them.

    fade      (STEPS,) share of today's deviation that is left
    high      (n,) 85th percentile over the history, NaN = never seen; None before a fit
    together  products of deviations, as in `Memory`; None before a fit
    past      the history that silent stations are looked up in; None before a fit
    """

    near: Neighbours
    fade: Floats
    high: Floats | None = None
    together: Floats | None = None
    linear: Linear | None = None
    trees: Trees | None = None
    silent_trees: Trees | None = None
    past: Past | None = None


def unfitted(near: Neighbours) -> Model:
    """Return the model of the first minute."""
    return Model(near, UNFITTED_FADE ** np.arange(1.0, STEPS + 1))


def without_trees(model: Model) -> Model:
    """Return the model without its trees: to see what they are worth."""
    return replace(model, trees=None, silent_trees=None)
