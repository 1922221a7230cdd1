"""The learned forecast of a metropolis: 10,000 stations, a fifth of the reports late.

Measured: one row taken in (what came true is scored, weights and intervals learn), and twelve steps
forecast with intervals. Beside it in the same run: LightGBM's own predict on the same features, one
thread, which is only the part of the trees.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from twin.columns import Floats
from twin.forecast.learned import trees as forest
from twin.forecast.learned.calendar import Calendar
from twin.forecast.learned.engine import Engine
from twin.forecast.learned.features import ahead_block, join, now_block
from twin.forecast.learned.fit import fit
from twin.forecast.learned.linear import Linear
from twin.forecast.learned.memory import STEPS
from twin.forecast.learned.model import Model
from twin.forecast.learned.neighbours import BESIDE, LEADS, NEAR, Neighbours

STATIONS = 10_000
FITTED = 60
LATE = 0.2
ROWS = 40
HISTORY = 600


def main() -> None:
    """Fit on a few stations, forecast for all, and print both times."""
    draw = np.random.default_rng(5)
    few = Model(_line(FITTED), np.ones(STEPS)).near
    small = fit(_speeds(HISTORY, FITTED, draw), None, Calendar(), few)
    assert small.linear is not None
    assert small.trees is not None
    coefficients = small.linear.shared
    many = np.repeat(coefficients[:, None], STATIONS, axis=1)
    model = replace(
        small, near=_line(STATIONS), linear=Linear(coefficients, many), high=None, together=None
    )
    engine = Engine.start(Calendar(), model, STATIONS)
    values = _speeds(ROWS, STATIONS, draw)
    values[draw.random(values.shape) < LATE] = np.nan
    wall, cpu = [], []
    for row in values:
        began, began_cpu = time.perf_counter(), time.process_time()
        engine.step(row)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
    settled = slice(STEPS + 2, None)  # before that, nothing comes true yet
    print(f"{STATIONS} stations x {STEPS} steps, {100 * LATE:.0f} % of the reports missing")
    print(f"one row in, one hour out: median {np.median(wall[settled]):.3f} s wall, "
          f"{np.median(cpu[settled]):.3f} CPU s; worst {max(wall[settled]):.3f} s")  # fmt: skip
    _peer(engine, draw)


def _peer(engine: Engine, draw: np.random.Generator) -> None:
    """Time the trees alone: ours against LightGBM's own predict of a model of the same size."""
    learned = engine.memory.profile.at(*_rows(engine))
    now = now_block(engine.memory, engine.near, engine.calendar)
    ahead = ahead_block(engine.memory, engine.near, None, learned, engine.model.fade)
    table = join(now, ahead, np.arange(STEPS, dtype=np.int32))
    thin = table[:: max(1, len(table) // 40_000)]
    target = thin[:, 1] + draw.normal(size=len(thin))
    grown = forest.train(thin, target, np.ones(len(thin)), forest.ROUNDS)
    flat = forest.flatten(grown.dump_model())
    ours, mine = _best(lambda: forest.predict(flat, table))
    theirs, peer = _best(lambda: grown.predict(table, num_threads=1))
    assert np.allclose(mine, peer, atol=1e-4)
    print(f"{len(table)} rows through the same {forest.ROUNDS} trees: ours {ours:.3f} CPU s, "
          f"LightGBM's predict {theirs:.3f} CPU s, ratio {theirs / ours:.1f}")  # fmt: skip


def _rows(engine: Engine) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rows = engine.memory.row + np.arange(STEPS + 1, dtype=np.int64)
    return engine.calendar.kinds(rows), engine.calendar.slots(rows)


def _best(run) -> tuple[float, Floats]:  # type: ignore[no-untyped-def]
    times = []
    for _ in range(3):
        began = time.process_time()
        out = run()
        times.append(time.process_time() - began)
    return min(times), out


def _line(stations: int) -> Neighbours:
    """Return neighbours along one long road."""
    place = np.arange(stations)[:, None]
    ahead = place + np.arange(1, NEAR + 1)
    behind = place - np.arange(1, NEAR + 1)
    leads = place + np.arange(1, LEADS + 1)
    half = np.arange(1, BESIDE // 2 + 1)
    beside = place + np.stack([half, -half], axis=1).ravel()
    tables = [
        np.where((part >= 0) & (part < stations), part, -1).astype(np.int32)
        for part in (ahead, behind, leads, beside)
    ]
    return Neighbours(*tables)


def _speeds(rows: int, stations: int, draw: np.random.Generator) -> Floats:
    """Return speeds with an afternoon jam that walks along the road."""
    hour = np.arange(rows)[:, None] * 5 / 60 % 24
    middle = 17.0 + np.sin(np.arange(stations) / 30.0)
    jam = np.exp(-((hour - middle) ** 2))
    return np.asarray(65.0 - 40.0 * jam + draw.normal(0, 2, (rows, stations)), np.float64)


if __name__ == "__main__":
    main()
