"""Which stage serves most vehicles a second, the time to change to it counted in."""

from __future__ import annotations

from typing import Final

import numpy as np

from twin.columns import Floats
from twin.control.signals.layout import JunctionLayout

START_S: Final = 2.0  # lost until a queue moves
BETTER: Final = 1.6  # a change must promise so much more: lower values lose more in changes


def service_rate(
    waiting: Floats, rate_vps: Floats, *, lost_s: float, weight: Floats | None = None
) -> float:
    """Return the best mean number of vehicles served a second by one stage, from now on.

    It may be held as long as pays: until the first lane, the second, ... or all are empty. With
    `weight` (lanes,) the vehicles of each lane count so much.
    """
    each = np.ones(len(waiting)) if weight is None else weight
    served = rate_vps > 0
    if not served.any() or not waiting[served].any():
        return 0.0
    until_s = waiting[served] / rate_vps[served]
    best = 0.0
    for green_s in until_s[until_s > 0]:
        left = np.minimum(waiting[served], rate_vps[served] * green_s)
        vehicles = (each[served] * left).sum()
        best = max(best, float(vehicles) / (lost_s + float(green_s)))
    return best


def serving_stage(
    layout: JunctionLayout,
    shown: int,
    waiting: Floats,
    rate_vps: Floats,
    *,
    weight: Floats | None = None,
) -> tuple[int, Floats]:
    """Return the stage to show, and the service rate of every stage, (stages,) vehicles a second.

    waiting   (lanes,) vehicles    rate_vps   (stages, lanes)    weight   (lanes,), 1 without it
    """
    here = layout.groups_of(shown)
    remaining = bool(waiting[rate_vps[shown] > 0].any())
    rates = np.zeros(len(rate_vps))
    for stage in range(len(rate_vps)):
        lost_s = 0.0
        if stage != shown:
            there = layout.groups_of(stage)
            lost_s = layout.clearing_s(here, there) + START_S
            if remaining:  # who is left waiting costs the way back, too
                lost_s += layout.clearing_s(there, here) + START_S
        rates[stage] = service_rate(waiting, rate_vps[stage], lost_s=lost_s, weight=weight)
    best = int(np.argmax(rates))
    if best != shown and rates[best] <= BETTER * rates[shown]:
        best = shown
    return best, rates
