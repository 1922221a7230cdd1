"""Is a junction's data fit to be controlled? Asked once, when a map is taken into service.

A junction that fails is never controlled: the street keeps its own plan there, and the finding
says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from twin.network.model import Junction, SignalPlan, SingleMap

STATIC_RULES: Final = (
    "stages name groups",
    "groups name movements",
    "every group is served",
    "stages free of conflicts",
    "minimum greens",
    "yellow",
    "intergreens complete",
    "plan steps long enough",
)


@dataclass(frozen=True, slots=True)
class JunctionFinding:
    """One reason why a junction is not controlled."""

    junction: str
    rule: str
    value: str
    limit: str

    def __str__(self) -> str:
        return f"junction {self.junction}: {self.rule}: {self.value}, needed: {self.limit}"


def validate_junctions(network: SingleMap) -> tuple[JunctionFinding, ...]:
    """Return everything that forbids control, junction by junction; empty when all are fit."""
    movements = frozenset(network.movement_rows)
    return tuple(
        finding
        for junction in network.junctions
        for finding in validate_junction(junction, movements)
    )


def validate_junction(junction: Junction, movements: frozenset[str]) -> tuple[JunctionFinding, ...]:
    """Check one junction against the movements of its map."""
    names = tuple(_names(junction, movements))
    if names:
        return names  # the other checks would speak of what is not there
    return (*_stages(junction), *_groups(junction), *_intergreens(junction), *_plans(junction))


def _names(junction: Junction, movements: frozenset[str]) -> Iterator[JunctionFinding]:
    groups = {group.id for group in junction.groups}
    if not junction.stages:
        yield JunctionFinding(junction.id, STATIC_RULES[0], "no stages", "at least one")
    for stage in junction.stages:
        if not stage.groups or not set(stage.groups) <= groups:
            value = f"stage {stage.id}: {', '.join(stage.groups) or 'no groups'}"
            yield JunctionFinding(junction.id, STATIC_RULES[0], value, "groups of the junction")
    for group in junction.groups:
        strange = [move for move in group.movements if move not in movements]
        if strange:
            value = f"group {group.id}: {', '.join(strange)}"
            yield JunctionFinding(junction.id, STATIC_RULES[1], value, "movements of the map")


def _conflicts(junction: Junction) -> frozenset[frozenset[str]]:
    return frozenset(frozenset((a, b)) for a, b, _ in junction.intergreen_s)


def _stages(junction: Junction) -> Iterator[JunctionFinding]:
    conflicts = _conflicts(junction)
    served = {group for stage in junction.stages for group in stage.groups}
    for group in junction.groups:
        if group.id not in served:
            value = f"group {group.id} is in no stage"
            yield JunctionFinding(junction.id, STATIC_RULES[2], value, "at least one")
    for stage in junction.stages:
        for one, other in combinations(stage.groups, 2):
            if frozenset((one, other)) in conflicts:
                value = f"stage {stage.id}: {one} and {other}"
                yield JunctionFinding(junction.id, STATIC_RULES[3], value, "no conflict")


def _groups(junction: Junction) -> Iterator[JunctionFinding]:
    for group in junction.groups:
        if not 0 < group.min_green_s < math.inf:
            value = f"group {group.id}: {group.min_green_s} s"
            yield JunctionFinding(junction.id, STATIC_RULES[4], value, "more than 0 s")
        if not group.pedestrian and not 0 < group.yellow_s < math.inf:
            value = f"group {group.id}: {group.yellow_s} s"
            yield JunctionFinding(junction.id, STATIC_RULES[5], value, "more than 0 s")


def _intergreens(junction: Junction) -> Iterator[JunctionFinding]:
    seconds = {(a, b): s for a, b, s in junction.intergreen_s}
    yellow_s = {group.id: group.yellow_s for group in junction.groups}
    for one, other in {*seconds, *((b, a) for a, b in seconds)}:
        known_s = seconds.get((one, other))
        least_s = yellow_s.get(one, math.inf)
        if known_s is None or not max(least_s, 1e-9) <= known_s < math.inf:
            value = f"{one} to {other}: {known_s} s"
            yield JunctionFinding(
                junction.id, STATIC_RULES[6], value, f"at least the yellow, {least_s:g} s"
            )
    if len(junction.stages) > 1 and not seconds:
        value = f"{len(junction.stages)} stages and no intergreen"
        yield JunctionFinding(junction.id, STATIC_RULES[6], value, "an intergreen a conflict")


def _plans(junction: Junction) -> Iterator[JunctionFinding]:
    stages = {stage.id: stage for stage in junction.stages}
    for plan in junction.plans:
        strange = [stage for stage, _ in plan.steps if stage not in stages]
        if strange or not plan.steps:
            value = f"plan {plan.id}: stage {', '.join(strange) or '(none)'}"
            yield JunctionFinding(junction.id, STATIC_RULES[7], value, "stages of the junction")
            continue
        yield from _plan_steps(junction, plan)


def _plan_steps(junction: Junction, plan: SignalPlan) -> Iterator[JunctionFinding]:
    """A step lasts from one stage's start to the next's: intergreen and minimum green."""
    stages = {stage.id: frozenset(stage.groups) for stage in junction.stages}
    min_green_s = {group.id: group.min_green_s for group in junction.groups}
    seconds = {(a, b): s for a, b, s in junction.intergreen_s}
    for at, (name, length_s) in enumerate(plan.steps):
        before, here = stages[plan.steps[at - 1][0]], stages[name]
        pairs = [(a, b) for a in before - here for b in here - before]
        clearing_s = max((seconds.get(pair, 0.0) for pair in pairs), default=0.0)
        least_s = clearing_s + max((min_green_s[group] for group in here - before), default=0.0)
        if not length_s >= least_s:
            value = f"plan {plan.id}, stage {name}: {length_s:g} s"
            yield JunctionFinding(junction.id, STATIC_RULES[7], value, f"at least {least_s:g} s")
