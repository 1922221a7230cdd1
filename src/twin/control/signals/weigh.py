"""How much each stage of a junction is worth just now, by the best that the detectors can tell.

With short-period loops at all its stop lines: vehicles served a second (`serve.py`). Without:
pressure from the density of the links (`pressure.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from twin.columns import Floats, ReadingBatch
from twin.control.signals.choose import Shown
from twin.control.signals.layout import JunctionLayout, downstream_factor, turning_shares
from twin.control.signals.loops import Loops
from twin.control.signals.memory import LoopMemory
from twin.control.signals.pressure import stage_pressures, vehicle_counts
from twin.control.signals.queues import blocked, exit_loops, lanes_of, moving, urgency, waiting
from twin.control.signals.serve import serving_stage
from twin.events import SignalStatus
from twin.network.model import SingleMap
from twin.perceive.state import LinkState


@dataclass(frozen=True, slots=True)
class Weight:
    """What the stages are worth: values (stages,) in `unit`, and who waits, vehicles.

    `preferred` is the stage to show by the loops, None where only the pressures speak.
    """

    name: str
    unit: str
    values: Floats
    vehicles: float
    preferred: int | None = None


class Weigher:
    """Weighs the stages of the junctions of one map."""

    def __init__(self, network: SingleMap, layouts: Iterable[JunctionLayout]) -> None:
        """Look where the loops are."""
        self._factor = downstream_factor(network, turning_shares(network))
        self._length_m = np.array([link.length_m for link in network.links], np.float64)
        self._loops = Loops(network)
        found = {one.junction.id: lanes_of(one, network, self._loops) for one in layouts}
        self._lanes = {name: lanes for name, lanes in found.items() if lanes is not None}
        self._exits = {
            name: exit_loops(lanes, network, self._loops) for name, lanes in self._lanes.items()
        }

    def observe(self, batch: ReadingBatch) -> None:
        """Take in what the loops counted."""
        self._loops.observe(batch)

    def memory(self) -> LoopMemory:
        """Return a copy of what the loops counted."""
        return self._loops.memory()

    def restore(self, memory: LoopMemory) -> None:
        """Go on where `memory` was taken."""
        self._loops.restore(memory)

    def weigh(
        self,
        layout: JunctionLayout,
        links: LinkState,
        *,
        shown: Shown,
        status: SignalStatus,
        now_us: int,
    ) -> Weight:
        """Return what every stage of a junction is worth now."""
        served = self._served(layout, shown=shown, status=status, now_us=now_us)
        if served is not None:
            return served
        count = vehicle_counts(links.density_vpm, self._length_m)
        values = stage_pressures(layout, count, self._factor)
        return Weight("pressure", "veh²/s", values, float(count[layout.approaches].sum()))

    def _served(
        self, layout: JunctionLayout, *, shown: Shown, status: SignalStatus, now_us: int
    ) -> Weight | None:
        name = layout.junction.id
        lanes = self._lanes.get(name)
        if lanes is None:
            return None
        green_vps = lanes.rate_vps[shown.stage] * (0.0 if status.changing else 1.0)
        there = waiting(lanes, self._loops, green_vps=green_vps, now_us=now_us)
        if there is None:
            return None
        rate_vps = lanes.rate_vps * blocked(lanes, self._exits[name], self._loops, now_us)
        rate_vps[shown.stage] *= moving(lanes, self._loops, since_us=shown.since_us)
        weight = urgency(lanes, self._loops)
        best, rates = serving_stage(layout, shown.stage, there, rate_vps, weight=weight)
        return Weight("service", "veh/s", rates, float(there.sum()), best)
