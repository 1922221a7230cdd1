"""A run of the cell transmission model: metres, seconds and vehicles around the kernel.

One column a member of an ensemble; the members share roads, turns, shares and limits, and differ
in density, demand and diagram.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from twin.columns import Bools, Floats, Ints
from twin.errors import SimulationError
from twin.simulate.diagrams import Diagrams, triangular
from twin.simulate.inputs import (
    check_roads,
    checked_drops,
    set_shares,
    set_turn_capacity,
    whole_steps,
)
from twin.simulate.kernels.arrays import Limits
from twin.simulate.kernels.cells import Cells, Crowd, advance_cells
from twin.simulate.node import still_flow
from twin.simulate.rings import WHOLE
from twin.simulate.roads import Roads, Turns, approach_capacity, gated_approaches, wires_of


class CellTransmission:
    """One run of an ensemble on one network."""

    def __init__(
        self,
        roads: Roads,
        turns: Turns,
        *,
        step_s: float,
        cell_m: float = 100.0,
        diagrams: Diagrams | None = None,
        density_vpm: Floats | None = None,
        priority_vps: Floats | None = None,
        drop_share: Floats | None = None,
        gate_node: Ints | None = None,
    ) -> None:
        """Cut every link into cells of about `cell_m`, longer where a step needs it.

        diagrams      triangular ones of `roads` and one member when None
        density_vpm   (links,), (cells, 1) or (cells, members) at the start; empty when None
        priority_vps, drop_share, gate_node   as in the link transmission model
        Raises SimulationError (UnstableStep) naming a link that a wave crosses within a step.
        """
        check_roads(roads, step_s)
        self.roads = roads
        self.turns = turns
        self.step_s = step_s
        self.diagrams = triangular(roads) if diagrams is None else diagrams
        counts = _cell_counts(roads, self.diagrams, step_s, cell_m)
        self.cell_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.cell_m = roads.length_m / counts
        self.link_of_cell = np.repeat(np.arange(len(roads), dtype=np.int64), counts)
        self._gate_node = np.zeros(0, np.int64) if gate_node is None else gate_node
        self._gated = gated_approaches(roads, turns, self._gate_node)
        self._most_vps = approach_capacity(roads, turns)
        self._cells = self._cut()
        priority = self._most_vps if priority_vps is None else priority_vps
        self._wires, self._turn_rows = wires_of(roads, turns, priority, self._gate_node)
        self._scratch = still_flow(len(self._most_vps), len(roads) + len(self._gate_node))
        self._crowd = self._start(density_vpm)
        self._limits = self._no_limits(drop_share)

    @property
    def members(self) -> int:
        """Return the size of the ensemble."""
        return self.diagrams.members

    def share_turns(self, turn_share: Floats, exit_share: Floats) -> Self:
        """Set where vehicles go from now on: (turns,) and (approaches,), 1 together by approach.

        Raises SimulationError naming the first approach whose shares do not add up.
        """
        rows, gated = self._turn_rows, self._gated
        set_shares(self._limits, self.turns, turn_share, exit_share, gated=gated, rows=rows)
        return self

    def demand(self, vps: Floats) -> Self:
        """Set how many vehicles a second appear, (origins,) or (origins, members)."""
        by_member = vps[:, None] if vps.ndim == 1 else vps
        self._crowd.joining[:] = by_member * self.step_s
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
            self._limits.in_capacity[:] = in_vps * self.step_s
        if out_vps is not None:
            self._limits.out_capacity[:] = out_vps * self.step_s
        if turn_vps is not None:
            rows, gated = self._turn_rows, self._gated
            set_turn_capacity(self._limits, turn_vps * self.step_s, gated=gated, rows=rows)
        if node_vps is not None:
            self._limits.gate_capacity[:] = node_vps * self.step_s
        return self

    def run(self, duration_s: float) -> Self:
        """Advance by whole steps; `duration_s` must be a multiple of the step (to 1e-6)."""
        steps = whole_steps(duration_s, self.step_s)
        advance_cells(self._cells, self._wires, self._limits, self._scratch, self._crowd, steps)
        return self

    def state(self) -> dict[str, Floats | Ints]:
        """Return a copy of all that a run is: vehicles, counts, limits."""
        parts = (self._crowd, self._limits)
        return {name: column.copy() for part in parts for name, column in part._asdict().items()}

    def restore(self, state: dict[str, Floats | Ints]) -> Self:
        """Go on from a state of a run on the same cells with the same step, to the bit.

        Raises SimulationError naming a column that does not fit.
        """
        for part in (self._limits, self._crowd):
            for name, column in part._asdict().items():
                if name not in state or state[name].shape != column.shape:
                    message = f"the state does not fit this run: {name}"
                    raise SimulationError(message)
                column[:] = state[name]
        return self

    @property
    def time_s(self) -> float:
        """Return the time since the start."""
        return float(self._crowd.step[0]) * self.step_s

    @property
    def density_vpm(self) -> Floats:
        """Return the density of every cell, (cells, members)."""
        return self._crowd.vehicles / self.cell_m[self.link_of_cell][:, None]

    @property
    def vehicles(self) -> Floats:
        """Return how many vehicles are on each link, (links, members)."""
        return np.add.reduceat(self._crowd.vehicles, self.cell_start[:-1], axis=0)

    @property
    def entered(self) -> Floats:
        """Return how many entered each link or stood on it at the start, (links, members)."""
        return self._crowd.entered.copy()

    @property
    def left(self) -> Floats:
        """Return how many left each link since the start, (links, members)."""
        return self._crowd.left.copy()

    @property
    def waiting(self) -> Floats:
        """Return how many wait at each origin, (origins, members)."""
        return self._crowd.waiting.copy()

    @property
    def appeared(self) -> Floats:
        """Return how many appeared at each origin, (origins, members)."""
        return self._crowd.appeared.copy()

    @property
    def ended(self) -> Floats:
        """Return how many ended their trip behind each approach, (approaches, members)."""
        return self._crowd.ended.copy()

    @property
    def dropped(self) -> Bools:
        """Return where the capacity drop holds now, (links, members)."""
        return self._crowd.dropped > 0

    def _cut(self) -> Cells:
        """Return the cells: tangents in vehicles a step by vehicles of a cell."""
        diagrams, step_s = self.diagrams, self.step_s
        links = np.arange(len(self.roads))
        by_rise = (step_s / self.cell_m)[np.repeat(links, np.diff(diagrams.rise_start))]
        by_fall = (step_s / self.cell_m)[np.repeat(links, np.diff(diagrams.fall_start))]
        return Cells(
            cell_start=self.cell_start,
            rise_start=diagrams.rise_start,
            rise_base=diagrams.rise_vps * step_s,
            rise_slope=_at_most_whole(diagrams.rise_mps * by_rise[:, None]),
            fall_start=diagrams.fall_start,
            fall_base=diagrams.fall_vps * step_s,
            fall_slope=_at_most_whole(diagrams.fall_mps * by_fall[:, None]),
            capacity=diagrams.capacity_vps * step_s,
        )

    def _start(self, density_vpm: Floats | None) -> Crowd:
        links, members = len(self.roads), self.members
        approaches, origins = len(self._most_vps), len(self.turns.origin_node)
        gates = len(self._gate_node)
        cells = len(self.link_of_cell)
        vehicles = np.zeros((cells, members))
        if density_vpm is not None:
            flat = density_vpm[self.link_of_cell, None] if density_vpm.ndim == 1 else density_vpm
            jam_vpm = self._jam_vpm()[self.link_of_cell]
            vehicles[:] = np.clip(flat, 0.0, jam_vpm) * self.cell_m[self.link_of_cell][:, None]
        return Crowd(
            step=np.zeros(1, np.int64),
            vehicles=vehicles,
            entered=np.add.reduceat(vehicles, self.cell_start[:-1], axis=0),
            left=np.zeros((links, members)),
            waiting=np.zeros((origins, members)),
            appeared=np.zeros((origins, members)),
            joining=np.zeros((origins, members)),
            ended=np.zeros((approaches, members)),
            dropped=np.zeros((links, members)),
            onward=np.zeros((cells, members)),
            sending=np.zeros((approaches, members)),
            moved=np.zeros((approaches, members)),
            receiving=np.zeros((links + gates, members)),
            asked=np.zeros((links + gates, members)),
        )

    def _no_limits(self, drop_share: Floats | None) -> Limits:
        """Return limits that hold nobody; everybody ends the trip at the next node."""
        approaches, links = len(self._most_vps), len(self.roads)
        return Limits(
            turn_share=np.zeros(len(self._turn_rows)),
            exit_share=np.ones(approaches),
            turn_capacity=np.full(len(self._turn_rows), np.inf),
            out_capacity=np.full(approaches, np.inf),
            in_capacity=np.full(links, np.inf),
            gate_capacity=np.full(len(self._gate_node), np.inf),
            drop_share=checked_drops(drop_share, links),
            demand=np.zeros(len(self.turns.origin_node)),
        )

    def _jam_vpm(self) -> Floats:
        """Return the density at which nothing moves, (links, members)."""
        rows = self.diagrams.fall_start[1:] - 1
        return -self.diagrams.fall_vps[rows] / self.diagrams.fall_mps[rows]


def cells_wanted(roads: Roads, cell_m: float) -> Ints:
    """Return into how many cells of about `cell_m` every link would be cut, (links,)."""
    return np.maximum(np.round(roads.length_m / cell_m), 1).astype(np.int64)


def _cell_counts(roads: Roads, diagrams: Diagrams, step_s: float, cell_m: float) -> Ints:
    """Return the cells of every link; none is crossed within a step. Raises SimulationError."""
    if not cell_m > 0:
        message = f"UnstableStep: cells of {cell_m} m"
        raise SimulationError(message)
    if len(diagrams.capacity_vps) != len(roads) or not len(roads):
        message = f"{len(diagrams.capacity_vps)} diagrams for {len(roads)} links"
        raise SimulationError(message)
    fastest = np.array([diagrams.fastest_mps(link) for link in range(len(roads))])
    most = np.floor(roads.length_m / (fastest * step_s) * (1.0 + WHOLE))
    short = np.flatnonzero(most < 1)
    if len(short):
        row = int(short[0])
        message = (
            f"UnstableStep: link {row} of {roads.length_m[row]:g} m is crossed in {step_s:g} s"
        )
        raise SimulationError(message)
    return np.minimum(cells_wanted(roads, cell_m), most).astype(np.int64)


def _at_most_whole(slope: Floats) -> Floats:
    """Return shares of a cell of -1 to 1; what is a whole cell but for rounding is exactly one."""
    whole = np.abs(np.abs(slope) - 1.0) < WHOLE * 2
    return np.where(whole, np.sign(slope), slope)
