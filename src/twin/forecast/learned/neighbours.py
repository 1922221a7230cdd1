"""Which stations stand before, behind and beside a station: from the map, or from the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Floats, Rows

NEAR: Final = 4  # stations before and behind that are looked at
LEADS: Final = 5  # stations whose now says most about this one's next half hour
BESIDE: Final = 10  # stations that can stand in for a silent one
LEAD_STEPS: Final = 6
_LEAST_ROWS: Final = 60
_LEAST_CORRELATION: Final = 0.2


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Rows of stations, nearest first, -1 = none.

    ahead   (stations, NEAR)    downstream: where a queue comes from
    behind  (stations, NEAR)    upstream
    leads   (stations, LEADS)   learned: go before this station
    beside  (stations, BESIDE)  stand in for it when it is silent
    """

    ahead: Rows
    behind: Rows
    leads: Rows
    beside: Rows


def from_map(adjacency: Floats | None, stations: int) -> Neighbours:
    """Return neighbours by nearness, (stations, stations), row = from, column = to; 0 = far."""
    if adjacency is None:
        none = np.zeros((stations, stations))
        return Neighbours(_best(none, NEAR), _best(none, NEAR), _best(none, LEADS), _best(none, 10))
    near = np.array(adjacency, np.float64)
    np.fill_diagonal(near, 0.0)
    both = np.maximum(near, near.T)
    return Neighbours(
        ahead=_best(near, NEAR),
        behind=_best(near.T, NEAR),
        leads=_best(np.zeros_like(near), LEADS),
        beside=_best(both, BESIDE),
    )


def learned(known: Neighbours, deviations: Floats) -> Neighbours:
    """Add what a history of deviations from the usual day shows, (rows, stations), NaN = none.

    Without a map, those that go before stand in for those ahead.
    """
    if len(deviations) < _LEAST_ROWS:
        return known
    now = _correlation(deviations, deviations)
    lead = _correlation(deviations[LEAD_STEPS:], deviations[:-LEAD_STEPS])
    for table in (now, lead):
        np.fill_diagonal(table, 0.0)
        table[table < _LEAST_CORRELATION] = 0.0
    beside = now + np.where(_member(known.beside, len(now)), 0.2, 0.0)
    leads = _best(lead, LEADS)
    blank = (known.ahead < 0).all()
    return Neighbours(
        ahead=leads[:, :NEAR] if blank else known.ahead,
        behind=_best(lead.T, NEAR) if blank else known.behind,
        leads=leads,
        beside=_best(beside, BESIDE),
    )


def _correlation(one: Floats, other: Floats) -> Floats:
    """Return the correlation of every column of `one` with every column of `other`."""
    left, right = (_standard(part) for part in (one, other))
    return np.asarray(left.T @ right / len(one), np.float64)


def _standard(part: Floats) -> Floats:
    known = np.isfinite(part)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, part, 0.0).sum(axis=0) / count
    centred = np.where(known, part - mean, 0.0)
    deviation = np.sqrt((centred * centred).sum(axis=0) / len(part))
    return np.asarray(centred / np.maximum(deviation, 1e-9), np.float64)


def _member(rows: Rows, stations: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    table = np.zeros((stations, stations + 1), np.bool_)
    table[np.arange(stations)[:, None], np.where(rows < 0, stations, rows)] = True
    return table[:, :stations]


def _best(nearness: Floats, wanted: int) -> Rows:
    """Return the columns of the largest positive entries of every row, best first."""
    stations = len(nearness)
    table = np.full((stations, wanted), -1, np.int32)
    order = np.argsort(-nearness, axis=1, kind="stable")[:, :wanted]
    values = np.take_along_axis(nearness, order, axis=1)
    table[:, : order.shape[1]] = np.where(values > 0, order, -1)
    return table
