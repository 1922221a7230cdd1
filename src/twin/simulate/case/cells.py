"""The cell model under a case: one member, and densities taken down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from twin.columns import Bools, Floats
from twin.errors import SimulationError
from twin.simulate.case.wiring import Wired
from twin.simulate.ctm import CellTransmission, cells_wanted
from twin.simulate.diagrams import Diagrams, tabulated
from twin.simulate.steps import SHORTEST_S

QUEUED_SHARE = 1.01  # of the critical density: rounding at capacity is no queue


class CellRun:
    """A run of the cell model with one member; columns lose the member."""

    def __init__(self, wired: Wired, wanted_s: float) -> None:
        """Take the longest step up to the wanted one in which no wave crosses a cell.

        At that length free traffic in the quickest cells moves without any numerical spreading.

        Raises SimulationError when that step is too short to be meant.
        """
        roads, case = wired.roads, wired.case
        tables = {
            row: np.array(link.diagram, np.float64) / [1000.0, 3600.0]
            for row, link in enumerate(case.links)
            if link.diagram is not None
        }
        diagrams = tabulated(roads, tables)
        fastest = np.array([diagrams.fastest_mps(link) for link in range(len(roads))])
        crossed_s = roads.length_m / cells_wanted(roads, case.cell_m) / fastest
        longest_s = min(wanted_s, float(crossed_s.min()))
        self.step_s = case.horizon_s / math.ceil(case.horizon_s / longest_s - 1e-9)
        if self.step_s < SHORTEST_S:
            row = int(np.argmin(crossed_s))
            message = f"UnstableStep: links[{row}].length_m needs a step of {self.step_s:g} s"
            raise SimulationError(message)
        self.inner = CellTransmission(
            roads,
            wired.turns,
            step_s=self.step_s,
            cell_m=case.cell_m,
            diagrams=diagrams,
            density_vpm=wired.density_vpm,
            priority_vps=wired.priority_vps,
            drop_share=wired.drop_share,
            gate_node=wired.sites.gate_node,
        )

    def share_turns(self, turn_share: Floats, exit_share: Floats) -> Self:
        """Set the shares from now on."""
        self.inner.share_turns(turn_share, exit_share)
        return self

    def demand(self, vps: Floats) -> Self:
        """Set the demand from now on."""
        self.inner.demand(vps)
        return self

    def limit(self, *, in_vps: Floats, out_vps: Floats, turn_vps: Floats, node_vps: Floats) -> Self:
        """Set the capacities from now on."""
        self.inner.limit(in_vps=in_vps, out_vps=out_vps, turn_vps=turn_vps, node_vps=node_vps)
        return self

    def run(self, duration_s: float) -> Self:
        """Advance by whole steps."""
        self.inner.run(duration_s)
        return self

    @property
    def time_s(self) -> float:
        """Return the time since the start."""
        return self.inner.time_s

    @property
    def entered(self) -> Floats:
        """Return how many entered each link, (links,)."""
        return self.inner.entered[:, 0]

    @property
    def left(self) -> Floats:
        """Return how many left each link, (links,)."""
        return self.inner.left[:, 0]

    @property
    def waiting(self) -> Floats:
        """Return how many wait at each origin, (origins,)."""
        return self.inner.waiting[:, 0]

    @property
    def appeared(self) -> Floats:
        """Return how many appeared at each origin, (origins,)."""
        return self.inner.appeared[:, 0]

    @property
    def ended(self) -> Floats:
        """Return how many ended their trip behind each approach, (approaches,)."""
        return self.inner.ended[:, 0]

    @property
    def dropped(self) -> Bools:
        """Return where the capacity drop holds, (links,)."""
        return self.inner.dropped[:, 0]


@dataclass(frozen=True, slots=True)
class CellRecord:
    """The density of every cell at every step: (moments, cells)."""

    run: CellTransmission
    time_s: Floats
    density_vpm: Floats

    @property
    def diagrams(self) -> Diagrams:
        """Return the diagrams of the links."""
        return self.run.diagrams

    def at(self, link: int, time_s: float) -> Floats:
        """Return the densities of a link's cells at the step nearest to a moment."""
        row = int(np.abs(self.time_s - time_s).argmin())
        return self.density_vpm[row, self.run.cell_start[link] : self.run.cell_start[link + 1]]

    def tail_m(self, link: int, time_s: float) -> float:
        """Return where the cells that are queued up to the end of a link begin, from its start."""
        free = self.at(link, time_s) <= QUEUED_SHARE * self.diagrams.critical_vpm(link)
        rows = np.flatnonzero(free)
        return float((rows[-1] + 1 if len(rows) else 0) * self.run.cell_m[link])

    def rows(self, time_s: float) -> Iterator[tuple[int, float, float, float, float]]:
        """Yield link row, from and until (m), density (veh/m) and speed (m/s) of every cell."""
        for link, cell_m in enumerate(self.run.cell_m.tolist()):
            density = self.at(link, time_s)
            flow = self.diagrams.flow_vps(link, density[:, None])[:, 0]
            free = self.diagrams.fastest_mps(link)
            for cell, (vpm, vps) in enumerate(zip(density.tolist(), flow.tolist(), strict=True)):
                speed = min(vps / vpm, free) if vpm > 1e-9 else free
                yield link, cell * cell_m, (cell + 1) * cell_m, vpm, speed


class CellBook:
    """Takes densities down."""

    def __init__(self, run: CellRun) -> None:
        self._run = run
        self._time_s: list[float] = []
        self._density: list[Floats] = []

    def take(self) -> None:
        """Take the densities of this moment down."""
        self._time_s.append(self._run.time_s)
        self._density.append(self._run.inner.density_vpm[:, 0])

    def close(self) -> CellRecord:
        """Return the record."""
        return CellRecord(self._run.inner, np.array(self._time_s), np.array(self._density))
