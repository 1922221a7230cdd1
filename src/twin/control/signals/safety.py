"""The gate at the end of signal control: what it does not release cannot leave the process.

Written apart from the controller. It believes nothing that a request says about itself: it works
from the map's matrices, the statuses that the street sent and the ages of the inputs. A request
is released or refused; it is never changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from twin.clock import datetime_from_us, us_from_datetime, us_from_seconds
from twin.errors import UnsafePlan
from twin.events import ControlMode, DecisionEvent, DecisionKind, DecisionState, SignalStatus
from twin.network.model import Junction, SignalGroup, SingleMap, Stage
from twin.perceive.state import LinkState
from twin.units import SECOND_US


class SiteMemory(Struct, frozen=True):
    """What the gate remembers of a junction: status, reds, the change asked for, and when."""

    status: SignalStatus | None
    red_since_us: dict[str, int]
    pending: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gate accepts, in seconds; upper bounds unless the name says otherwise."""

    max_lease_s: float
    min_lease_s: float = 1.0
    status_age_s: float = 30.0
    state_age_s: float = 10.0
    reading_age_s: float = 600.0
    ahead_s: float = 2.0  # a status may be so far ahead of our clock
    settle_s: float = 10.0  # a change that the street has not begun by then was not taken
    max_green_s: float = 180.0
    min_pedestrian_clearance_s: float = 3.0


@dataclass(slots=True)
class _Site:
    """One junction: its matrices from the map, and what its statuses told."""

    junction: Junction
    groups: dict[str, SignalGroup]
    stages: dict[str, Stage]
    intergreen_s: dict[tuple[str, str], float]
    approaches: tuple[int, ...]
    status: SignalStatus | None = None
    red_since_us: dict[str, int] = field(default_factory=dict)
    pending: tuple[str, int] | None = None  # stage asked for, and when

    def conflict(self, one: str, other: str) -> bool:
        return (one, other) in self.intergreen_s or (other, one) in self.intergreen_s

    def clearing_s(self, ending: Iterable[str], starting: Iterable[str]) -> float:
        """Return the longest intergreen between two sets of groups, 0 without a conflict."""
        pairs = [(one, other) for one in ending for other in starting]
        return max((self.intergreen_s.get(pair, 0.0) for pair in pairs), default=0.0)


@dataclass(frozen=True, slots=True)
class _Case:
    """One request under examination. `ending` and `starting` are empty for a stage that stays."""

    site: _Site
    status: SignalStatus
    stage: Stage
    ending: tuple[str, ...]
    starting: tuple[str, ...]
    lease_s: float
    links: LinkState
    now_us: int
    limits: Limits

    def unsafe(self, rule: str, value: str, limit: str) -> UnsafePlan:
        return UnsafePlan(rule, self.site.junction.id, value, limit)

    def age_s(self, time_us: int) -> float:
        return (self.now_us - time_us) / SECOND_US


_PERMIT: Final = object()


class Released:
    """An issued signal decision. Only `SafetyGate.release` can make one."""

    __slots__ = ("event",)

    def __init__(self, event: DecisionEvent, *, permit: object) -> None:
        """Wrap the event. Raises UnsafePlan without the permit of this module."""
        if permit is not _PERMIT:
            raise UnsafePlan("released", event.target, "made elsewhere", "SafetyGate.release")
        self.event = event


