"""A signal controller's own mind: its fixed plans, and stage requests obeyed only lawfully.

Pure: time comes as an argument and the state moves in beats of half a second, so that it does not
depend on how often it is asked. Whatever is requested, two groups in conflict are never green
together, every green lasts its minimum, and every intergreen is kept. No stage is shown or held
when somebody could not be served within the longest red afterwards: then a lease ends early.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from twin.clock import datetime_from_us, us_from_datetime, us_from_seconds
from twin.errors import MapError
from twin.events import ControlMode, DecisionEvent, DecisionKind
from twin.network.model import Junction, SignalGroup, SignalPlan
from twin.units import SECOND_US
from twin.world.patience import BEAT_US, Heads, Patience

LONGEST_LEASE_S: Final = 300.0
_RESTART_AFTER_US: Final = 86_400 * SECOND_US  # not driven for so long: begin again from all red
_PEAK_HOURS: Final = "peak_hours"


class Aspect(StrEnum):
    """What a signal head shows."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the controller reports of itself; while `changing`, `since` is when the change began."""

    stage: str
    since_us: int
    mode: ControlMode
    changing: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """Whether a command is taken, and why not."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Lease:
    stage: str
    until_us: int


class Cabinet:
    """The controller of one junction.

    It runs the first plan of the map, or the second in the hours of the junction's extra field
    `peak_hours` (`07:00-10:00,16:30-20:00`, local).
    """

    def __init__(self, junction: Junction, *, timezone: str, now_us: int) -> None:
        """Start from all red. Raises MapError when the junction cannot run a plan at all."""
        _check(junction)
        self.junction = junction
        self._zone = ZoneInfo(timezone)
        self._peaks = _hours(dict(junction.extra).get(_PEAK_HOURS, ""))
        self._groups: dict[str, SignalGroup] = {group.id: group for group in junction.groups}
        self._stages: dict[str, frozenset[str]] = {
            stage.id: frozenset(stage.groups) for stage in junction.stages
        }
        self._between_us = _between_us(junction)
        self._patience = Patience(junction, self._between_us)
        self._lease: _Lease | None = None
        self._restart(now_us - now_us % BEAT_US)

    def _restart(self, now_us: int) -> None:
        self._now_us = now_us
        self._greens: frozenset[str] = frozenset()
        self._began_us: dict[str, int] = {}
        self._ended_us: dict[str, int] = dict.fromkeys(self._groups, now_us)
        self._stage = self._planned(now_us)
        self._since_us = now_us
        self._starts_us: int | None = self._earliest_us(self._stages[self._stage])

    @property
    def shown(self) -> Shown:
        """What the controller would report at its last beat."""
        mode = ControlMode.LEASED if self._lease else ControlMode.OWN_PLAN
        return Shown(self._stage, self._since_us, mode, self._starts_us is not None)

    def aspects(self) -> dict[str, Aspect]:
        """Return what every group shows at the last beat."""
        return {group: self._aspect(group) for group in self._groups}

    def _aspect(self, group: str) -> Aspect:
        if group in self._greens:
            return Aspect.GREEN
        yellow_us = us_from_seconds(self._groups[group].yellow_s)
        was_green = group in self._began_us
        if was_green and self._now_us - self._ended_us[group] < yellow_us:
            return Aspect.YELLOW
        return Aspect.RED

    def advance(self, now_us: int) -> None:
        """Live through every beat up to `now_us`; an earlier moment changes nothing."""
        if now_us - self._now_us > _RESTART_AFTER_US:
            self._restart(now_us - now_us % BEAT_US)
        while self._now_us + BEAT_US <= now_us:
            self._now_us += BEAT_US
            self._beat(self._now_us)

    def take(self, command: DecisionEvent, now_us: int) -> Reply:
        """Take a leased stage request, to be obeyed as soon as it is lawful, or say why not."""
        if command.kind is not DecisionKind.SIGNAL_STAGE:
            return Reply(accepted=False, reason="not a stage request")
        stage = command.command.get("stage", "")
        if stage not in self._stages:
            return Reply(accepted=False, reason="no such stage")
        until_us = us_from_datetime(command.lease_until) if command.lease_until else 0
        if until_us <= now_us:
            return Reply(accepted=False, reason="lease is over")
        if until_us - now_us > us_from_seconds(LONGEST_LEASE_S):
            return Reply(accepted=False, reason="lease is too long")
        if not self._lawful(stage, self._patience.served):
            return Reply(accepted=False, reason="others would be red too long")
        self._lease = _Lease(stage, until_us)
        return Reply(accepted=True)

    def _beat(self, now_us: int) -> None:
        if self._lease and (
            now_us >= self._lease.until_us
            or not self._lawful(self._lease.stage, self._patience.served)
        ):
            self._lease = None
        if self._starts_us is not None:
            if now_us < self._starts_us:
                self._start_the_cleared(now_us)
                return
            self._turn_green(now_us)
        wanted = self._lease.stage if self._lease else self._own(now_us)
        if wanted != self._stage and self._may_end(wanted, now_us):
            self._change(wanted, now_us)

    def _start_the_cleared(self, now_us: int) -> None:
        """Give green to those of the coming stage whose own intergreens are over already."""
        waiting = self._stages[self._stage] - self._greens
        cleared = {one for one in waiting if self._earliest_us(frozenset({one})) <= now_us}
        for group in cleared:
            self._began_us[group] = now_us
        self._greens |= cleared

    def _turn_green(self, now_us: int) -> None:
        for group in self._stages[self._stage] - self._greens:
            self._began_us[group] = now_us
        self._greens = self._stages[self._stage]
        self._since_us = now_us
        self._starts_us = None

    def _may_end(self, wanted: str, now_us: int) -> bool:
        return all(
            now_us - self._began_us[group] >= us_from_seconds(self._groups[group].min_green_s)
            for group in self._greens - self._stages[wanted]
        )

    def _change(self, wanted: str, now_us: int) -> None:
        for group in self._greens - self._stages[wanted]:
            self._ended_us[group] = now_us
        self._greens &= self._stages[wanted]
        self._stage = wanted
        self._since_us = now_us
        self._starts_us = self._earliest_us(self._stages[wanted] - self._greens)
        if self._starts_us <= now_us:
            self._turn_green(now_us)

    def _earliest_us(self, starting: frozenset[str]) -> int:
        """Return when all of `starting` may turn green together."""
        moments = [self._now_us]
        for group in starting:
            yellow_us = us_from_seconds(self._groups[group].yellow_s)
            moments.append(self._ended_us[group] + yellow_us)
            moments += [
                ended_us + self._between_us[other, group]
                for other, ended_us in self._ended_us.items()
                if (other, group) in self._between_us
            ]
        return max(moments)

    def _heads(self) -> Heads:
        return Heads(
            self._now_us,
            self._stage,
            self._since_us,
            self._greens,
            self._began_us,
            self._ended_us,
        )

    def _lawful(self, wanted: str, groups: frozenset[str]) -> bool:
        return self._patience.keeps(self._heads(), wanted, groups)

    def _own(self, now_us: int) -> str:
        """Return the plan's stage; before it whoever could not be served in time afterwards.

        A lease may leave several groups red for long just before the plan would keep them red for
        most of a cycle. Whom the plans themselves serve too seldom is left to them.
        """
        planned, groups = self._planned(now_us), self._patience.planned
        if self._lawful(planned, groups):
            return planned
        return self._patience.due(self._heads(), groups)

    def _planned(self, now_us: int) -> str:
        plan = self._plan(now_us)
        at_s = (now_us / SECOND_US - plan.offset_s) % plan.cycle_s
        for stage, length_s in plan.steps:
            if at_s < length_s:
                return stage
            at_s -= length_s
        return plan.steps[-1][0]

    def _plan(self, now_us: int) -> SignalPlan:
        plans = self.junction.plans
        local = datetime_from_us(now_us).astimezone(self._zone).time()
        peak = any(start <= local < end for start, end in self._peaks)
        return plans[1] if peak and len(plans) > 1 else plans[0]


def _between_us(junction: Junction) -> dict[tuple[str, str], int]:
    """Return the intergreens of all pairs in conflict; a way not given has the other way's."""
    both: dict[tuple[str, str], int] = {}
    for ending, starting, between_s in junction.intergreen_s:
        both[ending, starting] = us_from_seconds(between_s)
    for ending, starting, between_s in junction.intergreen_s:
        both.setdefault((starting, ending), us_from_seconds(between_s))
    return both


def _check(junction: Junction) -> None:
    stages = {stage.id: stage.groups for stage in junction.stages}
    if not junction.plans or not all(plan.steps for plan in junction.plans):
        message = f"junction {junction.id}: no plan with steps"
        raise MapError(message)
    for plan in junction.plans:
        for stage, _ in plan.steps:
            if stage not in stages:
                message = f"junction {junction.id}: plan {plan.id} names the unknown stage {stage}"
                raise MapError(message)
    pairs = {frozenset((a, b)) for a, b, _ in junction.intergreen_s}
    for stage, groups in stages.items():
        for pair in (frozenset((a, b)) for a in groups for b in groups if a != b):
            if pair in pairs:
                message = (
                    f"junction {junction.id}: stage {stage} joins {' and '.join(sorted(pair))}"
                )
                raise MapError(message)


def _hours(text: str) -> tuple[tuple[time, time], ...]:
    spans = (span.split("-") for span in text.split(",") if span.strip())
    return tuple(
        (time.fromisoformat(start.strip()), time.fromisoformat(end.strip())) for start, end in spans
    )
