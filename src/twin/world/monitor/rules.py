"""What one traffic light must keep, taken from the net's foes and from its own program.

Two links are foes when their ways over the junction cross or meet. Foes are never green together,
unless the program itself shows them so, with at least one of the two yielding (`g`). Whatever the
program itself does in a cycle is the measure for yellow and for the time between two foes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from twin.network.sumo.net import NetFile

GREENS: Final = "Gg"
YELLOWS: Final = "yY"
LEAST_GREEN_S: Final = 5.0
LONGEST_RED_S: Final = 120.0
RED_CYCLES: Final = 1.5
USUAL_YELLOW_S: Final = 3.0
WALKING_MPS: Final = 1.4
_SHOWN: Final = frozenset(GREENS + YELLOWS)

Pair = tuple[int, int]


@dataclass(frozen=True)
class Rules:
    """The limits of one light. Pairs are (link that ended, link that starts), both ways.

    together        pairs of foes that may be green at once while at least one of them yields
    clearance_s     least seconds from the end of one foe's green to the start of the other's
    protected_s     the same for a start with priority (`G`), for pairs that may overlap yielding
    yellow_s, least_green_s, longest_red_s   by link index; a link without green has no entry
    """

    links: int
    foes: frozenset[Pair]
    together: frozenset[Pair]
    clearance_s: Mapping[Pair, float]
    protected_s: Mapping[Pair, float]
    yellow_s: Mapping[int, float]
    least_green_s: Mapping[int, float]
    longest_red_s: Mapping[int, float]
    crossings: frozenset[int] = field(default=frozenset())


def rules_of_net(net: NetFile) -> dict[str, Rules]:
    """Return the rules of every traffic light that has a program."""
    return {tl: _rules(net, tl) for tl in net.programs}


@dataclass(frozen=True, slots=True)
class _Cycle:
    """The program as (start, end, state) stretches over one cycle."""

    parts: tuple[tuple[float, float, str], ...]
    seconds: float

    def spans(self, link: int, letters: str) -> list[tuple[float, float]]:
        """Return the stretches in which a link shows one of the letters, joined over the end."""
        found: list[list[float]] = []
        for start_s, end_s, state in self.parts:
            if state[link] in letters:
                if found and found[-1][1] == start_s:
                    found[-1][1] = end_s
                else:
                    found.append([start_s, end_s])
        if len(found) > 1 and found[0][0] == 0 and found[-1][1] == self.seconds:
            found[-1][1] += found.pop(0)[1]
        return [(start_s, end_s) for start_s, end_s in found]


def _rules(net: NetFile, tl: str) -> Rules:
    program = net.programs[tl]
    parts, at_s = [], 0.0
    for phase in program.phases:
        parts.append((at_s, at_s + phase.seconds, phase.state))
        at_s += phase.seconds
    cycle = _Cycle(tuple(parts), at_s)
    links = len(program.phases[0].state)
    foes = net.foe_pairs(tl)
    crossings = _crossings(net, tl)
    together = frozenset(
        (i, j)
        for i, j in foes
        if any(state[i] in GREENS and state[j] in GREENS for _, _, state in cycle.parts)
    )
    green = {link: spans for link in range(links) if (spans := cycle.spans(link, GREENS))}
    return Rules(
        links=links,
        foes=foes,
        together=together,
        clearance_s=dict(_clearances(cycle, foes - together, GREENS, crossings)),
        protected_s=dict(_clearances(cycle, together, "G", crossings)),
        yellow_s={link: _yellow_s(cycle, link, crossings) for link in green},
        least_green_s={
            link: min([LEAST_GREEN_S, *(end_s - start_s for start_s, end_s in spans)])
            for link, spans in green.items()
        },
        longest_red_s={link: max(LONGEST_RED_S, RED_CYCLES * at_s) for link in green},
        crossings=frozenset(crossings),
    )


def _crossings(net: NetFile, tl: str) -> dict[int, float]:
    """Return the crossings among the links with their lengths in metres."""
    return {
        one.index: max(lane.length_m for lane in net.edges[one.to_edge].lanes)
        for one in net.signalled(tl)
        if one.to_edge in net.edges and net.edges[one.to_edge].function == "crossing"
    }


def _clearances(
    cycle: _Cycle, pairs: frozenset[Pair], letters: str, crossings: Mapping[int, float]
) -> Iterator[tuple[Pair, float]]:
    """Yield what must lie between two foes: as little as the program itself ever leaves.

    A program may show something else in between; no more is asked for than the ended link's yellow
    and the program's longest all-red, or the time that it takes to walk over a crossing.
    """
    dark_s = max(
        (end_s - start_s for start_s, end_s, state in cycle.parts if not set(state) & _SHOWN),
        default=0.0,
    )
    for ended, starts in pairs:
        gaps_s = [
            (start_s - end_s) % cycle.seconds
            for _, end_s in cycle.spans(ended, GREENS)
            for start_s, _ in cycle.spans(starts, letters)
        ]
        if not gaps_s and letters == "G":
            continue
        if ended in crossings:
            most_s = crossings[ended] / WALKING_MPS
        else:
            yellow = cycle.spans(ended, YELLOWS)
            longest_s = max((end_s - start_s for start_s, end_s in yellow), default=USUAL_YELLOW_S)
            most_s = longest_s + dark_s
        yield (ended, starts), min([most_s, *gaps_s])


def _yellow_s(cycle: _Cycle, link: int, crossings: Mapping[int, float]) -> float:
    """Return the shortest yellow of the program, 0 where it has green without yellow after it."""
    if link in crossings:
        return 0.0
    yellow = cycle.spans(link, YELLOWS)
    bare = len(yellow) < len(cycle.spans(link, GREENS))
    if bare:
        return 0.0 if yellow or len(cycle.parts) > 1 else USUAL_YELLOW_S
    return min((end_s - start_s for start_s, end_s in yellow), default=USUAL_YELLOW_S)
