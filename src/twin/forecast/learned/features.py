"""What the models look at: one row of numbers for every station and step ahead."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from twin.columns import Floats, Rows
from twin.forecast.learned.calendar import SLOTS, Calendar
from twin.forecast.learned.memory import KEPT, STEPS, Memory, usual_now, usual_of
from twin.forecast.learned.neighbours import Neighbours
from twin.forecast.learned.profile import DAYS, MEAN, SPREAD

Singles = npt.NDArray[np.float32]

NOW_NAMES: Final = (
    "value", "deviation", "change_1", "change_2", "change_3", "change_6", "change_12",
    "mean_3", "mean_12", "wander", "lowest_12", "fast", "slow", "age",
    "ahead_mean", "ahead_change", "behind_mean", "behind_change",
    "ahead_1", "behind_1", "beside_1", "beside_2", "beside_3", "doubt",
    "ahead_ratio", "ahead_ratio_1", "leads_mean", "leads_change", "leads_1", "leads_2",
    "all_mean", "all_congested", "ratio", "high", "slot", "kind",
)  # fmt: skip
AHEAD_NAMES: Final = (
    "steps", "usual", "usual_rise", "usual_ratio", "usual_lowest", "learned", "spread", "days",
    "yesterday", "ahead_rise", "damped",
)  # fmt: skip
NAMES: Final = NOW_NAMES + AHEAD_NAMES
STEADY: Final = 2  # rows around yesterday's
AGED: Final = 36  # rows: a longer silence is not told apart


def now_block(memory: Memory, near: Neighbours, calendar: Calendar) -> Floats:
    """Return what is known now, (n, len(NOW_NAMES)) float64; 0 where unknown."""
    value, deviation = memory.filled, memory.deviation
    now = deviation[0]
    high = np.maximum(np.where(np.isfinite(memory.high), memory.high, value[0]), 1e-6)
    ratio = value[0] / high
    ahead, behind = _near(deviation, near.ahead), _near(deviation, near.behind)
    leads = _near(deviation, near.leads)
    beside = _take(now, near.beside[:, :3])
    ahead_ratio = _take(ratio, near.ahead)
    row = np.array([memory.row], np.int64)
    columns = [
        value[0], now,
        value[0] - value[1], value[0] - value[2], value[0] - value[3],
        value[0] - value[6], value[0] - value[12],
        deviation[:3].mean(axis=0), np.nan_to_num(deviation).mean(axis=0),
        np.abs(np.diff(value, axis=0)).mean(axis=0), np.fmin.reduce(value, axis=0),
        memory.fast, memory.slow, np.minimum(memory.age, AGED),
        _mean(ahead[0]), _mean(ahead[0]) - _mean(ahead[1]),
        _mean(behind[0]), _mean(behind[0]) - _mean(behind[1]),
        ahead[0][:, 0], behind[0][:, 0], beside[:, 0], beside[:, 1], beside[:, 2],
        memory.doubt / high,
        np.nan_to_num(np.fmin.reduce(ahead_ratio, axis=1), nan=1.0),
        np.nan_to_num(ahead_ratio[:, 0], nan=1.0),
        _mean(leads[0]), _mean(leads[0]) - _mean(leads[1]), leads[0][:, 0], leads[0][:, 1],
        np.full_like(now, _all_mean(now)), np.full_like(now, _all_mean(1.0 * (ratio < 0.6))),
        ratio, high,
        np.full_like(now, calendar.slots(row)[0]), np.full_like(now, calendar.kinds(row)[0]),
    ]  # fmt: skip
    return np.asarray(np.nan_to_num(np.stack(columns, axis=1)), np.float64)


def ahead_block(
    memory: Memory, near: Neighbours, given: Floats | None, learned: Floats, fade: Floats
) -> Floats:
    """Return what is known of the steps ahead, (STEPS, n, len(AHEAD_NAMES)); 0 where unknown.

    given (1 + STEPS, n) or None, learned (3, 1 + STEPS, n): now first.  fade (STEPS,)
    """
    usual = usual_now(memory, usual_of(given, learned))
    rise = usual[1:] - usual[0]
    high = np.maximum(np.where(np.isfinite(memory.high), memory.high, usual[0]), 1e-6)
    step = np.broadcast_to(np.arange(1.0, STEPS + 1)[:, None], rise.shape)
    mean = learned[MEAN, 1:]
    rise_ahead = np.stack([_mean(_take(row, near.ahead)) for row in rise])
    columns = [
        step, usual[1:], rise, usual[1:] / high, np.minimum.accumulate(usual[1:], axis=0),
        np.where(np.isfinite(mean), mean - usual[1:], 0.0), learned[SPREAD, 1:], learned[DAYS, 1:],
        _yesterday(memory) - usual[1:], rise_ahead,
        usual[1:] + fade[:, None] * memory.deviation[0],
    ]  # fmt: skip
    return np.asarray(np.nan_to_num(np.stack(columns, axis=2)), np.float64)


def join(now: Floats, ahead: Floats, steps: Rows, more: Floats | None = None) -> Singles:
    """Return features of the chosen steps (0 = five minutes), (len(steps) n, len(NAMES)).

    more (STEPS, n, extra): further columns behind them.
    """
    stations = len(now)
    extra = 0 if more is None else more.shape[2]
    table = np.empty((len(steps), stations, len(NAMES) + extra), np.float32)
    table[:, :, : len(NOW_NAMES)] = now
    table[:, :, len(NOW_NAMES) : len(NAMES)] = ahead[steps]
    if more is not None:
        table[:, :, len(NAMES) :] = more[steps]
    return table.reshape(-1, table.shape[2])


def _yesterday(memory: Memory) -> Floats:
    """Return the means around the same moments of the day before, (STEPS, n); NaN = none."""
    first = memory.row - SLOTS + 1 - STEADY
    wanted = first + np.arange(STEPS + 2 * STEADY)
    rows = np.where((wanted >= 0)[:, None], memory.raw[wanted % KEPT], np.nan)
    known = np.isfinite(rows)
    total = np.cumsum(np.where(known, rows, 0.0), axis=0)
    count = np.cumsum(known, axis=0)
    width = 2 * STEADY + 1
    total[width:] = total[width:] - total[:-width]
    count[width:] = count[width:] - count[:-width]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total[width - 1 :] / count[width - 1 :]
    return np.where(count[width - 1 :] > 0, mean, np.nan)


def _take(values: Floats, rows: Rows) -> Floats:
    """Return `values` (n,) of the stations in `rows` (n, k), NaN where there is none."""
    return np.append(values, np.nan)[rows]


def _near(deviation: Floats, rows: Rows) -> tuple[Floats, Floats]:
    return _take(deviation[0], rows), _take(deviation[3], rows)


def _mean(values: Floats) -> Floats:
    """Return the mean over the known of the last axis; 0 where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(total / np.maximum(known.sum(axis=-1), 1), np.float64)


def _all_mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0
