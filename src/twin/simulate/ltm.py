"""A run of the link transmission model: metres, seconds and vehicles around the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.errors import SimulationError
from twin.simulate.inputs import (
    check_roads,
    checked_drops,
    set_shares,
    set_turn_capacity,
    whole_steps,
)
from twin.simulate.kernels.arrays import Flow, Limits, Links, Rows
from twin.simulate.kernels.node import none_bound
from twin.simulate.kernels.transmission import HELD_SHARE, advance, advance_counting
from twin.simulate.rings import history_of, ring_of, steps_ago, write_now
from twin.simulate.roads import Roads, Turns, approach_capacity, gated_approaches, wires_of


@dataclass(frozen=True, slots=True)
class Totals:
    """Vehicles of a whole run so far: appeared = waiting + inside + arrived (- those at the start).

    loaded have entered the network: inside + arrived.
    """

    appeared: float
    waiting: float
    inside: float
    arrived: float

    @property
    def loaded(self) -> float:
        """Return how many have entered a link."""
        return self.inside + self.arrived


@dataclass(frozen=True, slots=True)
class Means:
    """Means over an interval, (links,) float64: Edie's flow, density and speed."""

    flow_vps: Floats
    density_vpm: Floats
    speed_mps: Floats


class LinkTransmission:
    """One run on one network."""

    def __init__(
        self,
        roads: Roads,
        turns: Turns,
        *,
        step_s: float,
        density_vpm: Floats | None = None,
        priority_vps: Floats | None = None,
        drop_share: Floats | None = None,
        gate_node: Ints | None = None,
    ) -> None:
        """Start with the vehicles of `density_vpm` (links,), spread evenly along each link.

        priority_vps   (approaches,) weights at nodes; the capacity of each approach when None
        drop_share     (links,) of its capacity that a link takes while vehicles queue to enter it
        gate_node      (gates,) node rows whose whole flow can be limited (`limit`)
        A link shorter than a step gets its travel time rounded up to a step (`steps`).
        Raises SimulationError for a step or a diagram that has no meaning.
        """
        check_roads(roads, step_s)
        self.roads = roads
        self.turns = turns
        self.step_s = step_s
        self._capacity_vps = approach_capacity(roads, turns)
        priority = self._capacity_vps if priority_vps is None else priority_vps
        self._links = _links(roads, step_s)
        self._gate_node = np.zeros(0, np.int64) if gate_node is None else gate_node
        self._gated = gated_approaches(roads, turns, self._gate_node)
        self._wires, self._turn_rows = wires_of(roads, turns, priority, self._gate_node)
        self._flow = self._start(density_vpm)
        self._bound = none_bound(len(self._wires.node_kind))
        self._limits = Limits(
            turn_share=np.zeros(len(self._turn_rows)),
            exit_share=np.ones(len(self._capacity_vps)),
            turn_capacity=np.full(len(self._turn_rows), np.inf),
            out_capacity=self._capacity_vps * step_s,
            in_capacity=roads.capacity_vps * step_s,
            gate_capacity=np.full(len(self._gate_node), np.inf),
            drop_share=checked_drops(drop_share, len(roads)),
            demand=np.zeros(len(turns.origin_node)),
        )
        self._turns_capped = False

    def share_turns(self, turn_share: Floats, exit_share: Floats) -> Self:
        """Set where vehicles go from now on: (turns,) and (approaches,), 1 together by approach.

        Raises SimulationError naming the first approach whose shares do not add up.
        """
        rows, gated = self._turn_rows, self._gated
        set_shares(self._limits, self.turns, turn_share, exit_share, gated=gated, rows=rows)
        return self

    def demand(self, vps: Floats) -> Self:
        """Set how many vehicles a second appear at each origin, (origins,), from now on."""
        self._limits.demand[:] = vps * self.step_s
        return self

    def limit(
        self,
        *,
        in_vps: Floats | None = None,
        out_vps: Floats | None = None,
        turn_vps: Floats | None = None,
        node_vps: Floats | None = None,
    ) -> Self:
        """Set capacities from now on: of entries (links,), exits (approaches,), turns (turns,).

        node_vps   (gates,) of the nodes that were given as gates: all that goes on from there
        """
        if in_vps is not None:
            entries = self._limits.in_capacity
            np.minimum(in_vps, self.roads.capacity_vps, out=entries)
            entries *= self.step_s
        if out_vps is not None:
            exits = self._limits.out_capacity
            np.minimum(out_vps, self._capacity_vps, out=exits)
            exits *= self.step_s
        if turn_vps is not None:
            rows, gated = self._turn_rows, self._gated
            set_turn_capacity(self._limits, turn_vps * self.step_s, gated=gated, rows=rows)
            self._turns_capped = bool(np.isfinite(turn_vps).any())
        if node_vps is not None:
            self._limits.gate_capacity[:] = node_vps * self.step_s
        return self

    def run(self, duration_s: float) -> Self:
        """Advance by whole steps; `duration_s` must be a multiple of the step (to 1e-6)."""
        steps = whole_steps(duration_s, self.step_s)
        parts = (self._links, self._wires, self._limits, self._flow, self._bound)
        advance(*parts, steps, self._turns_capped)
        return self

    def counts(self, duration_s: float, *, every_s: float, links: Ints) -> tuple[Floats, Floats]:
        """Advance, and return what detectors at both ends of links count: entered and left.

        Both (intervals, links), cumulative, at the end of every interval; as `run` and `left`, but
        quicker where the network is small. `every_s` must be a part of `duration_s`.
        """
        steps, every = whole_steps(duration_s, self.step_s), whole_steps(every_s, self.step_s)
        if every == 0 or steps % every:
            message = f"{every_s} s is no whole part of {duration_s} s"
            raise SimulationError(message)
        shape = (steps // every, len(links))
        entered, left = np.empty(shape), np.empty(shape)
        parts = (self._links, self._wires, self._limits, self._flow, self._bound)
        rows = np.ascontiguousarray(links, np.int64)
        if ((rows < 0) | (rows >= len(self.roads))).any():
            message = f"links of {rows.tolist()} are not there"
            raise SimulationError(message)
        advance_counting(*parts, every, self._turns_capped, rows, entered, left)
        return entered, left

    @property
    def time_s(self) -> float:
        """Return the time since the start."""
        return float(self._flow.step[0]) * self.step_s

    def state(self) -> dict[str, Floats | Ints]:
        """Return a copy of all that a run is: counts, histories, limits."""
        parts = (self._flow, self._limits)
        return {name: column.copy() for part in parts for name, column in part._asdict().items()}

    def restore(self, state: dict[str, Floats | Ints]) -> Self:
        """Go on from a state of a run on the same roads with the same step, to the bit.

        Raises SimulationError naming a column that does not fit.
        """
        for part in (self._flow, self._limits):
            for name, column in part._asdict().items():
                if name not in state or state[name].shape != column.shape:
                    message = f"the state does not fit this run: {name}"
                    raise SimulationError(message)
                column[:] = state[name]
        self._turns_capped = bool(np.isfinite(self._limits.turn_capacity).any())
        return self

    @property
    def entered(self) -> Floats:
        """Return how many vehicles entered each link since the start, or stood on it then."""
        return self._flow.entered[: len(self.roads)].copy()

    @property
    def left(self) -> Floats:
        """Return how many vehicles left each link since the start."""
        return self._flow.left[: len(self.roads)].copy()

    @property
    def vehicles(self) -> Floats:
        """Return how many vehicles are on each link."""
        return self.entered - self.left

    @property
    def storage(self) -> Floats:
        """Return how many vehicles each link holds when it is full."""
        return self._links.storage.copy()

    def passed(self, links: Ints, after_s: Floats, ahead_share: Floats) -> Floats:
        """Return how many had passed points of links by now: Newell's minimum.

        after_s       free travel time from the start of the link to the point
        ahead_share   share of the link's storage that lies beyond the point
        """
        parts, flow, step = self._links, self._flow, int(self._flow.step[0])
        write_now(parts.free, flow.in_history, step=step, now=self.entered)
        write_now(parts.wave, flow.out_history, step=step, now=self.left)
        back = np.minimum(after_s / self.step_s, parts.free.steps[links])
        free = steps_ago(parts.free, flow.in_history, step=step, links=links, back=back)
        back = parts.wave.steps[links] * ahead_share
        queued = steps_ago(parts.wave, flow.out_history, step=step, links=links, back=back)
        return np.asarray(np.minimum(free, queued + parts.storage[links] * ahead_share), np.float64)

    @property
    def waiting(self) -> Floats:
        """Return how many vehicles wait at each origin."""
        return self._flow.appeared - self._flow.left[len(self.roads) :]

    @property
    def appeared(self) -> Floats:
        """Return how many vehicles appeared at each origin since the start."""
        return self._flow.appeared.copy()

    @property
    def ended(self) -> Floats:
        """Return how many vehicles ended their trip behind each approach, (approaches,)."""
        return self._flow.ended.copy()

    @property
    def held(self) -> Bools:
        """Return which approaches did not move all that they would in the last step."""
        return self._flow.sending - self._flow.moved > HELD_SHARE * self._flow.sending

    @property
    def kinds(self) -> Rows:
        """Return which code decides each joint of approaches that meet: SINGLE, MERGE, GENERAL."""
        return self._wires.node_kind.copy()

    @property
    def dropped(self) -> Bools:
        """Return where the capacity drop holds now, (links,)."""
        return self._flow.dropped > 0

    @property
    def vehicle_s(self) -> Floats:
        """Return the vehicle seconds spent on each link since the start."""
        return (self._flow.vehicle_steps + 0.5 * self.vehicles) * self.step_s

    def totals(self) -> Totals:
        """Return the vehicles of the whole run so far."""
        return Totals(
            appeared=float(self._flow.appeared.sum()),
            waiting=float(self.waiting.sum()),
            inside=float(self.vehicles.sum()),
            arrived=float(self._flow.ended.sum()),
        )

    def means_over(self, duration_s: float) -> Means:
        """Advance and return the means over the time advanced."""
        entered, left = self.entered, self.left
        vehicle_s = self.vehicle_s
        self.run(duration_s)
        vehicles = (self.vehicle_s - vehicle_s) / duration_s
        flow = 0.5 * (self.entered - entered + self.left - left) / duration_s
        density = vehicles / self.roads.length_m
        free = self.roads.free_speed_mps
        with np.errstate(divide="ignore", invalid="ignore"):
            speed = np.where(vehicles > 1e-6, np.minimum(flow / density, free), free)
        return Means(flow, density, speed)

    def _start(self, density_vpm: Floats | None) -> Flow:
        links, count, gates = self._links, len(self.roads), len(self._gate_node)
        approaches, origins = len(self._capacity_vps), len(self.turns.origin_node)
        vehicles = np.zeros(count)
        if density_vpm is not None:
            jam = links.storage / self.roads.length_m
            vehicles = np.clip(density_vpm, 0.0, jam) * self.roads.length_m
        # An empty link has room for all that it stores: the past of what left is flat at zero.
        freed = links.storage - vehicles if density_vpm is not None else vehicles
        return Flow(
            step=np.zeros(1, np.int64),
            entered=np.concatenate([vehicles, np.zeros(gates)]),
            left=np.zeros(approaches),
            in_history=history_of(links.free, vehicles, vehicles),
            out_history=history_of(links.wave, np.zeros(count), freed),
            dropped=np.zeros(count),
            appeared=np.zeros(origins),
            ended=np.zeros(approaches),
            vehicle_steps=-0.5 * vehicles,
            sending=np.zeros(approaches),
            moved=np.zeros(approaches),
            receiving=np.zeros(count + gates),
            weight=np.zeros(count + gates),
        )


def _links(roads: Roads, step_s: float) -> Links:
    """Return what the links are, in steps."""
    free = ring_of(roads.free_s, step_s)
    wave = ring_of(roads.length_m / roads.wave_mps, step_s)
    # Rounding up must not throttle: the link holds what flows at capacity in those times.
    at_capacity = roads.capacity_vps * step_s * (free.steps + wave.steps)
    return Links(free, wave, np.maximum(roads.jam_vpm * roads.length_m, at_capacity))
