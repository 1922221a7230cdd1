"""The network diagram (macroscopic fundamental diagram): accumulation against production.

After Geroliminis and Daganzo (2008): one point an interval, of the vehicles inside and the distance
they drive in an hour, for the whole network and for its motorways and streets apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.columns import Bools, Floats
from twin.network.model import LinkClass
from twin.scenario.outcome import LinkTable
from twin.scenario.results.intervals import LinkIntervals
from twin.units import HOUR_S, KM_M

_FAST = (LinkClass.MOTORWAY, LinkClass.RAMP)


@dataclass(frozen=True, slots=True)
class NetworkDiagram:
    """One curve, (I,): vehicles inside, and vehicle kilometres an hour."""

    part: str
    accumulation_veh: Floats
    production_vkmph: Floats


def network_diagrams(links: LinkTable, intervals: LinkIntervals) -> tuple[NetworkDiagram, ...]:
    """Return the curves of all links, of motorways with their ramps, and of all other streets."""
    fast = np.array([kind in _FAST for kind in links.kind], np.bool_)
    every = np.ones(len(links), np.bool_)
    parts = (("network", every), ("motorways", fast), ("streets", ~fast))
    return tuple(_diagram(name, mask, links, intervals) for name, mask in parts if mask.any())


def _diagram(part: str, mask: Bools, links: LinkTable, intervals: LinkIntervals) -> NetworkDiagram:
    inside = (intervals.density_vpm * links.length_m)[:, mask].sum(axis=1)
    hours = (intervals.until_s - intervals.from_s) / HOUR_S
    driven_km = intervals.distance_m[:, mask].sum(axis=1, dtype=np.float64) / KM_M
    return NetworkDiagram(part, np.asarray(inside, np.float64), driven_km / hours)
