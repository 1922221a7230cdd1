"""Fixed signal plans as capacities of turns: green and red where that is right, else their mean.

A link is one queue. Where all signalled turns of a link are green together, they get green and red.
Where they are not (a left turn with a stage of its own), red for one would stop all behind it,
pocket or not: such turns get the mean capacity of their greens instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats
from twin.network.model import Junction, SignalPlan, SingleMap
from twin.scenario.study import PlanRun, Study
from twin.simulate.roads import Turns

Spans = tuple[tuple[float, float], ...]  # greens within a cycle, seconds, in order


@dataclass(frozen=True, slots=True)
class Run:
    """One plan in force in [from_s, until_s): greens of turn rows, and mean capacities of others.

    start_s   when a cycle begins, seconds of the scenario
    """

    cycle_s: float
    start_s: float
    from_s: float
    until_s: float
    greens: tuple[tuple[int, Spans], ...]
    means: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Signals:
    """All plans of a side. staged: junctions with green and red; averaged: with means, too."""

    runs: tuple[Run, ...]
    staged: tuple[str, ...]
    averaged: tuple[str, ...]

    def moments(self, horizon_s: float) -> list[float]:
        """Return when a turn gets another capacity, whole seconds, rising."""
        found: set[float] = set()
        for run in self.runs:
            edges = {edge for _, spans in run.greens for span in spans for edge in span}
            first = math.floor((run.from_s - run.start_s) / run.cycle_s)
            last = math.ceil((min(run.until_s, horizon_s) - run.start_s) / run.cycle_s)
            for cycle in range(first, last + 1):
                begins = run.start_s + cycle * run.cycle_s
                found.update(round(begins + edge) for edge in edges)
            found.update(round(edge) for edge in (run.from_s, run.until_s) if edge < horizon_s)
        return sorted(float(moment) for moment in found if 0 <= moment < horizon_s)

    def at(self, time_s: float, turns: int) -> Floats:
        """Return the capacity of every turn from a moment on, (turns,) veh/s; inf: none."""
        vps = np.full(turns, np.inf)
        for run in self.runs:
            if not run.from_s <= time_s < run.until_s:
                continue
            inside = (time_s + 0.5 - run.start_s) % run.cycle_s
            for turn, spans in run.greens:
                is_green = any(start <= inside < end for start, end in spans)
                vps[turn] = np.inf if is_green else 0.0
            for turn, mean_vps in run.means:
                vps[turn] = mean_vps
        return vps


def signals_of(study: Study, turns: Turns, *, start_s: float) -> Signals:
    """Read the plans of a study. start_s: seconds after midnight at which the scenario starts.

    The first plan of a junction runs where no edit says otherwise.
    """
    network = study.network
    rows = {int(movement): row for row, movement in enumerate(turns.movement) if movement >= 0}
    runs: list[Run] = []
    staged, averaged = [], []
    for junction in network.junctions:
        for plan_run in _plan_runs(junction, study.plans):
            run = _run(network, junction, plan_run, rows, start_s)
            runs.append(run)
            staged += [str(junction.id)] if run.greens else []
            averaged += [str(junction.id)] if run.means else []
    return Signals(tuple(runs), tuple(dict.fromkeys(staged)), tuple(dict.fromkeys(averaged)))


def _plan_runs(junction: Junction, plans: tuple[PlanRun, ...]) -> list[PlanRun]:
    """Return which plan a junction runs when; of several at once the last edit counts."""
    edits = [plan for plan in plans if plan.junction == junction.id]
    found: list[PlanRun] = []
    if junction.plans:
        found.append(PlanRun(str(junction.id), junction.plans[0]))
    for plan in edits:
        found = [part for old in found for part in _outside(old, plan)]
        found.append(plan)
    return found


def _outside(old: PlanRun, new: PlanRun) -> Iterable[PlanRun]:
    """Yield what is left of a plan's time when another takes over for a while."""
    if old.from_s < min(new.from_s, old.until_s):
        yield PlanRun(old.junction, old.plan, old.from_s, min(new.from_s, old.until_s))
    if old.until_s > max(new.until_s, old.from_s):
        yield PlanRun(old.junction, old.plan, max(new.until_s, old.from_s), old.until_s)


def _run(
    network: SingleMap, junction: Junction, plan: PlanRun, rows: dict[int, int], start_s: float
) -> Run:
    greens = _greens(junction, plan.plan)
    by_link: dict[str, set[Spans]] = {}
    for name, spans in greens.items():
        movement = network.movements[network.movement_rows[name]]
        by_link.setdefault(str(movement.from_link), set()).add(spans)
    shown, means = [], []
    for name, spans in greens.items():
        row = network.movement_rows[name]
        movement = network.movements[row]
        if row not in rows:
            continue
        if len(by_link[str(movement.from_link)]) == 1:
            shown.append((rows[row], spans))
        else:
            green_s = sum(end - start for start, end in spans)
            means.append((rows[row], _flow_vps(network, row) * green_s / plan.plan.cycle_s))
    offset_s = plan.plan.offset_s - start_s
    return Run(plan.plan.cycle_s, offset_s, plan.from_s, plan.until_s, tuple(shown), tuple(means))


def _greens(junction: Junction, plan: SignalPlan) -> dict[str, Spans]:
    """Return the greens of every signalled movement; the yellow carries nobody."""
    groups = {group.id: group for group in junction.groups}
    stages = {stage.id: set(stage.groups) for stage in junction.stages}
    spans: dict[str, list[tuple[float, float]]] = {
        str(movement): [] for group in junction.groups for movement in group.movements
    }
    begins = 0.0
    for number, (stage, lasts_s) in enumerate(plan.steps):
        after = stages[plan.steps[(number + 1) % len(plan.steps)][0]]
        for name in stages[stage]:
            goes_on = name in after and len(plan.steps) > 1
            lost_s = 0.0 if goes_on or len(plan.steps) == 1 else groups[name].yellow_s
            end = begins + max(lasts_s - lost_s, 0.0)
            for movement in groups[name].movements:
                spans[str(movement)].append((begins, end))
        begins += lasts_s
    return {name: tuple(sorted(found)) for name, found in spans.items()}


def _flow_vps(network: SingleMap, row: int) -> float:
    """Return what a movement carries while it is green: its own, or its lanes' part of the link."""
    movement = network.movements[row]
    if movement.capacity_vps is not None:
        return movement.capacity_vps
    link = network.links[network.link_rows[movement.from_link]]
    first, last = movement.from_lanes or (1, link.lanes)
    lanes = max(last - first + 1, 1)
    return link.capacity_vps * min(lanes / max(link.lanes, 1), 1.0)
