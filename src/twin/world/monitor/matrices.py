"""What a traffic light must keep, taken from the matrices of a city's own map.

The net says which links are foes; the map says what must lie between their groups, how long each
is yellow, and how long green and red may last. Where people cross there is often no link in the
net: then the signal that they see is watched as one more link, after the net's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from twin.network.model import Junction, SingleMap
from twin.network.sumo.net import NetFile
from twin.world.monitor.rules import Pair, Rules, rules_of_net


def rules_of_map(
    net: NetFile, network: SingleMap, groups: dict[str, tuple[str, ...]]
) -> dict[str, Rules]:
    """Return the rules of every light whose junction the map knows.

    groups   the group of each link index, by junction; the state that is watched goes on with one
             letter for each of the junction's `walkers`
    """
    whole = rules_of_net(net)
    return {
        str(junction.id): _rules(
            junction,
            (*groups[junction.id], *walkers(junction, groups[junction.id])),
            whole[junction.id],
        )
        for junction in network.junctions
        if junction.id in whole and junction.id in groups
    }


def walkers(junction: Junction, groups: Iterable[str]) -> tuple[str, ...]:
    """Return the groups of people on foot that no link of the net shows, in the map's order."""
    shown = frozenset(groups)
    return tuple(
        str(group.id) for group in junction.groups if group.pedestrian and group.id not in shown
    )


def _rules(junction: Junction, group_of: Sequence[str], shown: Rules) -> Rules:
    law = {str(group.id): group for group in junction.groups}
    pairs = {frozenset((str(a), str(b))) for a, b, _ in junction.intergreen_s}
    foes = frozenset(
        (i, j)
        for i, one in enumerate(group_of)
        for j, other in enumerate(group_of)
        if i != j and ((i, j) in shown.foes or frozenset((one, other)) in pairs)
    )
    stages = [frozenset(map(str, stage.groups)) for stage in junction.stages]
    together = frozenset(
        (i, j)
        for i, j in foes & shown.foes
        if any({group_of[i], group_of[j]} <= stage for stage in stages)
    )
    on_foot = (at for at, name in enumerate(group_of) if law[name].pedestrian)
    return replace(
        shown,
        links=len(group_of),
        crossings=shown.crossings.union(on_foot),
        foes=foes,
        together=together,
        clearance_s=dict(_clearances(junction, group_of, foes - together)),
        protected_s={},
        yellow_s={link: law[name].yellow_s for link, name in enumerate(group_of)},
        least_green_s={link: law[name].min_green_s for link, name in enumerate(group_of)},
        longest_red_s={link: law[name].max_red_s for link, name in enumerate(group_of)},
    )


def _clearances(
    junction: Junction, group_of: Sequence[str], pairs: frozenset[Pair]
) -> Iterator[tuple[Pair, float]]:
    """Yield what the matrix says; a way that it does not name has the other way's."""
    between_s = {(str(a), str(b)): gap_s for a, b, gap_s in junction.intergreen_s}
    for ended, starts in pairs:
        one, other = group_of[ended], group_of[starts]
        gap_s = between_s.get((one, other), between_s.get((other, one)))
        if gap_s is not None:
            yield (ended, starts), gap_s
