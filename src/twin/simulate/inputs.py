"""What both transmission models are given, checked and brought into the order of their kernels."""

from __future__ import annotations

import math

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import SimulationError
from twin.simulate.kernels.arrays import Limits
from twin.simulate.roads import Roads, Turns, summed

SHARE_TOLERANCE = 1e-9


def check_roads(roads: Roads, step_s: float) -> None:
    """Refuse what the kernel cannot do; the message names the first link."""
    if not (math.isfinite(step_s) and step_s > 0):
        message = f"UnstableStep: a step of {step_s} s is not a positive duration"
        raise SimulationError(message)
    for name in ("length_m", "free_speed_mps", "capacity_vps"):
        column: Floats = getattr(roads, name)
        wrong = np.flatnonzero(~(np.isfinite(column) & (column > 0)))
        if len(wrong):
            message = f"link {wrong[0]} has {name} = {column[wrong[0]]}; it must be positive"
            raise SimulationError(message)
    wrong = np.flatnonzero(roads.jam_vpm * roads.free_speed_mps <= roads.capacity_vps)
    if len(wrong):
        message = f"link {wrong[0]} has a jam density below its density at capacity"
        raise SimulationError(message)


def check_shares(turns: Turns, turn_share: Floats, exit_share: Floats) -> None:
    """Refuse shares that do not add up to 1 by approach. Raises SimulationError naming it."""
    total = exit_share + summed(turns.approach, turn_share, len(exit_share))
    wrong = np.flatnonzero(~(np.abs(total - 1.0) <= SHARE_TOLERANCE))
    if len(wrong) or (turn_share < 0).any() or (exit_share < 0).any():
        row = int(wrong[0]) if len(wrong) else -1
        message = f"the turning shares of approach {row} add up to {total[row]:.6f}, not to 1"
        raise SimulationError(message)


def checked_drops(share: Floats | None, links: int) -> Floats:
    """Return the share of capacity that stays under a queue, (links,). Raises SimulationError."""
    if share is None:
        return np.ones(links)
    if share.shape != (links,) or not ((share > 0) & (share <= 1)).all():
        message = "a capacity drop leaves a share above 0 and up to 1, one value a link"
        raise SimulationError(message)
    return np.array(share, np.float64)


def whole_steps(duration_s: float, step_s: float) -> int:
    """Return how many steps a duration has. Raises SimulationError if not a whole number (1e-6)."""
    steps = round(duration_s / step_s)
    if abs(steps * step_s - duration_s) > 1e-6 * max(duration_s, 1.0):
        message = f"{duration_s} s is not a whole number of steps of {step_s} s"
        raise SimulationError(message)
    return steps


def set_shares(
    limits: Limits, turns: Turns, turn_share: Floats, exit_share: Floats, *, gated: Ints, rows: Ints
) -> None:
    """Set where vehicles go: (turns,) and (approaches,), 1 together by approach.

    gated   approaches that end at a gate;  rows   place of turns and gates in the kernel's order
    Raises SimulationError naming the first approach whose shares do not add up.
    """
    check_shares(turns, turn_share, exit_share)
    through = summed(turns.approach, turn_share, len(exit_share))[gated]
    limits.turn_share[:] = np.concatenate([turn_share, through])[rows]
    limits.exit_share[:] = exit_share


def set_turn_capacity(limits: Limits, turn_capacity: Floats, *, gated: Ints, rows: Ints) -> None:
    """Set what each turn lets through, (turns,) vehicles a step; gates have their own limit."""
    unlimited = np.full(len(gated), np.inf)
    limits.turn_capacity[:] = np.concatenate([turn_capacity, unlimited])[rows]
