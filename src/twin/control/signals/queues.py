"""Who waits before a signal, lane by lane, counted between two loops.

A vehicle that passed the upstream loop and not yet the stop line is on the way or in the queue.
Counts drift, so they are put right wherever the stop line shows that nobody stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.control.signals.layout import LANE_SATURATION_VPS, JunctionLayout
from twin.control.signals.loops import BIN_S, Loops, end_us
from twin.network.model import Movement, Sensor, SingleMap
from twin.units import SECOND_US

STOP_M: Final = 15.0  # a loop at most so far before the stop line sees whether somebody waits
REACH_M: Final = 160.0  # an upstream loop further away says too little
VEHICLE_M: Final = 7.5
FREE_FRAC: Final = 0.02
STANDING_FRAC: Final = 0.8
FULL_FRAC: Final = 0.4  # an upstream loop covered so long: the queue reaches over it
BLOCKED_FRAC: Final = 0.8  # the way on is taken as full
STOOD_FRAC: Final = 0.5  # a stop-line loop covered so long, and nobody left: somebody stood
PATIENCE_S: Final = 30.0  # a queue that has stood for so long counts twice
START_BINS: Final = 2
STALE_S: Final = 17.0
YIELDING_RATE: Final = 0.5  # of saturation, where a movement must give way
_BEYOND_VEH: Final = 30.0  # about so many more stand behind a covered upstream loop
_USUAL_BINS: Final = 36
YIELDING: Final = "yielding"  # the junction's extra field with the groups that give way


@dataclass(frozen=True, slots=True)
class Approach:
    """One approach link: its stop-line loops (one a lane or for all), and those upstream.

    stop, upstream   rows of sensors    first   position of its first lane among all of a junction
    above            per stop-line loop the position in `upstream` of its own lane's loop, -1 none
    """

    link: int
    stop: Ints
    upstream: Ints
    above: Ints
    storage_veh: float
    free_s: float
    first: int


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes before one junction as its loops see them.

    rate_vps   (stages, lanes) vehicles that leave a second while a stage is green
    to_link    per lane the link rows that its vehicles go to
    """

    approaches: tuple[Approach, ...]
    rate_vps: Floats
    to_link: tuple[tuple[int, ...], ...]


def lanes_of(layout: JunctionLayout, network: SingleMap, loops: Loops) -> Lanes | None:
    """Return the lanes of a junction, None when an approach has no short-period stop-line loop."""
    approaches: list[Approach] = []
    rates: list[Floats] = []
    onward: list[tuple[int, ...]] = []
    yielding = frozenset(dict(layout.junction.extra).get(YIELDING, "").split())
    sensors_on = _sensors_by_link(network, loops)
    for link in layout.approaches.tolist():
        length_m = network.links[link].length_m
        near = min(STOP_M, 0.6 * length_m)
        rows = sensors_on.get(link, [])
        stop = [row for row in rows if length_m - network.sensors[row].position_m <= near]
        if not stop:
            return None
        upstream, gap_m = _upstream(network, link, sensors_on, frozenset(layout.approaches))
        approaches.append(
            Approach(
                link=link,
                stop=np.array(stop, np.int64),
                upstream=np.array(upstream, np.int64),
                above=_above(network, stop, upstream),
                storage_veh=(gap_m or length_m) * network.links[link].lanes / VEHICLE_M,
                free_s=gap_m / max(network.links[link].free_speed_mps, 1.0),
                first=len(rates),
            )
        )
        for row in stop:
            rate, targets = _lane(layout, network, network.sensors[row], yielding)
            rates.append(rate)
            onward.append(targets)
    return Lanes(tuple(approaches), np.array(rates).T, tuple(onward))


def _above(network: SingleMap, stop: list[int], upstream: list[int]) -> Ints:
    """Return for each stop-line loop where the loop of the same lane is among those upstream."""

    def lane(row: int) -> tuple[str, str]:
        sensor = network.sensors[row]
        return sensor.link, dict(sensor.extra).get("lane", "")

    of_lane = {lane(row): at for at, row in enumerate(upstream)}
    return np.array([of_lane.get(lane(row), -1) for row in stop], np.int64)


def _sensors_by_link(network: SingleMap, loops: Loops) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row, sensor in enumerate(network.sensors):
        if loops.short[row]:
            found.setdefault(network.link_rows[sensor.link], []).append(row)
    return found


