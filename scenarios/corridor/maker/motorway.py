"""The traffic of one carriageway: a cell transmission model with ramps, a narrow place, a crash.

Every cell has a triangular diagram. Time steps of 2 s; what is recorded are means of a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from maker.demand import MINUTES, Floats
from twin.network.model import Link

STEP_S = 2.0
_STEPS_A_MINUTE = 30
WAVE_MPS = 18.0 / 3.6
_DROP_SHARE = 0.05  # a queue discharges so much less than capacity
_RAMP_PRIORITY = 0.30  # of the room that a full merge offers
_RAMP_CAPACITY_VPS = 1_900.0 / 3600.0
_SLOWDOWN = 0.13  # free speed lost between an empty road and capacity


@dataclass(frozen=True, slots=True)
class Closure:
    """Capacity taken away at a cell: minutes of the day [start, end) and the share that is left."""

    cell: int
    start_min: float
    end_min: float
    share: float


@dataclass(slots=True)
class Road:
    """One carriageway cut into cells, upstream first. Capacities are for all lanes, veh/s."""

    link: list[int]  # row in `links` of each cell
    links: list[Link]
    cell_m: Floats
    lanes: Floats
    free_mps: Floats
    capacity_vps: Floats
    on_ramps: dict[int, str] = field(default_factory=dict)  # cell entered -> link id
    off_ramps: dict[int, str] = field(default_factory=dict)  # cell entered by those who stay

    @property
    def jam_vpm(self) -> Floats:
        """Return the jam density of each cell, veh/m over all lanes."""
        lane_vps = 2000.0 / 3600.0
        return self.lanes * (lane_vps / self.free_mps + lane_vps / WAVE_MPS)

    def cell_at(self, link: str, position_m: float) -> int:
        """Return the cell that holds a place on a link."""
        row = next(row for row, found in enumerate(self.links) if found.id == link)
        cells = [cell for cell, owner in enumerate(self.link) if owner == row]
        return cells[min(int(position_m / self.cell_m[cells[0]]), len(cells) - 1)]


@dataclass(frozen=True, slots=True)
class RoadDay:
    """What happened on a carriageway, means of a minute: (1440, cells) and (1440,) per ramp."""

    flow_vps: Floats
    density_vpm: Floats
    speed_mps: Floats
    ramp_flow_vps: dict[str, Floats]
    ramp_queue: dict[str, Floats]


def cut(links: list[Link], ramps: list[Link]) -> Road:
    """Cut the links of a carriageway into cells that a free vehicle needs one step to pass."""
    link: list[int] = []
    cell_m: list[float] = []
    lanes: list[float] = []
    speed: list[float] = []
    capacity: list[float] = []
    first: dict[str, int] = {}
    for row, one in enumerate(links):
        count = int(one.length_m / (one.free_speed_mps * STEP_S))
        first[one.from_node] = len(link)
        link += [row] * count
        cell_m += [one.length_m / count] * count
        lanes += [float(one.lanes)] * count
        speed += [one.free_speed_mps] * count
        capacity += [one.capacity_vps] * count
    road = Road(link, links, np.array(cell_m), np.array(lanes), np.array(speed), np.array(capacity))
    for ramp in ramps:
        if ramp.to_node in first:
            road.on_ramps[first[ramp.to_node]] = ramp.id
        else:
            road.off_ramps[first[ramp.from_node]] = ramp.id
    return road


@dataclass(slots=True)
class _State:
    density: Floats
    ramp_queue: Floats
    origin_queue: float = 0.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """Demand of one day: entering at the start, per on-ramp (1440,), and shares that leave."""

    start_vps: Floats
    on_vps: dict[str, Floats]
    off_share: dict[str, Floats]


def drive(
    road: Road, wishes: Wishes, *, closures: tuple[Closure, ...], restless: Floats
) -> RoadDay:
    """Run a day. `restless` (1440, cells) multiplies what each cell can discharge."""
    cells = len(road.cell_m)
    on_at = np.array(list(road.on_ramps), dtype=np.int64)
    on_names = list(road.on_ramps.values())
    off_at = np.array(list(road.off_ramps), dtype=np.int64)
    off_names = list(road.off_ramps.values())
    state = _State(np.zeros(cells), np.zeros(len(on_at)))
    flow, density = np.zeros((MINUTES, cells)), np.zeros((MINUTES, cells))
    on_flow, off_flow = np.zeros((MINUTES, len(on_at))), np.zeros((MINUTES, len(off_at)))
    queue = np.zeros((MINUTES, len(on_at)))
    for minute in range(MINUTES):
        limit = road.capacity_vps * restless[minute]
        for closure in closures:
            if closure.start_min <= minute < closure.end_min:
                limit[closure.cell] = road.capacity_vps[closure.cell] * closure.share
        demand_on = np.array([wishes.on_vps[name][minute] for name in on_names])
        leave = np.array([wishes.off_share[name][minute] for name in off_names])
        for _ in range(_STEPS_A_MINUTE):
            out, entered, left = _step(
                road, state, limit, wishes.start_vps[minute], (on_at, demand_on), (off_at, leave)
            )
            flow[minute] += out
            density[minute] += state.density
            on_flow[minute] += entered
            off_flow[minute] += left
        queue[minute] = state.ramp_queue
    flow, density = flow / _STEPS_A_MINUTE, density / _STEPS_A_MINUTE
    return RoadDay(
        flow_vps=flow,
        density_vpm=density,
        speed_mps=_speed(road, flow, density),
        ramp_flow_vps={
            **{name: on_flow[:, row] / _STEPS_A_MINUTE for row, name in enumerate(on_names)},
            **{name: off_flow[:, row] / _STEPS_A_MINUTE for row, name in enumerate(off_names)},
        },
        ramp_queue={name: queue[:, row] for row, name in enumerate(on_names)},
    )


def _step(
    road: Road,
    state: _State,
    limit: Floats,
    demand_vps: float,
    on: tuple[np.ndarray, Floats],
    off: tuple[np.ndarray, Floats],
) -> tuple[Floats, Floats, Floats]:
    k = state.density
    queued = k > 1.25 * road.capacity_vps / road.free_mps
    send = np.minimum(road.free_mps * k, limit)
    receive = np.minimum(limit, WAVE_MPS * (road.jam_vpm - k))
    on_at, on_vps = on
    receive[on_at] *= np.where(queued[on_at - 1] & ~queued[on_at], 1.0 - _DROP_SHARE, 1.0)
    off_at, leave = off
    stay = np.ones(len(k) + 1)
    stay[off_at] = 1.0 - leave
    room = np.append(receive, np.inf)
    wish = np.append(min(demand_vps + state.origin_queue / STEP_S, limit[0]), send) * stay
    want_on = np.minimum(on_vps + state.ramp_queue / STEP_S, _RAMP_CAPACITY_VPS)
    full = wish[on_at] + want_on > room[on_at]
    share = np.maximum(room[on_at] - wish[on_at], _RAMP_PRIORITY * room[on_at])
    entered = np.where(full, np.minimum(want_on, share), want_on)
    room[on_at] -= entered
    moved = np.minimum(wish, room)  # onto each cell from the one before, last: out of the road
    out = moved[1:] / stay[1:]
    first_out = moved[0]
    inflow = moved[:-1].copy()
    inflow[on_at] += entered
    state.density = np.maximum(k + (inflow - out) * STEP_S / road.cell_m, 0.0)
    state.ramp_queue = np.maximum(state.ramp_queue + (on_vps - entered) * STEP_S, 0.0)
    state.origin_queue = max(state.origin_queue + (demand_vps - first_out) * STEP_S, 0.0)
    left = out[off_at - 1] * leave
    return out, entered, left


def _speed(road: Road, flow: Floats, density: Floats) -> Floats:
    critical = road.capacity_vps / road.free_mps
    ease = 1.0 - _SLOWDOWN * np.minimum(density / critical, 1.0) ** 2
    moving = np.where(density > 1e-6, flow / np.maximum(density, 1e-6), road.free_mps)
    return np.minimum(np.minimum(moving, road.free_mps) * ease * 1.04, road.free_mps * 1.06)
