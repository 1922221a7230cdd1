"""What the engine leaves for a forecast made elsewhere: who says what, and who is trusted how far.

A frozen copy: the forecast that follows is a function of it and of what the physics says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.forecast.learned import blend as blending
from twin.forecast.learned import intervals as spans
from twin.forecast.learned.blend import Blend, Expert, Regime
from twin.forecast.learned.engine import CONGESTED, SILENT_ROWS, Engine
from twin.forecast.learned.intervals import Intervals
from twin.forecast.learned.memory import STEPS


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known when a row was taken in; n stations.

    station  (n,) their rows among the links        row_us   end of the newest row
    heard    (STEPS, n, experts) what each says, NaN = nothing; the physics has not spoken
    regime, age, high, wander  (n,) as in the engine; wander is a share of `high`
    most     what those who learn may weigh together
    shared, own  of the blend;  quantile, size, own_size  of the intervals
    """

    station: Ints
    row_us: int
    heard: Floats
    regime: Ints
    age: Ints
    high: Floats
    wander: Floats
    most: float
    shared: Floats
    own: Floats
    quantile: Floats
    size: Floats
    own_size: Floats


@dataclass(frozen=True, slots=True)
class Answer:
    """The blended hour in rows after the newest, (STEPS, n); bounds NaN while no error is known.

    weight  (STEPS, n, experts) adds up to one over who speaks
    """

    heard: Floats
    value: Floats
    low: Floats
    high: Floats
    weight: Floats
    regime: Ints
    cell: Ints


def standing_of(engine: Engine, station: Ints, row_us: int, most: float) -> Standing:
    """Freeze what `engine` knows after its newest row."""
    memory = engine.memory
    place = memory.row % STEPS
    heard = engine.pending.experts[place].copy()
    heard[:, :, Expert.PHYSICS] = np.nan
    high = np.maximum(np.nan_to_num(memory.high, nan=1.0), 1e-6)
    with np.errstate(invalid="ignore"):
        congested = memory.filled[0] < CONGESTED * memory.high
    regime = np.where(congested, Regime.CONGESTED, Regime.FREE)
    wander = np.nan_to_num(np.abs(np.diff(memory.filled, axis=0)).mean(axis=0)) / high
    return Standing(
        station=station,
        row_us=row_us,
        heard=heard,
        regime=np.where(memory.age >= SILENT_ROWS, Regime.SILENT, regime).astype(np.int64),
        age=memory.age.copy(),
        high=high,
        wander=wander,
        most=most,
        shared=engine.blend.shared.copy(),
        own=engine.blend.own.copy(),
        quantile=engine.intervals.quantile.copy(),
        size=engine.intervals.size.copy(),
        own_size=engine.intervals.own.copy(),
    )


def answer(standing: Standing, physics_mps: Floats) -> Answer:
    """Blend the experts with what the physics says of the same rows, (STEPS, n), NaN = nothing."""
    heard = standing.heard.copy()
    heard[:, :, Expert.PHYSICS] = physics_mps
    with np.errstate(invalid="ignore"):
        warned = (physics_mps < CONGESTED * standing.high).any(axis=0)
    free = standing.regime == Regime.FREE
    regime = np.where(free & warned, Regime.WARNED, standing.regime)
    unscaled = np.full(STEPS, np.nan)
    table = Blend(standing.shared, standing.own, unscaled)
    weight = blending.weights(table, regime, standing.age, heard, standing.most)
    value = np.maximum(blending.mix(weight, heard), 0.0)
    cell = spans.cells(regime, standing.wander, np.nan_to_num(value / standing.high))
    known = Intervals(standing.quantile, np.zeros(0), np.zeros(0), standing.size, standing.own_size)
    low, high = spans.bounds(known, cell, value)
    unknown = ~np.isfinite(standing.size)
    low, high = np.maximum(low, 0.0), high.copy()
    low[unknown], high[unknown] = np.nan, np.nan
    return Answer(heard, value, low, high, weight, regime, cell)
