"""Junctions with their groups, stages, intergreens and plans: our own tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from twin.errors import MapError
from twin.ids import GroupId, JunctionId, MovementId, NodeId, PlanId, StageId
from twin.network.gmns.sheets import Sheet, extra_cells, join_list, number, number_text, split_list
from twin.network.gmns.source import Source
from twin.network.model import Junction, SignalGroup, SignalPlan, Stage

_FIELDS: Final = frozenset({"junction_id", "node_id", "name"})
_MAX_RED_S: Final = 120.0


def read_junctions(source: Source) -> list[Junction]:
    """Return the junctions of twin_junction.csv with what belongs to them."""
    sheet, ids = source.keyed("twin_junction", "junction_id")
    groups = _groups(source)
    stages = _stages(source)
    gaps = _intergreens(source)
    plans = _plans(source)
    for part in (groups, stages, gaps, plans):
        _all_known(part, set(ids))
    columns = zip(
        ids,
        sheet.ids("node_id") if ids else [],
        sheet.texts("name"),
        source.extras(sheet, _FIELDS),
        strict=True,
    )
    return [
        Junction(
            id=JunctionId(identity),
            node=NodeId(node),
            groups=tuple(groups[identity]),
            stages=tuple(stages[identity]),
            intergreen_s=tuple(gaps[identity]),
            plans=tuple(plans[identity]),
            name=name,
            extra=extra,
        )
        for identity, node, name, extra in columns
    ]


def _all_known(named: Iterable[str], known: set[str]) -> None:
    for junction in named:
        if junction not in known:
            message = f"twin_junction.csv: junction {junction!r} is missing, other tables name it"
            raise MapError(message)


def _sheet(source: Source, name: str, *columns: str) -> Sheet:
    sheet = source.sheet(name)
    for column in columns if sheet.rows else ():
        sheet.ids(column)
    return sheet


def _amounts(sheet: Sheet, column: str, default: float) -> list[float]:
    return [default if value is None else value for value in sheet.numbers(column)]


def _groups(source: Source) -> defaultdict[str, list[SignalGroup]]:
    sheet = _sheet(
        source, "twin_signal_group", "junction_id", "group_id", "min_green_s", "yellow_s"
    )
    columns = zip(
        sheet.words("junction_id"),
        sheet.words("group_id"),
        sheet.words("movements"),
        _amounts(sheet, "min_green_s", 0.0),
        _amounts(sheet, "yellow_s", 0.0),
        sheet.booleans("pedestrian"),
        _amounts(sheet, "max_red_s", _MAX_RED_S),
        strict=True,
    )
    groups: defaultdict[str, list[SignalGroup]] = defaultdict(list)
    for junction, group, movements, min_green_s, yellow_s, pedestrian, max_red_s in columns:
        groups[junction].append(
            SignalGroup(
                id=GroupId(group),
                movements=tuple(map(MovementId, split_list(movements))),
                min_green_s=min_green_s,
                yellow_s=yellow_s,
                pedestrian=bool(pedestrian),
                max_red_s=max_red_s,
            )
        )
    return groups


def _stages(source: Source) -> defaultdict[str, list[Stage]]:
    sheet = _sheet(source, "twin_stage", "junction_id", "stage_id")
    stages: defaultdict[str, list[Stage]] = defaultdict(list)
    columns = zip(
        sheet.words("junction_id"), sheet.words("stage_id"), sheet.words("groups"), strict=True
    )
    for junction, stage, groups in columns:
        members = tuple(map(GroupId, split_list(groups)))
        stages[junction].append(Stage(StageId(stage), members))
    return stages


def _intergreens(source: Source) -> defaultdict[str, list[tuple[GroupId, GroupId, float]]]:
    sheet = _sheet(
        source, "twin_intergreen", "junction_id", "ending_group", "starting_group", "intergreen_s"
    )
    gaps: defaultdict[str, list[tuple[GroupId, GroupId, float]]] = defaultdict(list)
    columns = zip(
        sheet.words("junction_id"),
        sheet.words("ending_group"),
        sheet.words("starting_group"),
        _amounts(sheet, "intergreen_s", 0.0),
        strict=True,
    )
    for junction, ending, starting, gap_s in columns:
        gaps[junction].append((GroupId(ending), GroupId(starting), gap_s))
    return gaps


def _plans(source: Source) -> defaultdict[str, list[SignalPlan]]:
    sheet = _sheet(source, "twin_plan", "junction_id", "plan_id", "cycle_s")
    plans: defaultdict[str, list[SignalPlan]] = defaultdict(list)
    columns = zip(
        sheet.words("junction_id"),
        sheet.words("plan_id"),
        _amounts(sheet, "cycle_s", 0.0),
        _amounts(sheet, "offset_s", 0.0),
        sheet.words("stages"),
        sheet.words("durations_s"),
        strict=True,
    )
    for row, (junction, plan, cycle_s, offset_s, stages, durations) in enumerate(columns):
        steps = _steps(sheet, row, stages, durations)
        plans[junction].append(SignalPlan(PlanId(plan), cycle_s, offset_s, steps))
    return plans


def _steps(
    sheet: Sheet, row: int, stages: str, durations: str
) -> tuple[tuple[StageId, float], ...]:
    names, words = split_list(stages), split_list(durations)
    if len(names) != len(words):
        raise sheet.fault(row, "durations_s", durations, "must have one number for each stage")
    return tuple(
        (StageId(name), sheet.value(row, "durations_s", word.strip(), number))
        for name, word in zip(names, words, strict=True)
    )


def junction_rows(junctions: tuple[Junction, ...]) -> Iterator[dict[str, str]]:
    """Write junctions as rows of twin_junction.csv."""
    for junction in junctions:
        yield {
            **extra_cells("junction", junction.id, junction.extra, _FIELDS),
            "junction_id": junction.id,
            "node_id": junction.node,
            "name": junction.name,
        }


def group_rows(junctions: tuple[Junction, ...]) -> Iterator[dict[str, str]]:
    """Write signal groups as rows of twin_signal_group.csv."""
    for junction in junctions:
        for group in junction.groups:
            yield {
                "junction_id": junction.id,
                "group_id": group.id,
                "movements": join_list(group.movements),
                "min_green_s": number_text(group.min_green_s),
                "yellow_s": number_text(group.yellow_s),
                "pedestrian": "true" if group.pedestrian else "false",
                "max_red_s": number_text(group.max_red_s),
            }


def stage_rows(junctions: tuple[Junction, ...]) -> Iterator[dict[str, str]]:
    """Write stages as rows of twin_stage.csv."""
    for junction in junctions:
        for stage in junction.stages:
            yield {
                "junction_id": junction.id,
                "stage_id": stage.id,
                "groups": join_list(stage.groups),
            }


def intergreen_rows(junctions: tuple[Junction, ...]) -> Iterator[dict[str, str]]:
    """Write intergreens as rows of twin_intergreen.csv."""
    for junction in junctions:
        for ending, starting, gap_s in junction.intergreen_s:
            yield {
                "junction_id": junction.id,
                "ending_group": ending,
                "starting_group": starting,
                "intergreen_s": number_text(gap_s),
            }


def plan_rows(junctions: tuple[Junction, ...]) -> Iterator[dict[str, str]]:
    """Write plans as rows of twin_plan.csv."""
    for junction in junctions:
        for plan in junction.plans:
            yield {
                "junction_id": junction.id,
                "plan_id": plan.id,
                "cycle_s": number_text(plan.cycle_s),
                "offset_s": number_text(plan.offset_s),
                "stages": join_list(stage for stage, _ in plan.steps),
                "durations_s": join_list(number_text(length_s) for _, length_s in plan.steps),
            }
