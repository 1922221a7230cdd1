"""Trips from zone to zone on a map: paths, turning shares, and a run that keeps every vehicle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.errors import SimulationError
from twin.network.model import SingleMap
from twin.simulate.gridlock import gridlocked
from twin.simulate.kernels.paths import Pairs, Streets, load_trips
from twin.simulate.ltm import LinkTransmission
from twin.simulate.roads import Roads, Turns, roads_of, summed, turns_of
from twin.simulate.series import Apart, Series, join_series
from twin.simulate.steps import StepChoice, choose_step

DEMAND_S = 3600.0  # trips of a table leave evenly within one hour
REPORT_S = 60.0
FULL_SHARE = 0.99  # of a link's storage: it stands full


@dataclass(frozen=True, slots=True)
class Plan:
    """Trips turned into flows on links.

    turn_share (turns,), exit_share (approaches,), link_trips (links,), origin_trips (origins,)
    trips = inside_zone + routed + unroutable
    """

    roads: Roads
    turns: Turns
    turn_share: Floats
    exit_share: Floats
    link_trips: Floats
    origin_trips: Floats
    trips: float
    inside_zone: float
    unroutable: float


@dataclass(frozen=True, slots=True)
class TripCount:
    """Where the trips of a table are at the end of a run.

    trips = inside_zone + not_departed + waiting + inside + arrived; loaded = inside + arrived.
    waiting   stand at their origin, `unroutable` among them: no way leads to where they want
    """

    trips: float
    inside_zone: float
    not_departed: float
    waiting: float
    unroutable: float
    inside: float
    arrived: float

    @property
    def loaded(self) -> float:
        """Return how many have entered a link."""
        return self.inside + self.arrived

    @property
    def missing(self) -> float:
        """Return how many trips are nowhere: zero but for rounding."""
        found = self.inside_zone + self.not_departed + self.waiting + self.inside + self.arrived
        return self.trips - found


@dataclass(frozen=True, slots=True)
class TripRun:
    """A finished run: counts, the step chosen, and means over the whole run by link.

    full_links    links that stand full at the end: queues spilled back
    still_links   full links that nobody left in the last interval
    gridlock_links   those of them that wait for each other: they never move again
    """

    count: TripCount
    step: StepChoice
    duration_s: float
    flow_vps: Floats
    density_vpm: Floats
    speed_mps: Floats
    vehicles: Floats
    full_links: Ints
    still_links: Ints
    gridlock_links: Ints


def plan_trips(network: SingleMap, trips: Iterable[tuple[str, str, float]]) -> Plan:
    """Put (origin zone, destination zone, trips) on the quickest paths at free speed.

    A trip starts and ends at the node whose id is its zone's, else at the node of that zone.
    Raises SimulationError naming a zone that has no node.
    """
    node_of = {node.zone: row for row, node in enumerate(network.nodes) if node.zone}
    node_of |= network.node_rows
    table: dict[int, dict[int, float]] = {}
    total = inside_zone = 0.0
    for origin, destination, count in trips:
        for zone in (origin, destination):
            if zone not in node_of:
                message = f"zone {zone} of the demand has no node in the map"
                raise SimulationError(message)
        total += count
        if origin == destination:
            inside_zone += count
            continue
        row = table.setdefault(node_of[origin], {})
        row[node_of[destination]] = row.get(node_of[destination], 0.0) + count
    return _loaded(network, table, trips=total, inside_zone=inside_zone)


def _loaded(
    network: SingleMap, table: dict[int, dict[int, float]], *, trips: float, inside_zone: float
) -> Plan:
    """Find the paths of an OD table by node row and add up the turns."""
    roads = roads_of(network)
    origins = np.array(sorted(table), np.int64)
    turns = turns_of(network, origins)
    sizes = [len(table[node]) for node in origins.tolist()]
    pairs = Pairs(
        start=_starts(np.array(sizes, np.int64)),
        node=np.array([to for node in origins.tolist() for to in table[node]], np.int64),
        trips=np.array([n for node in origins.tolist() for n in table[node].values()], np.float64),
        seconds=np.full(sum(sizes), np.inf),
    )
    approaches = len(roads) + len(origins)
    turned, ended = np.zeros(len(turns.link)), np.zeros(approaches)
    load_trips(_streets(roads, turns), pairs, turned, ended)
    lost = ~np.isfinite(pairs.seconds)
    through = summed(turns.approach, turned, approaches) + ended
    share = turned / np.maximum(through, 1e-12)[turns.approach]
    exits = np.where(through > 0, 1.0 - summed(turns.approach, share, approaches), 1.0)
    origin_of = np.repeat(np.arange(len(origins)), sizes)
    return Plan(
        roads=roads,
        turns=turns,
        turn_share=share,
        exit_share=np.maximum(exits, 0.0),
        link_trips=through[: len(roads)],
        origin_trips=summed(origin_of, np.where(lost, 0.0, pairs.trips), len(origins)),
        trips=trips,
        inside_zone=inside_zone,
        unroutable=float(pairs.trips[lost].sum()),
    )


def _streets(roads: Roads, turns: Turns) -> Streets:
    """Return the links and turns as the path kernel sees them."""
    return Streets(
        link_s=roads.free_s,
        turn_s=turns.seconds,
        turn_start=turns.start,
        turn_link=turns.link,
        turn_from=turns.approach,
        end_start=_starts(np.bincount(roads.to_node, minlength=roads.nodes)),
        end_link=np.argsort(roads.to_node, kind="stable").astype(np.int64),
    )


def _starts(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def run_trips(
    plan: Plan,
    *,
    duration_s: float,
    wanted_step_s: float = 10.0,
    on_progress: Callable[[float], None] | None = None,
) -> TripRun:
    """Run a plan from an empty network; trips leave evenly within the first hour.

    on_progress   is told the simulated seconds, about once a minute
    Raises SimulationError for a duration or step without meaning.
    """
    if not (math.isfinite(duration_s) and duration_s > 0 and wanted_step_s > 0):
        message = f"UnstableStep: {duration_s} s in steps of {wanted_step_s} s is no run"
        raise SimulationError(message)
    departing_s = min(duration_s, DEMAND_S)
    whole_s = departing_s / math.ceil(departing_s / wanted_step_s)
    series = join_series(plan.roads, plan.turns, plan.turn_share, plan.exit_share, step_s=whole_s)
    firsts = np.flatnonzero(series.ahead < 0)
    choice = choose_step(series.roads, plan.link_trips[firsts], wanted_s=whole_s)
    run = LinkTransmission(series.roads, series.turns, step_s=choice.step_s)
    run.share_turns(series.turn_share, series.exit_share)
    run.demand(plan.origin_trips / DEMAND_S)
    apart = Apart(series, run)
    chunk = max(round(REPORT_S / choice.step_s), 1)
    still = _advance(run, apart, round(departing_s / choice.step_s), chunk, on_progress)
    after_steps = round((duration_s - departing_s) / choice.step_s)
    if after_steps > 0:
        run.demand(np.zeros(len(plan.origin_trips)))
        still = _advance(run, apart, after_steps, chunk, on_progress)
    ended = _Ended(run, apart, series, choice, still)
    return _finished(plan, ended, departed_share=departing_s / DEMAND_S)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A run at its end; still (links,) where nobody left in the last interval."""

    run: LinkTransmission
    apart: Apart
    series: Series
    choice: StepChoice
    still: Bools


