"""Winners and losers: the same trip in base and edited, paired by its number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.scenario.outcome import Trips
from twin.scenario.results.reliability import arrived

SAME_S = 60.0  # a change of travel time that nobody notices
EDGES_MIN = (-30.0, -20.0, -15.0, -10.0, -7.5, -5.0, -3.0, -1.0)
BINS_MIN = (-np.inf, *EDGES_MIN, *(-edge for edge in reversed(EDGES_MIN)), np.inf)


@dataclass(frozen=True, slots=True)
class Changes:
    """The trips of one seed that both sides have, (P,): rows in each side's table.

    change_s   travel time edited - base; NaN where a side did not arrive
    """

    base_row: Ints
    edited_row: Ints
    change_s: Floats


@dataclass(frozen=True, slots=True)
class Winners:
    """Counts over all seeds; shares by seed (S,) are of the trips that arrived on both sides.

    bins    (len(BINS_MIN) - 1,) trips by change of travel time
    by_class   name: (winners, losers, same)
    only_base, only_edited   trips that arrived on one side alone
    added   trips that only the edited side has; dropped: only the base
    """

    bins: Ints
    winners_share: Floats
    losers_share: Floats
    mean_change_s: Floats
    by_class: dict[str, tuple[int, int, int]]
    only_base: int
    only_edited: int
    added: int
    dropped: int


def changes_of(base: Trips, edited: Trips) -> Changes:
    """Pair two trip tables by vehicle."""
    _, base_row, edited_row = np.intersect1d(
        base.vehicle, edited.vehicle, assume_unique=True, return_indices=True
    )
    time_base = base.arrived_s[base_row] - base.depart_s[base_row]
    time_edited = edited.arrived_s[edited_row] - edited.depart_s[edited_row]
    return Changes(base_row.astype(np.int64), edited_row.astype(np.int64), time_edited - time_base)


def winners_of(pairs: list[tuple[Trips, Trips, Changes]], classes: tuple[str, ...]) -> Winners:
    """Sum up all seeds; a trip wins or loses when its time changes by more than a minute."""
    bins = np.zeros(len(BINS_MIN) - 1, np.int64)
    counted = np.zeros((len(classes), 3), np.int64)
    shares: list[tuple[float, float, float]] = []
    one_side = np.zeros(4, np.int64)
    for base, edited, changes in pairs:
        change = changes.change_s[np.isfinite(changes.change_s)]
        bins += np.histogram(change / 60.0, BINS_MIN)[0]
        side = np.where(change < -SAME_S, 0, np.where(change > SAME_S, 1, 2))
        kinds = base.vclass[changes.base_row][np.isfinite(changes.change_s)]
        np.add.at(counted, (kinds, side), 1)
        size = max(len(change), 1)
        shares.append(
            (
                float((side == 0).sum()) / size,
                float((side == 1).sum()) / size,
                float(change.mean()) if len(change) else float("nan"),
            )
        )
        in_base = arrived(base)[changes.base_row]
        in_edited = arrived(edited)[changes.edited_row]
        one_side += (
            int((in_base & ~in_edited).sum()),
            int((~in_base & in_edited).sum()),
            len(edited) - len(changes.edited_row),
            len(base) - len(changes.base_row),
        )
    columns = np.array(shares, np.float64).reshape(-1, 3).T
    named = {
        name: (int(row[0]), int(row[1]), int(row[2]))
        for name, row in zip(classes, counted, strict=True)
        if row.sum()
    }
    return Winners(bins, columns[0], columns[1], columns[2], named, *map(int, one_side))
