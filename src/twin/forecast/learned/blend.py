"""Mixes the experts, with weights that learn from every row that comes true.

Exponentiated gradient on the absolute error: a weight grows when moving towards its expert would
have helped. One table is shared by all stations of a regime, a second bends it for each station.
Both begin almost wholly at the last value: an expert must show its skill before it is heard.
Kivinen and Warmuth (1997), "Exponentiated gradient versus gradient descent for linear predictors".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.forecast.learned.calendar import SLOTS
from twin.forecast.learned.memory import STEPS

PRIOR: Final = -4.0  # logarithm of a weight against that of the last value
SHARED_RATE: Final = 1.0
OWN_RATE: Final = 0.1
OWN_CROWD: Final = 200.0  # stations; among fewer the shared table is slow to hold a wrong bend down
OWN_KEPT: Final = 0.9995
FULL_CROWD: Final = 100.0  # stations that make one row's mean gradient trustworthy
BOUND: Final = 6.0
SCALE_GAIN: Final = 0.02


class Expert(IntEnum):
    """Who has a say."""

    LAST_VALUE = 0
    USUAL = 1
    DAMPED = 2
    LINEAR = 3
    TREES = 4
    PHYSICS = 5  # the live service's own; nobody in a backtest


class Regime(IntEnum):
    """What a station is like at the moment of a forecast."""

    FREE = 0
    CONGESTED = 1
    SILENT = 2
    WARNED = 3  # free, and the physics sees it congested within the hour


PHYSICS_PRIOR: Final = {
    Regime.FREE: 0.0,
    Regime.CONGESTED: 0.0,
    Regime.SILENT: -2.0,
    Regime.WARNED: 3.0,
}
"""It knows the road from its first minute. What it warns of nobody else can see at first."""
SILENT_PRIOR: Final = {
    Expert.LAST_VALUE: 1.5,
    Expert.USUAL: -4.0,
    Expert.DAMPED: -2.0,
    Expert.LINEAR: -5.0,
    Expert.TREES: 0.0,
    Expert.PHYSICS: PHYSICS_PRIOR[Regime.SILENT],
}
"""The dead never say who was right; the trees have learned what silence is like. A word that was
missed now and then is no death: the last one holds for a while, and where no trees have grown it
holds for longer."""
PATIENCE: Final = 36  # rows, without trees: who is silent for longer is dead
STALE_RATE: Final = 0.3  # by which the last word of a silent station loses, each row


@dataclass(slots=True)
class Blend:
    """Logarithms of weights, and the size of an error.

    shared  (regimes, STEPS, experts)    own  (STEPS, n, experts)
    scale   (STEPS,) running mean absolute error of the last value, NaN = not known
    """

    shared: Floats
    own: Floats
    scale: Floats

    @classmethod
    def empty(cls, stations: int) -> Blend:
        """Return a blend that trusts the last value."""
        shared = np.full((len(Regime), STEPS, len(Expert)), PRIOR)
        shared[:, :, Expert.LAST_VALUE] = 0.0
        shared[:, :, Expert.PHYSICS] = [[PHYSICS_PRIOR[one]] for one in Regime]
        shared[Regime.SILENT] = [SILENT_PRIOR[one] for one in Expert]
        return cls(shared, np.zeros((STEPS, stations, len(Expert))), np.full(STEPS, np.nan))


def weights(blend: Blend, regime: Ints, age: Ints, heard: Floats, most: float = 1.0) -> Floats:
    """Return weights (STEPS, n, experts) that sum to one over the experts that speak.

    regime (n,), age (n,) rows since the last reading, heard (STEPS, n, experts): what each says,
    NaN = nothing. Where a last value is known, those who learn from the past get at the utmost
    `most` of the weight that the physics leaves.
    """
    silent = regime == Regime.SILENT
    own = np.where(silent[:, None], 0.0, blend.own)
    power = blend.shared[regime].transpose(1, 0, 2) + own
    speaks = np.isfinite(heard)
    missed = np.where(speaks[:, :, Expert.TREES], age, np.maximum(age - PATIENCE, 0))
    power[:, :, Expert.LAST_VALUE] -= np.where(silent, STALE_RATE * missed, 0.0)
    power = np.where(speaks, power, -np.inf)
    top = power.max(axis=2, keepdims=True)
    raised = np.exp(power - np.where(np.isfinite(top), top, 0.0))
    share = raised / np.maximum(raised.sum(axis=2, keepdims=True), 1e-300)
    last, physics = share[:, :, Expert.LAST_VALUE], share[:, :, Expert.PHYSICS].copy()
    learned = 1.0 - last - physics
    spoken = speaks[:, :, Expert.LAST_VALUE]
    limit = np.where(spoken & (learned > most * (1.0 - physics)), most * (1.0 - physics), learned)
    share = share * (limit / np.maximum(learned, 1e-300))[:, :, None]
    share[:, :, Expert.PHYSICS] = physics
    share[:, :, Expert.LAST_VALUE] = np.where(spoken, 1.0 - limit - physics, 0.0)
    return np.asarray(share, np.float64)


def most_weight(rows: int) -> float:
    """Return what the experts may weigh after so many rows: a night says little of a morning."""
    return min(1.0, (rows / SLOTS) ** 3)


def mix(weight: Floats, heard: Floats) -> Floats:
    """Return the weighted mean, (STEPS, n); NaN where nobody speaks.

    It is the last value plus the weighted ways from it: where all agree it is just what they say.
    """
    last = np.nan_to_num(heard[:, :, Expert.LAST_VALUE])
    ways = np.nan_to_num(heard - last[:, :, None])
    mixed = last + (weight * ways).sum(axis=2)
    return np.asarray(np.where(np.isfinite(heard).any(axis=2), mixed, np.nan), np.float64)


def learn(blend: Blend, heard: Floats, mixed: Floats, regime: Ints, truth: Floats) -> None:
    """Move the weights by what came true.

    heard (STEPS, n, experts) and mixed (STEPS, n) as they were forecast for this row, regime
    (STEPS, n) at the time each was made, truth (n,), NaN = none.
    """
    error = mixed - truth
    known = np.isfinite(error)
    last = np.abs(heard[:, :, Expert.LAST_VALUE] - truth)
    _learn_scale(blend, last)
    scale = np.where(blend.scale > 1e-9, blend.scale, np.nan)[:, None, None]
    pull = np.sign(error)[:, :, None] * (heard - mixed[:, :, None]) / scale
    pull = np.clip(np.where(known[:, :, None] & np.isfinite(pull), pull, 0.0), -5.0, 5.0)
    loss = (np.abs(heard - truth[:, None]) - last[:, :, None]) / scale
    loss = np.where(known[:, :, None] & np.isfinite(loss), loss, 0.0)
    for one in Regime:
        chosen = known & (regime == one)
        count = chosen.sum(axis=1)
        mean = (loss * chosen[:, :, None]).sum(axis=1) / np.maximum(count, 1)[:, None]
        trust = np.minimum(1.0, count / FULL_CROWD)[:, None]
        blend.shared[one] -= SHARED_RATE * trust * mean
    blend.shared -= blend.shared.max(axis=2, keepdims=True)
    np.maximum(blend.shared, -BOUND, out=blend.shared)
    rate = OWN_RATE * min(1.0, blend.own.shape[1] / OWN_CROWD)
    blend.own = np.clip(OWN_KEPT * blend.own - rate * pull, -BOUND, BOUND)


def _learn_scale(blend: Blend, last: Floats) -> None:
    known = np.isfinite(last)
    count = known.sum(axis=1)
    mean = np.where(known, last, 0.0).sum(axis=1) / np.maximum(count, 1)
    moved = blend.scale + SCALE_GAIN * (mean - blend.scale)
    moved = np.where(np.isfinite(blend.scale), moved, mean)
    blend.scale = np.where(count > 0, moved, blend.scale)
