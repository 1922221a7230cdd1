"""The signals of the four junctions: groups, intergreens, stages and two fixed plans each."""

from __future__ import annotations

from dataclasses import dataclass

from maker.city_map import JUNCTION_NAMES
from twin.ids import GroupId, JunctionId, MovementId, NodeId, PlanId, StageId
from twin.network.model import Junction, Movement, SignalGroup, SignalPlan, Stage, TurnKind

# Seconds between the end of a group's green and the start of a conflicting one's.
_BETWEEN_VEHICLES_S = 5.0
_VEHICLES_TO_PEDESTRIANS_S = 6.0
_PEDESTRIANS_TO_VEHICLES_S = 9.0
PEAK_HOURS = "07:00-10:30,16:30-20:30"


@dataclass(frozen=True, slots=True)
class Layout:
    """Which groups a junction has, which of them go together, and how long in each plan."""

    stages: tuple[tuple[str, ...], ...]
    base_s: tuple[float, ...]
    peak_s: tuple[float, ...]
    offset_s: float


# F1, F2: avenue east, west; F3: both side streets; F4: left turns off the avenue; P1: on foot
LAYOUTS = {
    "J1": Layout((("F1", "F2"), ("F4",), ("F3", "P1")), (32, 16, 24), (44, 19, 27), 0.0),
    "J2": Layout((("F1", "F2"), ("F3", "P1")), (44, 28), (57, 33), 32.0),
    "J3": Layout((("F1", "F2"), ("F3",), ("P1",)), (32, 20, 20), (46, 24, 20), 66.0),
    "J4": Layout((("F1", "F2"), ("F3", "P1")), (42, 30), (54, 36), 10.0),
}


def _group_of(movement: Movement, lefts: bool) -> str:
    if movement.from_link.startswith("C"):
        return "F3"
    if lefts and movement.kind is TurnKind.LEFT:
        return "F4"
    return "F1" if movement.from_link.startswith("AV-E") else "F2"


def _between(ending: str, starting: str) -> float:
    if ending == "P1":
        return _PEDESTRIANS_TO_VEHICLES_S
    return _VEHICLES_TO_PEDESTRIANS_S if starting == "P1" else _BETWEEN_VEHICLES_S


def _plan(name: str, layout: Layout, lengths: tuple[float, ...]) -> SignalPlan:
    steps = tuple((StageId(str(row)), length) for row, length in enumerate(lengths, 1))
    return SignalPlan(PlanId(name), sum(lengths), layout.offset_s, steps)


def _junction(name: str, movements: list[Movement]) -> Junction:
    layout = LAYOUTS[name]
    names = sorted({group for stage in layout.stages for group in stage})
    lefts = "F4" in names
    members: dict[str, list[MovementId]] = {group: [] for group in names}
    for movement in movements:
        members[_group_of(movement, lefts)].append(movement.id)
    groups = tuple(
        SignalGroup(
            id=GroupId(f"{name}-{group}"),
            movements=tuple(members[group]),
            min_green_s=8.0 if group in {"F1", "F2", "P1"} else 6.0,
            yellow_s=0.0 if group == "P1" else 3.0,
            pedestrian=group == "P1",
        )
        for group in names
    )
    together = {frozenset((a, b)) for stage in layout.stages for a in stage for b in stage}
    return Junction(
        id=JunctionId(name),
        node=NodeId(name),
        groups=groups,
        stages=tuple(
            Stage(StageId(str(row)), tuple(GroupId(f"{name}-{group}") for group in stage))
            for row, stage in enumerate(layout.stages, 1)
        ),
        intergreen_s=tuple(
            (GroupId(f"{name}-{a}"), GroupId(f"{name}-{b}"), _between(a, b))
            for a in names
            for b in names
            if a != b and frozenset((a, b)) not in together
        ),
        plans=(
            _plan(f"{name}-base", layout, layout.base_s),
            _plan(f"{name}-peak", layout, layout.peak_s),
        ),
        name=JUNCTION_NAMES[name],
        extra=(("peak_hours", PEAK_HOURS),),
    )


def junctions(movements: tuple[Movement, ...]) -> tuple[Junction, ...]:
    """Make the signals of J1 to J4 over the given movements."""
    return tuple(
        _junction(name, [movement for movement in movements if movement.node == name])
        for name in LAYOUTS
    )
