"""Made-up series of speeds for the tests of the learned forecast."""

from __future__ import annotations

import numpy as np

from twin.columns import Floats

FREE = 65.0
DAY = 288


def corridor(days: float = 3.0, stations: int = 8, *, seed: int = 1) -> Floats:
    """Return speeds (rows, stations) of a road with a jam every afternoon that walks upstream."""
    draw = np.random.default_rng(seed)
    rows = round(days * DAY)
    time = np.arange(rows)
    values = np.empty((rows, stations))
    for station in range(stations):
        starts = 190 + 3 * (stations - station) + draw.integers(-8, 9, rows // DAY + 1)[time // DAY]
        lasts = 30 + 2 * station
        into = time % DAY - starts
        jam = 1.0 / (1.0 + np.exp(-into / 3.0)) / (1.0 + np.exp((into - lasts) / 4.0))
        wander = np.convolve(draw.normal(size=rows + 11), np.ones(12) / 12.0, "valid")
        values[:, station] = FREE - 40.0 * jam + 3.0 * wander + draw.normal(size=rows)
    return np.clip(values, 3.0, None)


def chain(stations: int) -> Floats:
    """Return nearness along the road: each station links to the next, less to the one after."""
    return np.asarray(
        np.eye(stations) + 0.8 * np.eye(stations, k=1) + 0.4 * np.eye(stations, k=2), np.float64
    )


def walk(rows: int, stations: int, *, seed: int = 2) -> Floats:
    """Return random walks: nothing beats the last value."""
    draw = np.random.default_rng(seed)
    return np.abs(50.0 + np.cumsum(draw.normal(size=(rows, stations)), axis=0)) + 0.1
