"""Junctions from the signal tables of GMNS, as far as they say enough to be safe.

A phase becomes a group at each node that it serves, and two groups may be green together only if
every plan that has both of them puts them on different rings of one barrier. A node whose plans
disagree about that, or lack a clearance, gets no junction: its tables are kept whole all the same,
and the report names it. A crosswalk adds its walking time to the minimum green of its phase.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import networkx as nx

from twin.ids import GroupId, JunctionId, MovementId, NodeId, StageId
from twin.network.gmns.phase_plans import PhaseTime, signal_plan
from twin.network.gmns.source import Source
from twin.network.model import Junction, Movement, SignalGroup, SignalPlan, Stage
from twin.network.quality import Severity

_YELLOW_S: Final = 4.0  # the clearance holds yellow and all-red; GMNS does not part them
_MAX_RED_S: Final = 120.0


@dataclass
class _Phases:
    """The phases that serve one node: their times by plan, and the movements of each."""

    times: dict[str, dict[str, PhaseTime]] = field(default_factory=lambda: defaultdict(dict))
    movements: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    walk_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def read_phases(source: Source, movements: Mapping[str, Movement]) -> list[Junction]:
    """Return one junction for each node whose phases are told completely and without dispute."""
    if not source.sheet("signal_phase_mvmt").rows or not source.sheet("signal_timing_phase").rows:
        return []
    junctions = []
    left: dict[str, list[str]] = defaultdict(list)
    for node, phases in _phases_of_nodes(source, movements).items():
        why = _dispute(phases)
        if why:
            left[why].append(node)
        else:
            junctions.append(_junction(source, node, phases))
    for why, nodes in left.items():
        source.findings.add(
            "signals_in_tables_only",
            "signal_timing_phase",
            f"no junction is made at the node: {why}; the tables are kept",
            severity=Severity.WARNING,
            ids=nodes,
        )
    return junctions


def _phases_of_nodes(source: Source, movements: Mapping[str, Movement]) -> dict[str, _Phases]:
    rows = _timing_rows(source)
    sheet = source.sheet("signal_phase_mvmt")
    nodes: dict[str, _Phases] = defaultdict(_Phases)
    columns = zip(sheet.words("timing_phase_id"), sheet.words("mvmt_id"), strict=True)
    walked = set()
    for row, (timing, movement) in enumerate(columns):
        if timing not in rows:
            continue
        if movement in movements:
            time = rows[timing]
            phases = nodes[movements[movement].node]
            phases.times[time.plan][time.phase] = time
            phases.movements[time.phase].add(movement)
        elif sheet.words("link_id")[row]:
            walked.add(timing)
    for phases in nodes.values():
        for by_phase in phases.times.values():
            for time in by_phase.values():
                if time.id in walked:
                    walk_s = max(phases.walk_s[time.phase], time.walk_s)
                    phases.walk_s[time.phase] = walk_s
    return nodes


def _timing_rows(source: Source) -> dict[str, PhaseTime]:
    sheet = source.sheet("signal_timing_phase")
    sheet.need(
        "timing_phase_id", "timing_plan_id", "signal_phase_num", "ring", "barrier", "position"
    )
    numbers = {
        name: sheet.numbers(name)
        for name in ("min_green", "max_green", "clearance", "walk_time", "ped_clearance")
    }
    wholes = {name: sheet.wholes(name) for name in ("ring", "barrier", "position")}
    rows = {}
    for row, identity in enumerate(sheet.words("timing_phase_id")):
        rows[identity] = PhaseTime(
            id=identity,
            plan=sheet.words("timing_plan_id")[row],
            phase=sheet.words("signal_phase_num")[row],
            min_green_s=numbers["min_green"][row] or 0.0,
            max_green_s=numbers["max_green"][row] or numbers["min_green"][row] or 0.0,
            clearance_s=numbers["clearance"][row],
            walk_s=(numbers["walk_time"][row] or 0.0) + (numbers["ped_clearance"][row] or 0.0),
            ring=wholes["ring"][row] or 0,
            barrier=wholes["barrier"][row] or 0,
            position=wholes["position"][row] or 0,
        )
    return rows


def _dispute(phases: _Phases) -> str:
    """Return why the phases of a node do not make a safe junction; empty when they do."""
    clearances = {
        time.clearance_s for by_phase in phases.times.values() for time in by_phase.values()
    }
    if None in clearances or any(not value for value in clearances):
        return "a phase has no clearance"
    verdicts: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for by_phase in phases.times.values():
        for pair in combinations(sorted(by_phase), 2):
            verdicts[pair].add(by_phase[pair[0]].beside(by_phase[pair[1]]))
    if any(len(verdict) > 1 for verdict in verdicts.values()):
        return "its plans disagree on which phases may be green together"
    return ""


def _junction(source: Source, node: str, phases: _Phases) -> Junction:
    names = sorted(phases.movements)
    together = _together(phases)
    stages = _stages(names, together)
    gaps = _intergreens(names, phases, together)
    plans, untold = _plans(source, phases, stages)
    source.findings.add(
        "plan_in_tables_only",
        "signal_timing_plan",
        "the plan has no cycle, or its phases do not fill it: no fixed plan is made of it",
        severity=Severity.INFO,
        ids=[f"{node}: {plan}" for plan in untold],
    )
    return Junction(
        id=JunctionId(node),
        node=NodeId(node),
        groups=tuple(_group(name, phases) for name in names),
        stages=stages,
        intergreen_s=gaps,
        plans=tuple(plans),
        extra=(("source", "signal_timing_phase"),),
    )


def _times(phases: _Phases, name: str) -> list[PhaseTime]:
    return [by_phase[name] for by_phase in phases.times.values() if name in by_phase]


def _group(name: str, phases: _Phases) -> SignalGroup:
    times = _times(phases, name)
    clearance_s = min(time.clearance_s or 0.0 for time in times)
    least_s = max(time.min_green_s for time in times)
    return SignalGroup(
        id=GroupId(name),
        movements=tuple(map(MovementId, sorted(phases.movements[name]))),
        min_green_s=max(least_s, phases.walk_s[name]),
        yellow_s=min(_YELLOW_S, clearance_s),
        max_red_s=_MAX_RED_S,
    )


def _together(phases: _Phases) -> set[tuple[str, str]]:
    """Return the pairs, both ways round, that some plan has and puts beside each other."""
    pairs = set()
    for by_phase in phases.times.values():
        for one, other in combinations(sorted(by_phase), 2):
            if by_phase[one].beside(by_phase[other]):
                pairs |= {(one, other), (other, one)}
    return pairs


def _stages(names: list[str], together: set[tuple[str, str]]) -> tuple[Stage, ...]:
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(names)
    graph.add_edges_from(together)
    cliques = sorted(sorted(clique) for clique in nx.find_cliques(graph))
    return tuple(
        Stage(StageId("+".join(clique)), tuple(GroupId(name) for name in clique))
        for clique in cliques
    )


def _intergreens(
    names: list[str], phases: _Phases, together: set[tuple[str, str]]
) -> tuple[tuple[GroupId, GroupId, float], ...]:
    clearance_s = {
        name: max(time.clearance_s or 0.0 for time in _times(phases, name)) for name in names
    }
    return tuple(
        (GroupId(ending), GroupId(starting), clearance_s[ending])
        for ending in names
        for starting in names
        if ending != starting and (ending, starting) not in together
    )


def _plans(
    source: Source, phases: _Phases, stages: tuple[Stage, ...]
) -> tuple[list[SignalPlan], list[str]]:
    plans: list[SignalPlan] = []
    untold: list[str] = []
    for name, by_phase in sorted(phases.times.items()):
        plan = signal_plan(source, name, list(by_phase.values()), stages=stages)
        if plan is None:
            untold.append(name)
        else:
            plans.append(plan)
    return plans, untold
