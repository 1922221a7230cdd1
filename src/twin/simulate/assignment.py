"""Dynamic user equilibrium of vehicles: paths that nobody who starts then would change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.errors import SimulationError
from twin.simulate.fleet import Fleet
from twin.simulate.kernels.choices import draw_each
from twin.simulate.kernels.timed import quickest, seconds_along
from twin.simulate.roads import Roads, Turns
from twin.simulate.vehicles import VehicleRun
from twin.simulate.wires import starts_of

SWAPS = 100  # what a draw is for, plus the number of the round


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """Travel times by time of entry: seconds (intervals, links) at the middle of each interval."""

    seconds: Floats
    interval_s: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """Paths as a fleet, its run, and the relative gap of every round.

    gap   time of all above their quickest paths, as a share of the time on the quickest paths
    """

    fleet: Fleet
    run: VehicleRun
    gap: tuple[float, ...]


def link_times(run: VehicleRun, *, interval_s: float) -> LinkTimes:
    """Return the travel times that the vehicles of a recorded run met, by interval of entry.

    Where nobody entered, who would have come later than the last one cannot leave before it.
    Later entries never leave earlier. Raises SimulationError when the run was not recorded.
    """
    paths, trips = run.paths(), run.trips()
    if run.moves and not len(paths.link):
        message = "travel times need a run made with record=True"
        raise SimulationError(message)
    last = np.append(paths.vehicle[1:] != paths.vehicle[:-1], np.True_)[: len(paths.link)]
    left_s = np.append(paths.entered_s[1:], np.nan)[: len(paths.link)]
    left_s[last] = trips.ended_s[paths.vehicle[last]]
    left_s = np.where(np.isfinite(left_s), left_s, run.time_s)
    intervals = int(np.ceil(run.time_s / interval_s))
    row = np.minimum((paths.entered_s / interval_s).astype(np.int64), intervals - 1)
    cell = row * len(run.roads) + paths.link
    size = intervals * len(run.roads)
    count = np.bincount(cell, minlength=size)
    spent = np.bincount(cell, left_s - paths.entered_s, minlength=size)
    latest = np.full(size, -np.inf)
    np.maximum.at(latest, cell, left_s)
    shape = (intervals, len(run.roads))
    middle_s = (np.arange(intervals)[:, None] + 0.5) * interval_s
    before = np.maximum.accumulate(latest.reshape(shape), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        seconds = (spent / count).reshape(shape)
    free_s = run.roads.free_s + run.rounded_s
    seconds = np.where(np.isfinite(seconds), seconds, np.maximum(before - middle_s, free_s))
    leaves_s = np.maximum.accumulate(seconds + middle_s, axis=0)
    return LinkTimes(np.ascontiguousarray(leaves_s - middle_s), interval_s)


def quickest_paths(
    roads: Roads,
    turns: Turns,
    times: LinkTimes,
    *,
    origin: Ints,
    destination: Ints,
    depart_s: Floats,
    forbidden: Bools | None = None,
) -> tuple[Ints, Ints, Floats]:
    """Return the quickest paths through time: CSR starts, links, and arrival times (inf: none).

    origin must be origins of the turns. Requests of one origin and departure share one tree.
    Seconds lost in turns count. forbidden (links,) may not be entered from a permitted link.
    """
    row_of = {int(node): row for row, node in enumerate(turns.origin_node)}
    approach = np.array([len(roads) + row_of[int(node)] for node in origin], np.int64)
    order = np.lexsort((depart_s, approach))
    arrive_s = np.empty(len(order))
    start = np.zeros(len(order) + 1, np.int64)
    ends = starts_of(np.bincount(roads.to_node, minlength=roads.nodes))
    end_link = np.argsort(roads.to_node, kind="stable").astype(np.int64)
    closed = np.zeros(len(roads), np.bool_) if forbidden is None else forbidden
    room, filled = 64 * max(len(order), 1), -1
    while filled < 0:
        path = np.empty(room, np.int64)
        filled = quickest(
            approach[order],
            np.asarray(depart_s, np.float64)[order],
            np.asarray(destination, np.int64)[order],
            turns.start,
            turns.link,
            turns.approach,
            turns.seconds,
            ends,
            end_link,
            closed,
            times.seconds,
            times.interval_s,
            arrive_s,
            start,
            path,
        )
        room *= 4
    counts = np.empty(len(order), np.int64)
    counts[order] = np.diff(start)
    arrived = np.empty(len(order))
    arrived[order] = arrive_s
    place = np.empty(len(order), np.int64)
    place[order] = start[:-1]
    starts = starts_of(counts)
    return starts, path[_rows(place, counts)], arrived


def assign(
    make_run: Callable[[Fleet], VehicleRun],
    fleet: Fleet,
    *,
    duration_s: float,
    interval_s: float = 300.0,
    rounds: int = 20,
    gap: float = 0.01,
    seed: int = 0,
) -> Assignment:
    """Swap vehicles to quicker paths until the relative gap is reached; the best round counts.

    make_run     makes a run of a fleet with paths; it must record
    A vehicle swaps with a chance that falls with the rounds (successive averages) and grows with
    what it would gain, so that those who hardly gain stay. Nobody is given a path that its class
    has no right to when it departs. Raises SimulationError for a trip without a permitted way.
    """
    first = make_run(fleet)
    free_s = (first.roads.free_s + first.rounded_s)[None, :]
    times = LinkTimes(np.repeat(free_s, 2, axis=0), interval_s)
    now = fleet.with_paths(*_answer(first, fleet, times))
    best: tuple[float, Fleet, VehicleRun] | None = None
    gaps: list[float] = []
    for turn in range(rounds):
        run = make_run(now).run(duration_s)
        times = link_times(run, interval_s=interval_s)
        start, link = _answer(run, fleet, times)
        own_s = _seconds(now.path_start, now.path_link, fleet, times)
        quick_s = np.minimum(_seconds(start, link, fleet, times), own_s)
        gaps.append(float((own_s - quick_s).sum() / max(quick_s.sum(), 1e-9)))
        if best is None or gaps[-1] < best[0]:
            best = (gaps[-1], now, run)
        if gaps[-1] <= gap:
            break
        gain = (own_s - quick_s) / np.maximum(own_s, 1e-9)
        draw = np.empty(len(fleet))
        draw_each(seed, fleet.key, SWAPS + turn, draw)
        swap = draw < np.minimum(gain / max(float(gain.max()), 1e-9), 1.0) / (1.0 + 0.25 * turn)
        now = _swapped(now, start, link, swap)
    if best is None:
        message = "an equilibrium needs at least one round"
        raise SimulationError(message)
    return Assignment(best[1], best[2], tuple(gaps))


def _answer(run: VehicleRun, fleet: Fleet, times: LinkTimes) -> tuple[Ints, Ints]:
    """Return the quickest path of every vehicle that its class has a right to when it departs.

    One tree an origin, an interval of departure, and a set of rights.
    """
    middle_s = (np.floor(fleet.depart_s / times.interval_s) + 0.5) * times.interval_s
    period = np.searchsorted(run.access.from_s, fleet.depart_s, side="right") - 1
    counts = np.zeros(len(fleet), np.int64)
    place = np.zeros(len(fleet), np.int64)
    found = [np.empty(0, np.int64)]
    for at, kind in np.unique(np.column_stack([period, fleet.kind]), axis=0).tolist():
        rows = np.flatnonzero((period == at) & (fleet.kind == kind))
        start, link, arrive_s = quickest_paths(
            run.roads,
            run.turns,
            times,
            origin=fleet.origin[rows],
            destination=fleet.destination[rows],
            depart_s=middle_s[rows],
            forbidden=run.access.forbidden[at, kind],
        )
        lost = rows[~np.isfinite(arrive_s)]
        if len(lost):
            ends = f"{fleet.origin[lost[0]]} to {fleet.destination[lost[0]]}"
            message = f"no way that class {kind} may use leads from node {ends}"
            raise SimulationError(message)
        counts[rows] = np.diff(start)
        place[rows] = start[:-1] + sum(map(len, found))
        found.append(link)
    return starts_of(counts), np.concatenate(found)[_rows(place, counts)]


def _seconds(start: Ints, link: Ints, fleet: Fleet, times: LinkTimes) -> Floats:
    out = np.empty(len(fleet))
    seconds_along(fleet.depart_s, start, link, times.seconds, times.interval_s, out)
    return out


def _swapped(now: Fleet, start: Ints, link: Ints, swap: Bools) -> Fleet:
    """Return the fleet with other paths for those who swap."""
    counts = np.where(swap, np.diff(start), np.diff(now.path_start))
    place = np.where(swap, start[:-1] + len(now.path_link), now.path_start[:-1])
    both = np.concatenate([now.path_link, link])
    return now.with_paths(starts_of(counts), both[_rows(place, counts)])


def _rows(place: Ints, counts: Ints) -> Ints:
    """Return the rows of slices that begin at `place`, one after the other."""
    starts = starts_of(counts)
    return np.repeat(place - starts[:-1], counts) + np.arange(starts[-1])
