"""Gates that let vehicles by at a rate, and rings of links that no longer do."""

from __future__ import annotations

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.simulate.kernels.records import Records


def regate(rows: Records, free: str, gap: str, vps: Floats, now_s: float, debt: Floats) -> None:
    """Change the rates of gates; what is missing to the next vehicle is carried over.

    free, gap   columns of `rows`: when the next may pass, seconds between two
    debt        (rows,) part of a vehicle still missing when the gate closed; written
    """
    going = np.isfinite(rows[gap]) & (rows[gap] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        missing = np.maximum(rows[free] - now_s, 0.0) / rows[gap]
        gaps = 1.0 / vps
        debt[going] = missing[going]
        debt[rows[gap] == 0.0] = 0.0
        free_s = np.where(debt > 0, now_s + debt * gaps, now_s)
    rows[free] = np.where(np.isfinite(gaps), free_s, np.inf)
    rows[gap] = gaps


def stuck(approaches: Records, turn_rows: Records, links: int) -> Ints:
    """Return the links that are full and wait for each other in a ring, rows."""
    here = approaches[:links]
    full = here["entered"] - here["left"] >= here["room"]
    ahead = np.where(full & (here["head"] >= 0), turn_rows["link"][here["head"]], -1)
    ahead[ahead >= 0] = np.where(full[ahead[ahead >= 0]], ahead[ahead >= 0], -1)
    return in_rings(ahead.astype(np.int64))


def in_rings(ahead: Ints) -> Ints:
    """Return the rows that come back to themselves by following `ahead` (-1: nowhere)."""
    indegree = np.bincount(ahead[ahead >= 0], minlength=len(ahead))
    inside = ahead >= 0
    ends = np.flatnonzero(inside & (indegree == 0)).tolist()
    while ends:
        row = ends.pop()
        inside[row] = False
        after = int(ahead[row])
        indegree[after] -= 1
        if inside[after] and indegree[after] == 0:
            ends.append(after)
    return _without_tails(inside, ahead)


def _without_tails(inside: Bools, ahead: Ints) -> Ints:
    """Drop rows that lead out of those that are inside."""
    while True:
        leads_out = inside & ~inside[ahead]
        if not leads_out.any():
            return np.flatnonzero(inside).astype(np.int64)
        inside &= ~leads_out
