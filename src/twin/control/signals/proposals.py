"""When is it worth asking a person to hand a junction to adaptive control?

Rule: for three minutes without a break, the best division of the cycle would save at least
`SAVING_VEH` vehicle-hours an hour, and a tenth of the delay, against the best of the junction's
own plans; with the traffic measured now, and with the forecast of the next quarter of an hour
where there is one. (Vehicle-hours an hour is the mean number of vehicles that wait.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.clock import us_from_seconds
from twin.columns import Floats
from twin.control.signals.delay import best_greens, delay_rate, plan_greens
from twin.control.signals.layout import JunctionLayout
from twin.forecast.result import Forecast
from twin.perceive.state import LinkState

SAVING_VEH = 1.0
SAVING_SHARE = 0.1
LASTING_S = 180.0
QUEUE_SERVED_S = 900.0  # a standing queue counts as demand spread over so long
FORECAST_S = 900.0


@dataclass(frozen=True, slots=True)
class Saving:
    """Delay of the running traffic under the best own plan, and under the best division."""

    plan: str
    plan_veh: float
    best_veh: float

    @property
    def saved_veh(self) -> float:
        """Vehicle-hours an hour that would be saved."""
        return self.plan_veh - self.best_veh

    @property
    def clear(self) -> bool:
        """Say whether the saving is large enough to ask for."""
        return self.saved_veh >= max(SAVING_VEH, SAVING_SHARE * self.plan_veh)


def queues(layout: JunctionLayout, links: LinkState, length_m: Floats, free_mps: Floats) -> Floats:
    """Return the vehicles beyond free flow on every approach, (approaches,)."""
    rows = layout.approaches
    moving_vpm = np.nan_to_num(links.flow_vps[rows]) / free_mps[rows]
    return np.maximum(links.density_vpm[rows] - moving_vpm, 0.0) * length_m[rows]


def demand_now(layout: JunctionLayout, links: LinkState, queue: Floats) -> Floats:
    """Return the vehicles a second that want each movement, (m,): arriving, and the queued."""
    arriving_vps = np.nan_to_num(links.flow_vps[layout.from_link])
    of_approach = np.searchsorted(layout.approaches, layout.from_link)
    return (arriving_vps + queue[of_approach] / QUEUE_SERVED_S) * layout.share_frac


def demand_ahead(layout: JunctionLayout, forecast: Forecast) -> Floats | None:
    """Return the forecast demand of each movement, (m,), None where an approach has no forecast."""
    steps = max(int(FORECAST_S // forecast.step_s), 1)
    flow_vps = forecast.flow_vps[:steps][:, layout.from_link].mean(axis=0)
    return None if np.isnan(flow_vps).any() else flow_vps * layout.share_frac


def saving(layout: JunctionLayout, demand_vps: Floats) -> Saving | None:
    """Weigh the best of the junction's own plans against the best division of that plan's cycle."""
    rates = [
        (
            delay_rate(
                layout,
                demand_vps,
                stage_green_s=plan_greens(layout, plan),
                cycle_s=plan.cycle_s,
            ),
            plan,
        )
        for plan in layout.junction.plans
    ]
    if not rates:
        return None
    plan_veh, plan = min(rates, key=lambda pair: pair[0])
    greens = best_greens(layout, demand_vps, plan)
    best_veh = delay_rate(layout, demand_vps, stage_green_s=greens, cycle_s=plan.cycle_s)
    return Saving(plan.id, plan_veh, min(best_veh, plan_veh))


class Patience:
    """Since when each junction has had a clear saving; one look without it starts again."""

    def __init__(self) -> None:
        self.since_us: dict[str, int] = {}

    def lasted(self, junction: str, *, clear: bool, now_us: int) -> bool:
        """Note one look; say whether the saving has been clear for `LASTING_S`."""
        if not clear:
            self.since_us.pop(junction, None)
            return False
        since_us = self.since_us.setdefault(junction, now_us)
        return now_us - since_us >= us_from_seconds(LASTING_S)
