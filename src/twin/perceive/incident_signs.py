"""Signs of incidents and tails of queues, read from the last minutes of the detectors.

On a closed section (`health/chains.py`) every vehicle is counted in and out. Where something stands
on the road between two stations,

- vehicles pile up: more go in than come out, minute after minute, while the road behind is free;
- the queue reaches the station before it, while traffic behind flows off freely and below what
  the road can take. A bottleneck that is always there lets through all that it can take.

Everything here is a function of the detectors' memory and the minute: what arrives late changes it
as if it had come in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.network.model import Link, SingleMap
from twin.perceive.health.chains import Section
from twin.perceive.kernels.record import BINS
from twin.perceive.layout import Layout

MINUTE_US: Final = 60_000_000
WINDOW_MIN: Final = 20
PILED_MIN: Final = 10
DRIFT_VPMIN: Final = 3.0
FRESH_MIN: Final = 10
FREE_SHARE: Final = 0.8
_COUNT, _COUNT_MS, _WEIGHT, _PACE = 1, 2, 3, 4  # columns of the ring
_LEAST_MS: Final = 30_000  # of a minute must be counted


@dataclass(frozen=True, slots=True)
class Roads:
    """What the signs need of the map: of each section, rows of links and static numbers.

    up, down       (sections,) links before and behind the section
    free_mps       (links,) free speed of the map
    capacity_vpmin (sections,) what the narrower end passes in a minute
    length_m       (sections,) from station to station
    """

    up: Ints
    down: Ints
    free_mps: Floats
    capacity_vpmin: Floats
    length_m: Floats


@dataclass(frozen=True, slots=True)
class Minutes:
    """The last minutes by link, (links, WINDOW_MIN), oldest first; NaN where not told.

    vehicles   over all lanes; speed   m/s, space mean
    """

    vehicles: Floats
    speed: Floats


def last_minutes(
    layout: Layout, ring_bin: Ints, ring_sums: Ints, last_minute: int, *, failed: Bools
) -> Minutes:
    """Read the minutes that end with `last_minute` from the rings of the detectors.

    Detectors that report less often than every minute tell nothing here.
    """
    wanted = np.arange(last_minute - WINDOW_MIN, last_minute)
    slots = wanted % BINS
    there = (ring_bin[:, slots] == wanted) & ~failed[:, None]
    sums = np.where(there[:, :, None], ring_sums[:, slots], 0).astype(np.float64)
    told_ms = sums[:, :, _COUNT_MS]
    good = (told_ms >= _LEAST_MS) & (told_ms <= 2 * _LEAST_MS)
    own = np.divide(sums[:, :, _COUNT] * 60.0, told_ms, out=np.zeros_like(told_ms), where=good)
    links = len(layout.places.lanes)
    shape = (links, WINDOW_MIN)
    vehicles, covered, weight, pace = (np.zeros(shape) for _ in range(4))
    rows = layout.sensor_link
    np.add.at(vehicles, rows, np.where(good, own, 0.0))
    np.add.at(covered, rows, good * layout.places.sensor_lanes[:, None])
    np.add.at(weight, rows, sums[:, :, _WEIGHT])
    np.add.at(pace, rows, sums[:, :, _PACE])
    lanes = layout.places.lanes[:, None]
    unknown = np.full(shape, np.nan)
    return Minutes(
        vehicles=np.divide(vehicles * lanes, covered, out=unknown.copy(), where=covered > 0),
        speed=np.divide(1e9 * weight, pace, out=unknown, where=pace > 0),
    )


def roads_of(network: SingleMap, sections: tuple[Section, ...]) -> Roads:
    """Return the static numbers of sections."""
    up = np.array([one.into[0] for one in sections], np.int64)
    down = np.array([one.out[0] for one in sections], np.int64)
    capacity = np.array([link.capacity_vps * 60.0 for link in network.links])
    at_m = {str(sensor.link): sensor.position_m for sensor in network.sensors}
    leaving: dict[str, list[Link]] = {}
    for link in network.links:
        leaving.setdefault(link.from_node, []).append(link)
    length = [_gap_m(network, one, at_m, leaving) for one in sections]
    return Roads(
        up=up,
        down=down,
        free_mps=np.array([link.free_speed_mps for link in network.links]),
        capacity_vpmin=np.minimum(capacity[up], capacity[down]),
        length_m=np.array(length, np.float64),
    )


def _gap_m(
    network: SingleMap, section: Section, at_m: dict[str, float], leaving: dict[str, list[Link]]
) -> float:
    """Return the way from station to station along the road."""
    at, last = network.links[section.into[0]], network.links[section.out[0]]
    total = at.length_m - at_m[at.id] + at_m[last.id]
    while at.to_node != last.from_node:
        at = next(
            link
            for link in leaving[at.to_node]
            if link.road == last.road and link.to_node != at.from_node
        )
        total += at.length_m
    return float(total)


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for an incident in each section now, columns of (sections,).

    piled        vehicles that went in and did not come out, beyond chance, in the last minutes
    slow_up, slow_down    speed over free speed before and behind, the last two minutes
    load         share of the capacity that flows off behind, the last three minutes
    drop         flow behind in the last two minutes over that of the ten before; NaN unknown
    fresh        bool, the road before was free within the last ten minutes
    """

    piled: Floats
    slow_up: Floats
    slow_down: Floats
    load: Floats
    drop: Floats
    fresh: Bools


