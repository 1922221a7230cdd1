"""A traffic light's program as a junction: groups, stages, conflicts, intergreens and a plan.

A link index that is green with priority (`G`) in one stage and yields (`g`) in another has two
groups: the protected one conflicts with every foe, the permissive one only with those that the
program never shows beside it. Nothing that the program does not show is taken as allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twin.ids import GroupId, JunctionId, MovementId, NodeId, PlanId, StageId
from twin.network.model import Junction, SignalGroup, SignalPlan, Stage
from twin.network.sumo.net import NetFile, NetProgram

YELLOW_S: Final = 3.0
MIN_GREEN_S: Final = 5.0
MAX_RED_S: Final = 120.0
WALK_MPS: Final = 1.2
_LEAST_CLEARANCE_S: Final = 3.0
_SHORT_S: Final = 5.0  # a green shorter than this is a step of a change, not a stage
_LONGEST_CLEARANCE_S: Final = 8.0  # beyond the yellow; what starts later did not wait for it
_LEVEL: Final[Mapping[str, int]] = {"G": 2, "g": 1}

Levels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupLinks:
    """The link indices of one group. `protected`: they are shown `G`, else `g`."""

    links: tuple[int, ...]
    protected: bool
    pedestrian: bool


@dataclass(frozen=True, slots=True)
class SignalDesign:
    """One traffic light as a junction without movements, and how its groups are link indices."""

    junction: Junction
    groups: Mapping[str, GroupLinks]
    links: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch of the cycle in which the same is green and nothing is yellow."""

    start_s: float
    end_s: float
    levels: Levels

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


def signal_design(net: NetFile, program: NetProgram) -> SignalDesign | None:
    """Read one program as a junction.

    None when it shows nothing green, when no link is ruled by it, or when the net does not say
    which links are foes.
    """
    links = len(program.phases[0].state)
    node = _node(net, program.tl)
    runs = _kept_runs(program)
    if node is None or not runs or not net.knows_foes(program.tl):
        return None
    states = list(dict.fromkeys(run.levels for run in runs))
    crossings = _crossing_lengths(net, program.tl)
    groups = _groups(states, crossings)
    times = _Times(program, groups, crossings)
    stages = tuple(
        Stage(StageId(str(at + 1)), tuple(GroupId(name) for name in groups if _in(groups, name, s)))
        for at, s in enumerate(states)
    )
    gaps = dict(_intergreens(net.foe_pairs(program.tl), groups, stages, times))
    plan, notes = _plan(program, runs, stages, gaps, times)
    longest_s = max(MAX_RED_S, 1.25 * plan.cycle_s)
    junction = Junction(
        id=JunctionId(program.tl),
        node=NodeId(node),
        groups=tuple(
            SignalGroup(
                id=GroupId(name),
                movements=(),
                min_green_s=times.min_green_s[name],
                yellow_s=times.yellow_s[name],
                pedestrian=one.pedestrian,
                max_red_s=longest_s,
            )
            for name, one in groups.items()
        ),
        stages=stages,
        intergreen_s=tuple((GroupId(a), GroupId(b), s) for (a, b), s in gaps.items()),
        plans=(plan,),
        extra=_extra(groups),
    )
    return SignalDesign(junction, groups, links, notes)


def with_movements(design: SignalDesign, of_link: Mapping[int, MovementId]) -> Junction:
    """Return the junction with the movements of its link indices filled in."""
    groups = tuple(
        SignalGroup(
            id=group.id,
            movements=tuple(
                dict.fromkeys(of_link[at] for at in design.groups[group.id].links if at in of_link)
            ),
            min_green_s=group.min_green_s,
            yellow_s=group.yellow_s,
            pedestrian=group.pedestrian,
            max_red_s=group.max_red_s,
        )
        for group in design.junction.groups
    )
    whole = design.junction
    return Junction(
        id=whole.id,
        node=whole.node,
        groups=groups,
        stages=whole.stages,
        intergreen_s=whole.intergreen_s,
        plans=whole.plans,
        extra=whole.extra,
    )


def _extra(groups: Mapping[str, GroupLinks]) -> tuple[tuple[str, str], ...]:
    """Name the groups whose vehicles have to give way, for whoever reckons with their flow."""
    yielding = " ".join(name for name, one in groups.items() if not one.protected)
    return (("yielding", yielding),) if yielding else ()


def _levels(state: str) -> Levels:
    return tuple(_LEVEL.get(letter, 0) for letter in state)


def _phases(program: NetProgram) -> Iterator[tuple[float, float, str]]:
    at_s = 0.0
    for phase in program.phases:
        yield at_s, at_s + phase.seconds, phase.state
        at_s += phase.seconds


