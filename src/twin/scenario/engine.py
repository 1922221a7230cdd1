"""One side of one seed: vehicles on paths, with everything that is dated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from twin.columns import Floats, Ints
from twin.errors import SimulationError
from twin.network.model import SingleMap
from twin.scenario.demand import Change, Departures, Stream, draw_departures
from twin.scenario.doors import (
    Doors,
    door_keys,
    is_partial,
    partial_turns,
    with_doors,
    without_turns,
)
from twin.scenario.form import Engine, RouteKind, Routes, Weather
from twin.scenario.outcome import SeedRun, Spells, StepTold, Trips
from twin.scenario.project import Project
from twin.scenario.rights import Rights, kinds_of, rights_of
from twin.scenario.signals import Signals, signals_of
from twin.scenario.study import Limit, Place, SpeedRule, Study
from twin.simulate.choice import RouteChoice
from twin.simulate.fleet import Fleet, fleet
from twin.simulate.kernels.records import REFUSED, TURNED_AWAY
from twin.simulate.roads import Roads, Turns, roads_of, turns_of
from twin.simulate.steps import choose_step
from twin.simulate.vehicles import VehicleRun

FULL_SHARE: Final = 0.99  # of the storage: the link stands full
STUCK_S: Final = 300.0  # a full link that lets nobody out for so long is called gridlock


class Cancelled(SimulationError):
    """Somebody asked the run to stop."""


@dataclass(frozen=True, slots=True)
class Side:
    """A study as arrays: small enough to send to another process.

    stream_origin, stream_destination   node rows;  stream_zones: (streams, 2) rows of the frame's
    stream_class   row of the classes;  limits, speeds: (row of a link, what holds there when)
    """

    roads: Roads
    turns: Turns
    doors: Doors
    link_key: Ints
    rights: Rights
    signals: Signals
    limits: tuple[tuple[int, Limit], ...]
    speeds: tuple[tuple[int, SpeedRule], ...]
    streams: tuple[Stream, ...]
    changes: tuple[Change, ...]
    stream_nodes: Ints
    stream_zones: Ints
    stream_class: Ints
    routes: Routes
    engine: Engine
    step_s: float
    horizon_s: float


def side_of(project: Project, study: Study, zones: tuple[str, ...], *, step_s: float) -> Side:
    """Lay a study out. `zones` are the frame's; step_s as `shared_step` found it."""
    network = study.network
    node_of = _nodes(network)
    pairs = [(one.origin, one.destination) for one in study.streams]
    nodes = np.array([(node_of[a], node_of[b]) for a, b in pairs], np.int64).reshape(-1, 2)
    zone_row = {name: row for row, name in enumerate(zones)}
    class_row = {one.name: row for row, one in enumerate(project.classes)}
    rows = network.link_rows
    plain = roads_of(network)
    turns = without_turns(turns_of(network, np.unique(nodes[:, 0])), _closed(study))
    roads, turns, doors = with_doors(
        weathered(plain, project.scenario.weather),
        turns,
        partial_turns(project.base, project.edited),
        rows,
        step_s,
    )
    return Side(
        roads=roads,
        turns=turns,
        doors=doors,
        link_key=door_keys([str(link.id) for link in network.links], doors),
        rights=rights_of(study, project.classes, doors),
        signals=signals_of(study, turns, start_s=project.start_s),
        limits=tuple((rows[limit.link], limit) for limit in study.limits),
        speeds=_speed_rules(study, project.scenario.weather),
        streams=study.streams,
        changes=study.changes,
        stream_nodes=nodes,
        stream_zones=np.array([(zone_row[a], zone_row[b]) for a, b in pairs], np.int64).reshape(
            -1, 2
        ),
        stream_class=np.array([class_row[one.vclass] for one in study.streams], np.int64),
        routes=project.scenario.routes,
        engine=project.scenario.engine,
        step_s=step_s,
        horizon_s=project.horizon_s,
    )


def shared_step(project: Project) -> float:
    """Return the step of both sides: the smaller of the two that fit."""
    wanted = project.scenario.engine.step_s
    steps = []
    for study in (project.base, project.edited):
        roads = weathered(roads_of(study.network), project.scenario.weather)
        steps.append(choose_step(roads, np.ones(len(roads)), wanted_s=wanted).step_s)
    return min(steps)


def weathered(roads: Roads, weather: Weather | None) -> Roads:
    """Return roads in the weather; jam densities stay, and allow for the diagram."""
    if weather is None:
        return roads
    free = roads.free_speed_mps * weather.speed_factor
    capacity = roads.capacity_vps * weather.capacity_factor
    return Roads(
        from_node=roads.from_node,
        to_node=roads.to_node,
        length_m=roads.length_m,
        free_speed_mps=free,
        capacity_vps=capacity,
        jam_vpm=np.maximum(roads.jam_vpm, 2.0 * capacity / free),
        nodes=roads.nodes,
    )


