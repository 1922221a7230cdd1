"""A run of vehicles one by one: metres, seconds and whole vehicles around the kernel."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from twin.columns import Bools, Floats, Ints
from twin.errors import SimulationError
from twin.simulate.access import Access
from twin.simulate.choice import FIXED, RouteChoice
from twin.simulate.fleet import Fleet
from twin.simulate.gates import regate, stuck
from twin.simulate.inputs import check_roads
from twin.simulate.kernels.choices import draw_each
from twin.simulate.kernels.records import LIVE, NOT_ENTERED, Trace, Ways
from twin.simulate.kernels.trees import grow_trees
from twin.simulate.kernels.vehicles import advance, measure, rouse
from twin.simulate.roads import Roads, Turns, approach_capacity
from twin.simulate.speeds import carried_vps, respeed
from twin.simulate.steps import choose_step
from twin.simulate.trip_table import Paths, Series, Trips, VehicleTotals
from twin.simulate.wires import (
    Placed,
    approach_records,
    joints_of,
    live_goals,
    net_of,
    turn_order,
    turn_records,
)

COMPLIES = 3  # what a draw is for
STOP_S = 5.0  # waiting longer than this at the end of a link is a stop
TRACE_ROWS = 1 << 20
WANTED_STEP_S = 10.0
REPORTED = ("time_s", "entered", "left", "vehicle_s")
STAY, LIVE_AGAIN, ALL_AGAIN = 0, 1, 2  # who thinks again, see `rouse`

State = dict[str, npt.NDArray[Any]]


class VehicleRun:
    """One run of a fleet on one network."""

    def __init__(
        self,
        roads: Roads,
        turns: Turns,
        fleet: Fleet,
        *,
        seed: int = 0,
        step_s: float | None = None,
        choice: RouteChoice = FIXED,
        access: Access | None = None,
        placed: Placed | None = None,
        priority_vps: Floats | None = None,
        link_key: Ints | None = None,
        report_s: float | None = None,
        record: bool = False,
    ) -> None:
        """Start at time 0 with an empty network, or with the vehicles of `placed`.

        turns          its origins must hold every origin of the fleet
        step_s         shortest travel and wave time of a link, shorter ones are rounded up;
                       by `choose_step` when None. Nothing else depends on it.
        priority_vps   (approaches,) weights at nodes; capacities when None
        link_key       (links,) int64 names of the links in draws and ties (`keys_of` their ids):
                       with it results do not depend on the numbering; rows when None
        report_s       seconds between two rows of `series`; None: no rows
        record         keep which links every vehicle enters, and when (`paths`)
        Raises SimulationError for a step, a diagram or an origin without meaning.
        """
        if step_s is None:
            step_s = choose_step(roads, np.ones(len(roads)), wanted_s=WANTED_STEP_S).step_s
        check_roads(roads, step_s)
        self.roads, self.turns, self.fleet, self.step_s = roads, turns, fleet, step_s
        self.choice = choice
        self.access = Access.open_to_all(len(roads), fleet.kinds) if access is None else access
        key = np.arange(len(roads), dtype=np.int64) if link_key is None else link_key
        self._order = turn_order(turns, key)
        self._capacity_vps = approach_capacity(roads, turns)
        weights = self._capacity_vps if priority_vps is None else priority_vps
        approaches = approach_records(
            roads, turns, fleet, step_s=step_s, priority_vps=weights, link_key=key
        )
        self._goals = np.unique(fleet.destination)
        self._net = net_of(
            roads,
            turns,
            fleet,
            approaches=approaches,
            turn_rows=turn_records(turns, self._order),
            goals=self._goals,
            placed=placed,
        )
        self._joints = joints_of(roads, turns)
        self._debt = np.zeros(2 * len(approaches) + len(turns.link))
        self._in_vps = np.full(len(roads), np.inf)
        # seconds now, looks taken, access periods begun, reports written
        self._clock = np.zeros(1)
        self._done = np.array([0, 0, 0], np.int64)
        self._report_s = math.inf if report_s is None else report_s
        self._rows: list[tuple[float, Ints, Ints, Floats]] = []
        size = TRACE_ROWS if record else 0
        self._trace = Trace(
            np.empty(size, np.int32),
            np.empty(size, np.int32),
            np.empty(size),
            np.zeros(1, np.int64),
        )
        self._traced: list[Paths] = []
        self._comply(seed)
        self._ways = self._permitted(seed)
        if self._report_s < math.inf:
            self._report()

    def limit(
        self,
        *,
        in_vps: Floats | None = None,
        out_vps: Floats | None = None,
        turn_vps: Floats | None = None,
    ) -> Self:
        """Set capacities from now on: of entries (links,), exits (approaches,), turns (turns,).

        A link whose entry is 0 is closed: vehicles look for another way, and wait without one. What
        was already earned of the next departure is kept, so counts at changing rates are exact.
        """
        approaches, turn_rows = self._net.approaches, self._net.turns
        ends, links, now_s = len(approaches), len(self.roads), self.time_s
        here = approaches[:links]
        closed = here["in_gap_s"] == math.inf
        if in_vps is not None:
            self._in_vps[:] = in_vps
            vps = np.full(ends, np.inf)
            vps[:links] = np.minimum(in_vps, carried_vps(self.roads, here, self.step_s))
            regate(approaches, "in_free_s", "in_gap_s", vps, now_s, self._debt[:ends])
        if out_vps is not None:
            vps = np.minimum(out_vps, self._capacity_vps)
            regate(approaches, "out_free_s", "out_gap_s", vps, now_s, self._debt[ends : 2 * ends])
        if turn_vps is not None:
            vps = np.asarray(turn_vps, np.float64)[self._order]
            regate(turn_rows, "free_at_s", "gap_s", vps, now_s, self._debt[2 * ends :])
        changed = (closed != (here["in_gap_s"] == math.inf)).any()
        rouse(self._net, self.time_s, ALL_AGAIN if changed else STAY)
        return self

    def drive_at(self, free_speed_mps: Floats) -> Self:
        """Set free speeds (links,) from now on; places on links stay as they are.

        Who is on a link drives the rest of it at the new speed. Raises SimulationError.
        """
        here, ring_s = self._net.approaches[: len(self.roads)], self._net.ring_s
        before_s = here["free_s"].copy()
        if len(respeed(self.roads, here, ring_s, free_speed_mps, self.time_s, self.step_s)):
            self.limit(in_vps=self._in_vps.copy())
            seen_s = self._ways.link_s + here["free_s"] - before_s
            self._choose_anew(np.maximum(seen_s, here["free_s"]))
        return self

    def run(self, duration_s: float) -> Self:
        """Advance by any duration. Raises SimulationError when it is negative or no number."""
        if not (math.isfinite(duration_s) and duration_s >= 0):
            message = f"a run cannot last {duration_s} s"
            raise SimulationError(message)
        until_s = self.time_s + duration_s
        while True:
            look_s, period_s, report_s = self._next_s()
            self._advance(min(until_s, look_s, period_s, report_s))
            if self.time_s >= report_s:
                self._report()
            if self.time_s >= period_s:
                self._begin_period()
            if self.time_s >= look_s:
                self._look()
            if self.time_s >= until_s:
                return self

    @property
    def time_s(self) -> float:
        """Return the time since the start."""
        return float(self._clock[0])

    def state(self) -> State:
        """Return a copy of all that a run is: vehicles, links, queues, travel times, reports."""
        kept = {name: column.copy() for name, column in self._columns().items()}
        series, paths = self.series(), self.paths()
        for name in REPORTED:
            kept[f"report_{name}"] = getattr(series, name)
        for name in ("vehicle", "link", "entered_s"):
            kept[f"path_{name}"] = getattr(paths, name)
        return kept

    def restore(self, state: State) -> Self:
        """Go on from a state of a run of the same fleet on the same roads, to the bit.

        Raises SimulationError naming a column that does not fit.
        """
        if "approaches" in state and state["approaches"].shape == self._net.approaches.shape:
            self._net.approaches[...] = state["approaches"]  # with the speeds that ways stand on
        self._ways = self._permitted(int(state["seed"][0]), at_s=float(state["clock"][0]))
        for name, column in self._columns().items():
            if name not in state or state[name].shape != column.shape:
                message = f"the state does not fit this run: {name}"
                raise SimulationError(message)
            column[...] = state[name]
        self._rows = list(zip(*(state[f"report_{name}"] for name in REPORTED), strict=True))
        self._traced = [Paths(state["path_vehicle"], state["path_link"], state["path_entered_s"])]
        self._trace.filled[0] = 0
        return self

    @property
    def entered(self) -> Ints:
        """Return how many vehicles entered each link since the start, or stood on it then."""
        return np.asarray(self._net.approaches["entered"][: len(self.roads)].copy(), np.int64)

    @property
    def left(self) -> Ints:
        """Return how many vehicles left each link since the start."""
        return np.asarray(self._net.approaches["left"][: len(self.roads)].copy(), np.int64)

    @property
    def vehicles(self) -> Ints:
        """Return how many vehicles are on each link."""
        return self.entered - self.left

    @property
    def storage(self) -> Ints:
        """Return how many vehicles each link holds when it is full."""
        return np.asarray(self._net.approaches["room"][: len(self.roads)].copy(), np.int64)

    @property
    def free_s(self) -> Floats:
        """Return the free travel time of each link as it holds now, rounded up, (links,)."""
        return np.asarray(self._net.approaches["free_s"][: len(self.roads)].copy(), np.float64)

    @property
    def rounded_s(self) -> Floats:
        """Return by how much each link takes longer than its free travel time, (links,)."""
        here = self._net.approaches[: len(self.roads)]
        return np.asarray(here["free_s"] - here["plain_s"], np.float64)

    @property
    def vehicle_s(self) -> Floats:
        """Return the vehicle seconds spent on each link since the start."""
        here = self._net.approaches[: len(self.roads)]
        inside = (here["entered"] - here["left"]) * self.time_s
        return np.asarray(here["left_sum_s"] - here["entered_sum_s"] + inside, np.float64)

    @property
    def link_s(self) -> Floats:
        """Return the travel times that vehicles see, (links,); inf where closed."""
        return self._ways.link_s.copy()

    @property
    def moves(self) -> int:
        """Return how many times a vehicle entered or left the network or changed links."""
        return int(self._net.moved[0])

    @property
    def waiting(self) -> Ints:
        """Return how many vehicles wait at each origin of the turns."""
        due = (self._net.vehicles["status"] == NOT_ENTERED) & (self.fleet.depart_s <= self.time_s)
        place = np.searchsorted(self.turns.origin_node, self.fleet.origin[due])
        return np.bincount(place, minlength=len(self.turns.origin_node)).astype(np.int64)

    @property
    def gridlock(self) -> Ints:
        """Return the links that stand for ever: each is full and waits for the next in a ring."""
        return stuck(self._net.approaches, self._net.turns, len(self.roads))

    def totals(self) -> VehicleTotals:
        """Return the vehicles of the whole run so far."""
        status = self._net.vehicles["status"]
        return VehicleTotals.of(status, self.fleet.depart_s, self.time_s)

    def trips(self) -> Trips:
        """Return what every vehicle has done so far, in the order of the fleet."""
        return Trips.of(self._net.vehicles)

    def series(self) -> Series:
        """Return the counts at all reports so far."""
        return Series.of(self._rows, len(self.roads))

    def paths(self) -> Paths:
        """Return the links that vehicles have entered so far; empty without `record`."""
        self._flush()
        return Paths.joined(self._traced)

    def _columns(self) -> State:
        """Return the arrays that change."""
        net, ways = self._net, self._ways
        return {
            "clock": self._clock,
            "done": self._done,
            "debt": self._debt,
            "in_vps": self._in_vps,
            "approaches": net.approaches,
            "turns": net.turns,
            "nodes": net.nodes,
            "vehicles": net.vehicles,
            "ring_vehicle": net.ring_vehicle,
            "ring_s": net.ring_s,
            "moved": net.moved,
            "live": ways.live,
            "link_s": ways.link_s,
            "seed": ways.seed,
        }

    def _next_s(self) -> tuple[float, float, float]:
        """Return when the next look, access period and report are due."""
        looks, periods, reports = self._done.tolist()
        starts = self.access.from_s
        period_s = float(starts[periods + 1]) if periods + 1 < len(starts) else math.inf
        report_s = reports * self._report_s if self._report_s < math.inf else math.inf
        return (looks + 1) * self.choice.update_s, period_s, report_s

    def _advance(self, until_s: float) -> None:
        net, ways, trace = self._net, self._ways, self._trace
        while self.time_s < until_s:
            self._clock[0] = advance(net, ways, trace, self.time_s, until_s, self.step_s)
            if self.time_s < until_s:
                self._flush()

    def _flush(self) -> None:
        count = int(self._trace.filled[0])
        if count:
            trace = self._trace
            vehicle, link = trace.vehicle[:count].copy(), trace.link[:count].copy()
            self._traced.append(Paths(vehicle, link, trace.entered_s[:count].copy()))
            self._trace.filled[0] = 0

    def _report(self) -> None:
        self._rows.append((self.time_s, self.entered, self.left, self.vehicle_s))
        self._done[2] += 1

    def _comply(self, seed: int) -> None:
        """Draw who chooses by what it sees; vehicles with equal keys draw the same in any run."""
        part = np.empty(len(self.fleet))
        draw_each(seed, self.fleet.key, COMPLIES, part)
        live = part < self.choice.compliant_share
        self._net.vehicles["mode"][live] = LIVE

    def _permitted(self, seed: int, *, at_s: float = 0.0) -> Ways:
        """Return what vehicles choose by under the access of a time."""
        forbidden, group = self.access.at(at_s)
        if len(group) < self.fleet.kinds or forbidden.shape[1] != len(self.roads):
            message = f"access for {len(group)} classes and {forbidden.shape[1]} links does not fit"
            raise SimulationError(message)
        free_s = self._net.approaches["free_s"][: len(self.roads)].copy()
        habit_s = free_s if self.choice.habit_s is None else self.choice.habit_s
        habit = np.empty((len(forbidden) * len(self._goals), len(self.roads)))
        every = np.ones(len(self._goals), np.bool_)
        grow_trees(self._goals, self._joints, habit_s, forbidden, every, habit)
        live = np.empty_like(habit)
        grow_trees(self._goals, self._joints, free_s, forbidden, every, live)
        return Ways(
            habit=habit,
            live=live,
            link_s=free_s,
            forbidden=forbidden,
            group=group,
            setting=np.array([self.choice.spread_s, STOP_S]),
            seed=np.array([seed], np.int64),
            weight=np.empty(int(np.diff(self.turns.start).max(initial=1))),
        )

    def _begin_period(self) -> None:
        """Take the rules that hold from now on; travel times stay as they were seen."""
        self._done[1] += 1
        self._choose_anew(self._ways.link_s)

    def _choose_anew(self, seen_s: Floats) -> None:
        """Have everybody choose by the rules and speeds that hold now, and by times as seen."""
        self._ways = self._permitted(int(self._ways.seed[0]), at_s=self.time_s)
        self._ways.link_s[:] = seen_s
        self._grow(np.ones(len(self._goals), np.bool_))
        rouse(self._net, self.time_s, ALL_AGAIN)

    def _look(self) -> None:
        """Measure travel times, and find the quickest ways if anybody asks for them."""
        self._done[0] += 1
        measure(self._net, self.time_s, self._ways.link_s)
        wanted = live_goals(
            self._net.vehicles, self.time_s + self.choice.update_s, len(self._goals)
        )
        if wanted.any():
            self._grow(wanted)
            rouse(self._net, self.time_s, LIVE_AGAIN)

    def _grow(self, wanted: Bools) -> None:
        ways = self._ways
        grow_trees(self._goals, self._joints, ways.link_s, ways.forbidden, wanted, ways.live)
