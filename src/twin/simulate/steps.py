"""How long a step may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import SimulationError
from twin.simulate.roads import Roads, Turns, summed

ADDED_LIMIT = 0.01  # of the free travel time of all vehicles
SHORTEST_S = 0.05


@dataclass(frozen=True, slots=True)
class StepChoice:
    """A step, and what rounding short links up to it adds.

    rounded_links (n,) int64 rows, added_s (n,) seconds each; added_share of all free travel time.
    """

    step_s: float
    rounded_links: Ints
    added_s: Floats
    added_share: float


def choose_step(roads: Roads, vehicles: Floats, *, wanted_s: float) -> StepChoice:
    """Return the largest whole part of `wanted_s` whose rounding adds at most 1 %.

    vehicles   (links,) how many use each link; the share is weighted by them
    Raises SimulationError when `wanted_s` is not a positive number.
    """
    if not (math.isfinite(wanted_s) and wanted_s > 0):
        message = f"UnstableStep: a step of {wanted_s} s is not a positive duration"
        raise SimulationError(message)
    free_s = roads.free_s
    whole_s = float(vehicles @ free_s)
    parts = 1
    while True:
        step_s = wanted_s / parts
        added = np.maximum(step_s - free_s, 0.0)
        share = float(vehicles @ added) / whole_s if whole_s > 0 else 0.0
        if share <= ADDED_LIMIT or step_s <= SHORTEST_S:
            break
        parts += 1
    rows = np.flatnonzero(added > 0)
    return StepChoice(step_s, rows.astype(np.int64), added[rows], share)


def expected_vehicles(turns: Turns, turn_share: Floats, present: Floats, origin: Floats) -> Floats:
    """Return how many vehicles will pass each link if nothing holds them up, (links,).

    turn_share   (turns,) of each approach's vehicles
    present      (links,) there at the start; origin (origins,) that will appear
    On a closed ring nobody ever leaves: each vehicle counts once a link there.
    """
    links = len(present)
    found = present.astype(np.float64)
    here = np.concatenate([found, origin])
    for _ in range(links):
        arriving = summed(turns.link, here[turns.approach] * turn_share, links)
        if float(arriving.sum()) <= 1e-9 * float(found.sum()):
            break
        found = found + arriving
        here = np.concatenate([arriving, np.zeros(len(origin))])
    return found