def _upstream(
    network: SingleMap, link: int, sensors_on: Mapping[int, list[int]], approaches: frozenset[int]
) -> tuple[list[int], float]:
    """Return the loops upstream of a stop line, and how far away they are; none: ([], 0).

    They are on the link itself, or on the link before it if that leads nowhere else and is no
    approach of the junction: its vehicles would be counted twice.
    """
    passed_m = 0.0
    for _ in range(4):
        road = network.links[link]
        rows = [
            row
            for row in sensors_on.get(link, [])
            if (passed_m or road.length_m - network.sensors[row].position_m > 2 * STOP_M)
        ]
        if rows:
            first_m = min(network.sensors[row].position_m for row in rows)
            rows = [row for row in rows if network.sensors[row].position_m < first_m + STOP_M]
            gap_m = passed_m + road.length_m - first_m
            return (rows, gap_m) if gap_m <= REACH_M else ([], 0.0)
        passed_m += road.length_m
        before = _only_before(network, link)
        if before is None or before in approaches or passed_m > REACH_M:
            break
        link = before
    return [], 0.0


def _only_before(network: SingleMap, link: int) -> int | None:
    name = network.links[link].id
    into = {move.from_link for move in network.movements if move.to_link == name}
    alone = [
        one
        for one in sorted(into)
        if {move.to_link for move in network.movements if move.from_link == one} == {name}
    ]
    rows = [network.link_rows[one] for one in alone]
    return max(rows, key=lambda row: network.links[row].lanes, default=None)


def _lane(
    layout: JunctionLayout, network: SingleMap, sensor: Sensor, yielding: frozenset[str]
) -> tuple[Floats, tuple[int, ...]]:
    """Return how fast a lane empties in each stage, and where its vehicles go."""
    told = dict(sensor.extra).get("lane", "")
    lane = int(told) if told.lstrip("-").isdigit() else None
    of_group = {
        group.id: [network.movements[network.movement_rows[move]] for move in group.movements]
        for group in layout.junction.groups
    }
    moves = {move.id: move for group in of_group.values() for move in group if _uses(move, sensor)}
    mine = {name: move for name, move in moves.items() if lane is None or _covers(move, lane)}
    mine = mine or moves
    lanes = sensor.lanes if lane is None else 1
    rate = np.zeros(len(layout.junction.stages))
    for at, stage in enumerate(layout.junction.stages):
        best: dict[str, float] = dict.fromkeys(mine, 0.0)
        for group in stage.groups:
            share = YIELDING_RATE if group in yielding else 1.0
            for move in of_group[group]:
                if move.id in best:
                    best[move.id] = max(best[move.id], share)
        rate[at] = LANE_SATURATION_VPS * lanes * sum(best.values()) / max(len(best), 1)
    rows = network.link_rows
    return rate, tuple(sorted({rows[move.to_link] for move in mine.values()}))


def _uses(move: Movement, sensor: Sensor) -> bool:
    return move.from_link == sensor.link


def _covers(move: Movement, lane: int) -> bool:
    return move.from_lanes is None or min(move.from_lanes) <= lane <= max(move.from_lanes)


def waiting(lanes: Lanes, loops: Loops, *, green_vps: Floats, now_us: int) -> Floats | None:
    """Return the vehicles that wait or come on each lane, (lanes,); None when loops are silent.

    green_vps   (lanes,) how fast each lane is emptying just now
    """
    found = np.zeros(lanes.rate_vps.shape[1])
    for approach in lanes.approaches:
        sensors = np.concatenate([approach.stop, approach.upstream])
        if loops.age_s(sensors, now_us) > STALE_S:
            return None
        last = loops.last_bin(sensors)
        here = slice(approach.first, approach.first + len(approach.stop))
        found[here] = loops.once(("approach", approach.link), partial(_approach, approach, loops))
        since_s = max((now_us - end_us(last)) / SECOND_US, 0.0)
        found[here] = np.maximum(found[here] - green_vps[here] * since_s, 0.0)
    return found


def _approach(approach: Approach, loops: Loops) -> Floats:
    """Return the vehicles before the stop line, lane by lane, at the end of the last bin."""
    last = loops.last_bin(np.concatenate([approach.stop, approach.upstream]))
    left, covered = loops.window(approach.stop, last)
    usual = left[:, -_USUAL_BINS:].sum(axis=1)
    standing = (covered[:, -1] >= STANDING_FRAC) | (left[:, -1] > 0)
    free = (covered[:, -1] <= FREE_FRAC) & (left[:, -1] == 0)
    if not len(approach.upstream):
        silent_s = BIN_S * (np.argmax(left[:, ::-1] > 0, axis=1) + 1.0)
        guess = 1.0 + usual / (_USUAL_BINS * BIN_S) * silent_s
        most = approach.storage_veh / len(approach.stop)
        seen: Floats = np.where(free, 0.0, np.minimum(guess, most))
        return seen
    came, above = loops.window(approach.upstream, last)
    inside, coming = _between(approach, came.sum(axis=0), left.sum(axis=0), covered)
    if above[:, -2:].mean() >= FULL_FRAC:
        inside = approach.storage_veh + _BEYOND_VEH
    share = (usual + 0.5) / (usual + 0.5).sum()
    weight = np.where(free, 0.0, share)
    queued = max(inside - coming, 0.0)
    there = queued * weight / weight.sum() if weight.sum() > 0 else np.zeros(len(share))
    found: Floats = np.maximum(there + coming * share, np.where(standing & ~free, 1.0, 0.0))
    stands = above[:, -2:].mean(axis=1) >= BLOCKED_FRAC
    reaches = stands[approach.above] & (approach.above >= 0) & ~free
    lane_veh = (approach.storage_veh + _BEYOND_VEH) / len(approach.stop)
    return np.where(reaches, np.maximum(found, lane_veh), found)


