"""The signals: fourteen junctions of the avenue in three layouts, six ends of ramps,
the crossings of the two ring roads with streets that lead out of the city."""

from __future__ import annotations

from dataclasses import dataclass

from metropolis.motorway import INTERCHANGES
from metropolis.sheet import Sheet
from metropolis.streets import COLUMNS, CORNERS
from twin.ids import GroupId, JunctionId, MovementId, NodeId, PlanId, StageId
from twin.network.model import Junction, Movement, SignalGroup, SignalPlan, Stage, TurnKind

# Seconds between the end of a group's green and the start of a conflicting one's.
_BETWEEN_VEHICLES_S = 5.0
_VEHICLES_TO_PEDESTRIANS_S = 6.0
_PEDESTRIANS_TO_VEHICLES_S = 9.0
_YELLOW_S = 3.0
PEAK_HOURS = "07:00-10:00,16:30-20:30"
_BLOCK_S = 27.0  # of driving from one junction of the avenue to the next


@dataclass(frozen=True, slots=True)
class Layout:
    """Which groups go together, how long each stage lasts in the plans of 80 s and 100 s."""

    stages: tuple[tuple[str, ...], ...]
    base_s: tuple[float, ...]
    peak_s: tuple[float, ...]


# F1, F2: avenue east and west; F3: lefts off the avenue; F4, F5: side streets from north, south
# (F4 both of them where there is no F5); P1: on foot across the avenue, P2: along it
SPLIT_LEFTS = Layout((("F1", "F2", "P2"), ("F3",), ("F4", "P1")), (36, 17, 27), (46, 20, 34))
ONE_BY_ONE = Layout(
    (("F1", "F2", "P2"), ("F3",), ("F4",), ("F5", "P1")), (30, 16, 16, 18), (44, 18, 18, 20)
)
ALL_ON_FOOT = Layout((("F1", "F2"), ("F4",), ("P1",)), (38, 24, 18), (50, 30, 20))
# F1: straight on from the bridge, F2: from the other side, F3: from the ramp, F4: left off the
# bridge, F5: right onto the motorway; P1: across the cross road, P2: across the ramps
RAMP_END = Layout(
    (("F1", "F2", "F5", "P2"), ("F1", "F4"), ("F3", "F5", "P1")), (26, 20, 34), (33, 31, 36)
)
# F1: the main road, F2: the side road; P1: across the main road, P2: across the side road
CORNER = Layout((("F1", "P2"), ("F2", "P1")), (50, 30), (62, 38))

_LAYOUT_OF = {6: ONE_BY_ONE, 7: ALL_ON_FOOT, 8: ALL_ON_FOOT, 11: ONE_BY_ONE}


def _avenue_group(movement: Movement, groups: frozenset[str]) -> str:
    link = movement.from_link
    if link.startswith("AV-"):
        if movement.kind is TurnKind.LEFT and "F3" in groups:
            return "F3"
        return "F1" if link.startswith("AV-E") else "F2"
    return "F5" if "F5" in groups and link[3] == "C" else "F4"


def _ramp_group(movement: Movement) -> str:
    if movement.from_link.startswith("R"):
        return "F3"
    if "-puente-" in movement.from_link:
        return "F4" if movement.kind is TurnKind.LEFT else "F1"
    return "F5" if movement.to_link.startswith("R") else "F2"


def _corner_group(movement: Movement) -> str:
    return "F2" if movement.from_link.startswith(("C", "SAL")) else "F1"


def _group_of(movement: Movement, layout: Layout, groups: frozenset[str]) -> str:
    if layout is RAMP_END:
        return _ramp_group(movement)
    return _corner_group(movement) if layout is CORNER else _avenue_group(movement, groups)


def _between(ending: str, starting: str) -> float:
    if ending.startswith("P"):
        return _PEDESTRIANS_TO_VEHICLES_S
    return _VEHICLES_TO_PEDESTRIANS_S if starting.startswith("P") else _BETWEEN_VEHICLES_S


def _plan(name: str, lengths: tuple[float, ...], offset_s: float) -> SignalPlan:
    cycle_s = sum(lengths)
    steps = tuple((StageId(str(row)), float(length)) for row, length in enumerate(lengths, 1))
    return SignalPlan(PlanId(name), cycle_s, offset_s % cycle_s, steps)


def _group(name: str, group: str, members: tuple[MovementId, ...]) -> SignalGroup:
    walking = group.startswith("P")
    return SignalGroup(
        id=GroupId(f"{name}-{group}"),
        movements=members,
        min_green_s=8.0 if group in {"F1", "F2"} or walking else 6.0,
        yellow_s=0.0 if walking else _YELLOW_S,
        pedestrian=walking,
    )


def _junction(
    sheet: Sheet, name: str, layout: Layout, movements: list[Movement], offset_s: float
) -> Junction:
    names = frozenset(group for stage in layout.stages for group in stage)
    members: dict[str, list[MovementId]] = {group: [] for group in sorted(names)}
    for movement in movements:
        members[_group_of(movement, layout, names)].append(movement.id)
    together = {frozenset((a, b)) for stage in layout.stages for a in stage for b in stage}
    between = tuple(
        (GroupId(f"{name}-{a}"), GroupId(f"{name}-{b}"), _between(a, b))
        for a in members
        for b in members
        if a != b and frozenset((a, b)) not in together
    )
    return Junction(
        id=JunctionId(name),
        node=NodeId(name),
        groups=tuple(_group(name, group, tuple(some)) for group, some in members.items()),
        stages=tuple(
            Stage(StageId(str(row)), tuple(GroupId(f"{name}-{group}") for group in stage))
            for row, stage in enumerate(layout.stages, 1)
        ),
        intergreen_s=between,
        plans=(
            _plan(f"{name}-base", layout.base_s, offset_s),
            _plan(f"{name}-peak", layout.peak_s, offset_s),
        ),
        name=sheet.nodes[name].name,
        extra=(("peak_hours", PEAK_HOURS),),
    )


def junctions(sheet: Sheet, movements: tuple[Movement, ...]) -> tuple[Junction, ...]:
    """Make all signals over the given movements."""
    at_node: dict[str, list[Movement]] = {}
    for movement in movements:
        at_node.setdefault(movement.node, []).append(movement)
    made = []
    for column in range(COLUMNS):
        name, layout = f"J{column + 1:02d}", _LAYOUT_OF.get(column, SPLIT_LEFTS)
        made.append(_junction(sheet, name, layout, at_node[name], column * _BLOCK_S))
    for place in INTERCHANGES:
        if place.signals:
            for offset_s, side in ((0.0, "W"), (12.0, "E")):
                name = f"X{place.number}{side}"
                made.append(_junction(sheet, name, RAMP_END, at_node[name], offset_s))
    for number, name in enumerate(CORNERS):
        made.append(_junction(sheet, name, CORNER, at_node[name], number * _BLOCK_S))
    return tuple(made)
