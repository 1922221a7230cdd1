"""What signals cost: the mean delay at a stop line, from the plan and the flow.

Webster's uniform delay and the incremental delay of the Highway Capacity Manual (2010, ch. 18),
movement by movement, weighted by the usual turning shares. A loop before the stop line sees
vehicles that drive; the time that they stand is missing in its speeds.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

import numpy as np

from twin.columns import Floats, Ints
from twin.network.model import Junction, SingleMap

LOST_GREEN_S: Final = 3.0  # at the end of a green that does not go on in the next stage
SATURATION_VPS_LANE: Final = 0.5
LEAST_LANE_SHARE: Final = 1 / 3  # of the approach's saturation flow, for a turn that few take
STOP_S: Final = 6.0  # braking and starting again, beside standing
PERIOD_H: Final = 0.25  # of analysis
UPSTREAM_FACTOR: Final = 0.5  # k of the manual: signals that answer to nobody
LEAST_GREEN, MOST_GREEN = 0.05, 0.95
OVERFULL: Final = 1.5  # degrees of saturation above it are not believed of a free loop
_HOUR_S: Final = 3600.0


class Approaches(NamedTuple):
    """Movements with signals, (movements,) each; share adds up to 1 over a link's movements."""

    link: Ints
    green_frac: Floats
    cycle_s: Floats
    saturation_vps: Floats
    share: Floats


class Delay(NamedTuple):
    """Mean delay of a vehicle at the end of each link and its spread, (links,) s; 0 without one."""

    mean_s: Floats
    spread_s: Floats


def approaches_of(network: SingleMap) -> Approaches:
    """Read the movements of all junctions that have a plan; the first plan counts."""
    rows: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    for junction in network.junctions:
        if junction.plans:
            for link, green, cycle_s, share in _greens(network, junction):
                rows[link].append((green, cycle_s, share))
    columns = []
    for link, entries in sorted(rows.items()):
        usual = np.array([share for _, _, share in entries])
        usual = np.where(usual > 0, usual, np.nan)
        usual = np.nan_to_num(usual, nan=1.0 if np.isnan(usual).all() else 0.0)
        lanes = max(network.links[link].lanes, 1)
        full = max(lanes * SATURATION_VPS_LANE, network.links[link].capacity_vps)
        for (green, cycle_s, _), share in zip(entries, usual / usual.sum(), strict=True):
            own = full * max(float(share), LEAST_LANE_SHARE)
            columns.append((link, green, cycle_s, own, share))
    table = np.array(columns, np.float64).reshape(-1, 5)
    return Approaches(table[:, 0].astype(np.int64), *(table[:, at].copy() for at in range(1, 5)))


def _greens(network: SingleMap, junction: Junction) -> list[tuple[int, float, float, float]]:
    """Return (link, green share, cycle, usual share or 0) of every movement of one junction."""
    plan = junction.plans[0]
    stages = {stage.id: stage for stage in junction.stages}
    green_s: dict[str, float] = defaultdict(float)
    steps = plan.steps
    for at, (stage, seconds) in enumerate(steps):
        onward = stages[steps[(at + 1) % len(steps)][0]].groups
        for group in stages[stage].groups:
            green_s[group] += seconds - (0.0 if group in onward else LOST_GREEN_S)
    found = []
    for signal in junction.groups:
        green = min(max(green_s[signal.id] / plan.cycle_s, LEAST_GREEN), MOST_GREEN)
        for name in signal.movements:
            movement = network.movements[network.movement_rows[name]]
            link = network.link_rows[movement.from_link]
            found.append((link, green, plan.cycle_s, movement.share or 0.0))
    return found


def control_delay(approaches: Approaches, flow_vps: Floats) -> Delay:
    """Return the delay at the end of every link.

    flow_vps   (links,) NaN where unknown: then as if nobody else were there
    """
    green, cycle_s = approaches.green_frac, approaches.cycle_s
    flow = np.nan_to_num(flow_vps)[approaches.link] * approaches.share
    capacity = approaches.saturation_vps * green
    filled = np.minimum(flow / capacity, OVERFULL)
    red_s = (1.0 - green) * cycle_s
    stopped = np.minimum((1.0 - green) / (1.0 - np.minimum(filled, 1.0) * green), 1.0)
    uniform = 0.5 * red_s * stopped
    per_period = capacity * PERIOD_H * _HOUR_S
    over = filled - 1.0
    incremental = (
        _HOUR_S
        / 4
        * PERIOD_H
        * (over + np.sqrt(over**2 + 8 * UPSTREAM_FACTOR * filled / per_period))
    )
    mean_s = uniform + incremental + STOP_S * stopped
    # Who meets red waits anything from nothing to all of it.
    square = stopped * red_s**2 / 3.0 + incremental**2 + mean_s**2 - uniform**2
    links = len(flow_vps)
    mean, second = np.zeros(links), np.zeros(links)
    np.add.at(mean, approaches.link, approaches.share * mean_s)
    np.add.at(second, approaches.link, approaches.share * square)
    return Delay(mean, np.sqrt(np.maximum(second - mean**2, 0.0)))