def _between(
    approach: Approach, came: Floats, left: Floats, covered: Floats
) -> tuple[float, float]:
    """Return the vehicles between the loops, and those of them that are still on their way.

    There is no room for more than the storage; where all stop-line loops are free, nobody waits.
    """
    reach = max(int(np.ceil(approach.free_s / BIN_S)), 1)
    empty = (covered <= FREE_FRAC).all(axis=0) & (left == 0)
    so_far = np.concatenate([np.zeros(reach), np.cumsum(came)])
    recent: list[float] = (so_far[reach:] - so_far[:-reach]).tolist()
    more: list[float] = (came - left).tolist()
    inside = 0.0
    for added, few, nobody in zip(more, recent, empty.tolist(), strict=True):
        inside = min(max(inside + added, 0.0), approach.storage_veh)
        if nobody:
            inside = min(inside, few)
    return inside, min(recent[-1], inside)


def urgency(lanes: Lanes, loops: Loops) -> Floats:
    """Return how much a vehicle of each lane counts, (lanes,), 1 where traffic moves.

    Loops cannot see how long a queue is that reaches over them, and a lane that is seldom served
    seems to have few vehicles. How long somebody has stood at its stop line, they can see.
    """
    found = np.ones(lanes.rate_vps.shape[1])
    for approach in lanes.approaches:
        here = slice(approach.first, approach.first + len(approach.stop))
        stood_s = loops.once(("stood", approach.link), partial(_stood_s, approach, loops))
        found[here] += stood_s / PATIENCE_S
    return found


def _stood_s(approach: Approach, loops: Loops) -> Floats:
    """Return for each lane how long somebody has stood at its stop line, (lanes,) seconds."""
    left, covered = loops.window(approach.stop, loops.last_bin(approach.stop))
    moved = (left > 0) | (covered < STOOD_FRAC)
    bins = np.where(moved.any(axis=1), np.argmax(moved[:, ::-1], axis=1), moved.shape[1])
    stood_s: Floats = bins * float(BIN_S)
    return stood_s


def moving(lanes: Lanes, loops: Loops, *, since_us: int) -> Floats:
    """Return (lanes,): 0 where a vehicle stands at the line though it might go, else 1.

    Whatever keeps it (oncoming traffic, a full road behind), its green serves nobody. Asked once
    the lanes have been green since `since_us`, long enough for a queue to start.
    """
    found = np.ones(lanes.rate_vps.shape[1])
    for approach in lanes.approaches:
        last = loops.last_bin(approach.stop)
        if end_us(last) < since_us + START_BINS * BIN_S * SECOND_US:
            continue
        left, covered = loops.window(approach.stop, last)
        here = slice(approach.first, approach.first + len(approach.stop))
        found[here] = np.where((covered[:, -1] >= STANDING_FRAC) & (left[:, -1] == 0), 0.0, 1.0)
    return found


def blocked(lanes: Lanes, exits: Mapping[int, Ints], loops: Loops, now_us: int) -> Floats:
    """Return (lanes,): 0 where the way on is full, else 1. `exits`: first loops of a link."""
    full = {}
    for link, sensors in exits.items():
        if loops.age_s(sensors, now_us) > STALE_S:
            continue
        _, covered = loops.window(sensors, loops.last_bin(sensors))
        full[link] = bool(covered[:, -2:].mean() >= BLOCKED_FRAC)
    return np.array(
        [
            0.0 if ways and all(full.get(way, False) for way in ways) else 1.0
            for ways in lanes.to_link
        ]
    )


def exit_loops(lanes: Lanes, network: SingleMap, loops: Loops) -> dict[int, Ints]:
    """Return, for the links behind a junction that have loops near their start, those loops."""
    sensors_on = _sensors_by_link(network, loops)
    found = {}
    for link in {way for ways in lanes.to_link for way in ways}:
        rows = [
            row
            for row in sensors_on.get(link, [])
            if network.sensors[row].position_m <= 0.6 * network.links[link].length_m
            and network.links[link].length_m - network.sensors[row].position_m > 2 * STOP_M
        ]
        if rows:
            found[link] = np.array(rows, np.int64)
    return found
