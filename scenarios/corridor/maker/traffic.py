"""A day on both carriageways: who wants to go where, the crash, and the noise of the road."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.demand import MINUTES, Floats, day_shape, restless
from maker.draft import Draft
from maker.motorway import Closure, Road, RoadDay, Wishes, cut, drive
from twin.network.model import Link, LinkClass

CRASH_LINK = "A1-S-14"
CRASH_SHARE = 0.49  # one lane of three blocked leaves about half
CRASH_MIN = (490.0, 520.0)  # 08:10 to 08:40

# Peak wishes, veh/h: entering at the start, and at each on-ramp; shares that leave, per ramp.
_START_VPH = {"N": 4_640.0, "S": 3_050.0}
_ON_VPH = {
    "N": {1: 380.0, 2: 480.0, 3: 620.0, 4: 560.0, 5: 170.0},
    "S": {5: 430.0, 4: 720.0, 3: 1_360.0, 2: 350.0, 1: 240.0},
}
_OFF_SHARE = {
    "N": {1: 0.05, 2: 0.06, 3: 0.12, 4: 0.07, 5: 0.20},
    "S": {5: 0.06, 4: 0.10, 3: 0.20, 2: 0.07, 1: 0.06},
}
_SHAPES = {  # northbound is heavy in the morning, southbound in the evening
    "N": day_shape(morning=1.0, midday=0.60, evening=0.72),
    "S": day_shape(morning=0.98, midday=0.62, evening=1.27),
}


@dataclass(frozen=True, slots=True)
class Motorway:
    """Both carriageways and their day, by the letter of the direction."""

    roads: dict[str, Road]
    days: dict[str, RoadDay]


def road_of(draft: Draft, letter: str) -> Road:
    """Cut the carriageway of a direction (`N` or `S`) into cells, with its ramps."""
    main = [link for link in draft.links.values() if link.road == f"A1-{letter}"]
    return cut(main, _ramps(draft, letter))


def _ramps(draft: Draft, letter: str) -> list[Link]:
    return [
        link
        for link in draft.links.values()
        if link.link_class is LinkClass.RAMP and link.id.split("-")[1] == letter
    ]


def _wishes(road: Road, letter: str, rng: np.random.Generator) -> Wishes:
    shape = _SHAPES[letter]

    def lively(peak_vph: float) -> Floats:
        factor = restless(rng, size=MINUTES, spread=0.05, memory=0.8)[:, 0]
        return peak_vph / 3600.0 * shape * factor

    return Wishes(
        start_vps=lively(_START_VPH[letter]),
        on_vps={name: lively(_ON_VPH[letter][int(name[1])]) for name in road.on_ramps.values()},
        off_share={
            name: np.full(MINUTES, _OFF_SHARE[letter][int(name[1])])
            for name in road.off_ramps.values()
        },
    )


def _noise(road: Road, cells: int, rng: np.random.Generator) -> Floats:
    # Merges falter for minutes at a time: that is what sends waves of stop and go upstream.
    merges = sorted(road.on_ramps)
    noise = np.ones((MINUTES, cells))
    noise[:, merges] = np.minimum(
        restless(rng, size=MINUTES, spread=0.10, memory=0.75, columns=len(merges)), 1.05
    )
    return noise


def drive_both(draft: Draft, rng: np.random.Generator) -> Motorway:
    """Run the day on both carriageways."""
    roads, days = {}, {}
    for letter in ("N", "S"):
        road = road_of(draft, letter)
        closures: tuple[Closure, ...] = ()
        if letter == "S":
            cell = road.cell_at(CRASH_LINK, 250.0)
            closures = (Closure(cell, CRASH_MIN[0], CRASH_MIN[1], CRASH_SHARE),)
        cells = len(road.cell_m)
        noise = _noise(road, cells, rng)
        wishes = _wishes(road, letter, rng)
        roads[letter] = road
        days[letter] = drive(road, wishes, closures=closures, restless=noise)
    return Motorway(roads, days)
