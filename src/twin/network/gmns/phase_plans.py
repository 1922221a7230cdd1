"""Fixed plans from rings and barriers: when each stage of a cycle starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from twin.ids import PlanId, StageId
from twin.network.gmns.source import Source
from twin.network.model import SignalPlan, Stage

_SLACK_S: Final = 0.05
_AT_GREEN: Final = "begin_of_green"


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """One phase in one plan: its times in seconds and its place on ring and barrier."""

    id: str
    plan: str
    phase: str
    min_green_s: float
    max_green_s: float
    clearance_s: float | None
    walk_s: float
    ring: int
    barrier: int
    position: int

    @property
    def split_s(self) -> float:
        """Green and clearance together."""
        return self.max_green_s + (self.clearance_s or 0.0)

    def beside(self, other: PhaseTime) -> bool:
        """Tell whether this plan may show both phases green at once."""
        return self.ring != other.ring and self.barrier == other.barrier


def signal_plan(
    source: Source, plan: str, times: list[PhaseTime], *, stages: Sequence[Stage]
) -> SignalPlan | None:
    """Return the fixed plan, None when it is actuated or its phases do not fill its cycle."""
    cycle_s = _cycle_s(source, plan)
    starts = _starts(times)
    if cycle_s is None or starts is None:
        return None
    begin_s, end_s = starts
    if abs(end_s - cycle_s) > _SLACK_S:
        return None
    moments = sorted({*begin_s.values(), cycle_s})
    steps: list[tuple[StageId, float]] = []
    for start_s, stop_s in pairwise(moments):
        stage = _stage_at(start_s, times, begin_s, stages)
        if stage is None:
            return None
        steps.append((stage.id, stop_s - start_s))
    offset_s = _offset_s(source, plan, begin_s)
    if offset_s is None:
        return None
    return SignalPlan(PlanId(plan), cycle_s, offset_s % cycle_s, tuple(steps))


def _cycle_s(source: Source, plan: str) -> float | None:
    sheet = source.sheet("signal_timing_plan")
    cycles = zip(sheet.words("timing_plan_id"), sheet.numbers("cycle_length"), strict=True)
    return next((cycle_s for identity, cycle_s in cycles if identity == plan and cycle_s), None)


def _starts(times: list[PhaseTime]) -> tuple[dict[str, float], float] | None:
    """Return when each phase starts and when the last barrier ends; None when rings disagree."""
    barriers: dict[int, dict[int, list[PhaseTime]]] = defaultdict(lambda: defaultdict(list))
    for time in times:
        barriers[time.barrier][time.ring].append(time)
    begin_s: dict[str, float] = {}
    now_s = 0.0
    for barrier in sorted(barriers):
        ends = []
        for ring in barriers[barrier].values():
            at_s = now_s
            for time in sorted(ring, key=lambda one: one.position):
                begin_s[time.phase] = at_s
                at_s += time.split_s
            ends.append(at_s)
        if max(ends) - min(ends) > _SLACK_S:
            return None
        now_s = max(ends)
    return begin_s, now_s


def _stage_at(
    moment_s: float, times: list[PhaseTime], begin_s: dict[str, float], stages: Sequence[Stage]
) -> Stage | None:
    """Return the stage whose groups are just those that run at a moment."""
    running = {
        time.phase
        for time in times
        if begin_s[time.phase] <= moment_s < begin_s[time.phase] + time.split_s - _SLACK_S
    }
    return next((stage for stage in stages if set(stage.groups) == running), None)


def _offset_s(source: Source, plan: str, begin_s: dict[str, float]) -> float | None:
    """Return the offset of the cycle's start; 0 when uncoordinated, None when it is told otherwise.

    GMNS gives the offset of one phase; ours is that of the first stage.
    """
    sheet = source.sheet("signal_coordination")
    columns = zip(
        sheet.words("timing_plan_id"),
        sheet.words("coord_phase"),
        sheet.words("coord_ref_to"),
        sheet.numbers("offset"),
        strict=True,
    )
    told = [row for row in columns if row[0] == plan and row[3] is not None]
    if not told:
        return 0.0
    _, phase, reference, offset_s = told[0]
    if len(told) > 1 or phase not in begin_s or reference != _AT_GREEN:
        return None
    return (offset_s or 0.0) - begin_s[phase]
