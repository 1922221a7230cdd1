"""Short links in a row, where nothing turns, joins or ends, run as one and told apart again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.simulate.ltm import LinkTransmission
from twin.simulate.roads import Roads, Turns, joints, summed

WHOLE_SHARE = 1.0 - 1e-12


@dataclass(frozen=True, slots=True)
class Series:
    """A network whose short links are joined to their neighbours in a row.

    roads, turns, turn_share, exit_share   of the joined network
    whole   (links,) int64 row of each link in the joined network
    ahead   (links,) int64 the link before it in the same row of links, -1 for the first
    parts   the links as they were
    """

    roads: Roads
    turns: Turns
    turn_share: Floats
    exit_share: Floats
    whole: Ints
    ahead: Ints
    parts: Roads

    def summed(self, column: Floats) -> Floats:
        """Add up a column of links by joined link."""
        return summed(self.whole, column, len(self.roads))

    def starts(self, column: Floats) -> Floats:
        """Return what stands before each link in its row: sums of a column, (links,)."""
        before = np.zeros(len(column))
        for link in _in_order(self.ahead):
            previous = self.ahead[link]
            if previous >= 0:
                before[link] = before[previous] + column[previous]
        return before


def join_series(
    roads: Roads, turns: Turns, turn_share: Floats, exit_share: Floats, *, step_s: float
) -> Series:
    """Join links shorter than a step with their neighbours at plain nodes.

    A node is plain for a link when all its vehicles go on to one link that nobody else enters, and
    no trip starts or ends there. A ring of such nodes keeps one joint.
    """
    links = len(roads)
    short = roads.free_s < step_s * (1.0 - 1e-9)
    start, rows = joints(roads, turns)
    alone = np.empty(len(rows), np.bool_)  # by approach: nobody else enters where it leads
    alone[rows] = np.repeat(np.diff(start) == 1, np.diff(start))
    ahead = np.full(links, -1, np.int64)
    whole = np.arange(links, dtype=np.int64)
    plain = (turns.approach < links) & (turn_share >= WHOLE_SHARE)
    for turn in np.flatnonzero(plain).tolist():
        before, after = int(turns.approach[turn]), int(turns.link[turn])
        if not alone[before] or not (short[before] or short[after]):
            continue
        if _first(whole, before) != after:  # else the row would close to a ring
            whole[after] = before
            ahead[after] = before
    return _joined(roads, turns, (turn_share, exit_share), ahead)


def _first(whole: Ints, link: int) -> int:
    """Return the first link of a row."""
    while whole[link] != link:
        link = int(whole[link])
    return link


def _in_order(ahead: Ints) -> list[int]:
    """Return links so that each comes after the one before it in its row."""
    after = {int(before): link for link, before in enumerate(ahead.tolist()) if before >= 0}
    order = []
    for first in np.flatnonzero(ahead < 0).tolist():
        link: int | None = first
        while link is not None:
            order.append(link)
            link = after.get(link)
    return order


def _joined(roads: Roads, turns: Turns, shares: tuple[Floats, Floats], ahead: Ints) -> Series:
    """Return the joined network; the rows keep their order by the first link."""
    links = len(roads)
    firsts = np.flatnonzero(ahead < 0)
    whole = np.full(links, -1, np.int64)
    whole[firsts] = np.arange(len(firsts))
    last = np.empty(len(firsts), np.int64)
    for link in _in_order(ahead):
        if ahead[link] >= 0:
            whole[link] = whole[ahead[link]]
        last[whole[link]] = link
    length_m = summed(whole, roads.length_m, len(firsts))
    capacity = np.full(len(firsts), np.inf)
    np.minimum.at(capacity, whole, roads.capacity_vps)
    joined = Roads(
        from_node=roads.from_node[firsts],
        to_node=roads.to_node[last],
        length_m=length_m,
        free_speed_mps=length_m / summed(whole, roads.free_s, len(firsts)),
        capacity_vps=capacity,
        jam_vpm=summed(whole, roads.jam_vpm * roads.length_m, len(firsts)) / length_m,
        nodes=roads.nodes,
    )
    inner = ahead[turns.link] == turns.approach
    origins = np.arange(len(turns.origin_node), dtype=np.int64)
    row_of = np.concatenate([whole, len(firsts) + origins])
    ends = np.concatenate([last, links + origins])
    rest = np.flatnonzero(~inner)
    rest = rest[np.argsort(row_of[turns.approach[rest]], kind="stable")]
    counts = np.bincount(row_of[turns.approach[rest]], minlength=len(ends))
    kept = Turns(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        approach=row_of[turns.approach[rest]],
        link=whole[turns.link[rest]],
        seconds=turns.seconds[rest],
        share=turns.share[rest],
        movement=turns.movement[rest],
        origin_node=turns.origin_node,
    )
    return Series(joined, kept, shares[0][rest], shares[1][ends], whole, ahead, roads)


class Apart:
    """Tells the links of a joined network apart while it runs."""

    def __init__(self, series: Series, run: LinkTransmission) -> None:
        """Start where the run stands."""
        self._series = series
        self._run = run
        parts = series.parts
        self._storage = parts.jam_vpm * parts.length_m
        self._before_s = series.starts(parts.free_s)
        behind = series.starts(self._storage)
        self._after = series.summed(self._storage)[series.whole] - behind
        self._vehicle_s = np.zeros(len(parts))
        self._taken_s = run.vehicle_s

    @property
    def entered(self) -> Floats:
        """Return how many entered each link so far, (links,): Newell's minimum at its start."""
        series = self._series
        storage_share = self._after / series.summed(self._storage)[series.whole]
        counts = self._run.passed(series.whole, self._before_s, storage_share)
        return np.where(series.ahead < 0, self._run.entered[series.whole], counts)

    @property
    def left(self) -> Floats:
        """Return how many left each link so far, (links,)."""
        series, entered = self._series, self.entered
        left = self._run.left[series.whole]
        inner = np.flatnonzero(series.ahead >= 0)
        left[series.ahead[inner]] = entered[inner]
        return left

    @property
    def vehicles(self) -> Floats:
        """Return how many vehicles are on each link."""
        return np.maximum(self.entered - self.left, 0.0)

    def take(self) -> None:
        """Give the vehicle seconds since the last time to the links, as the vehicles stand now."""
        series = self._series
        now_s = self._run.vehicle_s
        weight = self.vehicles + 1e-9 * series.parts.free_s
        share = weight / series.summed(weight)[series.whole]
        self._vehicle_s += (now_s - self._taken_s)[series.whole] * share
        self._taken_s = now_s

    @property
    def vehicle_s(self) -> Floats:
        """Return the vehicle seconds on each link up to the last time taken."""
        return self._vehicle_s.copy()
