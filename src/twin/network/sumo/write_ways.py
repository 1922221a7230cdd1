"""Which lane leads to which: the movements of a map as connections of SUMO, lane by lane.

The map numbers the lanes of a link from the left, beginning with 1; SUMO counts from the right,
beginning with 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from twin.ids import MovementId
from twin.network.model import Link, LinkClass, Movement, SingleMap, TurnKind

_GROWS_RIGHT: Final = frozenset({LinkClass.MOTORWAY, LinkClass.RAMP})
_LEFT: Final = frozenset({TurnKind.LEFT, TurnKind.UTURN})
_RIGHT: Final = frozenset({TurnKind.RIGHT, TurnKind.DIVERGE, TurnKind.MERGE})
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Way:
    """One connection; lanes are those of SUMO, 0 is the rightmost."""

    movement: MovementId
    from_link: str
    to_link: str
    from_lane: int
    to_lane: int


def ways(network: SingleMap) -> dict[MovementId, tuple[Way, ...]]:
    """Return the connections of every movement.

    Where a movement does not say its lanes they are guessed: a turn keeps to its side, what goes
    straight on takes all lanes. Where fewer lanes lead to more, the lanes that open lie to the
    right on motorways and ramps, else to the left; where more lead to fewer, the last ones merge.
    """
    leaving = Counter(movement.from_link for movement in network.movements)
    entering = Counter(movement.to_link for movement in network.movements)
    links, rows = network.links, network.link_rows
    return {
        movement.id: _ways(
            movement,
            links[rows[movement.from_link]],
            links[rows[movement.to_link]],
            alone=leaving[movement.from_link] == 1 and entering[movement.to_link] == 1,
        )
        for movement in network.movements
    }


def _ways(movement: Movement, before: Link, after: Link, *, alone: bool) -> tuple[Way, ...]:
    from_span = movement.from_lanes or _leaving_span(movement.kind, before.lanes, alone=alone)
    width = from_span[1] - from_span[0] + 1
    to_span = movement.to_lanes or _entering_span(movement.kind, width, after.lanes, alone=alone)
    pairs = _pairs(from_span, to_span, right=after.link_class in _GROWS_RIGHT)
    return tuple(
        Way(movement.id, before.id, after.id, before.lanes - leave, after.lanes - enter)
        for leave, enter in pairs
        if 1 <= leave <= before.lanes and 1 <= enter <= after.lanes
    )


def _leaving_span(kind: TurnKind, lanes: int, *, alone: bool) -> Span:
    if alone or kind in {TurnKind.THRU, TurnKind.MERGE}:
        return (1, lanes)
    return (1, 1) if kind in _LEFT else (lanes, lanes)


def _entering_span(kind: TurnKind, width: int, lanes: int, *, alone: bool) -> Span:
    if alone or width >= lanes:
        return (1, lanes)
    if kind in _LEFT or (kind is TurnKind.THRU and lanes - width > 1):
        return (1, width)
    return (lanes - width + 1, lanes) if kind in _RIGHT else (1, width)


def _pairs(leave: Span, enter: Span, *, right: bool) -> tuple[tuple[int, int], ...]:
    left_lanes, right_lanes = leave[1] - leave[0] + 1, enter[1] - enter[0] + 1
    many = max(left_lanes, right_lanes)
    if right or left_lanes > right_lanes:  # counted from the left: what is over lies to the right
        return tuple(
            (leave[0] + min(at, left_lanes - 1), enter[0] + min(at, right_lanes - 1))
            for at in range(many)
        )
    return tuple((leave[1] - min(at, left_lanes - 1), enter[1] - at) for at in range(many))[::-1]