def _runs(program: NetProgram) -> list[_Run]:
    runs: list[_Run] = []
    for start_s, end_s, state in _phases(program):
        levels = _levels(state)
        if not any(levels) or set(state) & set("yYuU"):
            continue
        if runs and runs[-1].levels == levels and runs[-1].end_s == start_s:
            runs[-1] = _Run(runs[-1].start_s, end_s, levels)
        else:
            runs.append(_Run(start_s, end_s, levels))
    if len(runs) > 1 and runs[0].levels == runs[-1].levels and runs[0].start_s == 0.0:
        first, last = runs[0], runs[-1]
        if last.end_s == program.cycle_s:  # one green over the end of the cycle
            runs = [*runs[1:-1], _Run(last.start_s, last.end_s + first.seconds, last.levels)]
    return runs


def _kept_runs(program: NetProgram) -> list[_Run]:
    """Return the runs that are stages: long enough, and not a part of another's green.

    A link that would then never be green gets the phase in which it is green longest.
    """
    runs = _runs(program)
    long = [run for run in runs if run.seconds >= _SHORT_S] or runs
    kept = [run for run in long if not any(_within(run, other) for other in long)]
    for at in range(len(program.phases[0].state)):
        if any(run.levels[at] for run in kept):
            continue
        shown = [_Run(a, b, _levels(s)) for a, b, s in _phases(program) if s[at] in _LEVEL]
        if shown:
            kept.append(max(shown, key=lambda run: run.seconds))
    return sorted(kept, key=lambda run: run.start_s)


def _within(run: _Run, other: _Run) -> bool:
    return run.levels != other.levels and all(
        one <= two for one, two in zip(run.levels, other.levels, strict=True)
    )


def _crossing_lengths(net: NetFile, tl: str) -> dict[int, float]:
    """Return the length in metres of the crossing at each link index that is one."""
    return {
        one.index: max(lane.length_m for lane in net.edges[one.to_edge].lanes)
        for one in net.signalled(tl)
        if one.to_edge in net.edges and net.edges[one.to_edge].function == "crossing"
    }


def _groups(states: Sequence[Levels], crossings: Mapping[int, float]) -> dict[str, GroupLinks]:
    """Merge the link indices that always show the same; the name is the first of them."""
    alike: dict[tuple[Levels, bool], list[int]] = {}
    for at in range(len(states[0])):
        shown = tuple(state[at] for state in states)
        if any(shown):
            alike.setdefault((shown, at in crossings), []).append(at)
    groups = {}
    for (shown, walking), links in alike.items():
        for level in sorted(set(shown) - {0}, reverse=True):
            permissive = level == 1 and 2 in shown
            name = f"{links[0]}p" if permissive else str(links[0])
            groups[name] = GroupLinks(tuple(links), level == 2 or walking, walking)
    return groups


def _in(groups: Mapping[str, GroupLinks], name: str, levels: Levels) -> bool:
    """Say whether a group is green in a stage."""
    one = groups[name]
    level = levels[one.links[0]]
    if one.pedestrian:
        return level > 0
    return level == (2 if one.protected else 1)


