"""How long vehicles wait at a fixed plan, and at the best division of the same cycle."""

from __future__ import annotations

import math

import numpy as np

from twin.columns import Floats
from twin.control.signals.layout import JunctionLayout
from twin.network.model import SignalPlan

PERIOD_H = 0.25  # a queue that cannot be served is counted for so long


def control_delay_s(
    flow_vps: float, saturation_vps: float, *, green_s: float, cycle_s: float
) -> float:
    """Return the mean delay of one vehicle at a fixed green, by the Highway Capacity Manual.

    Uniform part plus incremental part for random arrivals and oversaturation over a quarter of an
    hour. A movement that never gets green waits that long.
    """
    share = green_s / cycle_s
    if share <= 0 or saturation_vps <= 0:
        return PERIOD_H * 3600.0
    capacity_vph = saturation_vps * share * 3600.0
    degree = flow_vps * 3600.0 / capacity_vph
    uniform_s = 0.5 * cycle_s * (1 - share) ** 2 / (1 - min(1.0, degree) * share)
    over = degree - 1
    root = math.sqrt(over**2 + 4.0 * degree / (capacity_vph * PERIOD_H))
    return uniform_s + 900.0 * PERIOD_H * (over + root)


def delay_rate(
    layout: JunctionLayout, demand_vps: Floats, *, stage_green_s: Floats, cycle_s: float
) -> float:
    """Return the vehicle-hours lost an hour when the stages are green so long, once a cycle.

    demand_vps  (m,) vehicles that arrive by each movement    stage_green_s  (stages,)
    """
    total = 0.0
    for at in range(len(demand_vps)):
        green_s = sum(
            float(stage_green_s[stage])
            for stage, moves in enumerate(layout.stage_moves)
            if at in moves
        )
        flow_vps = float(demand_vps[at])
        saturation_vps = float(layout.saturation_vps[at])
        each_s = control_delay_s(flow_vps, saturation_vps, green_s=green_s, cycle_s=cycle_s)
        total += flow_vps * each_s
    return total


def plan_greens(layout: JunctionLayout, plan: SignalPlan) -> Floats:
    """Return the seconds of green of each stage in a plan, its intergreens taken off, (stages,)."""
    greens = np.zeros(len(layout.stage_moves))
    for at, (name, length_s) in enumerate(plan.steps):
        here = layout.stage_of[name]
        before = layout.stage_of[plan.steps[at - 1][0]]
        lost_s = layout.clearing_s(layout.groups_of(before), layout.groups_of(here))
        greens[here] += max(length_s - lost_s, 0.0)
    return greens


def best_greens(layout: JunctionLayout, demand_vps: Floats, plan: SignalPlan) -> Floats:
    """Divide the plan's whole green among its stages by their most loaded movement, (stages,).

    Every stage of the plan keeps its minimum green; a stage without vehicles gets only that.
    """
    now_s = plan_greens(layout, plan)
    least_s = np.array(
        [layout.stage_min_s(at) if now_s[at] > 0 else 0.0 for at in range(len(now_s))]
    )
    load = np.array(
        [
            float((demand_vps[moves] / layout.saturation_vps[moves]).max(initial=0.0))
            for moves in layout.stage_moves
        ]
    ) * (now_s > 0)
    spare_s = float(now_s.sum() - least_s.sum())
    if load.sum() <= 0 or spare_s <= 0:
        return now_s
    wanted_s = np.maximum(now_s.sum() * load / load.sum() - least_s, 0.0)
    greens: Floats = least_s + spare_s * wanted_s / wanted_s.sum()
    return greens