def run_seed(
    side: Side,
    seed: int,
    *,
    on_time: Callable[[float], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> SeedRun:
    """Run one seed. on_time is told the simulated seconds at each report.

    Raises Cancelled at the report after `stop` said so.
    """
    drawn = draw_departures(side.streams, side.changes, seed=seed, horizon_s=side.horizon_s)
    vclass = side.stream_class[drawn.stream]
    links = len(side.roads)
    kind, access = kinds_of(side.rights, vclass, drawn.keys(), seed=seed, links=links)
    people = _fleet(side, drawn, kind)
    run = VehicleRun(
        side.roads,
        side.turns,
        people,
        seed=seed,
        step_s=side.step_s,
        choice=_choice(side.routes),
        access=access,
        link_key=side.link_key,
    )
    watch = _Watch(run)
    reports = set(report_times(side.horizon_s, side.engine.report_s).tolist())
    changes = _moments(side)
    for moment in sorted(reports | set(changes)):
        run.run(max(moment - run.time_s, 0.0))
        if moment in reports:
            watch.take()
            if on_time is not None:
                on_time(moment)
            if stop is not None and stop():
                raise Cancelled("the run was cancelled")
        if moment in changes:
            if side.speeds:
                run.drive_at(_speeds(side, moment))
            _limit(run, side, moment)
    return watch.finished(side, drawn, vclass, seed)


def report_times(horizon_s: float, report_s: float) -> Floats:
    """Return the report moments, the end among them."""
    inner = np.arange(0.0, horizon_s - 1e-6, report_s)
    return np.append(inner, horizon_s)


class _Watch:
    """Takes the counts of a run at each report."""

    def __init__(self, run: VehicleRun) -> None:
        self._run = run
        self._rows: list[tuple[Floats, Floats, Floats]] = []
        self._free_s: list[Floats] = []
        self._waiting: list[float] = []
        self._times: list[float] = []

    def take(self) -> None:
        """Keep the counts of this moment."""
        run = self._run
        columns = (run.entered, run.left, run.vehicle_s)
        self._rows.append(tuple(column.astype(np.float64) for column in columns))  # type: ignore[arg-type]
        self._free_s.append(run.free_s)
        self._waiting.append(float(run.waiting.sum()))
        self._times.append(run.time_s)

    def finished(self, side: Side, drawn: Departures, vclass: Ints, seed: int) -> SeedRun:
        """Return the run as results want it."""
        run, doors = self._run, side.doors
        times = np.array(self._times)
        columns = [np.stack([row[k] for row in self._rows]) for k in range(3)]
        entered, spent = doors.entered(columns[0]), doors.together(columns[2])
        left = columns[1][:, : entered.shape[1]]
        storage = doors.together(run.storage[None, :].astype(np.float64))[0]
        full = (entered - left) >= np.maximum(FULL_SHARE * storage, 1.0)
        still = np.zeros_like(full)
        still[1:] = np.diff(left, axis=0) < 0.5
        free_s = doors.longest(side.roads.free_s)
        added = doors.longest(side.roads.free_s + run.rounded_s) - free_s
        rounded = np.flatnonzero(added > 1e-9)
        queue = queues(times, entered, left, np.stack([doors.longest(s) for s in self._free_s]))
        return SeedRun(
            seed=seed,
            entered=entered.astype(np.float32),
            left=left.astype(np.float32),
            vehicle_s=np.diff(spent, axis=0, prepend=spent[:1]).astype(np.float32),
            queue_veh=queue.astype(np.float32),
            waiting=np.array(self._waiting),
            trips=_trips(run, side, drawn, vclass),
            full=spells(times, full),
            gridlock=_longer(spells(times, full & still), STUCK_S),
            step=StepTold(
                step_s=side.step_s,
                rounded_links=rounded.astype(np.int64),
                added_s=added[rounded],
                added_share=_added_share(entered[-1], added, free_s),
            ),
        )


def queues(times_s: Floats, entered: Floats, left: Floats, free_s: Floats) -> Floats:
    """Return the vehicles of each link that have been on it for longer than its free time, (T, L).

    free_s   (T, L) as it holds at each report. Counts are taken as straight between reports.
    """
    found = np.zeros_like(entered)
    for row in range(1, len(times_s)):
        ago = np.maximum(times_s[row] - free_s[row], 0.0)
        after = np.clip(np.searchsorted(times_s, ago, side="right"), 1, row)
        start, end = times_s[after - 1], times_s[after]
        part = np.clip((ago - start) / (end - start), 0.0, 1.0)
        link = np.arange(entered.shape[1])
        due = entered[after - 1, link] * (1.0 - part) + entered[after, link] * part
        found[row] = np.maximum(due - left[row], 0.0)
    return found


def spells(times_s: Floats, state: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Spells:
    """Return when links were in a state (T, L): from the report that first saw it to the next."""
    padded = np.zeros((len(times_s) + 2, state.shape[1]), np.int8)
    padded[1:-1] = state
    edges = np.diff(padded, axis=0)
    link, begins = np.nonzero(edges.T == 1)
    _, ends = np.nonzero(edges.T == -1)
    last = len(times_s) - 1
    from_s, until_s = times_s[begins], times_s[np.minimum(ends, last)]
    kept = until_s > from_s
    return Spells(link[kept].astype(np.int64), from_s[kept], until_s[kept])


def _longer(found: Spells, least_s: float) -> Spells:
    kept = found.until_s - found.from_s >= least_s
    return Spells(found.link[kept], found.from_s[kept], found.until_s[kept])


def _added_share(vehicles: Floats, added_s: Floats, free_s: Floats) -> float:
    whole = float(vehicles @ free_s)
    return float(vehicles @ added_s) / whole if whole > 0 else 0.0


def _trips(run: VehicleRun, side: Side, drawn: Departures, vclass: Ints) -> Trips:
    done = run.trips()
    end_s = np.where(np.isfinite(done.ended_s), done.ended_s, run.time_s)
    denied = np.isin(done.status, (REFUSED, TURNED_AWAY))
    zones = side.stream_zones[drawn.stream]
    return Trips(
        vehicle=drawn.vehicle,
        vclass=vclass,
        origin=zones[:, 0],
        destination=zones[:, 1],
        depart_s=drawn.depart_s,
        entered_s=done.entered_s,
        arrived_s=done.arrived_s,
        distance_m=done.distance_m,
        free_s=done.free_s,
        delay_s=np.maximum(end_s - drawn.depart_s - done.free_s, 0.0),
        stops=done.stops,
        denied=denied,
    )


def _fleet(side: Side, drawn: Departures, kind: Ints) -> Fleet:
    nodes = side.stream_nodes[drawn.stream]
    return fleet(
        nodes[:, 0],
        nodes[:, 1],
        drawn.depart_s,
        kind=kind.astype(np.int8),
        key=drawn.vehicle,
    )


def _choice(routes: Routes) -> RouteChoice:
    share = 0.0 if routes.kind is RouteKind.FIXED else routes.compliant_share
    return RouteChoice(share, routes.interval_s, routes.spread_s)


def _nodes(network: SingleMap) -> dict[str, int]:
    """Return the node row of each zone: the node of that id, else the first that names it."""
    named: dict[str, int] = {}
    for row, node in enumerate(network.nodes):
        if node.zone:
            named.setdefault(node.zone, row)
    return named | dict(network.node_rows)


def _closed(study: Study) -> set[tuple[int, int]]:
    """Return the turns that are closed to everybody for ever, as rows of links."""
    rows = study.network.link_rows
    return {
        (rows[ban.turn[0]], rows[ban.turn[1]])
        for ban in study.bans
        if ban.turn is not None and not is_partial(ban)
    }


def _moments(side: Side) -> set[float]:
    """Return when a capacity changes."""
    edges = {edge for _, limit in side.limits for edge in (limit.from_s, limit.until_s)}
    edges |= {edge for _, rule in side.speeds for edge in (rule.from_s, rule.until_s)}
    dated = {edge for edge in edges if 0 < edge < side.horizon_s and math.isfinite(edge)}
    return {0.0} | dated | set(side.signals.moments(side.horizon_s))


def _speed_rules(study: Study, weather: Weather | None) -> tuple[tuple[int, SpeedRule], ...]:
    """Return the dated free speeds of a study, in its weather."""
    factor = 1.0 if weather is None else weather.speed_factor
    rows = study.network.link_rows
    return tuple((rows[one.link], replace(one, mps=one.mps * factor)) for one in study.speeds)


def _speeds(side: Side, time_s: float) -> Floats:
    """Return the free speeds that hold from a moment on, pieces of links as their links."""
    mps = side.roads.free_speed_mps.copy()
    for row, rule in side.speeds:
        if rule.from_s <= time_s < rule.until_s:
            mps[side.doors.owner == row] = rule.mps
    return mps


def _limit(run: VehicleRun, side: Side, time_s: float) -> None:
    """Set the capacities that hold from a moment on."""
    ends = len(side.turns.start) - 1
    vps = {Place.ENTRY: np.full(len(side.roads), np.inf), Place.EXIT: np.full(ends, np.inf)}
    for row, limit in side.limits:
        if limit.from_s <= time_s < limit.until_s:
            allowed = min(limit.vps, limit.share * float(side.roads.capacity_vps[row]))
            for place in side.doors.entries(row) if limit.place is Place.ENTRY else (row,):
                vps[limit.place][place] = min(vps[limit.place][place], allowed)
    turn_vps = side.signals.at(time_s, len(side.turns.link)) if side.signals.runs else None
    run.limit(in_vps=vps[Place.ENTRY], out_vps=vps[Place.EXIT], turn_vps=turn_vps)