class SafetyGate:
    """Examines every request against the map and the street's own word."""

    def __init__(self, network: SingleMap, limits: Limits) -> None:
        """Read the matrices of every junction of the map."""
        self._limits = limits
        approaches: dict[str, set[int]] = {}
        links_of = {move.id: network.link_rows[move.from_link] for move in network.movements}
        for junction in network.junctions:
            named = {move for group in junction.groups for move in group.movements}
            approaches[junction.id] = {links_of[move] for move in named if move in links_of}
        self._sites: dict[str, _Site] = {
            junction.id: _Site(
                junction,
                {group.id: group for group in junction.groups},
                {stage.id: stage for stage in junction.stages},
                {(ending, starting): s for ending, starting, s in junction.intergreen_s},
                tuple(sorted(approaches[junction.id])),
            )
            for junction in network.junctions
        }

    def observe_status(self, status: SignalStatus) -> None:
        """Take in what a controller shows; an older status than the known is ignored."""
        site = self._sites.get(status.junction)
        if site is None or (site.status is not None and status.time <= site.status.time):
            return
        seen_us = us_from_datetime(status.time)
        greens = _greens(site, status)
        before = _greens(site, site.status) if site.status else None
        for group in site.groups:
            if group in greens:
                site.red_since_us.pop(group, None)
            elif before is None:
                # Its red began no later than the greens shown; how much earlier, nobody says.
                site.red_since_us[group] = min(us_from_datetime(status.since), seen_us)
            elif group in before and site.status is not None:
                site.red_since_us[group] = us_from_datetime(site.status.time)
        site.status = status
        if site.pending is not None and self._settled(site, status, seen_us):
            site.pending = None

    def memory(self) -> dict[str, SiteMemory]:
        """Return what the statuses told, by junction; those that never spoke are left out."""
        return {
            name: SiteMemory(site.status, dict(site.red_since_us), site.pending)
            for name, site in self._sites.items()
            if site.status is not None or site.pending is not None
        }

    def restore(self, memory: Mapping[str, SiteMemory]) -> None:
        """Go on where `memory` was taken; junctions that the map lacks are left out."""
        for name, known in memory.items():
            if (site := self._sites.get(name)) is not None:
                site.status, site.pending = known.status, known.pending
                site.red_since_us = dict(known.red_since_us)

    def _settled(self, site: _Site, status: SignalStatus, seen_us: int) -> bool:
        """Say whether the change that was asked for is done, or was plainly not taken."""
        stage, asked_us = site.pending or ("", 0)
        if status.changing or seen_us < asked_us:
            return False
        return status.stage == stage or seen_us - asked_us > us_from_seconds(self._limits.settle_s)

    def release(self, decided: DecisionEvent, *, links: LinkState, now_us: int) -> Released:
        """Examine a decided stage and return it as issued, with the checks that it passed.

        Raises UnsafePlan naming the first rule that it breaks, the junction, the value, the limit.
        """
        case = self._open(decided, links=links, now_us=now_us)
        for _, check in _CHECKS:
            check(case)
        if case.starting or case.ending:
            case.site.pending = (case.stage.id, now_us)
        issued = replace(
            decided,
            version=decided.version + 1,
            state=DecisionState.ISSUED,
            time=datetime_from_us(now_us),
            lease_until=datetime_from_us(now_us) + timedelta(seconds=case.lease_s),
            checks=RULES,
        )
        return Released(issued, permit=_PERMIT)

    def _open(self, decided: DecisionEvent, *, links: LinkState, now_us: int) -> _Case:
        """Find what the request speaks of (rule `known`)."""
        name = decided.target
        if (decided.kind, decided.state) != (DecisionKind.SIGNAL_STAGE, DecisionState.DECIDED):
            value = f"{decided.kind} {decided.state}"
            raise UnsafePlan("known", name, value, "a decided signal_stage")
        site = self._sites.get(name)
        if site is None:
            raise UnsafePlan("known", name, "no junction of the map", "a junction of the map")
        stage = site.stages.get(decided.command.get("stage", ""))
        if stage is None or not stage.groups or not set(stage.groups) <= set(site.groups):
            asked = decided.command.get("stage", "(none)")
            raise UnsafePlan("known", name, f"stage {asked}", f"one of {', '.join(site.stages)}")
        if site.status is None or site.status.stage not in site.stages:
            shown = site.status.stage if site.status else "nothing"
            raise UnsafePlan("known", name, f"the street shows {shown}", "a stage of the map")
        present = site.stages[site.status.stage]
        staying = stage.id == present.id
        lease_us = us_from_datetime(decided.lease_until) - now_us if decided.lease_until else 0
        return _Case(
            site,
            site.status,
            stage,
            () if staying else tuple(one for one in present.groups if one not in stage.groups),
            () if staying else tuple(one for one in stage.groups if one not in present.groups),
            lease_us / SECOND_US,
            links,
            now_us,
            self._limits,
        )


def _greens(site: _Site, status: SignalStatus) -> frozenset[str]:
    """Return the groups that surely show green; none is sure while the stage changes."""
    stage = site.stages.get(status.stage)
    return frozenset() if stage is None or status.changing else frozenset(stage.groups)


def _check_fresh(case: _Case) -> None:
    limits = case.limits
    status_s = case.age_s(us_from_datetime(case.status.time))
    if not -limits.ahead_s <= status_s <= limits.status_age_s:
        limit = f"{-limits.ahead_s:g} to {limits.status_age_s:g} s"
        raise case.unsafe("fresh", f"status is {status_s:.1f} s old", limit)
    state_s = case.age_s(case.links.time_us)
    if not 0 <= state_s <= limits.state_age_s:
        raise case.unsafe("fresh", f"state is {state_s:.1f} s old", f"{limits.state_age_s:g} s")
    for link in case.site.approaches:
        density_vpm, reading_s = case.links.density_vpm[link], case.links.age_s[link]
        if not math.isfinite(density_vpm) or not 0 <= reading_s <= limits.reading_age_s:
            value = f"link row {link}: {density_vpm:.3g} veh/m, {reading_s:.0f} s old"
            raise case.unsafe("fresh", value, f"a density at most {limits.reading_age_s:g} s old")


def _check_healthy(case: _Case) -> None:
    if case.status.mode is ControlMode.FAULT:
        raise case.unsafe("healthy", "the controller reports a fault", "own_plan or leased")