def read_signs(
    roads: Roads, minutes: Minutes, sections: tuple[Section, ...], *, imbalance: Floats
) -> Signs:
    """Read the signs of every section.

    imbalance   (sections,) of the health: detectors that always count too little are allowed for
    """
    entered = np.array([minutes.vehicles[list(one.into)].sum(axis=0) for one in sections])
    left = np.array([minutes.vehicles[list(one.out)].sum(axis=0) for one in sections])
    always = np.where(np.isfinite(imbalance), np.clip(imbalance, -0.2, 0.2), 0.0)
    entered *= (1.0 - np.maximum(always, 0.0))[:, None]
    left *= (1.0 + np.minimum(always, 0.0))[:, None]
    share = minutes.speed / roads.free_mps[:, None]
    before, behind = share[roads.up], share[roads.down]
    behind_vpmin = np.where(minutes.vehicles > 0, minutes.vehicles, np.nan)[roads.down]
    return Signs(
        piled=_piled(_ahead(entered, roads, before), left),
        slow_up=_last(before, 2),
        slow_down=_last(behind, 2),
        load=_last(behind_vpmin, 3) / roads.capacity_vpmin,
        drop=_last(behind_vpmin, 2) / _last(behind_vpmin[:, -14:-4], 10),
        fresh=np.asarray((before[:, -FRESH_MIN:] >= FREE_SHARE).any(axis=1), np.bool_),
    )


def _ahead(entered: Floats, roads: Roads, before: Floats) -> Floats:
    """Move what entered to the minute in which it comes out at the usual pace, (sections, W - 1).

    Vehicles drive in platoons: without the shift, every platoon looks like a pile for a minute.
    """
    usual = np.clip(np.median(np.nan_to_num(before, nan=1.0), axis=1), FREE_SHARE, 1.0)
    shift = np.clip(roads.length_m / (usual * roads.free_mps[roads.up]) / 60.0, 0.0, 1.0)[:, None]
    return (1.0 - shift) * entered[:, 1:] + shift * entered[:, :-1]


def _piled(entered: Floats, left: Floats) -> Floats:
    """Add up what did not come out over the last ten minutes, less what chance brings (CUSUM)."""
    total = np.zeros(len(entered))
    for minute in range(-PILED_MIN, 0):
        step = np.nan_to_num(entered[:, minute] - left[:, minute])
        total = np.maximum(total + step - DRIFT_VPMIN, 0.0)
    return total


def _last(values: Floats, count: int) -> Floats:
    """Return the mean of the last values that are known, NaN where none is."""
    part = values[:, -count:]
    known = np.isfinite(part)
    found = np.full(len(values), np.nan)
    np.divide(
        np.where(known, part, 0.0).sum(axis=1),
        known.sum(axis=1),
        out=found,
        where=known.any(axis=1),
    )
    return found
