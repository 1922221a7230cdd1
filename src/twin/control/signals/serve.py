"""Which stage serves most vehicles a second, the time to change to it counted in."""

from __future__ import annotations

from typing import Final

import numpy as np

from twin.columns import Floats
from twin.control.signals.layout import JunctionLayout

START_S: Final = 2.0  # lost until a queue moves
BETTER: Final = 1.3  # a change must promise so much more: lower values lose more in changes


def service_rate(
    waiting: Floats, rate_vps: Floats, *, lost_s: float | Floats, weight: Floats | None = None
) -> float:
    """Return the best mean number of vehicles served a second by one stage, from now on.

    It may be held as long as pays: until the first lane, the second, ... or all are empty. A lane
    flows after `lost_s` (one for all, or (lanes,)). With `weight` (lanes,) the vehicles of each
    lane count so much.
    """
    served = (rate_vps > 0) & (waiting > 0)
    if not served.any():
        return 0.0
    each = np.ones(len(waiting)) if weight is None else weight
    there, flow_vps = waiting[served], rate_vps[served]
    starts_s = np.broadcast_to(lost_s, waiting.shape)[served]
    until_s = starts_s + there / flow_vps
    green_s = np.maximum(until_s[:, None] - starts_s, 0.0)
    vehicles = np.minimum(there, flow_vps * green_s) @ each[served]
    return float((vehicles / until_s).max())


def serving_stage(
    layout: JunctionLayout,
    shown: int,
    waiting: Floats,
    rate_vps: Floats,
    *,
    weight: Floats | None = None,
) -> tuple[int, Floats]:
    """Return the stage to show, and the service rate of every stage, (stages,) vehicles a second.

    A lane that is green before and after a change loses nothing by it.

    waiting   (lanes,) vehicles    rate_vps   (stages, lanes)    weight   (lanes,), 1 without it
    """
    here = layout.groups_of(shown)
    flowing = rate_vps[shown] > 0
    rates = np.zeros(len(rate_vps))
    for stage in range(len(rate_vps)):
        if stage == shown:
            rates[stage] = service_rate(waiting, rate_vps[stage], lost_s=0.0, weight=weight)
            continue
        there = layout.groups_of(stage)
        goes_on = flowing & (rate_vps[stage] > 0)
        lost_s = layout.clearing_s(here, there) + START_S
        if waiting[flowing & ~goes_on].any():  # who is left waiting costs the way back, too
            lost_s += layout.clearing_s(there, here) + START_S
        each_s = np.where(goes_on, 0.0, lost_s)
        rates[stage] = service_rate(waiting, rate_vps[stage], lost_s=each_s, weight=weight)
    best = int(np.argmax(rates))
    if best != shown and rates[best] <= BETTER * rates[shown]:
        best = shown
    return best, rates