def _check_settled(case: _Case) -> None:
    if case.status.changing and case.stage.id != case.status.stage:
        value = f"changing to stage {case.status.stage}"
        raise case.unsafe("settled", value, "no change while another one runs")
    pending = case.site.pending
    if pending is not None and pending[0] != case.stage.id:
        asked_s = case.age_s(pending[1])
        lost = asked_s > case.limits.settle_s + case.limits.status_age_s
        if not lost:
            value = f"stage {pending[0]} was asked for {asked_s:.1f} s ago"
            raise case.unsafe("settled", value, "one change at a time")


def _check_conflicts(case: _Case) -> None:
    groups = case.stage.groups
    for at, one in enumerate(groups):
        for other in groups[at + 1 :]:
            if case.site.conflict(one, other):
                raise case.unsafe("conflicts", f"{one} and {other} green together", "never")


def _check_intergreens(case: _Case) -> None:
    for ending in case.ending:
        for starting in case.starting:
            if not case.site.conflict(ending, starting):
                continue
            seconds = case.site.intergreen_s.get((ending, starting))
            least_s = case.site.groups[ending].yellow_s
            if seconds is None or not math.isfinite(seconds) or seconds <= 0 or seconds < least_s:
                value = f"{ending} to {starting}: {seconds}"
                raise case.unsafe("intergreens", value, f"defined, at least {least_s:g} s")


def _check_yellow(case: _Case) -> None:
    for name in case.ending:
        group = case.site.groups[name]
        if not group.pedestrian and not 0 < group.yellow_s < math.inf:
            raise case.unsafe("yellow", f"{name}: {group.yellow_s} s", "more than 0 s")


def _check_pedestrians(case: _Case) -> None:
    least_s = case.limits.min_pedestrian_clearance_s
    for ending in (name for name in case.ending if case.site.groups[name].pedestrian):
        for starting in case.starting:
            seconds = case.site.intergreen_s.get((ending, starting), math.inf)
            if seconds < least_s:
                value = f"{ending} to {starting}: {seconds:g} s"
                raise case.unsafe("pedestrian_clearance", value, f"at least {least_s:g} s")


def _check_min_green(case: _Case) -> None:
    shown_s = case.age_s(us_from_datetime(case.status.since))
    for name in case.ending:
        least_s = case.site.groups[name].min_green_s
        if not least_s > 0 or shown_s < least_s:
            value = f"{name} green for {shown_s:.1f} s"
            raise case.unsafe("min_green", value, f"at least {least_s:g} s")


def _check_max_green(case: _Case) -> None:
    if case.ending or case.starting or len(case.stage.groups) == len(case.site.groups):
        return
    green_s = case.age_s(us_from_datetime(case.status.since)) + case.lease_s
    if green_s > case.limits.max_green_s:
        value = f"stage {case.stage.id} green for {green_s:.1f} s at the lease's end"
        raise case.unsafe("max_green", value, f"{case.limits.max_green_s:g} s")


def _check_max_red(case: _Case) -> None:
    """A group that waits must be able to get green in time even if we fall silent at once.

    The stage then stays until its lease ends, or its minimum green if that is later.
    """
    site = case.site
    begins_s = site.clearing_s(case.ending, case.starting)
    least_s = max((site.groups[name].min_green_s for name in case.starting), default=0.0)
    stays_s = max(case.lease_s, begins_s + least_s if case.starting else 0.0)
    for name, group in site.groups.items():
        if name in case.stage.groups:
            continue
        red_s = 0.0 if name in case.ending else case.age_s(site.red_since_us.get(name, case.now_us))
        total_s = red_s + stays_s + site.clearing_s(case.stage.groups, (name,))
        if not total_s <= group.max_red_s:
            raise case.unsafe(
                "max_red", f"{name} red for {total_s:.1f} s", f"{group.max_red_s:g} s"
            )


def _check_lease(case: _Case) -> None:
    limits = case.limits
    if not limits.min_lease_s <= case.lease_s <= limits.max_lease_s:
        limit = f"{limits.min_lease_s:g} to {limits.max_lease_s:g} s"
        raise case.unsafe("lease", f"{case.lease_s:.1f} s", limit)


_CHECKS: Final[tuple[tuple[str, Callable[[_Case], None]], ...]] = (
    ("fresh", _check_fresh),
    ("healthy", _check_healthy),
    ("settled", _check_settled),
    ("conflicts", _check_conflicts),
    ("intergreens", _check_intergreens),
    ("yellow", _check_yellow),
    ("pedestrian_clearance", _check_pedestrians),
    ("min_green", _check_min_green),
    ("max_green", _check_max_green),
    ("max_red", _check_max_red),
    ("lease", _check_lease),
)
RULES: Final = ("known", *(name for name, _ in _CHECKS))