def _advance(
    run: LinkTransmission,
    apart: Apart,
    steps: int,
    chunk: int,
    on_progress: Callable[[float], None] | None,
) -> Bools:
    """Advance in chunks; return where nobody left in the last one, (links,)."""
    still = np.ones(len(apart.left), np.bool_)
    while steps > 0:
        now = min(chunk, steps)
        left = apart.left
        run.run(now * run.step_s)
        apart.take()
        still = apart.left - left < 1e-9
        steps -= now
        if on_progress is not None:
            on_progress(run.time_s)
    return still


def _finished(plan: Plan, ended: _Ended, *, departed_share: float) -> TripRun:
    run, apart, choice = ended.run, ended.apart, ended.choice
    totals = run.totals()
    routed = float(plan.origin_trips.sum())
    vehicles, time_s = apart.vehicles, run.time_s
    density = apart.vehicle_s / time_s / plan.roads.length_m
    flow = 0.5 * (apart.entered + apart.left) / time_s
    free = plan.roads.free_speed_mps
    speed = np.where(density > 1e-9, flow / np.maximum(density, 1e-9), free)
    whole_full = run.vehicles >= FULL_SHARE * run.storage
    full = whole_full[ended.series.whole]
    return TripRun(
        count=TripCount(
            trips=plan.trips,
            inside_zone=plan.inside_zone,
            not_departed=routed * (1.0 - departed_share),
            waiting=totals.waiting + plan.unroutable,
            unroutable=plan.unroutable,
            inside=totals.inside,
            arrived=totals.arrived,
        ),
        step=_told_apart(choice, ended.series),
        duration_s=time_s,
        flow_vps=flow,
        density_vpm=density,
        speed_mps=np.minimum(speed, free),
        vehicles=vehicles,
        full_links=np.flatnonzero(full).astype(np.int64),
        still_links=np.flatnonzero(full & ended.still).astype(np.int64),
        gridlock_links=gridlocked(plan.turns, plan.turn_share, full & ended.still),
    )


def _told_apart(choice: StepChoice, series: Series) -> StepChoice:
    """Return a step with its rounded links as they were before they were joined."""
    added = np.zeros(len(series.roads))
    added[choice.rounded_links] = choice.added_s
    part = series.parts.length_m / series.roads.length_m[series.whole]
    by_link = added[series.whole] * part
    rows = np.flatnonzero(by_link > 0)
    return StepChoice(choice.step_s, rows.astype(np.int64), by_link[rows], choice.added_share)