class _Times:
    """What the program says about yellow, shortest green and clearing of each group."""

    def __init__(
        self,
        program: NetProgram,
        groups: Mapping[str, GroupLinks],
        crossings: Mapping[int, float],
    ) -> None:
        self._phases = list(_phases(program))
        self._cycle_s = program.cycle_s
        self.groups = groups
        self.walk_s = {
            name: max(crossings[at] for at in one.links) / WALK_MPS
            for name, one in groups.items()
            if one.pedestrian
        }
        self.yellow_s = {name: self._yellow_s(one) for name, one in groups.items()}
        self.min_green_s = {name: self._min_green_s(one) for name, one in groups.items()}
        dark = [b - a for a, b, state in self._phases if not set(state) & set("GgyYuU")]
        self.all_red_s = min(max(dark, default=0.0), _LONGEST_CLEARANCE_S)

    def _shown(self, at: int, letters: str) -> list[tuple[float, float]]:
        """Return the stretches (start, end) in which a link shows one of the letters."""
        spans: list[tuple[float, float]] = []
        for start_s, end_s, state in self._phases:
            if state[at] not in letters:
                continue
            if spans and spans[-1][1] == start_s:
                spans[-1] = (spans[-1][0], end_s)
            else:
                spans.append((start_s, end_s))
        if len(spans) > 1 and spans[0][0] == 0.0 and spans[-1][1] == self._cycle_s:
            spans = [*spans[1:-1], (spans[-1][0], self._cycle_s + spans[0][1])]
        return spans

    def _yellow_s(self, one: GroupLinks) -> float:
        if one.pedestrian:
            return 0.0
        spans = [span for at in one.links for span in self._shown(at, "yY")]
        return max((end_s - start_s for start_s, end_s in spans), default=YELLOW_S)

    def _min_green_s(self, one: GroupLinks) -> float:
        letters = "G" if one.protected and not one.pedestrian else "Gg"
        spans = [span for at in one.links for span in self._shown(at, letters)]
        return min([MIN_GREEN_S, *(end_s - start_s for start_s, end_s in spans)])

    def clearing_s(self, ending: str, starting: str, foes: frozenset[tuple[int, int]]) -> float:
        """Return the intergreen: what the program keeps where the one follows the other.

        Of several links in a group the one that needs most counts.
        """
        ends, starts = self.groups[ending], self.groups[starting]
        least_s = max(self.yellow_s[ending], self.walk_s.get(ending, 0.0))
        if ends.pedestrian:
            least_s = max(least_s, _LEAST_CLEARANCE_S)
        letters = "G" if starts.protected and not starts.pedestrian else "Gg"
        usual_s = least_s + self.all_red_s
        gaps_s = [
            self._gap_s(i, j, letters, most_s=usual_s)
            for i in ends.links
            for j in starts.links
            if (i, j) in foes
        ]
        return max(least_s, *(usual_s if gap_s is None else gap_s for gap_s in gaps_s))

    def _gap_s(self, ended: int, starts: int, letters: str, *, most_s: float) -> float | None:
        """Return the shortest time between two links, None where one never follows the other."""
        gaps_s = [
            (start_s - end_s) % self._cycle_s
            for _, end_s in self._shown(ended, "Gg")
            for start_s, _ in self._shown(starts, letters)
        ]
        return min((gap_s for gap_s in gaps_s if gap_s <= most_s), default=None)


def _intergreens(
    foes: frozenset[tuple[int, int]],
    groups: Mapping[str, GroupLinks],
    stages: Sequence[Stage],
    times: _Times,
) -> Iterator[tuple[tuple[str, str], float]]:
    together = {(a, b) for stage in stages for a in stage.groups for b in stage.groups}
    for a, one in groups.items():
        for b, other in groups.items():
            meet = any((i, j) in foes for i in one.links for j in other.links)
            if a != b and meet and (a, b) not in together:
                yield (a, b), times.clearing_s(a, b, foes)


def _plan(
    program: NetProgram,
    runs: Sequence[_Run],
    stages: Sequence[Stage],
    gaps: Mapping[tuple[str, str], float],
    times: _Times,
) -> tuple[SignalPlan, tuple[str, ...]]:
    """Return the fixed plan: a step lasts from the end of one green to the end of the next.

    A step too short for its own intergreen and minimum green is lengthened, and that is noted.
    """
    states = list(dict.fromkeys(run.levels for run in runs))
    steps: list[tuple[StageId, float]] = []
    notes = []
    for at, run in enumerate(runs):
        stage, before = stages[states.index(run.levels)], stages[states.index(runs[at - 1].levels)]
        length_s = (run.end_s - runs[at - 1].end_s) % program.cycle_s or program.cycle_s
        starting = [name for name in stage.groups if name not in before.groups]
        ending = [name for name in before.groups if name not in stage.groups]
        least_s = max((gaps.get((a, b), 0.0) for a in ending for b in starting), default=0.0)
        least_s += max((times.min_green_s[name] for name in starting), default=0.0)
        if length_s < least_s:
            notes.append(f"{program.tl}: stage {stage.id} needs {least_s:g} s, has {length_s:g} s")
        steps.append((stage.id, max(length_s, least_s)))
    cycle_s = sum(length_s for _, length_s in steps)
    offset_s = program.offset_s + runs[-1].end_s % program.cycle_s
    return SignalPlan(PlanId(program.program), cycle_s, offset_s, tuple(steps)), tuple(notes)


def _node(net: NetFile, tl: str) -> str | None:
    """Return the node where most links of the light are; the first of them if several are equal.

    None when it rules no link, or when their node is not told.
    """
    if not net.signalled(tl):
        return None
    nodes = [net.edges[one.from_edge].to_node for one in net.signalled(tl)]
    nodes = [node for node in nodes if node in net.junctions] or [
        node for node in net.junctions if node == tl
    ]
    return max(dict.fromkeys(nodes), key=nodes.count, default=None)
