"""Which stage should a junction show now? A pure function of what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin.clock import us_from_seconds
from twin.columns import Floats
from twin.control.signals.layout import JunctionLayout
from twin.control.signals.reasons import SignalReason
from twin.units import SECOND_US

HOLD_S = 20.0  # a stage that is changed to is expected to stay about so long
MIN_LEASE_S = 2.0
CHANGE_S = 8.0  # from the wish for a change until the street has begun it, at the longest


@dataclass(frozen=True, slots=True)
class Shown:
    """What a junction shows: the stage's row, since when, and since when each group is red."""

    stage: int
    since_us: int
    red_since_us: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The stage wanted, until when, and why. `lease_until_us` may be too near to be asked for."""

    stage: int
    lease_until_us: int
    reason: SignalReason


def choose_stage(
    layout: JunctionLayout,
    shown: Shown,
    pressure: Floats,
    *,
    now_us: int,
    lease_s: float,
    preferred: int | None = None,
) -> Choice:
    """Choose by red times that run out, else by pressure; keep what is shown when in doubt.

    A `preferred` stage (by counts of loops) is taken instead of what the pressures would say.

    No stage is kept longer than one cycle of the junction's own plan, so that who is not seen (a
    bicycle, a broken loop) waits no longer than there. A stage is kept for its minimum green, and
    against pressure also for the time that the change would cost; the pressure of another stage
    counts only for the part of the coming `HOLD_S` in which it would be green.
    """
    present_s = (now_us - shown.since_us) / SECOND_US
    ripe = present_s >= layout.stage_min_s(shown.stage)
    stay = Choice(
        shown.stage,
        _lease_until_us(layout, shown, shown.stage, now_us=now_us, lease_s=lease_s),
        SignalReason.HOLD,
    )
    if not ripe:
        return stay
    target, reason = _urgent_stage(layout, shown, pressure, now_us), SignalReason.RED_TOO_LONG
    if target is None and _held_a_cycle(layout, shown, present_s):
        target = _longest_red(layout, shown, pressure)
    if target is None:
        better = preferred
        if better is None:
            better = _better_stage(layout, shown, pressure, present_s)
        target, reason = better, SignalReason.MORE_PRESSURE
    if target is None or target == shown.stage:
        return stay
    lease_us = _lease_until_us(layout, shown, target, now_us=now_us, lease_s=lease_s)
    return Choice(target, lease_us, reason)


def _deadline_us(layout: JunctionLayout, shown: Shown, group: str, stage: int) -> int:
    """Return by when a stage must be left so that a group gets green within its longest red."""
    max_red_s = next(one.max_red_s for one in layout.junction.groups if one.id == group)
    clearing_s = layout.clearing_s(layout.groups_of(stage), frozenset({group}))
    return shown.red_since_us[group] + us_from_seconds(max_red_s - clearing_s)


def _lease_until_us(
    layout: JunctionLayout, shown: Shown, stage: int, *, now_us: int, lease_s: float
) -> int:
    """Return the end of a lease that no waiting group's longest red forbids."""
    greens = layout.groups_of(stage)
    waiting = [group for group in shown.red_since_us if group not in greens]
    deadlines = [_deadline_us(layout, shown, group, stage) for group in waiting]
    return min([now_us + us_from_seconds(lease_s), *deadlines])


def _urgent_stage(
    layout: JunctionLayout, shown: Shown, pressure: Floats, now_us: int
) -> int | None:
    """Return the stage of the group whose red runs out first, None while there is time.

    There is time while every other stage could still be shown once, at its shortest, before.
    """
    groups = {group: shown.red_since_us[group] for group in shown.red_since_us}
    waiting = [group for group in groups if group not in layout.groups_of(shown.stage)]
    if not waiting:
        return None
    deadline_us, group = min(
        (_deadline_us(layout, shown, name, shown.stage), name) for name in waiting
    )
    if deadline_us - now_us > us_from_seconds(shortest_round_s(layout)):
        return None
    serving = [at for at in range(len(layout.junction.stages)) if group in layout.groups_of(at)]
    return max(serving, key=lambda at: (float(pressure[at]), -at), default=None)


def _held_a_cycle(layout: JunctionLayout, shown: Shown, present_s: float) -> bool:
    """Say whether a stage must be left now to be left within a cycle of the junction's own plan."""
    cycles_s = [plan.cycle_s for plan in layout.junction.plans]
    if not cycles_s or len(layout.junction.stages) < 2:
        return False
    here = layout.groups_of(shown.stage)
    others = (layout.groups_of(at) for at in range(len(layout.junction.stages)))
    lost_s = max(layout.clearing_s(other, here) for other in others)
    return present_s + lost_s + CHANGE_S >= min(cycles_s)


def _longest_red(layout: JunctionLayout, shown: Shown, pressure: Floats) -> int:
    """Return the other stage with the group that has been red longest; with most pressure of it."""

    def since_us(stage: int) -> int:
        reds = [shown.red_since_us[one] for one in layout.groups_of(stage)]
        return min(reds, default=0)

    others = [at for at in range(len(layout.junction.stages)) if at != shown.stage]
    return min(others, key=lambda at: (since_us(at), -float(pressure[at]), at))


def shortest_round_s(layout: JunctionLayout) -> float:
    """Return how long it takes to show every stage once at its minimum green."""
    stages = range(len(layout.junction.stages))
    return sum(
        layout.stage_min_s(at) + layout.clearing_s(layout.groups_of(at - 1), layout.groups_of(at))
        for at in stages
    )


def _better_stage(
    layout: JunctionLayout, shown: Shown, pressure: Floats, present_s: float
) -> int | None:
    """Return the stage with most pressure if it is worth the change, else None."""
    best = int(np.argmax(pressure))
    if best == shown.stage:
        return None
    lost_s = layout.clearing_s(layout.groups_of(shown.stage), layout.groups_of(best))
    if present_s < layout.stage_min_s(shown.stage) + lost_s:
        return None
    gain = float(pressure[best]) * max(HOLD_S - lost_s, 0.0)
    return best if gain > float(pressure[shown.stage]) * HOLD_S else None
